// SPDX-License-Identifier: Apache-2.0
// Communication-efficient gradient exchange for a training loop that somebody else wrote:
//
//   Synchronizer<float> sync({{.name = "w", .shape = {784, 10}}, {.name = "b", .shape = {10, 1}}},
//                            {.aggregator = "ef:sign"}, comm);
//   for each step:  compute gradients;  sync.synchronize(gradients);  step the optimizer
//
// synchronize replaces every rank's gradients by the common direction of all ranks, the same bits
// on each. A rank is one worker. Tensors are grouped into buckets (sync/buckets.hpp), each with an
// aggregator of its own; what an aggregator remembers (momenta, errors) belongs to the
// synchronizer.
//
// A loop that learns its gradients one after the other calls ready for each and finish at the end
// of the step: buckets then travel on a thread of their own while the rest is computed. Buckets
// always travel in the order of the plan, so results do not depend on timing.
//
// Thread rule: one thread per synchronizer; ready may be called by another one, not concurrently.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "laconic/aggregate/aggregator.hpp"
#include "laconic/comm/communicator.hpp"
#include "laconic/sync/buckets.hpp"
#include "laconic/tensor/layout.hpp"

namespace laconic {

struct SynchronizerOptions {
  // Spec of the method, as in configurations. "noop": nothing travels and every rank keeps its own
  // gradient, to find out how much there is to gain.
  std::string aggregator = "dense";
  std::uint64_t seed = 1;  // of random compressors; the same on all ranks
  BucketRules buckets = {};
  double clip_norm = 0;  // > 0: longer directions are scaled down to this Euclidean norm
  bool overlap = true;   // exchange behind the caller, where the transport can
};

// Of all steps so far, of this rank as a worker.
struct SynchronizerReport {
  std::uint64_t steps = 0;
  Meter uplink = {};
  Meter downlink = {};
  // Input of the alpha-beta model (docs/network-model.md), over all buckets, which travel one after
  // the other.
  std::uint64_t link_bytes = 0;
  std::uint64_t latency_steps = 0;
};

template <Real T>
class Synchronizer {
 public:
  // Collective. Throws the same ConfigError on every rank when a tensor, the aggregator or an
  // option does not suit, or when ranks disagree, naming the rank and what differs. `comm` outlives
  // the synchronizer and must not be used by others between ready and finish unless
  // options.overlap.
  Synchronizer(std::vector<Tensor> tensors, const SynchronizerOptions& options, Communicator& comm);
  ~Synchronizer();
  Synchronizer(const Synchronizer&) = delete;
  Synchronizer& operator=(const Synchronizer&) = delete;

  // The gradient of tensor i of this step is final; it is copied. Once per tensor and step.
  void ready(std::size_t i, std::span<const T> gradient);
  // Collective, ends the step: directions[i] = the common direction for tensor i. A tensor that was
  // not ready counts as 0. Throws DivergedError on every rank when a gradient was not finite,
  // CommError when ranks are not in the same step; the synchronizer must not be used afterwards.
  // After warm-up nothing is allocated.
  void finish(std::span<const std::span<T>> directions);
  // Collective with the others' finish: this rank has no more gradients. Takes part in one step of
  // those that have: true, and directions as finish gives them, so that this rank can step its
  // replica, too. False when no rank had gradients: all are done, nothing was written, and a next
  // epoch may begin. The direction is made of the ranks that take part alone; methods that count on
  // a message of every rank (low-rank, mirror, over the air) are told 0 by the others, and their
  // direction is multiplied by ranks / ranks that take part. With noop always false.
  [[nodiscard]] bool join(std::span<const std::span<T>> directions);
  // ready for all, then finish.
  void synchronize(std::span<const std::span<T>> gradients);

  // What this rank's part of all methods remembers, the steps, and the report: between steps, for
  // load on the same rank of a synchronizer that was made alike, whose next steps are then, bit for
  // bit, those that this one would have made. Not collective. docs/synchronizer.md has the bytes.
  [[nodiscard]] std::vector<std::byte> save() const;
  // Collective, between steps. ConfigError, the same on every rank, when the bytes of some rank are
  // damaged, or were saved by another rank, for other tensors (naming the first that differs),
  // options or steps; the synchronizer is as it was then.
  void load(std::span<const std::byte> bytes);
  // Collective: the same by way of one file per rank, PATH.rank0, PATH.rank1, ... Files are
  // written whole, and none is replaced unless all could be written.
  void save_file(const std::string& path) const;
  void load_file(const std::string& path);

  [[nodiscard]] std::span<const Bucket> buckets() const;
  // What is exchanged how, in lines: to be printed once.
  [[nodiscard]] std::string plan() const;
  [[nodiscard]] const SynchronizerReport& report() const;

 private:
  class State;
  std::unique_ptr<State> state_;
};

}  // namespace laconic
