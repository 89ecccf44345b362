// SPDX-License-Identifier: Apache-2.0
// What the messages of hosted workers decode to, for those who look at them
// (Aggregator::message_of). Empty unless AggregatorSetup::keep_messages.
// Private to this layer.
#pragma once

#include <span>
#include <vector>

#include "laconic/aggregate/aggregator.hpp"
#include "laconic/aggregate/exchange.hpp"
#include "laconic/tensor/workspace.hpp"

namespace laconic::aggregate {

template <Real T>
class KeptMessages {
 public:
  explicit KeptMessages(const AggregatorSetup& setup)
      : first_(setup.mine.begin),
        rows_(setup.keep_messages ? setup.mine.size() : 0,
              AlignedVector<T>(setup.layout->size(), T{0})) {
    LACONIC_EXPECTS(!setup.keep_messages || setup.link == nullptr);
  }

  [[nodiscard]] bool kept() const { return !rows_.empty(); }
  // Preconditions: kept, the worker is hosted here.
  [[nodiscard]] std::span<T> of(std::uint32_t worker) { return rows_[worker - first_]; }
  [[nodiscard]] std::span<const T> of(std::uint32_t worker) const {
    LACONIC_EXPECTS(worker >= first_ && worker - first_ < rows_.size());
    return rows_[worker - first_];
  }
  // The part of it that a shard of the exchange is about.
  [[nodiscard]] std::span<T> of(std::uint32_t worker, const Shard& shard) {
    return of(worker).subspan(shard.begin, shard.size());
  }

 private:
  std::uint32_t first_;
  std::vector<AlignedVector<T>> rows_;  // by hosted worker
};

}  // namespace laconic::aggregate
