// SPDX-License-Identifier: Apache-2.0
// Sparse sign projection of a gradient to k numbers (k >= 4): coordinate i is added, halved and
// with a fair sign, to one uniformly chosen number of each quarter of the k numbers; for k < 4
// whole, to one of all. Places and signs are named by (seed, i), so that all workers project alike
// without a message. Inner products are kept in the mean, with a variance of at most 2 |x|^2 |y|^2
// / k, and the projection of a difference is the difference of the projections. What the projection
// maps to 0 is not balanced: sketches serve gradients that lie near a space of few dimensions.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "laconic/order/order_policy.hpp"
#include "laconic/tensor/workspace.hpp"

namespace laconic {

class SignSketch {
 public:
  // Precondition: 0 < size <= 2^24. Keeps 16 bytes per coordinate.
  SignSketch(std::uint64_t seed, std::size_t dim, std::uint32_t size);
  [[nodiscard]] std::uint32_t size() const { return size_; }
  // The projection, dense: added in double in order of the coordinate, rounded once. Valid until
  // the next call. O(number of values). Precondition: the gradient fits dim.
  template <Real T>
  [[nodiscard]] UnitGradient<T> project(const UnitGradient<T>& gradient);

 private:
  std::uint32_t size_;
  std::uint32_t copies_;               // of a coordinate: 4 or 1
  std::vector<std::uint32_t> places_;  // copies_ per coordinate: 2 * place + (1: minus)
  std::vector<double> sums_;
  AlignedVector<float> floats_ = {};
  AlignedVector<double> doubles_ = {};
};

}  // namespace laconic
