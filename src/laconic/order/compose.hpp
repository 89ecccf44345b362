// SPDX-License-Identifier: Apache-2.0
// From signs to the next order (cd-grab.md 2.2, 2.5): units with +1 in front, in the order of the
// visit, units with -1 behind, reversed. Sign bits: bit i mod 64 of word i / 64, 1 = -1.
#pragma once

#include <cstdint>
#include <span>

namespace laconic {

[[nodiscard]] inline bool sign_bit(std::span<const std::uint64_t> signs, std::size_t i) {
  return ((signs[i / 64] >> (i % 64)) & 1) != 0;
}

// next = the units of `order` with sign + in order, then those with sign - in reversed order; sign
// bit j belongs to position j. Preconditions: next.size() == order.size(); a bit for every
// position; no overlap.
void reorder_by_signs(std::span<const std::uint32_t> order, std::span<const std::uint64_t> signs,
                      std::span<std::uint32_t> next);

// next[k] and next[n-1-k] = the units at positions 2k and 2k+1, in this order for sign +, swapped
// for sign -; sign bit k belongs to pair k. The last unit of an odd number has no partner and
// stands in the middle. Preconditions as above, with a bit for every pair.
void reorder_by_pairs(std::span<const std::uint32_t> order, std::span<const std::uint64_t> signs,
                      std::span<std::uint32_t> next);

}  // namespace laconic
