// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "laconic/rng/stream.hpp"
#include "tests/unit/channel/support.hpp"

namespace laconic::test {
namespace {

TEST(AnalogChannel, AddsStandardNormalNoiseThatDependsOnSeedRoundAndBlockOnly) {
  std::vector<double> y(100000, 0.0);
  add_channel_noise<double>({.seed = 4, .round = 7, .block = 2}, 1.0, y);
  double sum = 0;
  double sum2 = 0;
  for (const double value : y) {
    sum += value;
    sum2 += value * value;
  }
  const double n = static_cast<double>(y.size());
  EXPECT_LT(std::fabs(sum / n), 5 / std::sqrt(n));
  EXPECT_NEAR(sum2 / n, 1.0, 5 * std::sqrt(2 / n));
  for (const ChannelSlot other : {ChannelSlot{.seed = 5, .round = 7, .block = 2},
                                  ChannelSlot{.seed = 4, .round = 8, .block = 2},
                                  ChannelSlot{.seed = 4, .round = 7, .block = 3}}) {
    std::vector<double> different(y.size(), 0.0);
    add_channel_noise<double>(other, 1.0, different);
    double product = 0;
    for (std::size_t i = 0; i < y.size(); ++i) product += y[i] * different[i];
    EXPECT_LT(std::fabs(product / n), 5 / std::sqrt(n));
  }
  std::vector<float> narrow(y.size(), 0.0F);
  add_channel_noise<float>({.seed = 4, .round = 7, .block = 2}, 1.0, narrow);
  for (std::size_t i = 0; i < y.size(); ++i) ASSERT_EQ(static_cast<double>(narrow[i]), y[i]);
}

TEST(AnalogChannel, ScalesTheNoiseAndAddsNoneForScaleZero) {
  const ChannelSlot slot{.seed = 1, .round = 2, .block = 3};
  std::vector<float> unit(5000, 0.0F);
  std::vector<float> half(5000, 10.0F);
  std::vector<float> none(5000, 10.0F);
  add_channel_noise<float>(slot, 1.0, unit);
  add_channel_noise<float>(slot, 0.5, half);
  add_channel_noise<float>(slot, 0.0, none);
  for (std::size_t i = 0; i < unit.size(); ++i) {
    ASSERT_EQ(half[i], 10.0F + 0.5F * unit[i]);
    ASSERT_EQ(none[i], 10.0F);
  }
}

TEST(AnalogChannel, SuperposesInOrderOfTheWorkerAndAddsTheNoiseOnce) {
  const auto channel = channel_of("awgn");
  const ChannelSlot slot{.seed = 1, .round = 0, .block = 0};
  const std::vector<float> a = {1, 2, 3};
  const std::vector<float> b = {10, 20, 30};
  const std::vector<const float*> rows = {a.data(), b.data()};
  std::vector<float> y(3, 99.0F);
  superpose<float>(*channel, slot, rows, y);
  std::vector<float> expected = {11, 22, 33};
  add_channel_noise<float>(slot, 1.0, expected);
  EXPECT_EQ(y, expected);
  superpose<float>(*channel_of("noiseless"), slot, rows, y);
  EXPECT_EQ(y, (std::vector<float>{11, 22, 33}));
}

TEST(AnalogChannel, WorkersDropOutWithTheGivenProbability) {
  const auto channel = channel_of("awgn:dropout=0.3");
  int silent = 0;
  constexpr int kDraws = 20000;
  for (std::uint32_t round = 0; round < kDraws / 4; ++round) {
    for (std::uint32_t w = 0; w < 4; ++w) silent += channel->path(round, w).active ? 0 : 1;
  }
  EXPECT_NEAR(silent / double{kDraws}, 0.3, 5 * std::sqrt(0.3 * 0.7 / kDraws));
}

TEST(Fading, HasUnitMeanPowerAndTruncatesAsTheExponentialSays) {
  const auto channel = channel_of("rayleigh:threshold=0.1");
  constexpr int kDraws = 20000;
  int silent = 0;
  double power = 0;
  int active = 0;
  for (std::uint32_t round = 0; round < kDraws; ++round) {
    const ChannelPath path = channel->path(round, 2);
    if (!path.active) {
      ++silent;
      continue;
    }
    EXPECT_NEAR(path.gain, 1.0, 1e-12);  // exact knowledge, exact inversion
    power += 1 / path.energy_factor;
    ++active;
  }
  const double p = 1 - std::exp(-0.1);  // P(|h|^2 < 0.1)
  EXPECT_NEAR(silent / double{kDraws}, p, 5 * std::sqrt(p * (1 - p) / kDraws));
  // E[|h|^2 | |h|^2 > 0.1] = 1.1 for an exponential variable.
  EXPECT_NEAR(power / active, 1.1, 5 / std::sqrt(active));
}

TEST(Fading, RicianHasTheMomentsOfItsDirectPath) {
  const auto channel = channel_of("rician:k=3,threshold=0");
  constexpr int kDraws = 20000;
  double sum = 0;
  double sum2 = 0;
  for (std::uint32_t round = 0; round < kDraws; ++round) {
    const double power = 1 / channel->path(round, 0).energy_factor;
    sum += power;
    sum2 += power * power;
  }
  const double mean = sum / kDraws;
  EXPECT_NEAR(mean, 1.0, 0.03);
  // Variance of |h|^2 is (1 + 2k) / (1 + k)^2.
  EXPECT_NEAR(sum2 / kDraws - mean * mean, 7.0 / 16.0, 0.03);
}

TEST(Fading, StaysTheSameForTheCoherenceTime) {
  const auto channel = channel_of("rayleigh:coherence=5,threshold=0");
  for (std::uint32_t round = 0; round < 50; ++round) {
    const double now = channel->path(round, 1).energy_factor;
    if (round % 5 != 0) {
      EXPECT_EQ(now, channel->path(round - 1, 1).energy_factor);
    } else if (round > 0) {
      EXPECT_NE(now, channel->path(round - 1, 1).energy_factor);
    }
    EXPECT_NE(now, channel->path(round, 2).energy_factor);
  }
}

TEST(Fading, StaleKnowledgeIsWrongOnlyWhereTheChannelChanged) {
  const auto channel = channel_of("rayleigh:coherence=4,threshold=0,side_info=stale");
  for (std::uint32_t round = 1; round < 40; ++round) {
    const double gain = channel->path(round, 0).gain;
    if (round % 4 == 0) {
      EXPECT_GT(std::fabs(gain - 1), 1e-6) << round;
    } else {
      EXPECT_NEAR(gain, 1.0, 1e-12) << round;
    }
  }
}

TEST(Fading, QuantisedKnowledgeGetsBetterWithBits) {
  double before = 1e9;
  for (const int bits : {3, 6, 9, 12}) {
    const auto channel =
        channel_of("rayleigh:threshold=0,side_info=quantised,bits=" + std::to_string(bits));
    double error = 0;
    for (std::uint32_t round = 0; round < 500; ++round) {
      const double gain = channel->path(round, 0).gain;
      EXPECT_LE(gain, 1.0 + 1e-12);  // magnitudes are rounded up
      error += (gain - 1) * (gain - 1);
    }
    EXPECT_LT(error, 0.5 * before) << bits;
    before = error;
  }
  EXPECT_LT(std::sqrt(before / 500), 0.02);
}

TEST(Fading, WithoutInversionSignalsDoNotAlign) {
  const auto channel = channel_of("rayleigh:inversion=false");
  EXPECT_FALSE(channel->aligned());
  EXPECT_TRUE(channel_of("rayleigh")->aligned());
  double mean = 0;
  for (std::uint32_t round = 0; round < 5000; ++round) {
    EXPECT_EQ(channel->path(round, 0).energy_factor, 1.0);
    mean += channel->path(round, 0).gain / 5000;
  }
  EXPECT_NEAR(mean, 0.0, 5 * std::sqrt(0.5 / 5000));
}

TEST(SideInformation, IsRoundedUpByAtMostOneLevel) {
  for (const std::uint32_t bits : {1U, 4U, 8U, 16U}) {
    const double step =
        std::exp2(64.0 / static_cast<double>((std::uint64_t{1} << bits) - 1)) * (1 + 1e-12);
    for (double value = 1e-11; value < 1e7; value *= 3.7) {
      const double rounded = quantise_up(value, bits);
      EXPECT_GE(rounded, value);
      EXPECT_LE(rounded, value * step);
    }
    EXPECT_EQ(quantise_up(0, bits), 0.0);
  }
}

TEST(Channels, RefuseWhatMakesNoSense) {
  EXPECT_THROW(channel_of("awgn:dropout=1"), ConfigError);
  EXPECT_THROW(channel_of("rayleigh:coherence=0"), ConfigError);
  EXPECT_THROW(channel_of("rician:k=-1"), ConfigError);
  EXPECT_THROW(channel_of("awgn:side_info=guess"), ConfigError);
}

}  // namespace
}  // namespace laconic::test
