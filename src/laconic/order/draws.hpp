// SPDX-License-Identifier: Apache-2.0
// The streams of purpose kOrder, told apart by their tensor field. Append only: the draws are part
// of recorded results. Private to the layer.
#pragma once

#include <cstdint>

namespace laconic::order {

inline constexpr std::uint32_t kPermutations = 0;  // (worker, epoch): a permutation of the units
inline constexpr std::uint32_t kWalkDraws = 1;     // (worker, epoch): word pair k decides pair k
inline constexpr std::uint32_t kSketchDraws = 2;   // (0, 0): word i places coordinate i
inline constexpr std::uint32_t kVectorDraws = 3;   // (trial, worker): random vectors

}  // namespace laconic::order
