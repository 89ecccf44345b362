// SPDX-License-Identifier: Apache-2.0
// laconic run: trains, on threads of this process or as one of several MPI processes.
#include "laconic/experiment/run.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <thread>

#include "cli/commands.hpp"
#include "cli/heat_map.hpp"
#include "cli/output.hpp"
#include "cli/progress.hpp"
#include "cli/ranking.hpp"
#include "cli/session.hpp"
#include "cli/stop_signal.hpp"
#include "cli/sweep_progress.hpp"
#include "cli/terminal.hpp"
#include "laconic/base/error.hpp"
#include "laconic/comm/transports.hpp"
#include "laconic/experiment/model_file.hpp"
#include "laconic/experiment/records.hpp"
#include "laconic/experiment/run_sweep.hpp"
#include "laconic/experiment/sweep_records.hpp"
#include "laconic/report/page.hpp"

namespace laconic::cli {
namespace {

using experiment::Experiment;
using experiment::Plan;
using experiment::RecordFile;
using experiment::Summary;
using experiment::SweepOutcome;

struct RunArguments {
  Source source = {};
  std::string out = {};
  std::optional<std::uint64_t> seed = {};
  std::optional<std::uint32_t> ranks = {};
  bool save_model = false;
  bool force = false;
  bool quiet = false;
  bool json = false;
  std::string meter = "paper";
};

ShownMeter meter_of(const RunArguments& options) {
  if (options.meter == "wire") return ShownMeter::kWire;
  return options.meter == "frame" ? ShownMeter::kFrame : ShownMeter::kPaper;
}

std::uint32_t default_ranks(const Plan& plan) {
  return std::min(experiment::fewest_workers(plan),
                  std::max(1U, std::thread::hardware_concurrency()));
}

std::filesystem::path folder_of(const RunArguments& options, const Plan& plan) {
  return options.out.empty() ? std::filesystem::path("out") / plan.name
                             : std::filesystem::path(options.out);
}

// A word as a POSIX shell takes it.
std::string shell_word(const std::string& word) {
  const bool plain = !word.empty() && std::all_of(word.begin(), word.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("-_./=:,+").find(c) != std::string_view::npos;
  });
  if (plain) return word;
  std::string out = "'";
  for (const char c : word) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

// What makes the run again, from the same folder. That the seed is one of the settings has been
// seen to.
std::string command_of(const RunArguments& options, std::uint32_t mpi_ranks = 0) {
  std::string out = mpi_ranks > 0 ? fmt::format("mpirun -n {} ", mpi_ranks) : std::string();
  out += "laconic run " + shell_word(options.source.file);
  for (const std::string& setting : options.source.settings) out += " --set " + shell_word(setting);
  if (options.ranks) out += fmt::format(" --ranks {}", *options.ranks);
  if (options.save_model) out += " --save-model";
  if (!options.out.empty()) out += " --out " + shell_word(options.out);
  return out;
}

// Empty if models can be saved, or nobody wants to.
std::string model_problem(const RunArguments& options, const Plan& plan) {
  if (!options.save_model || experiment::can_save(plan)) return {};
  return fmt::format(
      "--save-model: problem '{}' makes no predictions; leave it out, or use logistic, "
      "softmax or mlp",
      plan.problem.name);
}

// Empty if that many ranks can run the plan.
std::string ranks_problem(std::uint32_t ranks, const Plan& plan, std::string_view option) {
  const std::uint32_t most = experiment::fewest_workers(plan);
  if (ranks <= most) return {};
  return fmt::format("{}: {} ranks are more than the {} workers; use at most {}", option, ranks,
                     most, most);
}

// A page of an earlier run does not stand beside the records of this one.
void remove_page(const std::filesystem::path& folder) {
  std::error_code code;
  std::filesystem::remove(folder / "report.html", code);
}

// What is shown and written on rank 0. Under mpirun the terminal is none: mpirun puts a
// pseudo-terminal in front of every process, even when its own output goes to a file.
class Front {
 public:
  // The experiment outlives it.
  Front(const RunArguments& options, const Experiment& experiment,
        const experiment::RunFacts& facts, const Terminal& terminal)
      : options_(options),
        folder_(folder_of(options, experiment.plan())),
        file_(folder_, experiment.plan(), facts),
        models_(options.save_model
                    ? std::make_unique<experiment::ModelFolder>(
                          folder_ / "models", experiment.plan(), experiment.dataset())
                    : make_silence()),
        progress_(options.quiet || options.json ? make_silence()
                                                : make_progress(terminal, experiment.plan())),
        files_(file_, *models_),
        observer_(files_, *progress_) {
    remove_page(folder_);
  }

