// SPDX-License-Identifier: Apache-2.0
// Rounds of error feedback in one process: what a researcher's simulation of n workers costs. EF21
// with Top-K on nonconvex logistic regression (a9a, n = 20, or rows of that shape when LACONIC_DATA
// is not set) and on the quadratic of 3pc.md 5.2 (d = 1000, n = 100), in double. Before a case is
// timed, the server's direction is compared with the mean of the workers' beliefs.
//
// Counters, in microseconds per round: gradient (all workers), compress (the workers' side of the
// mechanism, timed on its own), apply (the rest of the collective round), and their sum `round`.
#include <benchmark/benchmark.h>

#include <chrono>
#include <cmath>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "laconic/aggregate/aggregator.hpp"
#include "laconic/comm/transports.hpp"
#include "laconic/compress/compressor.hpp"
#include "laconic/data/load.hpp"
#include "laconic/data/shard.hpp"
#include "laconic/kernels/kernels.hpp"
#include "laconic/mechanism/mechanism.hpp"
#include "laconic/problem/problem.hpp"

namespace laconic::bench {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::uint32_t kWarmUp = 20;

const Catalog& catalog() {
  static const Catalog catalog = [] {
    Catalog c;
    add_problem_cards(c);
    for (const Card* card : data::data_cards()) c.add(*card);
    add_aggregator_cards(c);
    add_mechanism_cards(c);
    add_compressor_cards(c);
    return c;
  }();
  return catalog;
}

Spec canonical(const std::string& text, const char* kind) {
  return catalog().canonical(parse_spec(text).value_or_throw(), kind);
}

struct Setting {
  std::string label = {};
  std::string problem = {};
  std::string data = {};  // empty: the problem has no examples
  std::string mechanism = {};
  std::uint32_t workers = 1;
  double step = 0.01;
};

Setting logistic() {
  const bool real = std::getenv("LACONIC_DATA") != nullptr;
  return {.label = real ? "a9a" : "rows of a9a's shape",
          .problem = "logistic:nonconvex=0.1",
          .data = real ? "a9a" : "synthetic-sparse:rows=32561,features=123",
          .mechanism = "ef21:topk:k=1",
          .workers = 20,
          .step = 0.1};
}

Setting quadratic() {
  return {.label = "quadratic",
          .problem = "quadratic:d=1000,s=1,lambda=1e-6",
          .data = {},
          .mechanism = "ef21:topk:k=10",
          .workers = 100,
          .step = 0.01};
}

struct Instance {
  data::Dataset dataset = {};
  std::unique_ptr<Problem<double>> problem = {};
};

std::unique_ptr<Instance> make(const Setting& setting) {
  auto out = std::make_unique<Instance>();
  ProblemSetup setup{.workers = setting.workers, .seed = 1};
  if (!setting.data.empty()) {
    out->dataset = data::load(canonical(setting.data, "data"),
                              {.seed = 1, .workers = setting.workers, .places = {}});
    setup.dataset = &out->dataset;
    setup.shards =
        data::shard_rows(out->dataset.train.label_ids(), {.sharding = data::Sharding::kContiguous,
                                                          .workers = setting.workers,
                                                          .drop_remainder = true});
  }
  out->problem = problems<double>().make(canonical(setting.problem, "problem"), setup);
  return out;
}

struct Times {
  double gradient = 0;
  double aggregate = 0;
  double step = 0;
  double all = 0;  // wall clock
};

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// One rank's part of `rounds` rounds.
class Rank {
 public:
  Rank(const Setting& setting, const Problem<double>& problem, Communicator& comm)
      : setting_(setting),
        problem_(problem),
        comm_(comm),
        mine_(workers_of_rank(setting.workers, comm.rank(), comm.size())),
        aggregator_(aggregators<double>().make(
            canonical("mirror:" + setting.mechanism, "aggregator"),
            {.layout = &problem.layout(), .workers = setting.workers, .mine = mine_, .seed = 1})),
        x_(problem.layout().size()),
        direction_(x_.size()),
        gradients_(mine_.size(), AlignedVector<double>(x_.size())) {
    problem.initial_point(1, x_);
    for (std::uint32_t i = 0; i < mine_.size(); ++i) {
      views_.push_back({.worker = mine_.begin + i, .values = gradients_[i]});
    }
  }

  Times run(std::uint32_t rounds) {
    Times times;
    const auto start = Clock::now();
    for (std::uint32_t t = 0; t < rounds; ++t) round(times);
    times.all = seconds_since(start);
    return times;
  }
  [[nodiscard]] std::span<const WorkerGradient<double>> gradients() const { return views_; }
  [[nodiscard]] std::span<const double> direction() const { return direction_; }

 private:
  void round(Times& times) {
    auto start = Clock::now();
    for (std::uint32_t i = 0; i < mine_.size(); ++i) {
      problem_.full_gradient(mine_.begin + i, x_, gradients_[i], scratch_);
    }
    times.gradient += seconds_since(start);
    start = Clock::now();
    aggregator_->aggregate(
        {.index = made_++, .step_size = setting_.step, .previous_step_size = setting_.step}, views_,
        direction_, comm_);
    times.aggregate += seconds_since(start);
    start = Clock::now();
    kernels::axpy<double>(-setting_.step, std::span<const double>(direction_),
                          std::span<double>(x_));
    times.step += seconds_since(start);
  }

