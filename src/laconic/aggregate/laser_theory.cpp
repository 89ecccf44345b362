// SPDX-License-Identifier: Apache-2.0
#include "laconic/aggregate/laser_theory.hpp"

#include <algorithm>
#include <cmath>

#include "laconic/base/assert.hpp"

namespace laconic {

double plain_lambda(MatrixSize size, double power) { return size.m * size.n / power; }

double alternating_lambda(double rank, double length, double workers, double power) {
  return rank * length / (workers * workers * power);
}

double rank_one_lambda(MatrixSize size, FactorPowers powers) {
  const double a = size.m / powers.first;
  const double b = size.n / powers.second;
  return a + b + a * b;
}

double optimal_first_power(MatrixSize size, double power) {
  LACONIC_EXPECTS(power > 0);
  const double first = std::sqrt(size.m * (power + size.n));
  const double second = std::sqrt(size.n * (power + size.m));
  return power * first / (first + second);
}

double two_factor_lambda(MatrixSize size, double power, std::span<const double> singular_values,
                         std::span<const double> shares) {
  LACONIC_EXPECTS(singular_values.size() == shares.size());
  double sum = 0;
  double total = 0;
  for (std::size_t j = 0; j < shares.size(); ++j) {
    LACONIC_EXPECTS(shares[j] > 0);
    const double squared = singular_values[j] * singular_values[j];
    const double each = 0.5 * power * shares[j];
    sum += squared * rank_one_lambda(size, {.first = each, .second = each});
    total += squared;
  }
  return sum / total;
}

double two_factor_bound(MatrixSize size, double rank, double power) {
  const double m = std::min(size.m, size.n);
  const double n = std::max(size.m, size.n);
  const double snr = power / (m * n);
  return 4 / (m / rank * snr) * (1 + 1 / (n / rank * snr));
}

std::optional<double> break_even_power(MatrixSize size, double rank) {
  const double m = std::min(size.m, size.n);
  if (m <= 4 * rank) return std::nullopt;
  return 4 * m * rank * rank / (m - 4 * rank);
}

}  // namespace laconic