  [[nodiscard]] experiment::Observer& observer() { return observer_; }

  void finish(const Plan& plan, const Summary& summary, const SweepOutcome* sweep = nullptr) {
    progress_.reset();  // the live table is complete before anything follows it
    file_.write_summary(summary, sweep);
    static_cast<void>(report::write_report(folder_));  // what was written this moment can be read
    if (options_.json) {
      print_out(summary_json(plan, summary, sweep));
      return;
    }
    if (summary.methods.empty()) return;  // a sweep that was interrupted
    print_out((options_.quiet ? "" : "\n") + ranking_text(summary, meter_of(options_)));
    if (!options_.quiet) {
      print_out(fmt::format("records: {}\n", (folder_ / "records.jsonl").string()));
      print_out(fmt::format("report: {}\n", (folder_ / "report.html").string()));
      if (options_.save_model)
        print_out(fmt::format("models: {}\n", (folder_ / "models").string()));
    }
  }

 private:
  const RunArguments& options_;
  std::filesystem::path folder_;
  RecordFile file_;
  std::unique_ptr<experiment::Observer> models_;
  std::unique_ptr<experiment::Observer> progress_;
  Both files_;
  Both observer_;
};

int exit_code(const Summary& summary) {
  if (summary.interrupted) {
    print_errors("interrupted; what was done so far is written");
    return kInterrupted;
  }
  if (experiment::has_failed(summary)) {
    print_errors("a method diverged; a smaller step may help, allow_divergence = true accepts it");
    return kFailure;
  }
  return kDone;
}

// One rank's part. `front` is null on all ranks but 0.
Summary run_rank(const Experiment& experiment, Communicator& comm, Front* front) {
  const auto silence = make_silence();
  return experiment::run(experiment, comm, front != nullptr ? front->observer() : *silence);
}

// The best cells of a sweep, trained once more for their records. After Ctrl-C there are no
// records.
Summary run_best(const Experiment& experiment, std::uint32_t threads, const SweepOutcome& sweep,
                 Front& front) {
  Summary summary;
  if (sweep.interrupted) {
    const Plan& plan = experiment.plan();
    summary.name = plan.name;
    summary.seed = plan.seed;
    summary.repeats = plan.repeats;
    summary.network = plan.network;
    summary.interrupted = true;
    return summary;
  }
  run_on_threads(
      std::min(threads, experiment::fewest_workers(experiment.plan())),
      [&](Communicator& comm) {
        const bool first = comm.rank() == 0;
        Summary result = run_rank(experiment, comm, first ? &front : nullptr);
        if (first) summary = std::move(result);
      },
      &stop_wanted());
  return summary;
}

// Says what was found, in the order of the methods.
std::string sweep_text(const Plan& plan, const SweepOutcome& sweep) {
  std::string out;
  for (const experiment::HeatMap& map : heat_maps(*plan.sweep, sweep.best)) {
    out += heat_map_text(map, plan.sweep->sweep.criterion) + "\n";
  }
  std::size_t losing = 0;
  for (const experiment::BestCell& best : sweep.best) losing += best.cell ? 0 : 1;
  if (losing > 0) {
    out += fmt::format("{} of {} combinations have no cell with a {}; cells.jsonl says why\n",
                       losing, sweep.best.size(), criterion_name(plan.sweep->sweep.criterion));
  }
  return out;
}

int run_sweep_here(const RunArguments& options, const Plan& plan) {
  const std::uint32_t threads =
      options.ranks.value_or(std::max(1U, std::thread::hardware_concurrency()));
  const std::string output = experiment::output_problem(folder_of(options, plan), options.force);
  const std::string model = model_problem(options, plan);
  if (!output.empty()) print_errors(output);
  if (!model.empty()) print_errors(model);
  if (!output.empty() || !model.empty()) return kBadInput;
  Experiment experiment(plan);
  experiment::check_cells(experiment);
  listen_to_signals();
  const bool silent = options.quiet || options.json;
  const Terminal terminal = terminal_of_stdout();
  const experiment::RunFacts facts = {threads, "threads", command_of(options)};
  remove_page(folder_of(options, plan));
  experiment::CellFile file(folder_of(options, plan), plan, header_json(plan, facts));
  SweepProgress progress(file, terminal, silent);
  const SweepOutcome sweep = run_sweep(experiment, threads, progress, stop_wanted());
  file.write_heat_maps(heat_maps(*plan.sweep, sweep.best));
  if (!options.json) print_out((silent ? "" : "\n") + sweep_text(plan, sweep));
  experiment.replace_methods(sweep.interrupted ? std::vector<experiment::MethodPlan>()
                                               : methods_of(*plan.sweep, sweep.best));
  std::optional<Front> front;
  front.emplace(options, experiment, facts, terminal);
  const Summary summary = run_best(experiment, threads, sweep, *front);
  front->finish(experiment.plan(), summary, &sweep);
  return exit_code(summary);
}

int run_on_threads_here(const RunArguments& options, const Plan& plan) {
  const std::uint32_t ranks = options.ranks.value_or(default_ranks(plan));
  const std::string problem = ranks_problem(ranks, plan, "--ranks");
  const std::string output = experiment::output_problem(folder_of(options, plan), options.force);
  const std::string model = model_problem(options, plan);
  if (!problem.empty()) print_errors(problem);
  if (!output.empty()) print_errors(output);
  if (!model.empty()) print_errors(model);
  if (!problem.empty() || !output.empty() || !model.empty()) return kBadInput;

  const Experiment experiment(plan);
  listen_to_signals();
  std::optional<Summary> summary;
  std::optional<Front> front;
  front.emplace(options, experiment, experiment::RunFacts{ranks, "threads", command_of(options)},
                terminal_of_stdout());
  run_on_threads(
      ranks,
      [&](Communicator& comm) {
        const bool first = comm.rank() == 0;
        Summary result = run_rank(experiment, comm, first ? &*front : nullptr);
        if (first) summary = std::move(result);
      },
      &stop_wanted());
  front->finish(experiment.plan(), *summary);
  return exit_code(*summary);
}

// The text of the first rank that has one, the same on all ranks.
std::string first_problem(Communicator& comm, std::uint32_t phase, std::string_view mine) {
  Gathered all;
  comm.all_gather({0, phase}, std::as_bytes(std::span(mine)), all);
  for (std::uint32_t rank = 0; rank < comm.size(); ++rank) {
    const auto part = all.part(rank);
    if (part.empty()) continue;
    std::string text(part.size(), '\0');
    std::transform(part.begin(), part.end(), text.begin(),
                   [](std::byte b) { return static_cast<char>(b); });
    return text;
  }
  return {};
}

// Runs `work` and turns what a user can cause into text.
template <class Work>
std::string problem_of(Work work) {
  try {
    return work();
  } catch (const ConfigError& e) {
    return e.what();
  }
}

// All ranks go on, or all throw the same ConfigError.
template <class Work>
void agree(Communicator& comm, std::uint32_t phase, Work work) {
  const std::string problem = first_problem(comm, phase, problem_of(work));
  if (!problem.empty()) throw ConfigError(problem);
}

std::string different_plan(Communicator& comm, const Plan& plan) {
  const std::string mine = experiment::plan_json(plan);
  const auto bytes = std::as_bytes(std::span(mine));
  std::vector<std::byte> of_first(bytes.begin(), bytes.end());
  comm.broadcast({0, 0}, 0, of_first);
  if (std::equal(of_first.begin(), of_first.end(), bytes.begin(), bytes.end())) return {};
  return fmt::format(
      "rank {} reads another configuration than rank 0; give all ranks the same file", comm.rank());
}

Summary run_as_mpi_rank(const RunArguments& options, const Plan& plan, Communicator& comm) {
  agree(comm, 1, [&] { return different_plan(comm, plan); });
  if (plan.sweep) {
    throw ConfigError(
        "a sweep runs on the threads of one process, a cell on each; start laconic run without "
        "mpirun");
  }
  agree(comm, 2, [&] {
    if (options.ranks) return std::string("--ranks is for threads; mpirun -n sets the ranks");
    return ranks_problem(comm.size(), plan, "mpirun -n");
  });
  agree(comm, 7, [&] { return model_problem(options, plan); });
  const bool first = comm.rank() == 0;
  agree(comm, 3, [&] {
    return first ? experiment::output_problem(folder_of(options, plan), options.force)
                 : std::string();
  });
  std::optional<Experiment> experiment;
  agree(comm, 4, [&] {
    experiment.emplace(plan);
    return std::string();
  });
  std::optional<Front> front;
  agree(comm, 5, [&] {
    if (first) {
      front.emplace(options, *experiment,
                    experiment::RunFacts{comm.size(), "mpi", command_of(options, comm.size())},
                    Terminal{});
    }
    return std::string();
  });
  listen_to_signals();
  Summary summary = run_rank(*experiment, comm, first ? &*front : nullptr);
  if (first) front->finish(experiment->plan(), summary);
  return summary;
}

int run_under_mpi(const RunArguments& options) {
  const Checked checked = check(options.source);
  const bool valid = !experiment::has_errors(checked.diagnostics);
  int code = kDone;
  bool first = true;
  const auto body = [&](Communicator& comm) {
    first = comm.rank() == 0;
    const std::string refused = first_problem(comm, 6, valid ? "" : "refused");
    if (first) print_diagnostics(checked.diagnostics);
    if (!refused.empty()) {
      code = kBadInput;
      return;
    }
    const Summary summary = run_as_mpi_rank(options, checked.plan, comm);
    if (first) {
      code = exit_code(summary);
    } else {
      code =
          summary.interrupted ? kInterrupted : (experiment::has_failed(summary) ? kFailure : kDone);
    }
  };
  try {
    run_on_mpi(
        body, [](std::string_view why) { print_errors(why); }, &stop_wanted());
  } catch (const ConfigError& e) {  // the same on all ranks
    if (first) print_errors(e.what());
    return kBadInput;
  }
  return code;
}

int run(RunArguments options) {
  if (options.seed) options.source.settings.push_back(fmt::format("seed={}", *options.seed));
  if (started_by_mpi()) return run_under_mpi(options);
  const Checked checked = check(options.source);
  print_diagnostics(checked.diagnostics);
  if (experiment::has_errors(checked.diagnostics)) return kBadInput;
  return checked.plan.sweep ? run_sweep_here(options, checked.plan)
                            : run_on_threads_here(options, checked.plan);
}

}  // namespace

void add_run(CLI::App& app, Action& chosen) {
  auto options = std::make_shared<RunArguments>();  // lives as long as the application's callbacks
  CLI::App* command =
      app.add_subcommand("run", "Train the methods of a configuration and compare them");
  command->add_option("FILE", options->source.file, "Configuration (docs/configuration.md)")
      ->required();
  command->add_option("--out", options->out, "Folder for the records; default: out/NAME")
      ->type_name("DIR");
  command
      ->add_option("--set", options->source.settings,
                   "Change a setting: rounds=10, network.latency=5ms, method.1.step=0.2")
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false)
      ->take_all();
  command->add_option("--seed", options->seed, "Same as --set seed=N")
      ->type_name("N")
      ->check(CLI::Range(std::uint64_t{0}, std::uint64_t{INT64_MAX}));
  command
      ->add_option("--ranks", options->ranks,
                   "Threads to spread the workers over; the results do not depend on it")
      ->type_name("N")
      ->check(CLI::Range(1U, 4096U));
  command->add_flag("--save-model", options->save_model,
                    "Write the models to DIR/models (docs/models.md), for laconic predict");
  command->add_flag("--force", options->force,
                    "Replace the records and the report of an earlier run");
  command->add_flag("--quiet", options->quiet, "Show the ranking only");
  command
      ->add_option("--meter", options->meter,
                   "What the ranking counts: paper (numbers times width), wire (encoded messages) "
                   "or frame (with frame headers)")
      ->type_name("paper|wire|frame")
      ->check(CLI::IsMember({"paper", "wire", "frame"}));
  command->add_flag("--json", options->json, "Print summary.json and nothing else");
  command->callback([options, &chosen] { chosen = [options] { return run(*options); }; });
}

}  // namespace laconic::cli
