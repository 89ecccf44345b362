// SPDX-License-Identifier: Apache-2.0
// Naive double-precision versions of signsgd.md sections 2 and 3, written from the page alone.
#pragma once

#include <cmath>
#include <cstddef>
#include <vector>

namespace laconic::oracle {

inline double l1(const std::vector<double>& v) {
  double sum = 0;
  for (const double value : v) sum += std::fabs(value);
  return sum;
}
inline double l2_squared(const std::vector<double>& v) {
  double sum = 0;
  for (const double value : v) sum += value * value;
  return sum;
}
inline double phi(const std::vector<double>& v) {
  return l1(v) * l1(v) / (static_cast<double>(v.size()) * l2_squared(v));
}
// sgn with sgn(0) = +1 (rule POS).
inline double sign_pos(double x) { return x < 0 ? -1.0 : 1.0; }

// C(v) = (||v||_1/d) sgn(v), block by block.
inline std::vector<double> scaled_sign(const std::vector<double>& v, std::size_t block) {
  std::vector<double> out(v.size());
  for (std::size_t begin = 0; begin < v.size(); begin += block) {
    const std::size_t end = begin + block < v.size() ? begin + block : v.size();
    double sum = 0;
    for (std::size_t i = begin; i < end; ++i) sum += std::fabs(v[i]);
    for (std::size_t i = begin; i < end; ++i)
      out[i] = sum / static_cast<double>(end - begin) * sign_pos(v[i]);
  }
  return out;
}

}  // namespace laconic::oracle
