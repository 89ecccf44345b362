// SPDX-License-Identifier: Apache-2.0
// The draws have the distributions they claim. Seeds are fixed, so these tests cannot fail by
// chance; the limits are those that a correct generator would exceed with probability below 1e-6
// for a random seed (five standard deviations, or the bound of Dvoretzky, Kiefer, Wolfowitz and
// Massart).
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <vector>

#include "laconic/base/exact_math.hpp"
#include "laconic/rng/stream.hpp"

namespace laconic::rng {
namespace {

Stream stream(std::uint32_t test) { return Stream(2024, {Purpose::kTest, test, 0, 0}); }

// Chi-square of counts that should be equal has mean k - 1 and variance 2 (k - 1).
void expect_equal_shares(const std::vector<std::uint64_t>& counts) {
  const double total =
      static_cast<double>(std::accumulate(counts.begin(), counts.end(), std::uint64_t{0}));
  const double expected = total / static_cast<double>(counts.size());
  double chi_square = 0;
  for (const std::uint64_t count : counts)
    chi_square += (static_cast<double>(count) - expected) *
                  (static_cast<double>(count) - expected) / expected;
  const double freedom = static_cast<double>(counts.size()) - 1;
  EXPECT_LE(chi_square, freedom + 5 * std::sqrt(2 * freedom) + 10);
  EXPECT_GE(chi_square, freedom - 5 * std::sqrt(2 * freedom));
}

// sup |F_n - F| <= sqrt(ln(2/p)/(2n)) except with probability p = 1e-6.
template <class Cdf>
void expect_distribution(std::vector<double> sample, Cdf cdf) {
  std::sort(sample.begin(), sample.end());
  const auto n = static_cast<double>(sample.size());
  double distance = 0;
  for (std::size_t i = 0; i < sample.size(); ++i) {
    const double f = cdf(sample[i]);
    distance = std::max({distance, std::fabs(f - static_cast<double>(i) / n),
                         std::fabs(f - static_cast<double>(i + 1) / n)});
  }
  EXPECT_LE(distance, std::sqrt(std::log(2e6) / (2 * n)));
}

TEST(Below, IsUniformForSmallBounds) {
  for (const std::uint32_t bound : {2U, 3U, 7U, 10U, 100U, 257U}) {
    Reader reader(stream(bound));
    std::vector<std::uint64_t> counts(bound, 0);
    for (std::uint32_t i = 0; i < 2000 * bound; ++i) ++counts[reader.below(bound)];
    expect_equal_shares(counts);
  }
}

// With 3 * 2^30 a multiplication without rejection would give every third number twice as often.
TEST(Below, IsUniformForABoundJustBelowTheWordsRange) {
  Reader reader(stream(1000));
  std::vector<std::uint64_t> counts(3, 0);
  for (int i = 0; i < 300000; ++i) {
    const std::uint64_t value = reader.below(3ULL << 30);
    ASSERT_LT(value, 3ULL << 30);
    ++counts[value % 3];
  }
  expect_equal_shares(counts);
}

TEST(Below, IsUniformForBoundsOf64Bits) {
  const std::uint64_t bound = 3ULL << 62;
  Reader reader(stream(1001));
  std::vector<std::uint64_t> low(3, 0);
  std::vector<std::uint64_t> high(6, 0);
  for (int i = 0; i < 300000; ++i) {
    const std::uint64_t value = reader.below(bound);
    ASSERT_LT(value, bound);
    ++low[value % 3];
    ++high[value / (1ULL << 61)];
  }
  expect_equal_shares(low);
  expect_equal_shares(high);
}

TEST(Units, AreUniformAndBelowOne) {
  Reader reader(stream(1002));
  std::vector<double> floats;
  std::vector<double> doubles;
  for (int i = 0; i < 200000; ++i) {
    floats.push_back(static_cast<double>(reader.unit_float()));
    doubles.push_back(reader.unit_double());
    ASSERT_TRUE(floats.back() >= 0 && floats.back() < 1);
    ASSERT_TRUE(doubles.back() >= 0 && doubles.back() < 1);
  }
  expect_distribution(floats, [](double x) { return x; });
  expect_distribution(doubles, [](double x) { return x; });
}

constexpr int kNormals = 1000000;

std::vector<double> normals() {
  std::vector<double> out(kNormals);
  fill_normal(stream(1003), {}, std::span<double>(out));
  return out;
}

TEST(Normal, HasTheMomentsOfANormal) {
  std::array<double, 5> moments = {};
  for (const double x : normals()) {
    double power = 1;
    for (double& moment : moments) {
      moment += power;
      power *= x;
    }
  }
  // Standard deviation of the mean of x^k: sqrt((E x^2k - (E x^k)^2)/n), E x^2k = 1, 3, 15, 105.
  const double root_n = std::sqrt(static_cast<double>(kNormals));
  EXPECT_LE(std::fabs(moments[1] / kNormals), 5 * 1 / root_n);
  EXPECT_LE(std::fabs(moments[2] / kNormals - 1), 5 * std::sqrt(2.0) / root_n);
  EXPECT_LE(std::fabs(moments[3] / kNormals), 5 * std::sqrt(15.0) / root_n);
  EXPECT_LE(std::fabs(moments[4] / kNormals - 3), 5 * std::sqrt(96.0) / root_n);
}

TEST(Normal, HasTheDistributionFunctionOfANormal) {
  expect_distribution(normals(), exact::normal_cdf);
}

TEST(Normal, TailsHoldTheRightShares) {
  const std::vector<double> sample = normals();
  for (const double limit : {1.0, 2.0, 3.0, 4.0}) {
    const double p = exact::normal_cdf(-limit);
    const double deviation = std::sqrt(p * (1 - p) * kNormals);
    const auto above =
        std::count_if(sample.begin(), sample.end(), [&](double x) { return x > limit; });
    const auto below =
        std::count_if(sample.begin(), sample.end(), [&](double x) { return x < -limit; });
    EXPECT_LE(std::fabs(static_cast<double>(above) - p * kNormals), 5 * deviation) << limit;
    EXPECT_LE(std::fabs(static_cast<double>(below) - p * kNormals), 5 * deviation) << limit;
  }
}

TEST(Normal, TheTwoBranchesOfAPairAreUncorrelated) {
  const std::vector<double> sample = normals();
  double products = 0;
  double squares = 0;
  for (std::size_t i = 0; i + 1 < sample.size(); i += 2) {
    products += sample[i] * sample[i + 1];
    squares += (sample[i] * sample[i] - 1) * (sample[i + 1] * sample[i + 1] - 1);
  }
  const double root_pairs = std::sqrt(kNormals / 2.0);
  EXPECT_LE(std::fabs(products), 5 * root_pairs);
  EXPECT_LE(std::fabs(squares), 5 * 2 * root_pairs);
}

TEST(Permute, AllOrdersOfFourAreEquallyLikely) {
  std::vector<std::uint64_t> counts(256, 0);
  for (std::uint32_t round = 0; round < 48000; ++round) {
    std::vector<std::uint32_t> values = {0, 1, 2, 3};
    permute(Stream(7, {Purpose::kTest, 0, round, 0}), values);
    ++counts[values[0] * 64 + values[1] * 16 + values[2] * 4 + values[3]];
  }
  std::erase(counts, 0U);
  EXPECT_EQ(counts.size(), 24U);
  expect_equal_shares(counts);
}

}  // namespace
}  // namespace laconic::rng
