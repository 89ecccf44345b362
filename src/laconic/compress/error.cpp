// SPDX-License-Identifier: Apache-2.0
#include "laconic/compress/error.hpp"

#include <limits>

#include "laconic/base/assert.hpp"
#include "laconic/base/exact_math.hpp"
#include "laconic/kernels/kernels.hpp"

namespace laconic {

template <Real T>
double snr_db(std::span<const T> x, std::span<const T> q) {
  LACONIC_EXPECTS(x.size() == q.size());
  constexpr double kInfinite = std::numeric_limits<double>::infinity();
  constexpr double kLog10 = 2.302585092994045684;
  const double noise = kernels::squared_distance<T>(q, x);
  const double signal = kernels::squared_norm<T>(x);
  if (noise == 0) return kInfinite;
  if (signal == 0) return -kInfinite;
  return 10 / kLog10 * (exact::log(signal) - exact::log(noise));
}
template double snr_db(std::span<const float>, std::span<const float>);
template double snr_db(std::span<const double>, std::span<const double>);

}  // namespace laconic
