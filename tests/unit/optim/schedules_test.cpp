// SPDX-License-Identifier: Apache-2.0
// The factor of every schedule, round by round.
#include <cmath>

#include "tests/unit/optim/support.hpp"

namespace laconic {
namespace {

std::vector<double> factors(const std::string& text, std::uint32_t rounds) {
  const auto schedule = schedules().make(optim_test::canonical(text, "schedule"), {});
  std::vector<double> out;
  for (std::uint32_t t = 0; t < rounds; ++t) out.push_back(schedule->factor(t, rounds));
  return out;
}

TEST(Schedule, ConstantStaysAtOne) {
  EXPECT_EQ(factors("constant", 3), (std::vector<double>{1, 1, 1}));
}

TEST(Schedule, InvSqrtFallsLikeTheRootOfTheRound) {
  const auto plain = factors("inv-sqrt", 100);
  const auto late = factors("inv-sqrt:offset=24", 100);
  for (std::uint32_t t = 0; t < 100; ++t) {
    EXPECT_EQ(plain[t], 1 / std::sqrt(t + 1.0));
    EXPECT_EQ(late[t], 5 / std::sqrt(t + 25.0));
  }
  EXPECT_EQ(late[0], 1);
  EXPECT_EQ(late[75], 0.5);
}

TEST(Schedule, StepDecayFallsAtTheFractionsOfTheRun) {
  EXPECT_EQ(factors("step-decay:factor=0.5", 8),
            (std::vector<double>{1, 1, 1, 1, 0.5, 0.5, 0.25, 0.25}));
  EXPECT_EQ(factors("step-decay:factor=0.5,at=0.2/0.4/0.6", 5),
            (std::vector<double>{1, 0.5, 0.25, 0.125, 0.125}));
  EXPECT_EQ(factors("step-decay:factor=0.5,at=0.07", 100)[6], 1);
  EXPECT_EQ(factors("step-decay:factor=0.5,at=0.07", 100)[7], 0.5);
}

TEST(Schedule, CosineGoesFromOneToItsFinalFactor) {
  constexpr double kPi = 3.14159265358979323846;
  const auto whole = factors("cosine", 1000);
  const auto partial = factors("cosine:final=0.1", 1000);
  for (std::uint32_t t = 0; t < 1000; ++t) {
    const double wave = 0.5 * (1 + std::cos(kPi * t / 1000));
    // The cosine is accurate to 4e-16, the reference to about as much, and two roundings follow.
    EXPECT_LE(std::fabs(whole[t] - wave), 1e-15);
    EXPECT_LE(std::fabs(partial[t] - (0.1 + 0.9 * wave)), 1e-15);
    if (t > 0) {
      EXPECT_LT(whole[t], whole[t - 1]);
    }
  }
  EXPECT_EQ(whole[0], 1);
  EXPECT_EQ(factors("cosine:final=1", 4), (std::vector<double>{1, 1, 1, 1}));
}

TEST(Schedule, WarmupRisesLinearlyToTheScheduleBehindIt) {
  EXPECT_EQ(factors("warmup:length=4", 6), (std::vector<double>{0.25, 0.5, 0.75, 1, 1, 1}));
  EXPECT_EQ(factors("warmup:length=0.5", 8), (std::vector<double>{0.25, 0.5, 0.75, 1, 1, 1, 1, 1}));
  const auto inner = factors("inv-sqrt", 10);
  const auto outer = factors("warmup:length=2:inv-sqrt", 10);
  EXPECT_EQ(outer[0], 0.5 * inner[0]);
  for (std::uint32_t t = 1; t < 10; ++t) EXPECT_EQ(outer[t], inner[t]);
}

TEST(Schedule, WarmupShorterThanARoundDoesNothing) {
  EXPECT_EQ(factors("warmup:length=0.01", 5), (std::vector<double>{1, 1, 1, 1, 1}));
  EXPECT_EQ(factors("warmup:length=1", 3), (std::vector<double>{1, 1, 1}));
}

TEST(Schedule, EveryFactorIsPositiveAndAtMostOne) {
  for (const auto& method : schedules().methods()) {
    for (const double factor : factors(std::string(method.card->name), 77)) {
      EXPECT_GT(factor, 0) << method.card->name;
      EXPECT_LE(factor, 1) << method.card->name;
    }
  }
}

}  // namespace
}  // namespace laconic
