// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <cmath>

#include "tests/unit/problem/fixture.hpp"

namespace laconic {
namespace {

using namespace testing_problem;

struct Descent {
  bool by_sign = false;
  double step_size = 0.002;
  bool decreasing = false;  // divided by sqrt(t + 1)
  std::uint32_t rounds = 20000;
};

struct Outcome {
  std::vector<double> x = {};
  double best = 0;  // smallest f on the way
};

Outcome descend(const Problem<double>& problem, std::uint64_t seed, const Descent& descent) {
  Outcome out{.x = std::vector<double>(problem.layout().size())};
  problem.initial_point(seed, out.x);
  std::vector<double> g(out.x.size());
  ProblemScratch<double> scratch;
  out.best = problem.loss(0, out.x, scratch);
  for (std::uint32_t t = 0; t < descent.rounds; ++t) {
    problem.noisy_gradient(seed, t, 0, out.x, g, scratch);
    const double eta = descent.step_size / (descent.decreasing ? std::sqrt(t + 1.0) : 1.0);
    for (std::size_t j = 0; j < g.size(); ++j) {
      out.x[j] -= eta * (descent.by_sign ? (g[j] < 0 ? -1.0 : 1.0) : g[j]);
    }
    problem.project(out.x);
    out.best = std::min(out.best, problem.loss(0, out.x, scratch));
  }
  return out;
}

// signsgd.md section 6, check 20 (i), the part that needs no error feedback.
TEST(Counterexample, SkewedNoiseLeadsTheSignToTheWrongEnd) {
  const auto problem = make<double>("counterexample:variant=i", {.workers = 1});
  double sign_mean = 0;
  double mean = 0;
  for (std::uint64_t seed = 0; seed < 10; ++seed) {
    sign_mean += descend(*problem, seed, {.by_sign = true}).x[0] / 10;
    mean += descend(*problem, seed, {}).x[0] / 10;
  }
  EXPECT_GT(sign_mean, 0.95);
  EXPECT_LT(mean, -0.95);
}

// signsgd.md section 6, check 20 (ii).
TEST(Counterexample, SignStepsKeepTheSumOfTheCoordinates) {
  for (const char* spec : {"counterexample:variant=ii", "counterexample:variant=iii"}) {
    const auto problem = make<double>(spec, {.workers = 1});
    const Outcome sign =
        descend(*problem, 1, {.by_sign = true, .step_size = 0.05, .decreasing = true});
    const Outcome gradient = descend(*problem, 1, {.step_size = 0.05, .decreasing = true});
    std::vector<double> start(2);
    problem->initial_point(1, start);
    EXPECT_NEAR(sign.x[0] + sign.x[1], 2.0, 1e-11) << spec;  // 20000 roundings
    EXPECT_NEAR(sign.best, loss(*problem, 0, start), 1e-11) << spec;
    EXPECT_LT(gradient.best, 0.01) << spec;
  }
}

TEST(Counterexample, SkewedNoiseTakesItsTwoValues) {
  const auto problem = make<float>("counterexample", {.workers = 1});
  const std::vector<float> x = {0.5F};
  std::vector<float> g(1);
  ProblemScratch<float> scratch;
  int rare = 0;
  for (std::uint32_t round = 0; round < 4000; ++round) {
    problem->noisy_gradient(2, round, 0, x, g, scratch);
    ASSERT_TRUE(g[0] == 4.0F || g[0] == -1.0F);
    rare += g[0] == 4.0F ? 1 : 0;
  }
  EXPECT_NEAR(rare, 1000, 5 * std::sqrt(4000 * 0.25 * 0.75));
}

TEST(Counterexample, ProjectionKeepsTheInterval) {
  const auto problem = make<float>("counterexample:variant=i", {.workers = 1});
  std::vector<float> x = {1.5F};
  problem->project(x);
  EXPECT_EQ(x[0], 1.0F);
  x = {-7.0F};
  problem->project(x);
  EXPECT_EQ(x[0], -1.0F);
  x = {0.25F};
  problem->project(x);
  EXPECT_EQ(x[0], 0.25F);
}

TEST(Counterexample, SubgradientAtTheKinkPointsRight) {
  const auto problem = make<double>("counterexample:variant=ii,eps=0.5", {.workers = 1});
  EXPECT_EQ(gradient(*problem, 0, {1.0, 1.0}), (std::vector<double>{1.5, -0.5}));
  EXPECT_EQ(gradient(*problem, 0, {0.0, 1.0}), (std::vector<double>{-0.5, 1.5}));
}

}  // namespace
}  // namespace laconic
