// SPDX-License-Identifier: Apache-2.0
// In which order a worker visits its ordering units (examples). One policy per worker, over the
// worker's own units 0..n-1. Usable alone, in a training loop that is not laconic's.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "laconic/base/registry.hpp"
#include "laconic/tensor/layout.hpp"

namespace laconic {

class OrderPolicy {
 public:
  virtual ~OrderPolicy() = default;
  OrderPolicy() = default;
  OrderPolicy(const OrderPolicy&) = delete;
  OrderPolicy& operator=(const OrderPolicy&) = delete;

  // The order of epoch e: a permutation of 0..units-1, valid until the next call. Epochs are asked
  // for in increasing order, each at least once. The four baseline orders (incremental, once,
  // reshuffle, flipflop) keep no state between epochs: they may be asked for any epoch at any time.
  virtual std::span<const std::uint32_t> epoch(std::uint32_t e) = 0;
};

struct OrderSetup {
  std::uint32_t units = 0;
  std::uint32_t worker = 0;
  std::uint64_t seed = 0;
};
using OrderRegistry = Registry<OrderPolicy, OrderSetup>;
[[nodiscard]] const OrderRegistry& orders();
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
