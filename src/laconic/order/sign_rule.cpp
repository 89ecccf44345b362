// SPDX-License-Identifier: Apache-2.0
#include "laconic/order/sign_rule.hpp"

#include <algorithm>
#include <cmath>

#include "laconic/order/draws.hpp"
#include "laconic/rng/stream.hpp"

namespace laconic::order {

bool SignRule::is_negative(const RuleItem& item) {
  Counts& counts = state_.counts;
  const double margin = std::abs(item.product);
  if (margin == 0) {
    ++counts.ties;
  } else if (counts.smallest_margin == 0 || margin < counts.smallest_margin) {
    counts.smallest_margin = margin;
  }
  bool negative = false;
  switch (setup_.kind) {
    case RuleKind::kDetLe:
      negative = !(item.product <= 0);
      break;
    case RuleKind::kDetLt:
      negative = !(item.product < 0);
      break;
    case RuleKind::kWalk:
      negative = walks_down(item);
      break;
  }
  ++(negative ? counts.minus : counts.plus);
  return negative;
}

bool SignRule::walks_down(const RuleItem& item) {
  state_.largest_norm = std::max(state_.largest_norm, item.norm);
  const double bound = setup_.bound > 0 ? setup_.bound : state_.largest_norm;
  const double limit = setup_.c * bound * bound;
  if (std::abs(item.product) > limit || item.largest_sum > setup_.c * bound) {
    ++state_.counts.would_fail;
  }
  const double tilt = item.product == 0 ? 0.0 : item.product / (2 * limit);
  const double probability = std::clamp(0.5 - tilt, 0.0, 1.0);
  const rng::Stream draws(setup_.seed, {.purpose = rng::Purpose::kOrder,
                                        .worker = item.worker,
                                        .round = item.epoch,
                                        .tensor = kWalkDraws});
  const std::uint64_t first = std::uint64_t{2} * item.index;
  const std::uint64_t bits = draws.word(first) | std::uint64_t{draws.word(first + 1)} << 32;
  return !(static_cast<double>(bits >> 11) * 0x1p-53 < probability);
}

void SignRule::save(wire::WireWriter& out) const {
  const Counts& counts = state_.counts;
  for (const std::uint64_t count : {counts.plus, counts.minus, counts.ties, counts.would_fail}) {
    out.u64(count);
  }
  out.f64(counts.smallest_margin);
  out.f64(state_.largest_norm);
}

void SignRule::load(wire::WireReader& in) {
  State state;
  for (std::uint64_t* count :
       {&state.counts.plus, &state.counts.minus, &state.counts.ties, &state.counts.would_fail}) {
    *count = in.u64();
  }
  for (double* number : {&state.counts.smallest_margin, &state.largest_norm}) {
    const std::size_t position = in.position();
    *number = in.f64();
    if (!(*number >= 0) || !std::isfinite(*number)) in.fail_at(position, Fault::kNonFinite);
  }
  if (in.ok()) state_ = state;
}

}  // namespace laconic::order
