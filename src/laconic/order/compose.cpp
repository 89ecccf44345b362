// SPDX-License-Identifier: Apache-2.0
#include "laconic/order/compose.hpp"

#include "laconic/base/assert.hpp"

namespace laconic {

void reorder_by_signs(std::span<const std::uint32_t> order, std::span<const std::uint64_t> signs,
                      std::span<std::uint32_t> next) {
  LACONIC_EXPECTS(next.size() == order.size());
  LACONIC_EXPECTS(signs.size() * 64 >= order.size());
  std::size_t left = 0;
  std::size_t right = order.size();
  for (std::size_t j = 0; j < order.size(); ++j) {
    next[sign_bit(signs, j) ? --right : left++] = order[j];
  }
}

void reorder_by_pairs(std::span<const std::uint32_t> order, std::span<const std::uint64_t> signs,
                      std::span<std::uint32_t> next) {
  LACONIC_EXPECTS(next.size() == order.size());
  const std::size_t pairs = order.size() / 2;
  LACONIC_EXPECTS(signs.size() * 64 >= pairs);
  for (std::size_t k = 0; k < pairs; ++k) {
    const std::size_t swapped = sign_bit(signs, k) ? 1 : 0;
    next[k] = order[2 * k + swapped];
    next[order.size() - 1 - k] = order[2 * k + 1 - swapped];
  }
  if (order.size() % 2 == 1) next[pairs] = order.back();
}

}  // namespace laconic
