// SPDX-License-Identifier: Apache-2.0
// signsgd.md section 6, the checks about signs, momentum and single rounds: 2, 7, 8, 21.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "laconic/rng/stream.hpp"
#include "tests/support/aggregate_loop.hpp"

namespace laconic {
namespace {

using test::flat_layout;
using test::LoopResult;
using test::LoopSetup;
using test::run_loop;

template <class T>
class SignsgdCheck02 : public testing::Test {};
using Reals = testing::Types<float, double>;
TYPED_TEST_SUITE(SignsgdCheck02, Reals);

// One worker's vote on {+1, -1, +0, -0, +-denormal}, which a single voter gets back.
template <class T>
std::vector<T> vote_on_special_values(const std::string& spec) {
  const std::vector<T> values = {T{1},
                                 T{-1},
                                 T{0},
                                 -T{0},
                                 std::numeric_limits<T>::denorm_min(),
                                 -std::numeric_limits<T>::denorm_min()};
  LoopSetup<T> setup;
  setup.layout = flat_layout(static_cast<std::uint32_t>(values.size()));
  setup.gradient = [&](std::uint32_t, std::uint32_t, std::span<const T>, std::span<T> g) {
    std::copy(values.begin(), values.end(), g.begin());
  };
  return run_loop<T>(spec, setup).directions.at(0);
}

TYPED_TEST(SignsgdCheck02, ZerosArePositiveUnderPos) {
  EXPECT_EQ(vote_on_special_values<TypeParam>("vote:zero=pos"),
            (std::vector<TypeParam>{1, -1, 1, 1, 1, -1}));
}

TYPED_TEST(SignsgdCheck02, ZerosGetNoVoteUnderAbstain) {
  EXPECT_EQ(vote_on_special_values<TypeParam>("vote:zero=abstain,tie=zero"),
            (std::vector<TypeParam>{1, -1, 0, 0, 1, -1}));
}

TYPED_TEST(SignsgdCheck02, ZerosAreFairCoinsUnderRandom) {
  const auto direction = vote_on_special_values<TypeParam>("vote:zero=random");
  EXPECT_EQ(direction[0], 1);
  EXPECT_EQ(direction[1], -1);
  EXPECT_EQ(std::abs(direction[2]), 1);
  EXPECT_EQ(direction[4], 1);
  EXPECT_EQ(direction[5], -1);
  // 20000 zeros: the number of -1 is binomial with deviation 71.
  LoopSetup<TypeParam> setup;
  setup.layout = flat_layout(20000);
  setup.gradient = [](auto, auto, auto, auto) {};
  const auto coins = run_loop<TypeParam>("vote:zero=random", setup).directions.at(0);
  const auto negative = std::count(coins.begin(), coins.end(), TypeParam{-1});
  EXPECT_NEAR(static_cast<double>(negative), 10000.0, 5 * 71.0);
}

TYPED_TEST(SignsgdCheck02, NanAndInfinityNameWorkerTensorRoundAndIndexOnEveryRank) {
  for (const TypeParam bad :
       {std::numeric_limits<TypeParam>::quiet_NaN(), std::numeric_limits<TypeParam>::infinity(),
        -std::numeric_limits<TypeParam>::infinity()}) {
    for (const char* spec :
         {"vote", "vote:zero=abstain", "dense", "dense:sum=fast", "ef:sign", "krum:f=0"}) {
      LoopSetup<TypeParam> setup;
      setup.layout = Layout({{.name = "w", .shape = {70, 1}}, {.name = "b", .shape = {5, 1}}});
      setup.workers = 4;
      setup.ranks = 2;
      setup.rounds = 3;
      setup.gradient = [bad](std::uint32_t worker, std::uint32_t round, auto,
                             std::span<TypeParam> g) {
        if (round == 2 && worker >= 2) g[72] = bad;
      };
      try {
        run_loop<TypeParam>(spec, setup);
        ADD_FAILURE() << spec << " accepted a non-finite gradient";
      } catch (const DivergedError& error) {
        EXPECT_EQ(error.place().worker, 2U) << spec;
        EXPECT_EQ(error.place().round, 2U) << spec;
        EXPECT_EQ(error.place().tensor, "b") << spec;
        EXPECT_EQ(error.place().index, 2U) << spec;
      }
    }
  }
}

// 5 workers, d = 130. Coordinate i, worker w, round t: g = ((i + 3 w + 5 t) mod 7) - 3, in {-3..3}.
double hand_gradient(std::uint32_t worker, std::uint32_t round, std::size_t i) {
  return static_cast<double>((i + 3 * worker + 5 * round) % 7) - 3.0;
}

// The same three rounds, written out from signsgd.md 2.3 and 2.4 in double.
std::vector<double> hand_trajectory(bool coupled, double eta, double beta, double lambda) {
  constexpr std::size_t kDim = 130;
  std::vector<double> x(kDim);
  for (std::size_t i = 0; i < kDim; ++i) x[i] = 0.01 * static_cast<double>(i) - 0.6;
  std::vector<std::vector<double>> v(5, std::vector<double>(kDim, 0.0));
  for (std::uint32_t t = 0; t < 3; ++t) {
    for (std::size_t i = 0; i < kDim; ++i) {
      int sum = 0;
      for (std::uint32_t w = 0; w < 5; ++w) {
        double g = hand_gradient(w, t, i);
        if (coupled) g += lambda * x[i];
        v[w][i] = beta * v[w][i] + (1 - beta) * g;
        sum += v[w][i] < 0 ? -1 : 1;
      }
      const double w = sum < 0 ? -1.0 : 1.0;
      x[i] = coupled ? x[i] - eta * w : x[i] - eta * (w + lambda * x[i]);
    }
  }
  return x;
}

TEST(SignsgdCheck07, ThreeRoundsOfFiveWorkersAreAsComputedByHand) {
  constexpr double kEta = 0.125;
  constexpr double kBeta = 0.75;
  constexpr double kLambda = 0.5;
  for (const bool coupled : {false, true}) {
    LoopSetup<double> setup;
    setup.layout = flat_layout(130);
    setup.workers = 5;
    setup.ranks = 2;
    setup.rounds = 3;
    setup.step_size = [](std::uint32_t) { return kEta; };
    setup.lambda = coupled ? 0 : kLambda;
    for (std::size_t i = 0; i < 130; ++i) setup.x0.push_back(0.01 * static_cast<double>(i) - 0.6);
    setup.gradient = [coupled](std::uint32_t worker, std::uint32_t round, std::span<const double> x,
                               std::span<double> g) {
      for (std::size_t i = 0; i < g.size(); ++i) {
        g[i] = hand_gradient(worker, round, i) + (coupled ? kLambda * x[i] : 0.0);
      }
    };
    const LoopResult<double> result = run_loop<double>("vote:beta=0.75", setup);
    const std::vector<double> expected = hand_trajectory(coupled, kEta, kBeta, kLambda);
    for (std::size_t i = 0; i < 130; ++i)
      EXPECT_NEAR(result.x[i], expected[i], 1e-7) << "coordinate " << i;
  }
}

TEST(SignsgdCheck07, SpotValuesOfTheHandComputation) {
  // Coordinate 3: g of workers 0..4 in round 0 is 0, 3, -1, 2, -2: signs + + - + -, majority +.
  // x0 = -0.57; decoupled: x1 = -0.57 - 0.125 (1 + 0.5 * -0.57) = -0.659375.
  LoopSetup<double> setup;
  setup.layout = flat_layout(130);
  setup.workers = 5;
  setup.rounds = 1;
  setup.step_size = [](std::uint32_t) { return 0.125; };
  setup.lambda = 0.5;
  for (std::size_t i = 0; i < 130; ++i) setup.x0.push_back(0.01 * static_cast<double>(i) - 0.6);
  setup.gradient = [](std::uint32_t worker, std::uint32_t round, auto, std::span<double> g) {
    for (std::size_t i = 0; i < g.size(); ++i) g[i] = hand_gradient(worker, round, i);
  };
  const auto result = run_loop<double>("vote:beta=0.75", setup);
  EXPECT_NEAR(result.x[3], -0.659375, 1e-12);
}

TEST(SignsgdCheck08, SignumVoteWithoutMomentumIsSignsgdVoteBitForBit) {
  // beta = 0 through the momentum path (v <- 0 v + 1 g) against the path that packs the gradient.
  for (const std::uint32_t ranks : {1U, 3U}) {
    LoopSetup<float> setup;
    setup.layout = flat_layout(333);
    setup.workers = 7;
    setup.ranks = ranks;
    setup.rounds = 20;
    setup.gradient = [](std::uint32_t worker, std::uint32_t round, std::span<const float> x,
                        std::span<float> g) {
      rng::fill_normal(rng::Stream(3, {rng::Purpose::kTest, worker, round, 0}), {.mean = 0.1}, g);
      for (std::size_t i = 0; i < g.size(); ++i) g[i] += x[i];
    };
    const auto signsgd = run_loop<float>("vote:beta=0", setup);
    const auto signum = run_loop<float>("vote:beta=1e-300", setup);  // rounds to 0 in float
    EXPECT_EQ(signsgd.directions, signum.directions);
    EXPECT_EQ(signsgd.x, signum.x);
  }
}

TEST(SignsgdCheck21, AbsentGradientsDriftUnderPosAndNotUnderAbstain) {
  constexpr std::uint32_t kDim = 2000;
  constexpr std::uint32_t kRounds = 300;
  constexpr double kEta = 0.0078125;  // exact in float
  LoopSetup<float> setup;
  setup.layout = flat_layout(kDim);
  setup.workers = 3;
  setup.rounds = kRounds;
  setup.step_size = [](std::uint32_t) { return kEta; };
  setup.x0.assign(kDim, 0.5F);
  setup.gradient = [](auto, auto, auto, auto) {};
  const auto pos = run_loop<float>("vote:zero=pos", setup);
  for (const float x : pos.x) EXPECT_EQ(x, 0.5F - static_cast<float>(kEta * kRounds));
  const auto abstain = run_loop<float>("vote:zero=abstain,tie=zero", setup);
  for (const float x : abstain.x) EXPECT_EQ(x, 0.5F);
  const auto random = run_loop<float>("vote:zero=random", setup);
  double mean = 0;
  for (const float x : random.x) mean += (static_cast<double>(x) - 0.5) / kDim;
  EXPECT_LT(std::fabs(mean), 5 * kEta * std::sqrt(static_cast<double>(kRounds) / kDim));
  EXPECT_NE(random.x, abstain.x);
}

TEST(Vote, QuorumSilencesSmallMargins) {
  LoopSetup<float> setup;
  setup.layout = flat_layout(3);
  setup.workers = 5;
  // Margins 5, 3 and 1.
  setup.gradient = [](std::uint32_t worker, std::uint32_t, auto, std::span<float> g) {
    g[0] = 1;
    g[1] = worker < 1 ? 1.0F : -1.0F;
    g[2] = worker < 2 ? 1.0F : -1.0F;
  };
  EXPECT_EQ(run_loop<float>("vote:tie=zero,quorum=3", setup).directions[0],
            (std::vector<float>{1, -1, 0}));
  EXPECT_EQ(run_loop<float>("vote:tie=zero,quorum=4", setup).directions[0],
            (std::vector<float>{1, 0, 0}));
}

TEST(Vote, TieRulesDecideEvenVotes) {
  LoopSetup<float> setup;
  setup.layout = flat_layout(4000);
  setup.workers = 2;
  setup.gradient = [](std::uint32_t worker, std::uint32_t, auto, std::span<float> g) {
    std::fill(g.begin(), g.end(), worker == 0 ? 1.0F : -1.0F);
  };
  const auto pos = run_loop<float>("vote:tie=pos", setup).directions[0];
  EXPECT_EQ(std::count(pos.begin(), pos.end(), 1.0F), 4000);
  const auto zero = run_loop<float>("vote:tie=zero", setup).directions[0];
  EXPECT_EQ(std::count(zero.begin(), zero.end(), 0.0F), 4000);
  const auto random = run_loop<float>("vote:tie=random", setup).directions[0];
  EXPECT_NEAR(static_cast<double>(std::count(random.begin(), random.end(), 1.0F)), 2000.0,
              5 * 31.7);
}

TEST(Vote, WarmupVotesWithTheGradientFirst) {
  // beta = 0.5: C = 1. Round 0 g = -1, round 1 g = +0.1: momentum stays negative, the gradient does
  // not.
  LoopSetup<double> setup;
  setup.layout = flat_layout(1);
  setup.rounds = 2;
  setup.gradient = [](std::uint32_t, std::uint32_t round, auto, std::span<double> g) {
    g[0] = round == 0 ? 1.0 : -0.1;
  };
  const auto plain = run_loop<double>("vote:beta=0.5", setup);
  EXPECT_EQ(plain.directions, (std::vector<std::vector<double>>{{1}, {1}}));
  const auto warm = run_loop<double>("vote:beta=0.5,warmup=true", setup);
  EXPECT_EQ(warm.directions, (std::vector<std::vector<double>>{{1}, {1}}));
  // beta = 0.9: C = 54, so round 1 still votes with the gradient.
  EXPECT_EQ(run_loop<double>("vote:beta=0.9", setup).directions[1][0], 1);
  EXPECT_EQ(run_loop<double>("vote:beta=0.9,warmup=true", setup).directions[1][0], -1);
}

TEST(Vote, AgreementCountsEqualVotes) {
  LoopSetup<float> setup;
  setup.layout = flat_layout(100);
  setup.workers = 5;
  setup.ranks = 2;
  setup.gradient = [](std::uint32_t worker, std::uint32_t, auto, std::span<float> g) {
    std::fill(g.begin(), g.end(), worker < 2 ? 1.0F : -1.0F);
  };
  const auto result = run_loop<float>("vote", setup);
  EXPECT_EQ(result.votes, 500U);
  EXPECT_EQ(result.agreeing, 300U);
}

}  // namespace
}  // namespace laconic
