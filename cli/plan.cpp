// SPDX-License-Identifier: Apache-2.0
// laconic plan: how long a step would take with which method.
#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cli/commands.hpp"
#include "cli/output.hpp"
#include "cli/session.hpp"
#include "cli/step_table.hpp"
#include "laconic/aggregate/aggregator.hpp"
#include "laconic/base/error.hpp"
#include "laconic/comm/transports.hpp"
#include "laconic/experiment/step_report.hpp"

namespace laconic::cli {
namespace {

using experiment::Network;
using experiment::PlannedMethod;
using experiment::Precision;
using experiment::StepLoad;
using experiment::StepReport;

// Where nobody says otherwise: of a switched network.
constexpr double kUsualLatencySeconds = 1e-4;

struct PlanArguments {
  Source source = {};
  std::string tensors = {};
  std::optional<std::uint32_t> workers = {};
  std::string bandwidth = {};
  std::string latency = {};
  std::string gradient = {};
  std::vector<std::string> methods = {};
  std::optional<double> slowdown = {};
  double seconds = 0.5;
  std::uint32_t verify = 0;
  bool json = false;
};

// What is asked for, from the configuration and the command line.
struct Request {
  std::vector<Tensor> tensors = {};
  Precision precision = Precision::kFloat;
  std::uint32_t workers = 0;              // 0: nobody said
  std::vector<std::string> methods = {};  // none: the usual ones
  std::optional<double> bandwidth = {};
  std::optional<double> latency = {};
  double gradient_seconds = 0;
};

// With one shard per worker, which is not the default up to four: a single server would be the
// bottleneck on a slow network.
std::vector<std::string> usual_methods(std::uint32_t workers) {
  const std::string shards = fmt::format("shards={}", workers);
  return {"dense:" + shards,
          "dense:sum=fast",
          "dense:wire=bf16," + shards,
          "vote:beta=0.9," + shards,
          "ef:" + shards + ":sign",
          "mirror:down=(ef21:topk:k=0.01):ef21:topk:k=0.01",
          "quantized:down=quantized," + shards + ":qsgd",
          "lowrank:rank=4"};
}

void read_configuration(const PlanArguments& options, Request& request) {
  const Checked checked = check(options.source);
  if (experiment::has_errors(checked.diagnostics)) {
    std::string text;
    for (const experiment::Diagnostic& one : checked.diagnostics) {
      if (one.severity == experiment::Severity::kError)
        text += (text.empty() ? "" : "\n") + text_of(one);
    }
    throw ConfigError(text);
  }
  const experiment::Experiment experiment(checked.plan);
  const experiment::Plan& plan = experiment.plan();
  request.precision = plan.precision;
  request.workers = plan.methods.front().workers;
  const auto take = [&](const auto& problem) {
    const auto tensors = problem->layout().tensors();
    request.tensors.assign(tensors.begin(), tensors.end());
  };
  if (plan.precision == Precision::kFloat) {
    take(experiment.problem<float>(request.workers, plan.seed));
  } else {
    take(experiment.problem<double>(request.workers, plan.seed));
  }
  if (options.gradient.empty()) {
    request.gradient_seconds = plan.precision == Precision::kFloat
                                   ? experiment::measure_gradient<float>(experiment)
                                   : experiment::measure_gradient<double>(experiment);
  }
  for (const experiment::MethodPlan& method : plan.methods) {
    const std::string spec = print(method.aggregator);
    if (std::find(request.methods.begin(), request.methods.end(), spec) == request.methods.end())
      request.methods.push_back(spec);
  }
  if (plan.network) {
    request.bandwidth = plan.network->bandwidth_bits_per_second;
    request.latency = plan.network->latency_seconds;
  }
}

Request request_of(const PlanArguments& options) {
  if (options.source.file.empty() == options.tensors.empty()) {
    throw ConfigError(
        "plan: which model? Give a configuration, or the shapes of its tensors, e.g. "
        "--tensors 784x1024,1024,1024x10,10");
  }
  Request out;
  if (options.tensors.empty()) {
    read_configuration(options, out);
  } else {
    if (!options.source.settings.empty())
      throw ConfigError("--set changes a configuration; with --tensors there is none");
    out.tensors = experiment::parse_tensors(options.tensors).value_or_throw();
  }
  if (options.workers) out.workers = *options.workers;
  if (!options.bandwidth.empty())
    out.bandwidth = experiment::parse_bandwidth(options.bandwidth).value_or_throw();
  if (!options.latency.empty())
    out.latency = experiment::parse_seconds(options.latency).value_or_throw();
  if (!options.gradient.empty())
    out.gradient_seconds = experiment::parse_seconds(options.gradient).value_or_throw();
  if (!options.methods.empty()) out.methods = options.methods;
  for (const std::string& method : out.methods) static_cast<void>(canonical_aggregator(method));
  return out;
}

// Bytes that can be had without swapping; nothing where the system does not say.
std::optional<double> free_memory() {
  std::ifstream in("/proc/meminfo");
  for (std::string key; in >> key; in.ignore(256, '\n')) {
    double kibibytes = 0;
    if (key == "MemAvailable:" && in >> kibibytes) return kibibytes * 1024;
  }
  return std::nullopt;
}

std::size_t numbers_of(const Request& request) {
  std::size_t out = 0;
  for (const Tensor& tensor : request.tensors) out += tensor.shape.size();
  return out;
}

// All workers are simulated here, each with its gradients, its messages and what its method
// remembers.
void check_memory(const Request& request, std::size_t number_bytes) {
  constexpr double kVectors = 12;  // per worker; most methods keep fewer
  const double needed =
      kVectors * static_cast<double>(numbers_of(request) * number_bytes) * request.workers;
  const auto free = free_memory();
  if (!free || needed <= *free) return;
  throw ConfigError(fmt::format(
      "plan: {} workers with {} numbers each take about {} on this machine, where {} are free; "
      "give fewer --workers",
      request.workers, numbers_of(request), bytes_text(needed), bytes_text(*free)));
}

// What only a job of several ranks can know.
struct Ranks {
  std::optional<Network> network = {};
  double slowdown = 1;
  std::vector<std::optional<experiment::TimedSteps>> measured = {};  // by method
};

template <Real T>
void measure_between_ranks(const PlanArguments& options, const Request& request, Communicator& comm,
                           Ranks& ranks) {
  if (!request.bandwidth || !request.latency) ranks.network = experiment::measure_network(comm);
  if (!options.slowdown) ranks.slowdown = experiment::measure_slowdown(comm);
  ranks.measured.assign(request.methods.size(), std::nullopt);
  if (options.verify == 0) return;
  for (std::size_t m = 0; m < request.methods.size(); ++m) {
    try {
      ranks.measured[m] = experiment::time_steps<T>(request.tensors,
                                                    {.aggregator = request.methods[m],
                                                     .steps = options.verify,
                                                     .gradient_seconds = request.gradient_seconds},
                                                    comm);
    } catch (const ConfigError&) {
      // The same on all ranks; said when the codec is measured.
    }
  }
}

StepReport report_of(const PlanArguments& options, const Request& request, const Ranks& ranks) {
  StepReport out;
  out.workers = request.workers;
  out.tensors = request.tensors.size();
  out.numbers = numbers_of(request);
  out.number_bytes = request.precision == Precision::kFloat ? sizeof(float) : sizeof(double);
  out.network_measured = !request.bandwidth;
  const double measured_latency =
      ranks.network ? ranks.network->latency_seconds : kUsualLatencySeconds;
  out.conditions = {
      .network = {request.bandwidth ? *request.bandwidth : ranks.network->bandwidth_bits_per_second,
                  request.latency.value_or(measured_latency)},
      .bytes_per_byte = request.bandwidth ? experiment::kLinkBytesPerByte : 1,
      .gradient_seconds = request.gradient_seconds,
      .codec_slowdown = options.slowdown.value_or(ranks.slowdown)};
  return out;
}

template <Real T>
StepReport measure(const PlanArguments& options, const Request& request, const Ranks& ranks) {
  StepReport out = report_of(options, request, ranks);
  check_memory(request, out.number_bytes);
  const auto load_of = [&](const std::string& aggregator) {
    return experiment::measure_step<T>(
        request.tensors,
        {.aggregator = aggregator, .workers = request.workers, .seconds = options.seconds});
  };
  // The yardstick: uncompressed, without a bottleneck.
  const std::string yardstick = fmt::format("dense:shards={}", request.workers);
  std::optional<StepLoad> dense;
  for (std::size_t m = 0; m < request.methods.size(); ++m) {
    const std::string& aggregator = request.methods[m];
    try {
      PlannedMethod method = {.aggregator = aggregator, .load = load_of(aggregator)};
      if (m < ranks.measured.size()) method.measured = ranks.measured[m];
      if (aggregator == yardstick) dense = method.load;
      out.methods.push_back(std::move(method));
    } catch (const ConfigError& e) {
      out.refused.push_back({.aggregator = aggregator, .why = e.what()});
    }
  }
  if (!dense) dense = load_of(yardstick);
  experiment::predict(out, *dense);
  return out;
}

int show(const PlanArguments& options, const Request& request, const Ranks& ranks) {
  const StepReport report = request.precision == Precision::kFloat
                                ? measure<float>(options, request, ranks)
                                : measure<double>(options, request, ranks);
  print_out(options.json ? experiment::step_json(report) + '\n' : step_table(report));
  if (!report.methods.empty()) return kDone;
  print_errors("plan: no method suits this model");
  return kBadInput;
}

// The ranks measure the network and real steps; then the first one goes on alone, so that the
// codecs have the machine for themselves.
int plan_under_mpi(const PlanArguments& options) {
  Ranks ranks;
  std::optional<Request> request;
  bool first = true;
  const auto body = [&](Communicator& comm) {
    first = comm.rank() == 0;
    request = request_of(options);  // throws the same everywhere: all ranks are given the same
    if (options.workers && *options.workers != comm.size()) {
      throw ConfigError(fmt::format("plan: --workers {} and {} MPI processes; leave out --workers",
                                    *options.workers, comm.size()));
    }
    request->workers = comm.size();
    if (request->methods.empty()) request->methods = usual_methods(comm.size());
    if (request->precision == Precision::kFloat) {
      measure_between_ranks<float>(options, *request, comm, ranks);
    } else {
      measure_between_ranks<double>(options, *request, comm, ranks);
    }
  };
  try {
    run_on_mpi(body, [](std::string_view why) { print_errors(why); });
  } catch (const ConfigError& e) {  // the same on all ranks
    if (first) print_errors(e.what());
    return kBadInput;
  }
  return first ? show(options, *request, ranks) : kDone;
}

int plan(const PlanArguments& options) {
  if (started_by_mpi()) return plan_under_mpi(options);
  if (options.verify > 0) {
    throw ConfigError(
        "--verify times real steps between MPI processes; start it with mpirun (on one machine: "
        "tools/netlab)");
  }
  Request request = request_of(options);
  if (request.workers == 0) throw ConfigError("plan: how many workers? Give --workers N");
  if (!request.bandwidth) {
    throw ConfigError(
        "plan: how fast is the network? Give --bandwidth 1Gbit/s, or [network] in the "
        "configuration, or start with mpirun to have it measured");
  }
  if (request.methods.empty()) request.methods = usual_methods(request.workers);
  return show(options, request, {});
}

}  // namespace

void add_plan(CLI::App& app, Action& chosen) {
  auto options = std::make_shared<PlanArguments>();  // lives as long as the application's callbacks
  CLI::App* command = app.add_subcommand(
      "plan", "Predict how long a training step takes with which method (docs/plan.md)");
  command->add_option("FILE", options->source.file,
                      "Configuration whose model, methods, workers and network are meant");
  command->add_option("--set", options->source.settings, "Change a setting, as in laconic run")
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false)
      ->take_all();
  command
      ->add_option("--tensors", options->tensors,
                   "A model by its shapes: 784x1024,1024,1024x10,10; 3*64x64 stands for three")
      ->type_name("SHAPES");
  command->add_option("--workers", options->workers, "Number of workers; under mpirun its ranks")
      ->type_name("N")
      ->check(CLI::Range(1U, 1024U));
  command
      ->add_option("--bandwidth", options->bandwidth,
                   "Of a worker's link; under mpirun default: measured")
      ->type_name("RATE");
  command
      ->add_option("--latency", options->latency,
                   "Of a message; default 0.1ms, under mpirun measured")
      ->type_name("TIME");
  command
      ->add_option("--gradient", options->gradient,
                   "Time of a worker's gradient; default: measured, with --tensors 0s")
      ->type_name("TIME");
  command
      ->add_option("--method", options->methods,
                   "Aggregator to consider, once for each; default: those of the "
                   "configuration, with --tensors a selection")
      ->type_name("SPEC")
      ->allow_extra_args(false)
      ->take_all();
  command
      ->add_option("--slowdown", options->slowdown,
                   "Factor on the time of codecs, e.g. of workers that share cores; default 1, "
                   "under mpirun measured")
      ->type_name("X")
      ->check(CLI::Range(0.01, 1000.0));
  command->add_option("--seconds", options->seconds, "How long to measure each method; default 0.5")
      ->type_name("S")
      ->check(CLI::Range(0.01, 600.0));
  command
      ->add_option("--verify", options->verify,
                   "Under mpirun: time so many real steps of each method, too")
      ->type_name("STEPS")
      ->check(CLI::Range(1U, 100000U));
  command->add_flag("--json", options->json, "Print one line of JSON and nothing else");
  command->callback([options, &chosen] { chosen = [options] { return plan(*options); }; });
}

}  // namespace laconic::cli
