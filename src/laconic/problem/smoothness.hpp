// SPDX-License-Identifier: Apache-2.0
// Smoothness of losses phi(<a, x>) whose curvature phi'' is bounded: the Hessian of a mean over
// rows is at most the bound times the mean of a a^T. Private to this layer.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "laconic/data/dataset.hpp"
#include "laconic/problem/problem.hpp"

namespace laconic::problem {

struct RowGroup {
  std::span<const std::uint32_t> rows = {};
  double weight = 1;  // of every row of the group
};

struct Features {
  const data::Examples* examples = nullptr;
  bool with_constant = false;  // a further feature that is 1 in every row
};

// Largest eigenvalue of sum_k weight_k a_k a_k^T by power iteration from a fixed start, until the
// residual is below 1e-8 of it (its own relative error is then about the square of that, divided by
// the relative gap to the next one). 0 if all rows are zero.
[[nodiscard]] double largest_eigenvalue(const Features& features, std::span<const RowGroup> groups);

// l with sum_k weight_k a_k a_k^T at most diag(l): l_j = sum_k weight_k |a_k|_1 |a_kj|, because
// (sum_j a_j u_j)^2 <= |a|_1 sum_j |a_j| u_j^2. One element per feature, then that of the constant.
[[nodiscard]] std::vector<double> diagonal_bound(const Features& features,
                                                 std::span<const RowGroup> groups);

// L_i, L_- and L_+ of f_i = mean of phi(<a, x>) over shard i, 0 <= phi'' <= curvature, plus a
// regulariser with second derivatives of at most `regulariser`.
struct SmoothnessBounds {
  double curvature = 1;
  double regulariser = 0;
};
[[nodiscard]] Constants smoothness_of(const Features& features,
                                      std::span<const std::vector<std::uint32_t>> shards,
                                      SmoothnessBounds bounds);

// Every shard as a group with weight 1 / (number of shards * rows of the shard).
[[nodiscard]] std::vector<RowGroup> mean_groups(std::span<const std::vector<std::uint32_t>> shards);

}  // namespace laconic::problem
