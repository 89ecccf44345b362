// SPDX-License-Identifier: Apache-2.0
#include "laconic/experiment/run_sweep.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <mutex>
#include <set>

#include "laconic/base/assert.hpp"
#include "laconic/base/error.hpp"
#include "laconic/comm/transports.hpp"
#include "laconic/experiment/batches.hpp"
#include "laconic/experiment/method_theory.hpp"

namespace laconic::experiment {
namespace {

// Passes the wish to stop on to the communicator of one cell.
class StopWatcher final : public Observer {
 public:
  StopWatcher(Communicator& comm, const std::atomic<bool>& stop, const std::atomic<bool>& failed)
      : comm_(comm), stop_(stop), failed_(failed) {}
  void advanced(const Progress&) override {
    if (stop_.load(std::memory_order_relaxed) || failed_.load(std::memory_order_relaxed)) {
      comm_.request_stop();
    }
  }
  void recorded(const Record&) override {}
  void diverged(const Divergence&) override {}

 private:
  Communicator& comm_;
  const std::atomic<bool>& stop_;
  const std::atomic<bool>& failed_;
};

std::optional<double> finite(const std::optional<double>& value) {
  return value && std::isfinite(*value) ? value : std::nullopt;
}

std::optional<double> value_of(const CellResult& cell, Criterion criterion) {
  if (cell.status != Status::kDone) return std::nullopt;
  if (counts_to_target(criterion) && !cell.reached.value_or(false)) return std::nullopt;
  switch (criterion) {
    case Criterion::kUplinkBits:
      return cell.uplink.payload_bits;
    case Criterion::kWireBits:
      return cell.uplink.wire_bits;
    case Criterion::kRounds:
      return cell.rounds;
    case Criterion::kGradNorm2:
      return finite(cell.final.grad_norm2);
    case Criterion::kLoss:
      return finite(cell.final.loss);
    case Criterion::kTestAccuracy:
      return cell.final.test_accuracy;
  }
  return std::nullopt;
}

// Absent when all cells of a group lose; of equals the first.
bool better(const CellResult& a, const std::optional<CellResult>& b, Criterion criterion) {
  if (!a.value) return false;
  if (!b) return true;
  return criterion == Criterion::kTestAccuracy ? *a.value > *b->value : *a.value < *b->value;
}

class SweepRun {
 public:
  SweepRun(const Experiment& experiment, SweepObserver& observer, const std::atomic<bool>& stop)
      : experiment_(experiment),
        sweep_(*experiment.plan().sweep),
        observer_(observer),
        stop_(stop),
        cells_(sweep_.cells()) {}

  // One thread's part.
  void work() {
    try {
      while (!stop_.load() && !failed_.load()) {
        const std::uint64_t index = next_.fetch_add(1);
        if (index >= cells_) return;
        if (const auto result = train_cell(index)) keep(*result);
      }
    } catch (...) {
      failed_.store(true);
      throw;
    }
  }

  [[nodiscard]] SweepOutcome outcome() {
    for (const auto& [index, result] : waiting_)
      publish(result);  // behind cells that were not done
    waiting_.clear();
    SweepOutcome out;
    out.interrupted = done_.size() < cells_;
    out.best = best();
    out.cells = std::move(done_);
    return out;
  }

 private:
  std::optional<CellResult> train_cell(std::uint64_t index) {
    const Plan& plan = experiment_.plan();
    const MethodPlan method = plan_cell(sweep_, sweep_.cell(index));
    std::vector<TrainingResult> results;
    for (std::uint32_t repeat = 0; repeat < plan.repeats; ++repeat) {
      const auto comm = make_self_communicator();
      StopWatcher watcher(*comm, stop_, failed_);
      results.push_back(train(experiment_, method,
                              {.method = 0, .repeat = repeat, .ends_only = true}, *comm, watcher));
      if (results.back().status == Status::kInterrupted) return std::nullopt;
    }
    const MethodSummary mean = summarize(plan, method, results);
    CellResult out = {.index = index,
                      .status = mean.status,
                      .stopped = mean.stopped,
                      .reached = mean.reached,
                      .rounds = mean.mean_rounds,
                      .final = mean.final,
                      .uplink = mean.uplink,
                      .downlink = mean.downlink,
                      .value = {}};
    out.value = value_of(out, sweep_.sweep.criterion);
    return out;
  }

