// SPDX-License-Identifier: Apache-2.0
// Thresholds found by selection are those of the sorting oracle, over sizes with and without a
// sample, kinds of vectors and seeds, on every SIMD target the same.
#include "laconic/compress/threshold.hpp"

#include "laconic/kernels/kernels.hpp"
#include "tests/oracle/qadagrad_oracle.hpp"
#include "tests/unit/compress/support.hpp"

namespace laconic::test {
namespace {

constexpr Family kFamilies[] = {Family::kGaussian, Family::kHeavyTailed, Family::kSparse,
                                Family::kFlat};
constexpr std::size_t kSizes[] = {1, 2, 3, 10, 100, 1000, 2049, 5000};

template <Real T>
std::vector<T> as(const Vector& v) {
  return std::vector<T>(v.begin(), v.end());
}
// The vector that the quantizer sees, in double.
template <Real T>
Vector wide(const std::vector<T>& v) {
  return Vector(v.begin(), v.end());
}
template <Real T>
constexpr double kTolerance = sizeof(T) == 4 ? 1e-7 : 1e-11;

template <Real T>
void expect_oracle(const Vector& numbers) {
  const std::vector<T> v = as<T>(numbers);
  const Vector exact = wide(v);
  const auto expect = [&](const compress::ThresholdRule& rule, double expected) {
    const auto tau = static_cast<double>(compress::choose_threshold<T>(rule, v));
    EXPECT_NEAR(tau, expected, kTolerance<T> * expected)
        << v.size() << " " << rule.levels << " " << rule.budget;
  };
  expect({.levels = 1}, oracle::optimal_clip(exact));
  for (const std::uint32_t levels : {2U, 7U, 127U})
    expect({.levels = levels}, oracle::surrogate_clip(exact, levels));
  const auto size = static_cast<double>(v.size());
  for (const double budget : {1.0, std::ceil(size / 10), std::ceil(size / 2), size})
    expect({.budget = budget}, oracle::budget_threshold(exact, budget));
  const auto zone = compress::choose_dead_zone<T>(v);
  const oracle::DeadZone best = oracle::dead_zone(exact);
  const double count = static_cast<double>(zone.count);
  const double sent = static_cast<double>(zone.magnitude);
  // The same gain; equally good counts may differ.
  EXPECT_NEAR(sent * sent * count, best.gain, 4 * kTolerance<T> * best.gain);
}

TEST(Threshold, SelectionIsTheSortingOracleInFloatAndDouble) {
  for (const Family family : kFamilies) {
    for (const std::size_t size : kSizes) {
      for (std::uint32_t seed = 0; seed < 10; ++seed) {
        const Vector v = sample(family, size, seed);
        expect_oracle<float>(v);
        expect_oracle<double>(v);
      }
    }
  }
}

TEST(Threshold, SamplesOfLongVectorsOnlyDecideAboutSpeed) {
  for (const Family family : kFamilies) expect_oracle<float>(sample(family, 300000, 1));
  // Vectors that mislead samples: all that matters in a corner, and sorted ones.
  Vector corner(200000, 0.0);
  for (std::size_t i = 0; i < 300; ++i) corner[70000 + i] = 1 + static_cast<double>(i);
  expect_oracle<float>(corner);
  Vector ramp(200000);
  for (std::size_t i = 0; i < ramp.size(); ++i) ramp[i] = 1e-3 * static_cast<double>(i * i % 99991);
  std::sort(ramp.begin(), ramp.end());
  expect_oracle<double>(ramp);
  Vector single(150000, 0.0);
  single[149999] = -3;
  expect_oracle<float>(single);
}

TEST(Threshold, IsTheSameOnEverySimdTarget) {
  const auto v = as<float>(sample(Family::kHeavyTailed, 200000, 4));
  const float clip = compress::choose_threshold<float>({}, v);
  const float budget = compress::choose_threshold<float>({.budget = 777}, v);
  const auto zone = compress::choose_dead_zone<float>(v);
  for (const std::string& target : kernels::simd_targets()) {
    kernels::force_simd_target(target);
    EXPECT_EQ(compress::choose_threshold<float>({}, v), clip) << target;
    EXPECT_EQ(compress::choose_threshold<float>({.budget = 777}, v), budget) << target;
    EXPECT_EQ(compress::choose_dead_zone<float>(v).magnitude, zone.magnitude) << target;
  }
  kernels::force_simd_target("");
}

TEST(Threshold, NothingOverflowsAtTheEndsOfTheRange) {
  for (const double size : {1e-320, 1e-300, 1e300, 1e307}) {
    Vector v = sample(Family::kGaussian, 3000, 2);
    for (double& x : v) x *= size / 8;
    const double tau = compress::choose_threshold<double>({}, v);
    EXPECT_GT(tau, 0);
    EXPECT_LT(tau, oracle::linf(v));
    const auto zone = compress::choose_dead_zone<double>(v);
    EXPECT_GT(zone.count, 1000U);
    EXPECT_TRUE(std::isfinite(zone.magnitude));
  }
}

TEST(Threshold, OfZerosIsZero) {
  const std::vector<float> zeros(200000, 0.0F);
  EXPECT_EQ(compress::choose_threshold<float>({}, zeros), 0);
  EXPECT_EQ(compress::choose_dead_zone<float>(zeros).count, 0U);
}

}  // namespace
}  // namespace laconic::test
