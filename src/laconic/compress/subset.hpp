// SPDX-License-Identifier: Apache-2.0
// Random sets of coordinates, derived alike by sender and receiver.
#pragma once

#include <cstdint>
#include <span>

#include "laconic/rng/stream.hpp"

namespace laconic::compress {

// A uniform k-subset of 0 .. size-1, in increasing order, by Floyd's algorithm: for j = size - k,
// ..., size - 1 draw t = below(j + 1); take t, or j if t is taken already. Expected time is linear
// in k and, where k is at least size / 512, in size / 64. The span is valid until the thread's next
// call. Precondition: k <= size <= 2^32.
[[nodiscard]] std::span<const std::uint32_t> random_subset(const rng::Stream& stream,
                                                           std::size_t size, std::size_t k);

}  // namespace laconic::compress
