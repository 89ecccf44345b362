// SPDX-License-Identifier: Apache-2.0
// Runs the cells of a sweep on the threads of this process and chooses the best of them. A cell is
// trained by one thread with a communicator of its own and gives the same bits as when it is run
// alone.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "laconic/experiment/experiment.hpp"
#include "laconic/experiment/run.hpp"

namespace laconic::experiment {

// Means over the repeats.
struct CellResult {
  std::uint64_t index = 0;  // SweepPlan::cell
  Status status = Status::kDone;
  std::optional<Stopped> stopped = {};
  std::optional<bool> reached = {};
  double rounds = 0;
  Metrics final = {};
  TrafficPerWorker uplink = {};
  TrafficPerWorker downlink = {};
  // What the criterion looks at; absent for a cell that loses: it diverged, did not reach its
  // target, or has no such number.
  std::optional<double> value = {};
};

// Hears of every cell that was completed, in the order of the cells, from one thread at a time.
// What it throws ends the sweep.
class SweepObserver {
 public:
  virtual ~SweepObserver() = default;
  SweepObserver() = default;
  SweepObserver(const SweepObserver&) = delete;
  SweepObserver& operator=(const SweepObserver&) = delete;
  virtual void completed(const CellResult& result) = 0;
  // Cells that are done, those included that still wait for earlier ones.
  virtual void advanced(std::uint64_t done, std::uint64_t cells) = 0;
};

// The best cell for one method and one combination of the keys over which nothing is chosen.
struct BestCell {
  std::size_t method = 0;
  Assignment group = {};
  std::optional<CellResult> cell = {};  // absent when all of them lose
};

struct SweepOutcome {
  std::vector<CellResult> cells = {};  // that were completed, in order
  std::vector<BestCell> best = {};     // by method, then in the order of the cells
  bool interrupted = false;
};

// ConfigError, one line per problem, when a cell does not suit the data (its step needs a constant
// that the problem does not know).
void check_cells(const Experiment& experiment);

// Precondition: the plan has a sweep, check_cells accepts it. While *stop is true no cell is begun,
// and those that run end; they are not completed.
[[nodiscard]] SweepOutcome run_sweep(const Experiment& experiment, std::uint32_t threads,
                                     SweepObserver& observer, const std::atomic<bool>& stop);

// The best cells as methods of a plan, in order.
[[nodiscard]] std::vector<MethodPlan> methods_of(const SweepPlan& plan,
                                                 const std::vector<BestCell>& best);

}  // namespace laconic::experiment
