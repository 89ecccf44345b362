// SPDX-License-Identifier: Apache-2.0
// Which tensors a low-rank method compresses, and how long its messages are (laser.md 2.1, 5.5).
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "laconic/aggregate/allocation.hpp"
#include "laconic/tensor/layout.hpp"

namespace laconic {

// A tensor that is sent as factors of rank r: p has r components of `rows`, q has r of `cols`.
struct LowRankMatrix {
  std::uint32_t tensor = 0;  // index in the layout
  std::size_t rows = 0;
  std::size_t cols = 0;
  std::size_t rank = 0;           // min(r, rows, cols)
  std::size_t offset = 0;         // in the flat vector of the model
  std::size_t memory_offset = 0;  // in a vector that holds the compressed tensors only
  std::size_t p_offset = 0;       // in a vector that holds all p factors
  std::size_t q_offset = 0;       // likewise
};

// Rule (2): a matrix is compressed if m n > r_l (m + n), that is if both factors together are less
// than half as long. So vectors never are, and neither are biases.
[[nodiscard]] bool low_rank_compresses(const Tensor& tensor, std::size_t rank);

struct LowRankPlan {
  // Precondition: rank > 0.
  LowRankPlan(const Layout& layout, std::size_t rank);
  std::vector<LowRankMatrix> matrices = {};
  std::vector<std::uint32_t> plain = {};  // tensors that are sent as they are
  std::size_t memory_size = 0;            // numbers in the compressed tensors
  std::size_t p_size = 0;                 // numbers in all p factors
  std::size_t q_size = 0;
  std::size_t plain_size = 0;
};

}  // namespace laconic
