// SPDX-License-Identifier: Apache-2.0
// What the papers prove about one vote and about the majority of many (signsgd.md sections 3 and
// 4): how often a sign is wrong, and how much that costs. S = |g_i| / sigma_i is the
// signal-to-noise ratio of one coordinate, q the probability that one voter has the wrong sign.
#pragma once

#include <cstdint>

namespace laconic {

// Below this S the bound of a unimodal symmetric noise is linear in S.
inline constexpr double kCriticalSnr = 1.1547005383792515;  // 2/sqrt(3)

// Gauss 1823: q is at most this for every unimodal symmetric noise; always below 1/2. Precondition:
// snr > 0.
[[nodiscard]] double wrong_sign_bound(double snr);
// Cantelli: q is at most this for any noise. Precondition: snr > 0.
[[nodiscard]] double wrong_sign_bound_any_noise(double snr);

struct Electorate {
  std::uint32_t honest = 1;     // each wrong with probability q, independently
  std::uint32_t inverters = 0;  // honest estimates, negated: each wrong with probability 1 - q
  std::uint32_t against = 0;    // know the truth and vote against it
};
// Probability that the majority is wrong, half of the ties counted: exact, by summing the
// distribution of the number of wrong votes. Quadratic in the number of voters. Precondition: 0 <=
// q <= 1, at least one voter.
[[nodiscard]] double vote_failure(const Electorate& electorate, double q);
// S2 theorem 2's ingredient: 1 / ((1 - 2 alpha) sqrt(M) S), alpha = inverters / M < 1/2.
[[nodiscard]] double vote_failure_bound(const Electorate& electorate, double snr);

// Density phi(v) = ||v||_1^2 / (d ||v||_2^2) in [1/d, 1] from the two norms; 0 for the zero vector.
[[nodiscard]] double density(double l1_norm, double squared_norm, double dim);

}  // namespace laconic
