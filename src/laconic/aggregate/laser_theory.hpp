// SPDX-License-Identifier: Apache-2.0
// The channel influence factor lambda (laser.md 4): E||y(g) - g||^2 / ||g||^2 for a scheme y that
// sends g over a channel with unit noise. For one worker and one m x n matrix unless said
// otherwise; P is the energy per round, r the rank.
#pragma once

#include <cstddef>
#include <optional>
#include <span>

namespace laconic {

struct MatrixSize {
  double m = 1;
  double n = 1;
};

// The matrix sent as it is: m n / P.
[[nodiscard]] double plain_lambda(MatrixSize size, double power);
// Variant A with `workers` identical workers (eq. 8): r length / (K^2 P), where length is n in even
// rounds and m in odd ones.
[[nodiscard]] double alternating_lambda(double rank, double length, double workers, double power);
// Rank 1, the factors sent with powers P1 and P2 (eq. 4): (1 + m / P1) (1 + n / P2) - 1.
struct FactorPowers {
  double first = 1;   // of the factor with m entries
  double second = 1;  // of the one with n entries
};
[[nodiscard]] double rank_one_lambda(MatrixSize size, FactorPowers powers);
// The P1 of P1 + P2 = P that makes it least. P > 0.
[[nodiscard]] double optimal_first_power(MatrixSize size, double power);
// Rank r, both factors with half the power, component j with the share kappa_j of it (eq. 6).
// Preconditions: as many shares as singular values, shares positive.
[[nodiscard]] double two_factor_lambda(MatrixSize size, double power,
                                       std::span<const double> singular_values,
                                       std::span<const double> shares);
// Upper bound of the last for equal shares and for shares proportional to the singular values
// (eq. 7), m <= n.
[[nodiscard]] double two_factor_bound(MatrixSize size, double rank, double power);
// Power above which that bound is below plain_lambda: 4 m r^2 / (m - 4 r), m the smaller side;
// absent when m <= 4 r.
[[nodiscard]] std::optional<double> break_even_power(MatrixSize size, double rank);

}  // namespace laconic
