// SPDX-License-Identifier: Apache-2.0
#include "laconic/aggregate/vote_theory.hpp"

#include <cmath>
#include <vector>

#include "laconic/base/assert.hpp"

namespace laconic {

double wrong_sign_bound(double snr) {
  LACONIC_EXPECTS(snr > 0);
  return snr > kCriticalSnr ? 2.0 / (9.0 * snr * snr) : 0.5 - snr / (2.0 * std::sqrt(3.0));
}

double wrong_sign_bound_any_noise(double snr) {
  LACONIC_EXPECTS(snr > 0);
  return 1.0 / (1.0 + snr * snr);
}

double vote_failure(const Electorate& electorate, double q) {
  const std::uint32_t voters = electorate.honest + electorate.inverters + electorate.against;
  LACONIC_EXPECTS(voters > 0);
  LACONIC_EXPECTS(q >= 0 && q <= 1);
  // wrong[k] = probability of k wrong votes, voter after voter.
  std::vector<double> wrong(voters + 1, 0.0);
  wrong[0] = 1.0;
  const auto add_voters = [&](std::uint32_t count, double p) {
    for (std::uint32_t i = 0; i < count; ++i) {
      for (std::size_t k = voters; k > 0; --k) wrong[k] = wrong[k] * (1.0 - p) + wrong[k - 1] * p;
      wrong[0] *= 1.0 - p;
    }
  };
  add_voters(electorate.honest, q);
  add_voters(electorate.inverters, 1.0 - q);
  add_voters(electorate.against, 1.0);
  double failure = 0;
  for (std::uint32_t k = 0; k <= voters; ++k) {
    if (2 * k > voters) failure += wrong[k];
    if (2 * k == voters) failure += 0.5 * wrong[k];
  }
  return failure;
}

double vote_failure_bound(const Electorate& electorate, double snr) {
  const double voters =
      static_cast<double>(electorate.honest) + static_cast<double>(electorate.inverters);
  const double alpha = static_cast<double>(electorate.inverters) / voters;
  LACONIC_EXPECTS(snr > 0 && alpha < 0.5 && electorate.against == 0);
  return 1.0 / ((1.0 - 2.0 * alpha) * std::sqrt(voters) * snr);
}

double density(double l1_norm, double squared_norm, double dim) {
  return squared_norm == 0 ? 0.0 : l1_norm * l1_norm / (dim * squared_norm);
}

}  // namespace laconic
