// SPDX-License-Identifier: Apache-2.0
// Naive double-precision versions of the compressors of 3pc.md sections 3 and 4, written from the
// page alone.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <set>
#include <vector>

#include "laconic/rng/stream.hpp"

namespace laconic::oracle {

using Vector = std::vector<double>;

inline double squared(const Vector& v) {
  double sum = 0;
  for (const double x : v) sum += x * x;
  return sum;
}
inline Vector minus(const Vector& a, const Vector& b) {
  Vector out(a.size());
  for (std::size_t i = 0; i < a.size(); ++i) out[i] = a[i] - b[i];
  return out;
}
inline Vector plus(const Vector& a, const Vector& b) {
  Vector out(a.size());
  for (std::size_t i = 0; i < a.size(); ++i) out[i] = a[i] + b[i];
  return out;
}
inline Vector times(double factor, const Vector& v) {
  Vector out(v.size());
  for (std::size_t i = 0; i < v.size(); ++i) out[i] = factor * v[i];
  return out;
}

// K times the largest |v_j| that is left, the smaller index first.
inline Vector top_k(const Vector& v, std::size_t k) {
  Vector out(v.size(), 0.0);
  std::vector<bool> taken(v.size(), false);
  for (std::size_t round = 0; round < k; ++round) {
    std::size_t best = v.size();
    for (std::size_t j = 0; j < v.size(); ++j) {
      if (!taken[j] && (best == v.size() || std::fabs(v[j]) > std::fabs(v[best]))) best = j;
    }
    taken[best] = true;
    out[best] = v[best];
  }
  return out;
}

// Floyd's algorithm with a set.
inline std::set<std::uint64_t> subset(const rng::Stream& stream, std::uint64_t d, std::uint64_t k) {
  std::set<std::uint64_t> out;
  rng::Reader reader(stream);
  for (std::uint64_t j = d - k; j < d; ++j) {
    const std::uint64_t t = reader.below(j + 1);
    if (!out.insert(t).second) out.insert(j);
  }
  return out;
}

// The two values around |v| that a rounding at random may give, and the probability of the lower.
struct TwoOutcomes {
  double lower = 0;
  double upper = 0;
  double down = 1;
};
inline TwoOutcomes natural(double v) {
  if (v == 0) return {};
  const int k = static_cast<int>(std::floor(std::log2(std::fabs(v))));
  const double power = std::ldexp(1.0, k);
  return {power, 2 * power, (2 * power - std::fabs(v)) / power};
}
inline TwoOutcomes dithering(double v, double norm, int s) {
  const double t = std::fabs(v) / norm * s;
  const double level = std::min(std::floor(t), static_cast<double>(s));
  return {norm * level / s, norm * std::min(level + 1, static_cast<double>(s)) / s,
          1 - (t - level)};
}
inline TwoOutcomes natural_dithering(double v, double norm, int s) {
  const double t = std::fabs(v) / norm;
  const double smallest = std::ldexp(1.0, 1 - s);
  if (t < smallest) return {0, norm * smallest, 1 - t / smallest};
  double level = smallest;
  while (2 * level <= t) level *= 2;
  if (level == 1) return {norm, norm, 1};
  return {norm * level, 2 * norm * level, (2 * level - t) / level};
}

// LAQ's grid.
inline Vector laq(const Vector& v, int bits) {
  double r = 0;
  for (const double x : v) r = std::max(r, std::fabs(x));
  r = static_cast<double>(static_cast<float>(r));
  const double tau = 1 / (std::ldexp(1.0, bits) - 1);
  Vector out(v.size(), 0.0);
  if (r == 0) return out;
  for (std::size_t j = 0; j < v.size(); ++j) {
    double code = std::floor((v[j] + r) / (2 * tau * r) + 0.5);
    code = std::min(std::max(code, 0.0), 1 / tau);
    out[j] = 2 * tau * r * code - r;
  }
  return out;
}

}  // namespace laconic::oracle
