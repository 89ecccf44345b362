// SPDX-License-Identifier: Apache-2.0
#include "laconic/compress/error.hpp"

#include <limits>

#include "laconic/base/assert.hpp"
#include "laconic/base/exact_math.hpp"
#include "laconic/kernels/kernels.hpp"

namespace laconic {

template <Real T>
Distortion distortion(std::span<const T> x, std::span<const T> q) {
  LACONIC_EXPECTS(x.size() == q.size());
  return {.signal = kernels::squared_norm<T>(x), .noise = kernels::squared_distance<T>(q, x)};
}
template Distortion distortion(std::span<const float>, std::span<const float>);
template Distortion distortion(std::span<const double>, std::span<const double>);

double snr_db(const Distortion& distortion) {
  constexpr double kInfinite = std::numeric_limits<double>::infinity();
  constexpr double kLog10 = 2.302585092994045684;
  if (distortion.noise == 0) return kInfinite;
  if (distortion.signal == 0) return -kInfinite;
  return 10 / kLog10 * (exact::log(distortion.signal) - exact::log(distortion.noise));
}

}  // namespace laconic
