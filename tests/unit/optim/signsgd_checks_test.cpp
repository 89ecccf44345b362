// SPDX-License-Identifier: Apache-2.0
// The numeric checks of signSGD and Signum that concern one optimizer, numbered as in the
// specification of the method: 6 (momentum scaling), 8 (beta = 0), 17 (length of the warm-up).
#include <cmath>
#include <cstring>
#include <limits>

#include "laconic/optim/warmup.hpp"
#include "tests/unit/optim/support.hpp"

namespace laconic {
namespace {

using optim_test::layout_of;
using optim_test::make;
using optim_test::normals;

template <Real T>
int sign(T value) {
  return value > 0 ? 1 : value < 0 ? -1 : 0;
}

template <Real T>
bool same_bits(const std::vector<T>& a, const std::vector<T>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0;
}

TEST(SignsgdCheck06, MomentumMayBeScaledOrBiasCorrectedWithoutChangingASign) {
  constexpr std::uint32_t kSize = 100;
  constexpr std::uint32_t kRounds = 200;
  for (const double beta : {0.5, 0.9, 0.99}) {
    const Layout layout = layout_of(kSize);
    const auto optimizer = make<double>("signum:beta=" + shortest(beta), layout);
    std::vector<double> averaged(kSize, 0.0);  // v <- beta v + (1 - beta) g
    std::vector<double> summed(kSize, 0.0);    // v <- beta v + g
    double largest = 0;
    std::size_t exceptions = 0;
    for (std::uint32_t round = 0; round < kRounds; ++round) {
      const std::vector<double> g = normals<double>(kSize, 10, round);
      std::vector<double> moved(kSize, 0.0);
      optimizer->step(moved, g, 1.0);
      for (std::size_t i = 0; i < kSize; ++i) {
        largest = std::max(largest, std::fabs(g[i]));
        averaged[i] = beta * averaged[i] + (1 - beta) * g[i];
        summed[i] = beta * summed[i] + g[i];
        const double corrected = averaged[i] / (1 - std::pow(beta, round + 1));
        if (std::fabs(averaged[i]) < 1e-12 * largest) {
          ++exceptions;
          continue;
        }
        ASSERT_EQ(sign(moved[i]), -sign(averaged[i])) << "beta " << beta << " round " << round;
        ASSERT_EQ(sign(moved[i]), -sign(summed[i])) << "beta " << beta << " round " << round;
        ASSERT_EQ(sign(moved[i]), -sign(corrected)) << "beta " << beta << " round " << round;
      }
    }
    EXPECT_LT(exceptions, 3U);
  }
}

template <Real T>
void expect_power_of_two_changes_nothing() {
  constexpr std::uint32_t kSize = 65;
  for (const char* text : {"signum", "signum:beta=0.9", "signum:beta=0.9,warmup=true",
                           "signum:beta=0.99,lambda=0.1"}) {
    for (const int k : {-30, -7, -1, 1, 8, 30}) {
      const Layout layout = layout_of(kSize);
      const auto plain = make<T>(text, layout);
      const auto scaled = make<T>(text, layout);
      std::vector<T> x = normals<T>(kSize, 11, 0);
      std::vector<T> y = x;
      for (std::uint32_t round = 0; round < 200; ++round) {
        std::vector<T> g = normals<T>(kSize, 12, round);
        plain->step(x, g, 0.01);
        for (T& value : g) value = std::ldexp(value, k);
        scaled->step(y, g, 0.01);
      }
      EXPECT_TRUE(same_bits(x, y)) << text << " k=" << k;
    }
  }
}

TEST(SignsgdCheck06, GradientsTimesAPowerOfTwoChangeNothingInFloat) {
  expect_power_of_two_changes_nothing<float>();
}
TEST(SignsgdCheck06, GradientsTimesAPowerOfTwoChangeNothingInDouble) {
  expect_power_of_two_changes_nothing<double>();
}

// Directions that hold zeros of both signs, small and large numbers.
template <Real T>
std::vector<T> wild_direction(std::size_t size, std::uint32_t round) {
  std::vector<T> u = normals<T>(size, 13, round);
  const int reach = sizeof(T) == 4 ? 120 : 400;  // the squares of doubles stay within the doubles
  rng::Reader reader(rng::Stream(2, {rng::Purpose::kTest, 13, round, 0}));
  for (T& value : u) {
    const auto pick = reader.below(8);
    if (pick == 0)
      value = T{0};
    else if (pick == 1)
      value = -T{0};
    else
      value = std::ldexp(
          value, static_cast<int>(reader.below(static_cast<std::uint64_t>(2 * reach))) - reach);
  }
  if (sizeof(T) == 4) u[0] = static_cast<T>(std::numeric_limits<float>::denorm_min());
  return u;
}

template <Real T>
void expect_sign_descent(const std::string& text) {
  constexpr std::uint32_t kSize = 130;
  const Layout layout = layout_of(kSize);
  const auto optimizer = make<T>(text, layout);
  std::vector<T> x = normals<T>(kSize, 14, 0);
  x[5] = -T{0};
  std::vector<T> expected = x;
  for (std::uint32_t round = 0; round < 100; ++round) {
    const double eta = 0.1 / (1 + round);
    const std::vector<T> u = wild_direction<T>(kSize, round);
    optimizer->step(x, u, eta);
    for (std::size_t i = 0; i < kSize; ++i) {
      if (u[i] > 0) expected[i] -= static_cast<T>(eta);
      if (u[i] < 0) expected[i] += static_cast<T>(eta);
    }
    ASSERT_TRUE(same_bits(x, expected)) << text << " round " << round;
  }
}

TEST(SignsgdCheck08, SignumWithoutMomentumIsSignSgdInFloat) {
  expect_sign_descent<float>("signum:beta=0");
}
TEST(SignsgdCheck08, SignumWithoutMomentumIsSignSgdInDouble) {
  expect_sign_descent<double>("signum:beta=0");
}
TEST(Adam, WithoutMemoryAndEpsIsSignSgdInFloat) {
  expect_sign_descent<float>("adam:beta1=0,beta2=0,eps=0");
}
TEST(Adam, WithoutMemoryAndEpsIsSignSgdInDouble) {
  expect_sign_descent<double>("adam:beta1=0,beta2=0,eps=0");
}

TEST(Adam, CountsZeroOverZeroAsZero) {
  const Layout layout = layout_of(3);
  const auto optimizer = make<float>("adam:eps=0", layout);
  std::vector<float> x = {1.0F, -2.0F, 3.0F};
  const std::vector<float> u = {0.0F, -0.0F, 1.0F};
  for (int round = 0; round < 3; ++round) optimizer->step(x, u, 0.1);
  EXPECT_EQ(x[0], 1.0F);
  EXPECT_EQ(x[1], -2.0F);
  EXPECT_LT(x[2], 3.0F);
}

TEST(SignsgdCheck17, WarmUpTakesAsLongAsTheTheoremSays) {
  EXPECT_EQ(signum_warmup_rounds(0.5), 1U);
  EXPECT_EQ(signum_warmup_rounds(0.9), 54U);
  EXPECT_EQ(signum_warmup_rounds(0.95), 132U);
  EXPECT_EQ(signum_warmup_rounds(0.99), 894U);
}

TEST(SignumWarmUp, IsDefinedUpToItsLargestBeta) {
  EXPECT_EQ(signum_warmup_rounds(0), 1U);
  EXPECT_GT(signum_warmup_rounds(kMaxWarmupBeta), 10000000U);
  EXPECT_THROW(static_cast<void>(signum_warmup_rounds(1)), std::logic_error);
  EXPECT_THROW(static_cast<void>(signum_warmup_rounds(-0.1)), std::logic_error);
}

}  // namespace
}  // namespace laconic
