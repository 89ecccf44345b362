// SPDX-License-Identifier: Apache-2.0
// In which order a worker visits its ordering units (examples, or fixed groups of examples). One
// policy per worker, over the worker's own units 0..n-1. Usable alone, in a training loop that is
// not laconic's:
//
//   for (std::uint32_t e = 0; e < epochs; ++e) {
//     const auto order = policy->epoch(e);
//     for (std::uint32_t j = 0; j < order.size(); ++j) {
//       ... compute the gradient g of unit order[j] at the current weights, and step ...
//       if (policy->observes()) policy->observe(j, UnitGradient<float>::dense(g));
//     }
//   }
//
// Orders that many workers agree on (CD-GraB), and the orders of all workers behind one interface,
// are in example_orders.hpp.
//
// Thread rule: one thread at a time. Nothing is shared between policies.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "laconic/base/error.hpp"
#include "laconic/base/registry.hpp"
#include "laconic/comm/communicator.hpp"
#include "laconic/tensor/layout.hpp"

namespace laconic {

// The gradient of one ordering unit: the data loss alone, at the weights at which it was computed,
// before clipping, momentum, weight decay and preconditioning. Does not own. Dense: one value per
// coordinate. Sparse: values at `indices`, which increase strictly; all other coordinates are 0.
// The same numbers give the same decisions, bit for bit, in either form.
template <Real T>
struct UnitGradient {
  std::span<const T> values = {};
  std::span<const std::uint32_t> indices = {};
  bool is_sparse = false;
  [[nodiscard]] static UnitGradient dense(std::span<const T> values) {
    return {.values = values, .indices = {}, .is_sparse = false};
  }
  [[nodiscard]] static UnitGradient sparse(std::span<const std::uint32_t> indices,
                                           std::span<const T> values) {
    return {.values = values, .indices = indices, .is_sparse = true};
  }
};

// Numbers held by the ordering, in the units of cd-grab.md 2.9; not counted are indices of sparse
// gradients and buffers of a transport.
struct OrderMemory {
  std::uint64_t sum_numbers = 0;          // running sums and stale means: f64 each
  std::uint64_t cached_numbers = 0;       // gradients kept now, in the type of the gradients
  std::uint64_t peak_cached_numbers = 0;  // the most that were kept at a time
  std::uint64_t order_indices = 0;        // u32 each
  bool operator==(const OrderMemory&) const = default;
};

// What happened in the epoch under way, or after its end in the epoch that ended last. Which
// decisions a rank knows of: cd-grab with exchange=server all of them on the server's rank and none
// (zeros) elsewhere, with replicated and sharded all of them on every rank; other orders those of
// the policies hosted here. Bytes and memory are always of this rank and its hosted workers.
struct OrderStats {
  // S: largest |h|_inf after a complete time step of all workers. Of several policies the largest;
  // sharded: within an epoch that of the rank's slice.
  double largest_sum = 0;
  // |h|_2 now. Of several policies the root of the sum of squares; sharded: at the end of the
  // epoch, 0 before.
  double sum_norm = 0;
  std::uint64_t plus = 0;        // decisions +1
  std::uint64_t minus = 0;       // decisions -1
  std::uint64_t ties = 0;        // decisions with <h, v> exactly 0
  std::uint64_t would_fail = 0;  // walk only: |<h, v>| > c M^2 or |h|_inf > c M
  double smallest_margin = 0;    // smallest |<h, v>| that was not 0; 0 when there was none
  // Frames from hosted workers since construction, headers included, once whatever the number of
  // ranks that get them; those of the worker's own rank count, too. Sharded: the frames that a
  // worker would send if each were alone on its machine.
  std::uint64_t uplink_bytes = 0;
  // Frames with signs to hosted workers, likewise. Replicated: none. Sharded: the sums of a worker
  // that is alone on its machine, one frame per step.
  std::uint64_t downlink_bytes = 0;
  Traffic traffic = {};  // what this rank handed to collectives for the order, since construction
  OrderMemory memory = {};
};

// A unit's gradient is NaN or infinite. Names worker, epoch and position; place().index is the
// position in the epoch.
class UnitDivergedError final : public DivergedError {
 public:
  struct Unit {
    std::uint32_t worker = 0;
    std::uint32_t epoch = 0;
    std::uint32_t position = 0;
  };
  explicit UnitDivergedError(const Unit& unit);
  [[nodiscard]] const Unit& unit() const { return unit_; }

