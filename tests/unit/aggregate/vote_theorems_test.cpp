// SPDX-License-Identifier: Apache-2.0
// signsgd.md section 6, check 16: the theorems of S1 and S2 hold in simulation, with the real
// aggregator. d = 50, f = 1/2 sum L_i x_i^2, L_i = 0.1 + 0.2 (i mod 10), sigma_i = 0.5 + 0.3 (i mod
// 7), x0 ~ N(0, I).
#include <gtest/gtest.h>

#include <cmath>

#include "laconic/aggregate/vote_theory.hpp"
#include "laconic/rng/stream.hpp"
#include "tests/support/aggregate_loop.hpp"

namespace laconic {
namespace {

constexpr std::size_t kDim = 50;
constexpr int kRepeats = 10;

double curvature(std::size_t i) { return 0.1 + 0.2 * static_cast<double>(i % 10); }
double sigma(std::size_t i) { return 0.5 + 0.3 * static_cast<double>(i % 7); }
double l1_of_curvature() {
  double sum = 0;
  for (std::size_t i = 0; i < kDim; ++i) sum += curvature(i);
  return sum;
}
double l1_of_sigma() {
  double sum = 0;
  for (std::size_t i = 0; i < kDim; ++i) sum += sigma(i);
  return sum;
}
double loss(std::span<const double> x) {
  double sum = 0;
  for (std::size_t i = 0; i < x.size(); ++i) sum += 0.5 * curvature(i) * x[i] * x[i];
  return sum;
}
std::vector<double> start(std::uint64_t seed) {
  std::vector<double> x(kDim);
  rng::fill_normal(rng::Stream(seed, {rng::Purpose::kTest, 16, 0, 0}), {}, std::span<double>(x));
  return x;
}

struct Walk {
  std::uint32_t rounds = 0;
  std::uint32_t workers = 1;
  std::uint32_t inverters = 0;
  double step_size = 0;
  double batch = 1;  // noise variance is divided by it
  std::uint64_t seed = 1;
};

// Calls measure(x) at every iterate at which a gradient is taken.
void run(const Walk& walk, const std::function<void(std::span<const double>)>& measure) {
  test::LoopSetup<double> setup;
  setup.layout = test::flat_layout(kDim);
  setup.workers = walk.workers;
  setup.rounds = walk.rounds;
  setup.seed = walk.seed;
  setup.x0 = start(walk.seed);
  setup.step_size = [eta = walk.step_size](std::uint32_t) { return eta; };
  setup.gradient = [&](std::uint32_t worker, std::uint32_t round, std::span<const double> x,
                       std::span<double> g) {
    if (worker == 0) measure(x);
    rng::fill_normal(rng::Stream(walk.seed, {rng::Purpose::kNoise, worker, round, 0}), {}, g);
    const double sign = worker < walk.inverters ? -1.0 : 1.0;
    for (std::size_t i = 0; i < kDim; ++i)
      g[i] = sign * (curvature(i) * x[i] + g[i] * sigma(i) / std::sqrt(walk.batch));
  };
  test::run_loop<double>("vote:shards=1", setup);
}

double gradient_l1(std::span<const double> x) {
  double sum = 0;
  for (std::size_t i = 0; i < kDim; ++i) sum += std::fabs(curvature(i) * x[i]);
  return sum;
}

struct Sides {
  double left = 0;
  double right = 0;
};

// Mean over the repeats of (1/K) sum_k ||g_k||_1, squared, and the mean of f(x0).
struct LargeBatch {
  double mean_l1 = 0;
  double f0 = 0;
};
LargeBatch large_batch(std::uint32_t rounds, std::uint32_t workers, std::uint32_t inverters,
                       bool theorem_two) {
  LargeBatch out;
  for (int repeat = 0; repeat < kRepeats; ++repeat) {
    const auto seed = static_cast<std::uint64_t>(100 + repeat);
    const double f0 = loss(start(seed));
    // 4.2 and 4.3: eta = 1/sqrt(||L||_1 K); 4.6: eta = sqrt(f0 / (||L||_1 K)).
    const double eta = std::sqrt((theorem_two ? f0 : 1.0) / (l1_of_curvature() * rounds));
    double sum = 0;
    run({.rounds = rounds,
         .workers = workers,
         .inverters = inverters,
         .step_size = eta,
         .batch = static_cast<double>(rounds),
         .seed = seed},
        [&](std::span<const double> x) { sum += gradient_l1(x) / rounds; });
    out.mean_l1 += sum / kRepeats;
    out.f0 += f0 / kRepeats;
  }
  return out;
}

class SignsgdCheck16 : public testing::TestWithParam<std::uint32_t> {};  // K

TEST_P(SignsgdCheck16, LargeBatchTheoremsHoldForOneAndManyWorkers) {
  const std::uint32_t rounds = GetParam();
  for (const std::uint32_t workers : {1U, 5U, 25U}) {
    const LargeBatch run = large_batch(rounds, workers, 0, false);
    const double left = run.mean_l1 * run.mean_l1;
    const double root_n = rounds;  // sqrt(N), N = K^2
    const auto bound = [&](double noise) {
      const double inner = std::sqrt(l1_of_curvature()) * (run.f0 + 0.5) + 2 * noise;
      return inner * inner / root_n;
    };
    EXPECT_LE(left, bound(l1_of_sigma())) << "4.2/4.3a with M = " << workers;
    EXPECT_LE(left, bound(l1_of_sigma() / std::sqrt(static_cast<double>(workers))))
        << "4.3b with M = " << workers;
    const double ratio = bound(l1_of_sigma() / std::sqrt(static_cast<double>(workers))) / left;
    EXPECT_GT(ratio, 1.2);
    EXPECT_LT(ratio, 6.0);  // the page's prototype saw 1.4 to 4.8
  }
}

TEST_P(SignsgdCheck16, MajorityVoteTheoremHoldsWithInverters) {
  const std::uint32_t rounds = GetParam();
  for (const std::uint32_t workers : {1U, 5U, 25U}) {
    for (const double alpha : {0.0, 0.2, 0.4}) {
      const auto inverters = static_cast<std::uint32_t>(std::floor(alpha * workers));
      const LargeBatch run = large_batch(rounds, workers, inverters, true);
      const double left = run.mean_l1 * run.mean_l1;
      const double share = static_cast<double>(inverters) / workers;
      const double inner =
          l1_of_sigma() / std::sqrt(static_cast<double>(workers)) / (1 - 2 * share) +
          std::sqrt(l1_of_curvature() * run.f0);
      EXPECT_LE(left, 4 * inner * inner / rounds)
          << "M = " << workers << ", inverters = " << inverters;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Rounds, SignsgdCheck16, testing::Values(50U, 200U, 1000U));

TEST(SignsgdCheck16SmallBatch, BatchOneTheoremHoldsAndMatchesThePagesValues) {
  const std::pair<std::uint32_t, double> cases[] = {{100, 5.10}, {1000, 1.64}, {10000, 0.54}};
  for (const auto& [rounds, measured] : cases) {
    double left = 0;
    double right = 0;
    for (int repeat = 0; repeat < kRepeats; ++repeat) {
      const auto seed = static_cast<std::uint64_t>(200 + repeat);
      const double f0 = loss(start(seed));
      const double eta = std::sqrt(f0 / (l1_of_curvature() * rounds));
      double sum = 0;
      run({.rounds = rounds, .step_size = eta, .seed = seed}, [&](std::span<const double> x) {
        for (std::size_t i = 0; i < kDim; ++i) {
          const double g = std::fabs(curvature(i) * x[i]);
          sum += g / sigma(i) > kCriticalSnr ? g : g * g / sigma(i);
        }
      });
      left += sum / rounds / kRepeats;
      right += 3 * std::sqrt(l1_of_curvature() * f0 / rounds) / kRepeats;
    }
    EXPECT_LE(left, right) << rounds;
    EXPECT_NEAR(left, measured, 0.25 * measured)
        << rounds;  // other starting points than the page's
  }
}

}  // namespace
}  // namespace laconic
