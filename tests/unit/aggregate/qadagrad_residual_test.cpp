// SPDX-License-Identifier: Apache-2.0
// Residuals of quantizers (quantized-adagrad.md 3.6): the two-bit rule under error feedback,
// memories that decay as in ECQ-SGD, and gradients that must never be encoded.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "laconic/rng/stream.hpp"
#include "tests/support/aggregate_loop.hpp"

namespace laconic {
namespace {

using test::flat_layout;
using test::LoopSetup;
using test::run_loop;

constexpr std::uint32_t kDim = 40;

std::vector<double> noise(std::uint32_t round) {
  std::vector<double> g(kDim);
  rng::fill_normal(rng::Stream(3, {rng::Purpose::kTest, 0, round, 0}), {.mean = 0.1},
                   std::span<double>(g));
  return g;
}

LoopSetup<double> setup_of(std::uint32_t rounds) {
  LoopSetup<double> setup;
  setup.layout = flat_layout(kDim);
  setup.rounds = rounds;
  setup.gradient = [](std::uint32_t, std::uint32_t round, auto, std::span<double> g) {
    const auto values = noise(round);
    std::copy(values.begin(), values.end(), g.begin());
  };
  return setup;
}

double two_bit(double v, double tau) { return v >= tau ? tau : v <= -tau ? -tau : 0; }

TEST(Residual, TheTwoBitRuleSendsWhatHasAddedUp) {
  const auto result = run_loop<double>("ef:two_way=false:two-bit:tau=0.75", setup_of(300));
  std::vector<double> e(kDim, 0.0);
  for (std::uint32_t t = 0; t < 300; ++t) {
    const auto g = noise(t);
    for (std::uint32_t i = 0; i < kDim; ++i) {
      const double p = g[i] + e[i];
      EXPECT_EQ(result.directions[t][i], two_bit(p, 0.75)) << t << " " << i;
      e[i] = p - two_bit(p, 0.75);
    }
  }
}

TEST(Residual, MemoriesDecayAsInEcqSgd) {
  constexpr double kAlpha = 0.5;
  constexpr double kBeta = 0.9;
  const auto result =
      run_loop<double>("ef:gain=0.5,keep=0.9,two_way=false:two-bit:tau=0.75", setup_of(300));
  std::vector<double> h(kDim, 0.0);
  std::size_t other = 0;  // rounds in which plain error feedback would send something else
  std::vector<double> e(kDim, 0.0);
  for (std::uint32_t t = 0; t < 300; ++t) {
    const auto g = noise(t);
    for (std::uint32_t i = 0; i < kDim; ++i) {
      // Q(g + alpha h), h <- beta h + (g - Q)
      const double q = two_bit(g[i] + kAlpha * h[i], 0.75);
      EXPECT_EQ(result.directions[t][i], q) << t << " " << i;
      h[i] = kBeta * h[i] + (g[i] - q);
      const double plain = two_bit(g[i] + e[i], 0.75);
      e[i] += g[i] - plain;
      other += plain != q ? 1U : 0U;
    }
  }
  EXPECT_GT(other, 1000U);
}

TEST(QadagradCheck14, GradientsThatAreNotFiniteAreNeverEncoded) {
  for (const double bad :
       {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()}) {
    for (const char* quantizer : {"van2", "vaninf", "thr-clip", "thr-unb", "thr-hard", "two-bit"}) {
      const std::string inner(quantizer);
      const bool contracts = inner == "thr-clip" || inner == "thr-hard" || inner == "two-bit";
      auto setup = setup_of(3);
      setup.gradient = [bad](std::uint32_t, std::uint32_t round, auto, std::span<double> g) {
        std::fill(g.begin(), g.end(), 1.0);
        if (round == 2) g[7] = bad;
      };
      try {
        run_loop<double>((contracts ? "ef:" : "mirror:dcgd:") + inner, setup);
        ADD_FAILURE() << inner << " took " << bad;
      } catch (const DivergedError& e) {
        EXPECT_EQ(e.place().round, 2U);
        EXPECT_EQ(e.place().index, 7U);
      }
    }
  }
}

}  // namespace
}  // namespace laconic