  const Setting& setting_;
  const Problem<double>& problem_;
  Communicator& comm_;
  WorkerBlock mine_;
  std::unique_ptr<Aggregator<double>> aggregator_;
  AlignedVector<double> x_;
  AlignedVector<double> direction_;
  std::vector<AlignedVector<double>> gradients_;
  std::vector<WorkerGradient<double>> views_ = {};
  ProblemScratch<double> scratch_ = {};
  std::uint32_t made_ = 0;
};

// The workers' side alone, on gradients that settle as in a run.
class Senders {
 public:
  Senders(const Setting& setting, const Problem<double>& problem)
      : mechanism_(mechanisms<double>().make(canonical(setting.mechanism, "mechanism"),
                                             {.workers = setting.workers})),
        shape_{static_cast<std::uint32_t>(problem.layout().size()), 1},
        h_(setting.workers) {}

  void start(std::span<const WorkerGradient<double>> gradients) {
    for (const auto& gradient : gradients) {
      h_[gradient.worker].assign(gradient.values.begin(), gradient.values.end());
    }
  }
  // One round; returns its seconds.
  double round(std::uint32_t t, std::span<const WorkerGradient<double>> gradients) {
    const auto begin = Clock::now();
    for (const auto& gradient : gradients) {
      message_.clear();
      mechanism_->encode({gradient.values, shape_},
                         {.h = h_[gradient.worker], .y = {}, .scalars = {}}, {.step_size = 1},
                         {.seed = 1,
                          .worker = gradient.worker,
                          .workers = static_cast<std::uint32_t>(h_.size()),
                          .round = t},
                         message_);
    }
    return seconds_since(begin);
  }
  [[nodiscard]] std::vector<double> mean() const {
    std::vector<double> out(h_.front().size(), 0.0);
    for (const auto& h : h_) {
      for (std::size_t i = 0; i < out.size(); ++i) out[i] += h[i] / static_cast<double>(h_.size());
    }
    return out;
  }

 private:
  std::unique_ptr<Mechanism<double>> mechanism_;
  Shape shape_;
  std::vector<AlignedVector<double>> h_;
  wire::Message message_ = {};
};

// Seconds of the workers' side per round; nothing if the server's view differs from the workers'.
std::optional<double> sending_seconds(const Setting& setting, const Problem<double>& problem,
                                      std::uint32_t rounds) {
  const auto comm = make_self_communicator();
  Rank rank(setting, problem, *comm);
  Senders senders(setting, problem);
  rank.run(1);
  senders.start(rank.gradients());
  double seconds = 0;
  for (std::uint32_t t = 1; t < rounds; ++t) {
    rank.run(1);
    const double one = senders.round(t, rank.gradients());
    if (t >= kWarmUp) seconds += one;
  }
  const std::vector<double> mean = senders.mean();
  for (std::size_t i = 0; i < mean.size(); ++i) {
    if (std::abs(mean[i] - rank.direction()[i]) > 1e-9 * (1 + std::abs(mean[i]))) {
      return std::nullopt;
    }
  }
  return seconds / (rounds - kWarmUp);
}

void rounds(benchmark::State& state, const Setting& setting, std::uint32_t ranks) {
  const auto instance = make(setting);
  const Problem<double>& problem = *instance->problem;
  state.SetLabel(setting.label);
  constexpr std::uint32_t kRounds = 400;
  const auto sending = sending_seconds(setting, problem, kRounds);
  if (!sending) {
    state.SkipWithError("the server's direction is not the mean of the workers' beliefs");
    return;
  }
  Times times;
  std::uint64_t made = 0;
  for ([[maybe_unused]] const auto step : state) {
    run_on_threads(ranks, [&](Communicator& comm) {
      Rank rank(setting, problem, comm);
      rank.run(kWarmUp);
      const Times own = rank.run(kRounds);
      if (comm.rank() != 0) return;
      times.gradient += own.gradient;
      times.aggregate += own.aggregate;
      times.step += own.step;
      times.all += own.all;
      made += kRounds;
      state.SetIterationTime(own.all);
    });
  }
  const double micro = 1e6 / static_cast<double>(made);
  const double compress = 1e6 * *sending / ranks;
  state.counters["round_us"] = times.all * micro;
  state.counters["gradient_us"] = times.gradient * micro;
  state.counters["compress_us"] = compress;
  state.counters["apply_us"] = (times.aggregate + times.step) * micro - compress;
  state.counters["rounds_per_s"] = static_cast<double>(made) / times.all;
}

}  // namespace
}  // namespace laconic::bench

int main(int argc, char** argv) {
  for (const std::uint32_t ranks : {1U, 2U}) {
    for (const auto& [name, setting] : {std::pair{"logistic", laconic::bench::logistic()},
                                        std::pair{"quadratic", laconic::bench::quadratic()}}) {
      benchmark::RegisterBenchmark(
          (std::string("ef21/") + name + "/threads:" + std::to_string(ranks)).c_str(),
          [what = setting, ranks](benchmark::State& state) {
            laconic::bench::rounds(state, what, ranks);
          })
          ->UseManualTime()
          ->Unit(benchmark::kMillisecond);
    }
  }
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
}
