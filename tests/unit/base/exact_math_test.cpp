// SPDX-License-Identifier: Apache-2.0
// The accuracy that exact_math.hpp states, measured against the C library in long double (64-bit
// significand, whose own error is below 1e-18 here), and values recorded bit for bit.
#include "laconic/base/exact_math.hpp"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

#include "laconic/rng/stream.hpp"

namespace laconic {
namespace {

static_assert(std::numeric_limits<long double>::digits >= 64,
              "the reference needs more digits than double");

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr int kSamples = 200000;

// Uniform in [low, high].
class Points {
 public:
  Points(std::uint32_t test, double low, double high)
      : reader_(rng::Stream(6, {rng::Purpose::kTest, test, 0, 0})), low_(low), high_(high) {}
  double next() { return low_ + (high_ - low_) * reader_.unit_double(); }

 private:
  rng::Reader reader_;
  double low_;
  double high_;
};

template <class Function, class Reference>
long double largest_relative_error(Points points, Function function, Reference reference) {
  long double largest = 0;
  for (int i = 0; i < kSamples; ++i) {
    const double x = points.next();
    const long double truth = reference(static_cast<long double>(x));
    if (truth == 0) continue;
    largest = std::max(largest, std::fabs((function(x) - truth) / truth));
  }
  return largest;
}

template <class Function, class Reference>
long double largest_absolute_error(Points points, Function function, Reference reference) {
  long double largest = 0;
  for (int i = 0; i < kSamples; ++i) {
    const double x = points.next();
    largest = std::max(largest, std::fabs(function(x) - reference(static_cast<long double>(x))));
  }
  return largest;
}

template <class Function>
void expect_rises(Points points, Function function, double step_factor) {
  for (int i = 0; i < kSamples; ++i) {
    const double x = points.next();
    ASSERT_LE(function(x), function(x + step_factor * std::fabs(x) + step_factor)) << "x=" << x;
  }
}

TEST(ExactExp, RelativeErrorIsBelow4e16) {
  const auto reference = [](long double x) { return std::exp(x); };
  EXPECT_LT(largest_relative_error(Points(0, -1, 1), exact::exp, reference), 4e-16L);
  EXPECT_LT(largest_relative_error(Points(1, -40, 40), exact::exp, reference), 4e-16L);
  EXPECT_LT(largest_relative_error(Points(2, -708, 709.78), exact::exp, reference), 4e-16L);
  EXPECT_LT(largest_relative_error(Points(3, -1e-8, 1e-8), exact::exp, reference), 4e-16L);
}

TEST(ExactExp, DenormalResultsAreWithinOneUnit) {
  const long double unit = std::numeric_limits<double>::denorm_min();
  EXPECT_LE(largest_absolute_error(Points(4, -745, -708.5), exact::exp,
                                   [](long double x) { return std::exp(x); }),
            unit);
}

TEST(ExactExp, SpecialValues) {
  EXPECT_EQ(exact::exp(0), 1);
  EXPECT_EQ(exact::exp(-0.0), 1);
  EXPECT_EQ(exact::exp(kInfinity), kInfinity);
  EXPECT_EQ(exact::exp(-kInfinity), 0);
  EXPECT_EQ(exact::exp(709.79), kInfinity);
  EXPECT_EQ(exact::exp(-746), 0);
  EXPECT_TRUE(std::isfinite(exact::exp(709.782712893384)));
  EXPECT_TRUE(std::isnan(exact::exp(kNaN)));
}

TEST(ExactExp, Rises) { expect_rises(Points(5, -700, 700), exact::exp, 1e-14); }

TEST(ExactLog, RelativeErrorIsBelow6e16) {
  const auto reference = [](long double x) { return std::log(x); };
  EXPECT_LT(largest_relative_error(Points(10, 0, 1), exact::log, reference), 6e-16L);
  EXPECT_LT(largest_relative_error(Points(11, 0.99, 1.01), exact::log, reference), 6e-16L);
  EXPECT_LT(largest_relative_error(Points(12, 0.5, 3), exact::log, reference), 6e-16L);
  EXPECT_LT(largest_relative_error(Points(13, 1, 1e9), exact::log, reference), 6e-16L);
}

TEST(ExactLog, RelativeErrorIsBelow6e16OverAllExponentsWithDenormals) {
  rng::Reader reader(rng::Stream(6, {rng::Purpose::kTest, 14, 0, 0}));
  long double largest = 0;
  for (int i = 0; i < kSamples; ++i) {
    const double x = std::bit_cast<double>(reader.below(0x7ff0000000000000));
    if (x == 0 || x == 1) continue;
    const long double truth = std::log(static_cast<long double>(x));
    largest = std::max(largest, std::fabs((exact::log(x) - truth) / truth));
  }
  EXPECT_LT(largest, 6e-16L);
  EXPECT_LT(std::fabs(exact::log(5e-324) / -744.4400719213812L - 1), 6e-16L);
}

TEST(ExactLog, SpecialValues) {
  EXPECT_EQ(exact::log(1), 0);
  EXPECT_EQ(exact::log(0), -kInfinity);
  EXPECT_EQ(exact::log(-0.0), -kInfinity);
  EXPECT_EQ(exact::log(kInfinity), kInfinity);
  EXPECT_TRUE(std::isnan(exact::log(-1)));
  EXPECT_TRUE(std::isnan(exact::log(-kInfinity)));
  EXPECT_TRUE(std::isnan(exact::log(kNaN)));
}

TEST(ExactLog, Rises) { expect_rises(Points(15, 1e-3, 1e3), exact::log, 1e-14); }

TEST(ExactLog1p, RelativeErrorIsBelow8e16) {
  const auto reference = [](long double x) { return std::log1p(x); };
  EXPECT_LT(largest_relative_error(Points(20, -0.999, 1), exact::log1p, reference), 8e-16L);
  EXPECT_LT(largest_relative_error(Points(21, -1e-5, 1e-5), exact::log1p, reference), 8e-16L);
  EXPECT_LT(largest_relative_error(Points(22, -1e-15, 1e-15), exact::log1p, reference), 8e-16L);
  EXPECT_LT(largest_relative_error(Points(23, 0, 1e6), exact::log1p, reference), 8e-16L);
}

TEST(ExactLog1p, SpecialValues) {
  EXPECT_EQ(exact::log1p(0), 0);
  EXPECT_EQ(exact::log1p(1e-300), 1e-300);
  EXPECT_EQ(exact::log1p(-1), -kInfinity);
  EXPECT_EQ(exact::log1p(kInfinity), kInfinity);
  EXPECT_TRUE(std::isnan(exact::log1p(-2)));
  EXPECT_TRUE(std::isnan(exact::log1p(kNaN)));
}

TEST(ExactSincos, AbsoluteErrorIsBelow4e16) {
  const long double two_pi = 2 * std::acos(-1.0L);
  const auto sine = [](double u) { return exact::sincos_2pi(u).first; };
  const auto cosine = [](double u) { return exact::sincos_2pi(u).second; };
  EXPECT_LT(largest_absolute_error(Points(30, 0, 1), sine,
                                   [&](long double u) { return std::sin(two_pi * u); }),
            4e-16L);
  EXPECT_LT(largest_absolute_error(Points(31, 0, 1), cosine,
                                   [&](long double u) { return std::cos(two_pi * u); }),
            4e-16L);
}

TEST(ExactSincos, QuartersAreExact) {
  EXPECT_EQ(exact::sincos_2pi(0), (std::pair<double, double>{0, 1}));
  EXPECT_EQ(exact::sincos_2pi(0.25), (std::pair<double, double>{1, 0}));
  EXPECT_EQ(exact::sincos_2pi(0.5), (std::pair<double, double>{0, -1}));
  EXPECT_EQ(exact::sincos_2pi(0.75), (std::pair<double, double>{-1, 0}));
}

TEST(ExactSincos, LiesOnTheUnitCircle) {
  Points points(32, 0, 1);
  for (int i = 0; i < kSamples; ++i) {
    const auto [sine, cosine] = exact::sincos_2pi(points.next());
    ASSERT_LE(std::fabs(sine * sine + cosine * cosine - 1), 1e-15);
  }
}

TEST(ExactSigmoid, RelativeErrorIsBelow1e15) {
  const auto reference = [](long double x) { return 1 / (1 + std::exp(-x)); };
  EXPECT_LT(largest_relative_error(Points(40, -5, 5), exact::sigmoid, reference), 1e-15L);
  EXPECT_LT(largest_relative_error(Points(41, -700, 700), exact::sigmoid, reference), 1e-15L);
}

TEST(ExactSigmoid, SpecialValues) {
  EXPECT_EQ(exact::sigmoid(0), 0.5);
  EXPECT_EQ(exact::sigmoid(1e9), 1);
  EXPECT_EQ(exact::sigmoid(-1e9), 0);
  EXPECT_EQ(exact::sigmoid(kInfinity), 1);
  EXPECT_EQ(exact::sigmoid(-kInfinity), 0);
  EXPECT_TRUE(std::isnan(exact::sigmoid(kNaN)));
}

TEST(ExactSoftplus, RelativeErrorIsBelow1e15) {
  const auto reference = [](long double x) {
    return x > 0 ? x + std::log1p(std::exp(-x)) : std::log1p(std::exp(x));
  };
  EXPECT_LT(largest_relative_error(Points(50, -5, 5), exact::softplus, reference), 1e-15L);
  EXPECT_LT(largest_relative_error(Points(51, -700, 700), exact::softplus, reference), 1e-15L);
}

TEST(ExactSoftplus, SpecialValues) {
  EXPECT_EQ(exact::softplus(kInfinity), kInfinity);
  EXPECT_EQ(exact::softplus(-kInfinity), 0);
  EXPECT_EQ(exact::softplus(1e9), 1e9);
  EXPECT_TRUE(std::isnan(exact::softplus(kNaN)));
}

TEST(ExactTanh, AbsoluteErrorIsBelow4e16) {
  const auto reference = [](long double x) { return std::tanh(x); };
  EXPECT_LT(largest_absolute_error(Points(60, -1, 1), exact::tanh, reference), 4e-16L);
  EXPECT_LT(largest_absolute_error(Points(61, -20, 20), exact::tanh, reference), 4e-16L);
}

TEST(ExactTanh, IsOddAndSaturates) {
  Points points(62, 0, 20);
  for (int i = 0; i < 1000; ++i) {
    const double x = points.next();
    ASSERT_EQ(exact::tanh(-x), -exact::tanh(x));
  }
  EXPECT_EQ(exact::tanh(0), 0);
  EXPECT_TRUE(std::signbit(exact::tanh(-0.0)));
  EXPECT_EQ(exact::tanh(kInfinity), 1);
  EXPECT_EQ(exact::tanh(-kInfinity), -1);
  EXPECT_TRUE(std::isnan(exact::tanh(kNaN)));
}

TEST(ExactNormalCdf, AbsoluteErrorIsBelow1e15) {
  const auto reference = [](long double x) { return std::erfc(-x / std::sqrt(2.0L)) / 2; };
  EXPECT_LT(largest_absolute_error(Points(70, -5, 5), exact::normal_cdf, reference), 1e-15L);
  EXPECT_LT(largest_absolute_error(Points(71, -40, 40), exact::normal_cdf, reference), 1e-15L);
}

TEST(ExactNormalCdf, FarTailsKeepTheirRelativeAccuracy) {
  const auto reference = [](long double x) { return std::erfc(-x / std::sqrt(2.0L)) / 2; };
  EXPECT_LT(largest_relative_error(Points(72, -30, -3), exact::normal_cdf, reference), 2e-13L);
}

TEST(ExactNormalCdf, SpecialValues) {
  EXPECT_EQ(exact::normal_cdf(0), 0.5);
  EXPECT_EQ(exact::normal_cdf(kInfinity), 1);
  EXPECT_EQ(exact::normal_cdf(-kInfinity), 0);
  EXPECT_EQ(exact::normal_cdf(-50), 0);
  EXPECT_TRUE(std::isnan(exact::normal_cdf(kNaN)));
}

TEST(ExactNormalCdf, HasNoStepWhereTheMethodChanges) {
  EXPECT_LE(std::fabs(exact::normal_cdf(-3) - exact::normal_cdf(std::nextafter(-3.0, 0.0))), 1e-15);
}

TEST(ExactMath, RecordedBitsStayAsTheyAre) {
  // A hash of many results: one changed bit in any function changes it, and with it every recorded
  // run.
  std::uint64_t hash = 0xcbf29ce484222325;
  const auto mix = [&](double value) {
    hash = (hash ^ std::bit_cast<std::uint64_t>(value)) * 0x100000001b3;
  };
  rng::Reader reader(rng::Stream(6, {rng::Purpose::kTest, 99, 0, 0}));
  for (int i = 0; i < 1000; ++i) {
    const double x = 40 * reader.unit_double() - 20;
    const double u = reader.unit_double();
    mix(exact::exp(x));
    mix(exact::log(u));
    mix(exact::log1p(u));
    mix(exact::sincos_2pi(u).first);
    mix(exact::sincos_2pi(u).second);
    mix(exact::sigmoid(x));
    mix(exact::softplus(x));
    mix(exact::tanh(x));
    mix(exact::normal_cdf(x / 4));
  }
  EXPECT_EQ(hash, 16080977377747423162U);
}

}  // namespace
}  // namespace laconic
