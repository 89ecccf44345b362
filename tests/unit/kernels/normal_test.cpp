// SPDX-License-Identifier: Apache-2.0
// Normal numbers in bulk: the same bits everywhere, close to exact arithmetic, and normal.
#include <algorithm>
#include <cmath>

#include "laconic/base/exact_math.hpp"
#include "tests/unit/kernels/support.hpp"

namespace laconic::kernels::test {
namespace {

rng::Stream stream(std::uint32_t round = 0) {
  return rng::Stream(0xabcdef0123456789U, {rng::Purpose::kTest, 3, round, 5});
}

TEST(RandomNormals, EqualTheReferenceOnEveryTarget) {
  on_each_target([&] {
    for (const std::uint64_t first : {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{2},
                                      std::uint64_t{3}, std::uint64_t{1004}}) {
      for (const std::size_t count : {0U, 1U, 2U, 3U, 5U, 63U, 64U, 65U, 130U, 1000U}) {
        std::vector<float> actual(count);
        std::vector<float> expected(count);
        random_normals(stream(), first, actual);
        reference::random_normals(stream(), first, expected);
        ASSERT_TRUE(same_bits(actual, expected)) << first << " " << count;
      }
    }
  });
}

TEST(RandomNormals, AreBoxMullerOfTheWordsUpToRounding) {
  std::vector<float> values(100000);
  random_normals(stream(), 0, values);
  for (std::size_t i = 0; i < values.size(); i += 2) {
    const double u = (static_cast<double>(stream().word(i)) + 0.5) * 0x1p-32;
    const double v = static_cast<double>(stream().word(i + 1)) * 0x1p-32;
    const double radius = std::sqrt(-2.0 * exact::log(u));
    const auto [sine, cosine] = exact::sincos_2pi(v);
    // The word is rounded to float before its logarithm: 6e-8 of u, 6e-8 / radius of the radius.
    const double bound = 2e-6 + 2.4e-7 / std::max(radius, 1e-3);
    ASSERT_NEAR(values[i], radius * cosine, bound) << i;
    ASSERT_NEAR(values[i + 1], radius * sine, bound) << i;
  }
}

constexpr std::size_t kMany = 1U << 22;
const std::vector<float>& many() {
  static const std::vector<float> values = [] {
    std::vector<float> out(kMany);
    random_normals(stream(1), 0, out);
    return out;
  }();
  return values;
}

TEST(RandomNormals, HaveTheMomentsOfANormalVariable) {
  double moments[7] = {};
  for (const float value : many()) {
    double power = 1;
    for (double& moment : moments) {
      moment += power;
      power *= static_cast<double>(value);
    }
  }
  const double n = static_cast<double>(kMany);
  // The k-th moment of a sample has variance (E x^2k - (E x^k)^2) / n; five of these.
  EXPECT_NEAR(moments[1] / n, 0.0, 5 * std::sqrt(1.0 / n));
  EXPECT_NEAR(moments[2] / n, 1.0, 5 * std::sqrt(2.0 / n));
  EXPECT_NEAR(moments[3] / n, 0.0, 5 * std::sqrt(15.0 / n));
  EXPECT_NEAR(moments[4] / n, 3.0, 5 * std::sqrt(96.0 / n));
  EXPECT_NEAR(moments[5] / n, 0.0, 5 * std::sqrt(945.0 / n));
  EXPECT_NEAR(moments[6] / n, 15.0, 5 * std::sqrt((10395.0 - 225.0) / n));
}

TEST(RandomNormals, FollowTheDistributionFunctionIntoTheTails) {
  std::vector<float> sorted = many();
  std::sort(sorted.begin(), sorted.end());
  const double n = static_cast<double>(kMany);
  for (const double x : {-4.5, -4.0, -3.0, -2.0, -1.0, -0.25, 0.0, 0.5, 1.0, 2.0, 3.0, 4.0, 4.5}) {
    const auto below = std::lower_bound(sorted.begin(), sorted.end(), static_cast<float>(x));
    const double p = exact::normal_cdf(x);
    EXPECT_NEAR(static_cast<double>(below - sorted.begin()), n * p, 5 * std::sqrt(n * p * (1 - p)))
        << x;
  }
  EXPECT_LT(sorted.back(), 6.8F);
  EXPECT_GT(sorted.front(), -6.8F);
  // Kolmogorov's statistic: beyond 1.95 / sqrt n with probability 0.001.
  double worst = 0;
  for (std::size_t i = 0; i < kMany; i += 64) {
    const double p = exact::normal_cdf(static_cast<double>(sorted[i]));
    worst = std::max(worst, std::fabs(p - static_cast<double>(i) / n));
  }
  EXPECT_LT(worst, 1.95 / std::sqrt(n) + 64 / n);
}

TEST(RandomNormals, NeighboursAndPairsAreUncorrelated) {
  const auto& x = many();
  for (const std::size_t lag : {1U, 2U, 3U, 4U, 64U}) {
    double product = 0;
    double squares = 0;  // of the squares, centred: Box-Muller pairs share a radius
    for (std::size_t i = lag; i < kMany; ++i) {
      const double a = static_cast<double>(x[i]);
      const double b = static_cast<double>(x[i - lag]);
      product += a * b;
      squares += (a * a - 1) * (b * b - 1);
    }
    const double n = static_cast<double>(kMany - lag);
    EXPECT_LT(std::fabs(product / n), 5 / std::sqrt(n)) << lag;
    EXPECT_LT(std::fabs(squares / n), 5 * 2 / std::sqrt(n)) << lag;
  }
}

}  // namespace
}  // namespace laconic::kernels::test
