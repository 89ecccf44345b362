// SPDX-License-Identifier: Apache-2.0
// What a run tells whoever watches it: the record files, a terminal, a test.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>

#include "laconic/experiment/network.hpp"
#include "laconic/tensor/layout.hpp"

namespace laconic::experiment {

// Of one state x. A metric that the problem does not have is absent; one that is not a finite
// number is recorded as null.
struct Metrics {
  std::optional<double> loss = {};            // f(x)
  std::optional<double> excess = {};          // f(x) - f*, where it was asked for
  std::optional<double> grad_norm2 = {};      // |grad f(x)|^2
  std::optional<double> train_accuracy = {};  // share of correct answers, in [0, 1]
  std::optional<double> test_accuracy = {};
  // Of the test examples: their mean loss, and for models of tokens exp of it, for models of series
  // the symmetric mean absolute percentage error, in percent.
  std::optional<double> test_loss = {};
  std::optional<double> test_perplexity = {};
  std::optional<double> test_smape = {};
  // f(x) and what the optimizer adds to it, an l1 term; absent for optimizers that add nothing.
  std::optional<double> objective = {};
  // Signal-to-noise ratio of what the workers sent in the round that was measured last, in dB
  // (RoundReport::distortion, over all workers); infinite without loss, absent for methods that do
  // not measure it.
  std::optional<double> snr_db = {};
  std::optional<double> density = {};     // share of the coordinates of x that are not 0
  std::optional<double> model_mean = {};  // mean of the coordinates of x: shows drift
};

// The sum over all workers; per worker it is divided by their number.
struct TrafficPerWorker {
  double payload_bits = 0;  // what papers count
  double wire_bits = 0;     // the encoded messages
  double frame_bytes = 0;   // what a socket carries
  TrafficPerWorker& operator+=(const TrafficPerWorker& other) {
    payload_bits += other.payload_bits;
    wire_bits += other.wire_bits;
    frame_bytes += other.frame_bytes;
    return *this;
  }
};
[[nodiscard]] inline TrafficPerWorker operator*(double factor, const TrafficPerWorker& t) {
  return {factor * t.payload_bits, factor * t.wire_bits, factor * t.frame_bytes};
}

// Wall clock of rank 0, without measuring; gradient_per_worker is the mean over all workers of the
// time their gradients took.
struct Seconds {
  double gradient = 0;
  double aggregate = 0;
  double order = 0;  // exchanging what orders learn; that they look at gradients is in `gradient`
  double other = 0;
  double gradient_per_worker = 0;
};

// Why a run that is done has ended.
enum class Stopped : std::uint8_t {
  kRounds,  // its round limit, or its last epoch
  kUntil,   // its target is reached
  kBudget,  // its budget is spent
};
[[nodiscard]] std::string_view stopped_name(Stopped stopped);  // "rounds", "until", "budget"

// Of an order that observes gradients. Apart from the exchange of gradients.
struct OrderRecord {
  double uplink_bytes = 0;  // per worker, since round 0, frame headers included
  double downlink_bytes = 0;
  double largest_sum = 0;  // S of the epoch: largest |h|_inf of any balancing sum
};

// What the rounds of a method over an analog channel have taken, since round 0 unless said
// otherwise; alike for all workers unless said otherwise.
struct ChannelRecord {
  double uses = 0;            // real numbers that a worker transmitted
  double power = 0;           // energy that a worker was allowed to spend
  double energy = 0;          // energy spent, the mean over the workers
  double largest_energy = 0;  // the sum over the rounds of the largest energy of a worker: no
                              // worker has spent more
  // Channel influence factors (docs/channels.md), means over the rounds; absent before the first.
  std::optional<double> lambda = {};            // since the last record
  std::optional<double> predicted_lambda = {};  // likewise
  std::optional<double> run_lambda = {};        // since round 0
};

struct Record {
  std::size_t method = 0;  // index in the plan
  std::uint32_t repeat = 0;
  std::uint32_t round = 0;  // rounds made so far
  double epoch = 0;
  Metrics metrics = {};
  TrafficPerWorker uplink = {};  // since round 0
  TrafficPerWorker downlink = {};
  // Gradients of examples (of whole functions, where there are no examples) that training has
  // computed, since round 0, in the mean over the workers.
  double gradient_evaluations = 0;
  std::uint64_t refused_frames = 0;    // since round 0, on all ranks
  std::uint64_t clamped_messages = 0;  // likewise
  // Of the votes since the last record the share that agrees with the outcome; absent without
  // votes.
  std::optional<double> agreement = {};
  std::optional<OrderRecord> order = {};
  std::optional<ChannelRecord> channel = {};  // of methods over an analog channel
  std::uint64_t lost_frames = 0;              // by the link, since round 0, on all ranks
  std::uint64_t resent_frames = 0;            // likewise
  NetworkLoad load = {};                      // since round 0, of the worker that is busiest so far
  double step_size = 0;                       // of the round just made; in round 0 of the first one
  std::optional<Stopped> stopped = {};        // of the last record of a run that is done
  Seconds seconds = {};                       // since round 0
};

struct Divergence {
  struct Unit {
    std::uint32_t epoch = 0;
    std::uint32_t position = 0;  // in the worker's order of this epoch
  };
  std::size_t method = 0;
  std::uint32_t repeat = 0;
  std::uint32_t worker = 0;
  std::string tensor = {};
  std::uint32_t round = 0;
  std::optional<Unit> unit = {};  // where the gradient of a single unit was looked at
};

struct Progress {
  std::size_t method = 0;
  std::uint32_t repeat = 0;
  std::uint32_t round = 0;  // rounds made so far
  std::uint32_t rounds = 0;
};

// The model at the end of a run that has not diverged. Spans are valid during the call.
struct TrainedModel {
  std::size_t method = 0;  // index in the plan
  std::uint32_t repeat = 0;
  const Layout* layout = nullptr;
  std::variant<std::span<const float>, std::span<const double>> x = {};
};

// Called on rank 0 only, from the thread that trains. What it throws ends the run.
class Observer {
 public:
  virtual ~Observer() = default;
  Observer() = default;
  Observer(const Observer&) = delete;
  Observer& operator=(const Observer&) = delete;

  virtual void advanced(const Progress& progress) = 0;  // at the start and after every round
  virtual void recorded(const Record& record) = 0;
  virtual void diverged(const Divergence& divergence) = 0;
  // Most do not look at models.
  virtual void trained(const TrainedModel& model) { static_cast<void>(model); }
};

}  // namespace laconic::experiment