 private:
  Unit unit_;
};

class OrderPolicy {
 public:
  virtual ~OrderPolicy() = default;
  OrderPolicy() = default;
  OrderPolicy(const OrderPolicy&) = delete;
  OrderPolicy& operator=(const OrderPolicy&) = delete;

  // The order of epoch e: a permutation of 0..units-1, valid until the next call. Epochs are asked
  // for in increasing order from 0, each at least once; asking again for the same one changes
  // nothing. An order that observes needs the gradient of every position before the next epoch is
  // asked for (std::logic_error naming the position that is missing). Orders that do not observe
  // keep no state between epochs: they may be asked for any epoch at any time.
  virtual std::span<const std::uint32_t> epoch(std::uint32_t e) = 0;

  // Whether the order depends on the gradients of single units.
  [[nodiscard]] virtual bool observes() const = 0;
  // The gradient of the unit at `position` of the epoch asked for last, in any order of the
  // positions, each once. What outlives the call is copied. Throws UnitDivergedError for a number
  // that is not finite; std::logic_error for a position that was observed before or lies behind the
  // end, for a wrong length, for indices that do not increase, for another type than before, and
  // when the order does not observe. The state is unspecified after UnitDivergedError and unchanged
  // after std::logic_error.
  virtual void observe(std::uint32_t position, const UnitGradient<float>& gradient) = 0;
  virtual void observe(std::uint32_t position, const UnitGradient<double>& gradient) = 0;
  [[nodiscard]] virtual OrderStats stats() const = 0;

  // Appends the state, also in the middle of an epoch: a policy of the same spec and setup that
  // loads it goes on with the same orders, bit for bit.
  virtual void save(std::vector<std::byte>& out) const = 0;
  // Takes a state that save wrote. Throws ConfigError naming both values when it was written with
  // another spec, number of units, dimension, worker or seed, and when the bytes are damaged; this
  // policy is unchanged then.
  virtual void load(std::span<const std::byte> state) = 0;
};

struct OrderSetup {
  std::uint32_t units = 0;
  std::uint32_t worker = 0;
  std::uint64_t seed = 0;
  std::size_t dim = 0;  // numbers of a gradient; used by orders that observe
};
using OrderRegistry = Registry<OrderPolicy, OrderSetup>;
[[nodiscard]] const OrderRegistry& orders();
// Whether the order wants gradients of single units, which not every problem can give.
// Precondition: canonical passed Catalog::problems.
[[nodiscard]] bool order_observes(const Spec& canonical);
// What the card cannot say: combinations of parameters. One line per problem, each with a remedy.
// Precondition: canonical passed Catalog::problems.
[[nodiscard]] std::vector<std::string> order_problems(const Spec& canonical);
void add_order_cards(Catalog& catalog);

// Where a BatchCursor stands; all that a checkpoint needs to go on with a stateless order.
struct CursorState {
  std::uint32_t epoch = 0;
  std::uint32_t position = 0;  // units of this epoch that were handed out
  bool operator==(const CursorState&) const = default;
};

// Cuts the epochs of one worker into batches of `batch` units; the last batch of an epoch holds
// what is left (a ragged batch is averaged over the units that it has). Batches never straddle
// epochs.
class BatchCursor {
 public:
  // Precondition: batch > 0; policy orders `units` > 0 units.
  BatchCursor(std::unique_ptr<OrderPolicy> policy, std::uint32_t units, std::uint32_t batch);
  // The units of the next batch, valid until the next call.
  std::span<const std::uint32_t> next();
  // The epoch of the batch that next() returned last; 0 before the first call.
  [[nodiscard]] std::uint32_t epoch() const { return epoch_; }
  [[nodiscard]] std::uint32_t batches_per_epoch() const {
    return units_ / batch_ + (units_ % batch_ == 0 ? 0 : 1);
  }
  [[nodiscard]] CursorState state() const { return {epoch_, position_}; }
  // Goes on as the cursor did from which the state was taken. A policy with state of its own is
  // restored by its owner first. Precondition: the state came from a cursor of the same units and
  // batch.
  void restore(CursorState state);

 private:
  std::unique_ptr<OrderPolicy> policy_;
  std::uint32_t units_;
  std::uint32_t batch_;
  std::uint32_t position_ = 0;
  std::uint32_t epoch_ = 0;
  std::span<const std::uint32_t> order_ = {};
};

}  // namespace laconic