  void keep(const CellResult& result) {
    const std::lock_guard lock(mutex_);
    waiting_.emplace(result.index, result);
    observer_.advanced(done_.size() + waiting_.size(), cells_);
    while (!waiting_.empty() && waiting_.begin()->first == done_.size()) {
      publish(waiting_.begin()->second);
      waiting_.erase(waiting_.begin());
    }
  }

  void publish(const CellResult& result) {
    done_.push_back(result);
    observer_.completed(result);
  }

  [[nodiscard]] std::vector<BestCell> best() const {
    std::vector<BestCell> out;
    std::map<std::pair<std::size_t, Assignment>, std::size_t> places;
    for (const CellResult& result : done_) {
      const Cell cell = sweep_.cell(result.index);
      Assignment group = sweep_.group_of(cell);
      const auto [at, is_new] = places.emplace(std::pair(cell.method, group), out.size());
      if (is_new) out.push_back({.method = cell.method, .group = std::move(group), .cell = {}});
      std::optional<CellResult>& champion = out[at->second].cell;
      if (better(result, champion, sweep_.sweep.criterion)) champion = result;
    }
    return out;
  }

  const Experiment& experiment_;
  const SweepPlan& sweep_;
  SweepObserver& observer_;
  const std::atomic<bool>& stop_;
  const std::uint64_t cells_;
  std::atomic<std::uint64_t> next_{0};
  std::atomic<bool> failed_{false};
  std::mutex mutex_ = {};                             // guards the two below and the observer
  std::map<std::uint64_t, CellResult> waiting_ = {};  // for earlier cells
  std::vector<CellResult> done_ = {};
};

template <Real T>
void check_cells_of(const Experiment& experiment) {
  const Plan& plan = experiment.plan();
  std::set<std::string> problems;
  for (std::uint64_t index = 0; index < plan.sweep->cells(); ++index) {
    MethodPlan method = plan_cell(*plan.sweep, plan.sweep->cell(index));
    // Alike for all cells of a method, so that a problem is said once.
    method.name = plan.sweep->methods[plan.sweep->cell(index).method].title;
    try {
      const auto problem = experiment.problem<T>(method.workers, plan.seed);
      static_cast<void>(rounds_of(method, *problem));
      static_cast<void>(base_step(method, *problem, plan.seed));
      static_cast<void>(minimum_for(method, *problem));
      check_batches(method, *problem);
    } catch (const ConfigError& e) {
      problems.insert(e.what());
    }
  }
  std::string lines;
  for (const std::string& problem : problems) {
    if (!lines.empty()) lines += '\n';
    lines += problem;
  }
  if (!lines.empty()) throw ConfigError(lines);
}

}  // namespace

void check_cells(const Experiment& experiment) {
  LACONIC_EXPECTS(experiment.plan().sweep.has_value());
  if (experiment.plan().precision == Precision::kFloat) {
    check_cells_of<float>(experiment);
  } else {
    check_cells_of<double>(experiment);
  }
}

SweepOutcome run_sweep(const Experiment& experiment, std::uint32_t threads, SweepObserver& observer,
                       const std::atomic<bool>& stop) {
  LACONIC_EXPECTS(experiment.plan().sweep.has_value());
  SweepRun sweep(experiment, observer, stop);
  run_on_threads(threads, [&](Communicator&) { sweep.work(); });
  return sweep.outcome();
}

std::vector<MethodPlan> methods_of(const SweepPlan& plan, const std::vector<BestCell>& best) {
  std::vector<MethodPlan> out;
  for (const BestCell& one : best) {
    if (one.cell) out.push_back(plan_cell(plan, plan.cell(one.cell->index)));
  }
  return out;
}

}  // namespace laconic::experiment
