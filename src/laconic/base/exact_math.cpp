// SPDX-License-Identifier: Apache-2.0
#include "laconic/base/exact_math.hpp"

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

namespace laconic::exact {
namespace {

// ln 2 in two parts: the first has 21 trailing zero bits, so that n * kLn2High is exact for |n| <
// 2^11.
constexpr double kLn2High = 0x1.62e42feep-1;
constexpr double kLn2Low = 0x1.a39ef35793c76p-33;
constexpr double kInverseLn2 = 0x1.71547652b82fep0;
constexpr double kTwoPi = 0x1.921fb54442d18p2;

double power_of_two(int exponent) {  // for -1022 <= exponent <= 1023
  return std::bit_cast<double>(static_cast<std::uint64_t>(exponent + 1023) << 52);
}

}  // namespace

double exp(double x) {
  if (std::isnan(x)) return x;
  if (x > 709.782712893384) return std::numeric_limits<double>::infinity();
  if (x < -745.2) return 0.0;
  const double n = std::floor(x * kInverseLn2 + 0.5);
  const double r = (x - n * kLn2High) - n * kLn2Low;  // |r| <= ln(2)/2
  // Taylor series by Horner; the first term left out is r^14/14! < 5e-18.
  double p = 1.0 / 6227020800.0;
  p = p * r + 1.0 / 479001600.0;
  p = p * r + 1.0 / 39916800.0;
  p = p * r + 1.0 / 3628800.0;
  p = p * r + 1.0 / 362880.0;
  p = p * r + 1.0 / 40320.0;
  p = p * r + 1.0 / 5040.0;
  p = p * r + 1.0 / 720.0;
  p = p * r + 1.0 / 120.0;
  p = p * r + 1.0 / 24.0;
  p = p * r + 1.0 / 6.0;
  p = p * r + 0.5;
  const double y = 1.0 + (r + (r * r) * p);
  const int exponent = static_cast<int>(n);
  if (exponent < -1021)
    return y * power_of_two(exponent + 60) * power_of_two(-60);  // denormal results
  if (exponent > 1022) return y * power_of_two(exponent - 1) * 2.0;
  return y * power_of_two(exponent);
}

double log(double x) {
  if (std::isnan(x) || x < 0) return std::numeric_limits<double>::quiet_NaN();
  if (x == 0) return -std::numeric_limits<double>::infinity();
  if (std::isinf(x)) return x;
  int exponent = 0;
  if (x < std::numeric_limits<double>::min()) {  // denormal
    x *= 0x1p54;
    exponent = -54;
  }
  const auto bits = std::bit_cast<std::uint64_t>(x);
  exponent += static_cast<int>(bits >> 52) - 1023;
  double m = std::bit_cast<double>((bits & 0x000fffffffffffffULL) | 0x3ff0000000000000ULL);
  if (m > 1.4142135623730951) {
    m *= 0.5;
    ++exponent;
  }
  // log(m) = 2 atanh(s), s = (m-1)/(m+1), |s| <= 0.1716; the first term left out is below 1e-19.
  const double f = m - 1.0;
  const double s = f / (2.0 + f);
  const double z = s * s;
  double p = 1.0 / 23.0;
  p = p * z + 1.0 / 21.0;
  p = p * z + 1.0 / 19.0;
  p = p * z + 1.0 / 17.0;
  p = p * z + 1.0 / 15.0;
  p = p * z + 1.0 / 13.0;
  p = p * z + 1.0 / 11.0;
  p = p * z + 1.0 / 9.0;
  p = p * z + 1.0 / 7.0;
  p = p * z + 1.0 / 5.0;
  p = p * z + 1.0 / 3.0;
  const double tail = 2.0 * s * (z * p);
  const double n = static_cast<double>(exponent);
  return n * kLn2High + (2.0 * s + (tail + n * kLn2Low));
}

double log1p(double x) {
  const double u = 1.0 + x;
  if (u == 1.0) return x;
  if (u == 0 || std::isinf(u)) return log(u);
  return log(u) - ((u - 1.0) - x) / u;  // the division repairs the rounding of 1 + x
}

std::pair<double, double> sincos_2pi(double u) {
  const double quadrant = std::floor(4.0 * u + 0.5);
  const double t = kTwoPi * (u - 0.25 * quadrant);  // |t| <= pi/4
  const double z = t * t;
  double s = -1.0 / 1307674368000.0;
  s = s * z + 1.0 / 6227020800.0;
  s = s * z - 1.0 / 39916800.0;
  s = s * z + 1.0 / 362880.0;
  s = s * z - 1.0 / 5040.0;
  s = s * z + 1.0 / 120.0;
  s = s * z - 1.0 / 6.0;
  const double sine = t + t * (z * s);
  double c = 1.0 / 20922789888000.0;
  c = c * z - 1.0 / 87178291200.0;
  c = c * z + 1.0 / 479001600.0;
  c = c * z - 1.0 / 3628800.0;
  c = c * z + 1.0 / 40320.0;
  c = c * z - 1.0 / 720.0;
  c = c * z + 1.0 / 24.0;
  c = c * z - 0.5;
  const double cosine = 1.0 + z * c;
  switch (static_cast<int>(quadrant) & 3) {
    case 0:
      return {sine, cosine};
    case 1:
      return {cosine, -sine};
    case 2:
      return {-sine, -cosine};
    default:
      return {-cosine, sine};
  }
}

double sigmoid(double x) {
  if (x >= 0) return 1.0 / (1.0 + exp(-x));
  const double e = exp(x);
  return e / (1.0 + e);
}

double softplus(double x) { return x > 0 ? x + log1p(exp(-x)) : log1p(exp(x)); }

double tanh(double x) {
  const double e = exp(-2.0 * std::fabs(x));
  return std::copysign((1.0 - e) / (1.0 + e), x);
}

double normal_cdf(double x) {
  const double a = std::fabs(x);
  if (std::isnan(x)) return x;
  if (a > 39) return x > 0 ? 1.0 : 0.0;
  const double density = exp(-0.5 * a * a) / 2.5066282746310002;
  double upper = 0;  // P(Z > a)
  if (a < 3) {
    // 1/2 + density * (a + a^3/3 + a^5/(3*5) + ...): all terms positive, no cancellation.
    double term = a;
    double sum = a;
    for (int k = 1; k < 200 && term > sum * 1e-18; ++k) {
      term = term * (a * a) / (2.0 * k + 1.0);
      sum += term;
    }
    upper = 0.5 - density * sum;
  } else {
    // Continued fraction of Mills' ratio, evaluated backwards: 1/(a + 1/(a + 2/(a + 3/(a + ...)))).
    double fraction = a;
    for (int k = 120; k >= 1; --k) fraction = a + static_cast<double>(k) / fraction;
    upper = density / fraction;
  }
  return x > 0 ? 1.0 - upper : upper;
}

}  // namespace laconic::exact
