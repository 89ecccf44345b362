// SPDX-License-Identifier: Apache-2.0
// The training loop of one method, once.
#pragma once

#include <cstdint>
#include <functional>

#include "laconic/comm/communicator.hpp"
#include "laconic/experiment/experiment.hpp"
#include "laconic/experiment/network.hpp"
#include "laconic/experiment/observer.hpp"
#include "laconic/order/order_policy.hpp"

namespace laconic::experiment {

enum class Status : std::uint8_t { kDone, kDiverged, kInterrupted };

struct TrainingTask {
  std::size_t method = 0;  // index in the plan
  std::uint32_t repeat = 0;
  // Only the first and the last state are recorded, unless a target is checked at records.
  bool ends_only = false;
};

struct TrainingResult {
  Status status = Status::kDone;
  Record last = {};               // the last state that was measured
  std::uint32_t rounds = 0;       // made
  std::uint32_t aggregated = 0;   // rounds whose gradients were sent: one more at a target
  bool reached = false;           // the last state meets the method's target
  std::uint64_t dimension = 0;    // of the model
  NetworkLoad load = {};          // of the busiest worker
  OrderMemory order_memory = {};  // of this rank
  std::string remark = {};        // of the optimizer
  bool sparse = false;            // rounds left out zeros
};

// Collective: every rank calls it with the same task and gets the same result. Observers hear of it
// on rank 0. A gradient that is not finite ends the training with kDiverged on all ranks; a request
// to stop lets the round finish and ends it with kInterrupted.
//
// A target (until) of a method that computes exact gradients is checked in every round, with the
// gradients of that round: at x^t they are aggregated, and the run ends before the step, t rounds
// made and the messages about x^t sent. Otherwise it is checked where states are recorded. A budget
// ends the run after the step of the round that spends it.
[[nodiscard]] TrainingResult train(const Experiment& experiment, const TrainingTask& task,
                                   Communicator& comm, Observer& observer);

// Where problem, order, aggregator and optimizer can, and a batch has entries for less than a
// quarter of the coordinates, rounds leave out the zeros of gradients, messages and model
// (Problem::sparse_entries, Aggregator::takes_sparse, Optimizer::steps_sparsely): their time does
// not depend on the length of the model, but for records, which look at all of it. Every bit is the
// same.
//
// Likewise for a method that need not be one of the plan's; task.method is only passed on.
[[nodiscard]] TrainingResult train(const Experiment& experiment, const MethodPlan& method,
                                   const TrainingTask& task, Communicator& comm,
                                   Observer& observer);

}  // namespace laconic::experiment
