// SPDX-License-Identifier: Apache-2.0
// The example orders of all workers as one rank sees them, for every order of the registry behind
// one interface: a training loop cannot tell the kinds apart. Uncoordinated orders (baselines,
// greedy, herding, grab, pair-grab) are one OrderPolicy per hosted worker. Coordinated orders
// (cd-grab; cd-grab.md 2.6) balance the gradients of all workers with one running sum and exchange
// what that takes: their bytes are real and counted apart from the gradient exchange.
//
//   auto orders = make_example_orders<float>(spec, setup);
//   for each epoch e:
//     orders->begin_epoch(e);
//     for each optimiser step:
//       for each hosted worker w and position j of this step (up to units(w) of them per epoch):
//         unit = orders->order(w)[j]; compute its gradient g
//         if (orders->observes()) orders->observe(w, j, UnitGradient<float>::dense(g));
//       orders->exchange(tag, comm);      // collective
//       ... aggregate, step ...
//     orders->end_epoch(tag, comm);       // collective
//
// The orders depend on (spec, seed, units, gradients) alone, never on the number of ranks.
// Thread rule: one thread at a time, the one of the communicator.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "laconic/comm/communicator.hpp"
#include "laconic/order/order_policy.hpp"

namespace laconic {

template <Real T>
class ExampleOrders {
 public:
  virtual ~ExampleOrders() = default;
  ExampleOrders() = default;
  ExampleOrders(const ExampleOrders&) = delete;
  ExampleOrders& operator=(const ExampleOrders&) = delete;

  // Starts epoch e: 0, then 1, and so on. Precondition: the epoch before has ended.
  virtual void begin_epoch(std::uint32_t e) = 0;
  // The order of the epoch begun last: a permutation of 0..units(worker)-1, valid until end_epoch.
  // Precondition: this rank hosts the worker.
  [[nodiscard]] virtual std::span<const std::uint32_t> order(std::uint32_t worker) const = 0;

  // Whether gradients of single units are wanted. If not, observe must not be called.
  [[nodiscard]] virtual bool observes() const = 0;
  // The gradient of the unit that stands at `position` of the worker's order, in any order of
  // workers and positions, each position once per epoch. What outlives the call is copied. A number
  // that is not finite is noted here and reported by the next exchange, so that every rank learns
  // of it. std::logic_error for a position that was observed before or lies behind the end, a wrong
  // length, indices that do not increase, or a worker that is not hosted here.
  virtual void observe(std::uint32_t worker, std::uint32_t position,
                       const UnitGradient<T>& gradient) = 0;

  // Collective, once per optimiser step and before end_epoch, after the step's gradients were
  // observed. Every rank throws the same UnitDivergedError when a gradient of this step is not
  // finite, or when a difference or product of an earlier step overflowed where not all ranks see
  // it; the orders must not be used afterwards. Uses phases tag.phase to tag.phase + 3. Nothing
  // is sent by orders that do not observe. CommError when a message cannot be decoded: replicas
  // would drift apart.
  virtual void exchange(Tag tag, Communicator& comm) = 0;
  // Collective. Ends the epoch; the orders of the next one are known afterwards. std::logic_error
  // naming worker and position when a gradient is missing. Every rank throws the same
  // UnitDivergedError, as exchange does. Uses phases as exchange does.
  virtual void end_epoch(Tag tag, Communicator& comm) = 0;

  // Waits for an exchange that is still on its way (behind=true) and throws what it threw, which
  // would else be reported by the next exchange or end_epoch. Not collective: the other ranks carry
  // the same exchange by themselves.
  virtual void settle() = 0;

  // Waits for what is on its way, throws nothing of it: that is kept for the next call above.
  [[nodiscard]] virtual OrderStats stats() const = 0;

  // Appends this rank's state, also in the middle of an epoch (between exchanges): orders of the
  // same spec and setup that load it go on in the same way, bit for bit.
  virtual void save(std::vector<std::byte>& out) const = 0;
  // Throws ConfigError naming both values when the state was written with another spec, number of
  // workers, units, dimension, seed, rank or number of ranks, and when the bytes are damaged; this
  // object is unchanged then.
  virtual void load(std::span<const std::byte> state) = 0;
};

struct ExampleOrdersSetup {
  std::vector<std::uint32_t> units = {};  // of every worker, hosted here or not
  std::size_t dim = 0;                    // numbers of a gradient
  std::uint64_t seed = 0;
  std::uint32_t rank = 0;  // hosts workers_of_rank(units.size(), rank, ranks)
  std::uint32_t ranks = 1;
};

// Preconditions: canonical was returned by Catalog::canonical for kind "order" and order_problems
// is empty; there is at least one worker; rank < ranks.
template <Real T>
[[nodiscard]] std::unique_ptr<ExampleOrders<T>> make_example_orders(
    const Spec& canonical, const ExampleOrdersSetup& setup);

}  // namespace laconic
