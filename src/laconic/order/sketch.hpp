// SPDX-License-Identifier: Apache-2.0
// Sparse sign projection of a gradient to k numbers: coordinate i is added, with a fair sign, to
// one of k numbers chosen uniformly; both are named by (seed, i), so that all workers project alike
// without a message. Inner products are kept in the mean, with a variance of at most 2 |x|^2 |y|^2
// / k, and the projection of a difference is the difference of the projections.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "laconic/order/order_policy.hpp"
#include "laconic/tensor/workspace.hpp"

namespace laconic {

class SignSketch {
 public:
  // Precondition: 0 < size <= 2^24. Keeps 4 bytes per coordinate.
  SignSketch(std::uint64_t seed, std::size_t dim, std::uint32_t size);
  [[nodiscard]] std::uint32_t size() const { return size_; }
  // The projection, dense: added in double in order of the coordinate, rounded once. Valid until
  // the next call. O(number of values). Precondition: the gradient fits dim.
  template <Real T>
  [[nodiscard]] UnitGradient<T> project(const UnitGradient<T>& gradient);

 private:
  std::uint32_t size_;
  std::vector<std::uint32_t> places_;  // 2 * place + (1: minus)
  std::vector<double> sums_;
  AlignedVector<float> floats_ = {};
  AlignedVector<double> doubles_ = {};
};

}  // namespace laconic
