// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <utility>

#include "laconic/base/assert.hpp"
#include "laconic/order/order_policy.hpp"

namespace laconic {

BatchCursor::BatchCursor(std::unique_ptr<OrderPolicy> policy, std::uint32_t units,
                         std::uint32_t batch)
    : policy_(std::move(policy)), units_(units), batch_(batch) {
  LACONIC_EXPECTS(policy_ != nullptr);
  LACONIC_EXPECTS(units > 0);
  LACONIC_EXPECTS(batch > 0);
}

std::span<const std::uint32_t> BatchCursor::next() {
  if (position_ == units_) {
    ++epoch_;
    position_ = 0;
  }
  if (position_ == 0) order_ = policy_->epoch(epoch_);
  LACONIC_EXPECTS(order_.size() == units_);
  const std::uint32_t count = std::min(batch_, units_ - position_);
  const auto units = order_.subspan(position_, count);
  position_ += count;
  return units;
}

void BatchCursor::restore(CursorState state) {
  LACONIC_EXPECTS(state.position == units_ ||
                  (state.position < units_ && state.position % batch_ == 0));
  epoch_ = state.epoch;
  position_ = state.position;
  if (position_ > 0) order_ = policy_->epoch(epoch_);
}

}  // namespace laconic
