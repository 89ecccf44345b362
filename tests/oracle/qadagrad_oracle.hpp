// SPDX-License-Identifier: Apache-2.0
// Naive double-precision versions of the quantizers of quantized-adagrad.md section 3 and of the
// steps of 2.2, written from the page alone: sorting, sums from the front, formulas as they stand
// there.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <functional>
#include <vector>

#include "tests/oracle/compress_oracle.hpp"

namespace laconic::oracle {

inline double soft(double z, double a) { return std::copysign(std::max(std::fabs(z) - a, 0.0), z); }
// Lines 8 and 9 of 2.2 for one coordinate, as they stand there; the squares are those of r.
struct AdagradCoordinate {
  double x0 = 0;
  double delta = 0;
  double lambda = 0;
  double x = x0;
  double s2 = 0;
  double u = 0;
  double t = 0;
  void cmd(double q, double eta, double r) {
    s2 += r * r;
    const double h = delta + std::sqrt(s2);
    x = soft(x - eta / h * q, eta * lambda / h);
  }
  void rda(double q, double eta, double r) {
    s2 += r * r;
    u += q;
    t += 1;
    const double h = delta + std::sqrt(s2);
    x = soft(x0 - eta / h * u, eta * t * lambda / h);
  }
  void cmd(double q, double eta) { cmd(q, eta, q); }
  void rda(double q, double eta) { rda(q, eta, q); }
};

inline Vector magnitudes_descending(const Vector& v) {
  Vector a;
  for (const double x : v) a.push_back(std::fabs(x));
  std::sort(a.begin(), a.end(), std::greater<>());
  return a;
}
inline double l1(const Vector& v) {
  double sum = 0;
  for (const double x : v) sum += std::fabs(x);
  return sum;
}
inline double linf(const Vector& v) {
  double largest = 0;
  for (const double x : v) largest = std::max(largest, std::fabs(x));
  return largest;
}
inline double density(const Vector& v) {
  return l1(v) * l1(v) / (static_cast<double>(v.size()) * squared(v));
}

// 3.3, one level: the scan over k. All zero: 0.
inline double optimal_clip(const Vector& v) {
  const Vector a = magnitudes_descending(v);
  const double total = l1(v);
  double p = 0;
  for (std::size_t k = 1; k <= a.size() && total > 0; ++k) {
    p += a[k - 1];
    const double c = (3 * p - total) / (2 * static_cast<double>(k));
    if (c >= a[k - 1]) return a[k - 1];
    if (c >= (k < a.size() ? a[k] : 0)) return c;
  }
  return 0;
}
// 3.3, more levels, with 1/6 in place of p (1 - p).
inline double surrogate_clip(const Vector& v, double levels) {
  const Vector a = magnitudes_descending(v);
  double n = 0;
  for (const double x : a) n += x > 0 ? 1 : 0;
  double p = 0;
  for (std::size_t k = 1; k <= a.size() && n > 0; ++k) {
    p += a[k - 1];
    const double kk = static_cast<double>(k);
    const double tau = p / (kk + (n - kk) / (6 * levels * levels));
    if (tau >= a[k - 1]) return a[k - 1];
    if (tau >= (k < a.size() ? a[k] : 0)) return tau;
  }
  return 0;
}
// 3.4: sum min(1, a/tau) = budget; 0 if all numbers fit.
inline double budget_threshold(const Vector& v, double budget) {
  const Vector a = magnitudes_descending(v);
  double n = 0;
  for (const double x : a) n += x > 0 ? 1 : 0;
  if (budget >= n) return 0;
  const double total = l1(v);
  double p = 0;
  for (std::size_t k = 0; k < a.size(); ++k) {
    const double tau = (total - p) / (budget - static_cast<double>(k));
    if (tau >= a[k] && (k == 0 || tau <= a[k - 1])) return tau;
    p += a[k];
  }
  return 0;
}
// 3.5: every k.
struct DeadZone {
  std::size_t k = 0;
  double alpha = 0;
  double gain = 0;  // P_k^2 / k
};
inline DeadZone dead_zone(const Vector& v) {
  const Vector a = magnitudes_descending(v);
  DeadZone best;
  double p = 0;
  for (std::size_t k = 1; k <= a.size(); ++k) {
    p += a[k - 1];
    const double gain = p * p / static_cast<double>(k);
    if (gain > best.gain) best = {k, p / static_cast<double>(k), gain};
  }
  return best;
}

// Stochastic rounding of |v| at a scale: the level without chance, and the probability of one more.
struct Level {
  double level = 0;
  double p = 0;
};
inline Level level_of(double v, double scale, double levels) {
  const double y = levels * std::min(std::fabs(v), scale) / scale;
  const double l = std::min(std::floor(y), levels);
  return {l, y - l};
}
inline double rounding_variance(const Vector& v, double scale, double levels) {
  double sum = 0;
  for (const double x : v) {
    const double p = level_of(x, scale, levels).p;
    sum += scale / levels * (scale / levels) * p * (1 - p);
  }
  return sum;
}
inline double clip_error(const Vector& v, double tau, double levels) {
  double sum = 0;
  Vector inside;
  for (const double x : v) {
    const double a = std::fabs(x);
    if (a > tau) sum += (a - tau) * (a - tau);
    if (a <= tau) inside.push_back(x);
  }
  return sum + rounding_variance(inside, tau, levels);
}
inline double unbiased_error(const Vector& v, double tau) {
  double sum = 0;
  for (const double x : v) {
    const double a = std::fabs(x);
    if (a < tau) sum += a * (tau - a);
  }
  return sum;
}

}  // namespace laconic::oracle
