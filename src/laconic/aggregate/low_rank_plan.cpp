// SPDX-License-Identifier: Apache-2.0
#include "laconic/aggregate/low_rank_plan.hpp"

#include <algorithm>

#include "laconic/base/assert.hpp"

namespace laconic {

bool low_rank_compresses(const Tensor& tensor, std::size_t rank) {
  const std::size_t m = tensor.shape.rows;
  const std::size_t n = tensor.shape.cols;
  const std::size_t r = std::min({rank, m, n});
  return tensor.role != Role::kBias && m * n > r * (m + n);
}

LowRankPlan::LowRankPlan(const Layout& layout, std::size_t rank) {
  LACONIC_EXPECTS(rank > 0);
  for (std::uint32_t i = 0; i < layout.tensors().size(); ++i) {
    const Tensor& tensor = layout.tensors()[i];
    if (!low_rank_compresses(tensor, rank)) {
      plain.push_back(i);
      plain_size += tensor.shape.size();
      continue;
    }
    const LowRankMatrix matrix = {
        .tensor = i,
        .rows = tensor.shape.rows,
        .cols = tensor.shape.cols,
        .rank = std::min<std::size_t>({rank, tensor.shape.rows, tensor.shape.cols}),
        .offset = tensor.offset,
        .memory_offset = memory_size,
        .p_offset = p_size,
        .q_offset = q_size};
    memory_size += tensor.shape.size();
    p_size += matrix.rank * matrix.rows;
    q_size += matrix.rank * matrix.cols;
    matrices.push_back(matrix);
  }
}

}  // namespace laconic
