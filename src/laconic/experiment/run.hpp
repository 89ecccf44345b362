// SPDX-License-Identifier: Apache-2.0
// A whole experiment: every method of the plan, every repeat, and what came out of it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "laconic/comm/communicator.hpp"
#include "laconic/experiment/experiment.hpp"
#include "laconic/experiment/observer.hpp"
#include "laconic/experiment/train.hpp"

namespace laconic::experiment {

// The best state that was recorded; of several repeats the best point of the mean curve.
struct Best {
  std::optional<double> loss = {};
  std::uint32_t loss_round = 0;
  std::optional<double> test_accuracy = {};
  std::uint32_t test_accuracy_round = 0;
};

// Of an order that observes gradients; means over the repeats, per worker.
struct OrderSummary {
  double uplink_bytes = 0;
  double downlink_bytes = 0;
  OrderMemory memory = {};  // of rank 0
};

// See ChannelRecord; over the whole run.
struct ChannelSummary {
  double uses = 0;
  double power = 0;
  double energy = 0;
  double largest_energy = 0;
  double lambda = 0;
};

// Means over the repeats.
struct MethodSummary {
  std::string name = {};
  std::string spec = {};
  std::uint32_t rounds = 0;  // of the longest repeat
  double epochs = 0;         // likewise
  Metrics final = {};
  Best best = {};
  TrafficPerWorker uplink = {};
  TrafficPerWorker downlink = {};
  // Uncompressed bits over payload bits; absent when nothing was sent.
  std::optional<double> uplink_compression = {};
  std::optional<double> downlink_compression = {};
  std::optional<OrderSummary> order = {};
  std::uint64_t refused_frames = 0;            // the sum over the repeats
  std::optional<ChannelSummary> channel = {};  // of methods over an analog channel
  // A condition of the theory that a repeat did not meet, see Optimizer::remark; empty if there is
  // none.
  std::string remark = {};
  bool sparse = false;  // rounds left out the zeros of gradients and messages
  Seconds seconds = {};
  std::optional<double> predicted_network_seconds = {};  // absent without [network]
  std::optional<double> dense_network_seconds = {};      // see DenseRounds
  Status status = Status::kDone;                         // the worst of the repeats
  std::optional<Stopped> stopped = {};  // why the repeats ended, if all for the same reason
  std::optional<bool> reached = {};     // the target, in all repeats; absent without one
  double mean_rounds = 0;
  bool divergence_allowed = false;
};

struct Summary {
  std::string name = {};
  std::uint64_t seed = 0;
  std::uint32_t repeats = 1;
  std::optional<Network> network = {};
  std::vector<MethodSummary> methods = {};  // in the order of the plan
  bool interrupted = false;
};

// Collective; the result is the same on every rank up to wall-clock times. Precondition: no method
// has fewer workers than there are ranks.
[[nodiscard]] Summary run(const Experiment& experiment, Communicator& comm, Observer& observer);

// What several trainings of one method come to. Without what only records know: `best` is empty.
[[nodiscard]] MethodSummary summarize(const Plan& plan, const MethodPlan& method,
                                      const std::vector<TrainingResult>& results);

// A method diverged that was not allowed to.
[[nodiscard]] bool has_failed(const Summary& summary);

}  // namespace laconic::experiment
