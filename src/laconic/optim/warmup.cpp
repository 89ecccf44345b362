// SPDX-License-Identifier: Apache-2.0
#include "laconic/optim/warmup.hpp"

#include "laconic/base/assert.hpp"

namespace laconic {

std::uint64_t signum_warmup_rounds(double beta) {
  LACONIC_EXPECTS(beta >= 0 && beta <= kMaxWarmupBeta);
  double power = beta;  // beta^C
  for (std::uint64_t c = 1;; ++c) {
    const auto count = static_cast<double>(c);
    const bool bias_is_small = 0.5 * count * power * (1 - beta * beta) * (count + 1) <= 1;
    if (bias_is_small && power * beta <= 0.5) return c;
    power *= beta;
  }
}

}  // namespace laconic
