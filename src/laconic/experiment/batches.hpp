// SPDX-License-Identifier: Apache-2.0
// Which examples the hosted workers visit in a round, and what their order learns from it.
//
// A method's batch of B examples is B / unit ordering units; unit u of a worker is the fixed group
// of its examples u * unit, ..., u * unit + unit - 1 (the last one may be shorter). Orders that do
// not observe are asked per worker, and every worker goes through epochs of its own length. Orders
// that observe visit all workers' shards in step and are told the gradient of every unit, in the
// pass that computes the batch's gradient, whose bits do not depend on that (cd-grab.md check 18).
// A worker whose shard is used up before the epoch ends contributes nothing until then (2.8): the
// mean is over the workers that are left. With order_from = messages a batch is one unit, and what
// is observed is the message about it.
// Private to this layer.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "laconic/comm/communicator.hpp"
#include "laconic/experiment/plan.hpp"
#include "laconic/order/order_policy.hpp"
#include "laconic/problem/problem.hpp"

namespace laconic::experiment {

// One thread. After its first epoch a round allocates nothing of its own.
template <Real T>
class Batches {
 public:
  virtual ~Batches() = default;
  Batches() = default;
  Batches(const Batches&) = delete;
  Batches& operator=(const Batches&) = delete;

  // g = the gradient of the i-th hosted worker's batch of this round at x, the mean over its
  // examples plus the regulariser; scaled so that the mean over all workers is that over those
  // which have a batch, and 0 for the others. Once per round and worker. Returns the number of
  // examples.
  virtual std::uint64_t gradient(std::uint32_t i, std::span<const T> x, std::span<T> g,
                                 ProblemScratch<T>& scratch) = 0;
  // The same without its zeros (Problem::sparse_gradient). Precondition: sparse().
  virtual std::uint64_t sparse_gradient(std::uint32_t i, std::span<const T> x, SparseVector<T>& g,
                                        ProblemScratch<T>& scratch) = 0;
  // Whether gradients are to be had without their zeros: the problem has such, and no order looks
  // at gradients.
  [[nodiscard]] virtual bool sparse() const = 0;
  // What the i-th hosted worker's message about its batch of this round was decoded to. Once per
  // round and worker, between gradient and end_round. Only where observes_messages(method).
  virtual void observe_message(std::uint32_t i, std::span<const T> message) = 0;
  // Collective, once per round after what is observed: what the orders exchange. Every rank throws
  // the same UnitDivergedError when the gradient of a unit was not finite.
  virtual void end_round(std::uint32_t round, Communicator& comm) = 0;
  // Waits for what the orders still exchange behind the training, and throws what that threw. Every
  // rank at the same place between rounds.
  virtual void settle() = 0;
  // Nothing for orders that do not observe.
  [[nodiscard]] virtual std::optional<OrderStats> stats() const = 0;
};

struct BatchesSetup {
  WorkerBlock mine = {0, 1};
  std::uint64_t seed = 0;
  std::uint32_t rank = 0;
  std::uint32_t ranks = 1;
  std::uint32_t first_phase = 0;  // of collective calls; eight from there on
};

// Preconditions: method.batch is a size, a multiple of method.unit; check_batches finds nothing;
// the problem outlives the batches.
template <Real T>
[[nodiscard]] std::unique_ptr<Batches<T>> make_batches(const MethodPlan& method,
                                                       const Problem<T>& problem,
                                                       const BatchesSetup& setup);

// Whether all workers go through their epochs in step.
[[nodiscard]] bool visits_in_step(const MethodPlan& method);
// Whether their orders look at messages in place of gradients.
[[nodiscard]] bool observes_messages(const MethodPlan& method);

// ConfigError when the method's order visits shards in step, they do not have the same number of
// batches, and the aggregator is none that takes a mean, where nothing can be contributed as 0, or
// the order looks at messages, which then are not all of the same scale.
template <Real T>
void check_batches(const MethodPlan& method, const Problem<T>& problem);

}  // namespace laconic::experiment
