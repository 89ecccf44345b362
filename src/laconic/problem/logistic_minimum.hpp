// SPDX-License-Identifier: Apache-2.0
// f* of a regularised logistic regression by Newton's method with a line search, in double. Private
// to this layer.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "laconic/data/dataset.hpp"
#include "laconic/problem/example_problem.hpp"

namespace laconic::problem {

struct LogisticFunction {
  const data::SparseRows* matrix = nullptr;
  std::span<const std::uint32_t> labels = {};               // 0 or 1, of every row of the matrix
  std::span<const std::vector<std::uint32_t>> shards = {};  // f is the mean of their means
  bool with_constant = false;  // a further feature that is 1 in every row, not regularised
  Regulariser regulariser = {};
};

// The largest number of coordinates for which a Hessian is formed.
inline constexpr std::size_t kMaxNewtonDimension = 2049;

// f* up to the rounding of a sum over all rows (about 1e-14 of itself). Nothing when the
// regulariser does not make f strongly convex in the weights, when there are too many coordinates,
// or when the iteration does not settle (an intercept that runs away because all labels agree).
// Deterministic. Costs about ten passes with (entries of a row)^2 each, and as many Cholesky
// factorisations.
[[nodiscard]] std::optional<double> logistic_minimum(const LogisticFunction& f);

}  // namespace laconic::problem
