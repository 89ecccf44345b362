// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <algorithm>
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

// 3pc.md section 6, T14: f_i, its constants and what top-1 without error feedback does to it.
oracle::Matrix three_ways() { return {{-3, 2, 2}, {2, -3, 2}, {2, 2, -3}}; }

TEST(ThreePcCheck14, ConstantsAreThoseOfTheHessians) {
  oracle::Matrix mean(3, oracle::Vector(3));
  oracle::Matrix squares = mean;
  double bound = 0;
  for (const oracle::Vector& a : three_ways()) {
    oracle::Matrix hessian(3, oracle::Vector(3));
    for (std::size_t j = 0; j < 3; ++j) {
      for (std::size_t k = 0; k < 3; ++k) hessian[j][k] = 2 * a[j] * a[k] + (j == k ? 0.5 : 0.0);
    }
    for (std::size_t j = 0; j < 3; ++j) {
      for (std::size_t k = 0; k < 3; ++k) {
        mean[j][k] += hessian[j][k] / 3;
        squares[j][k] += oracle::inner(hessian[j], hessian[k]) / 3;
      }
    }
    bound += std::pow(oracle::spectral_norm(hessian), 2) / 3;
  }
  const auto problem = make<double>("counterexample:variant=iv", {.workers = 3});
  const Constants& exact = problem->constants();
  EXPECT_NEAR(exact.l_minus.value(), oracle::spectral_norm(mean), 1e-12);
  EXPECT_NEAR(exact.l_plus.value(), std::sqrt(oracle::spectral_norm(squares)), 1e-12);
  EXPECT_NEAR(exact.mu.value(), oracle::eigenvalues(mean).front(), 1e-12);
  EXPECT_NEAR(exact.l_minus.value(), 17.1666667, 0.5e-7);  // as printed
  EXPECT_NEAR(exact.l_plus.value(), 24.1574695, 0.5e-7);
  EXPECT_NEAR(std::pow(exact.l_plus.value(), 2),
              std::pow(exact.l_minus.value(), 2) + std::pow(exact.l_plus_minus.value(), 2), 1e-10);
  const auto bounded = make<double>("counterexample:variant=iv,l_plus=bound", {.workers = 3});
  EXPECT_NEAR(bounded->constants().l_plus.value(), std::sqrt(bound), 1e-12);
  EXPECT_EQ(bounded->constants().l_plus.value(), 34.5);
}

TEST(ThreePcCheck14, GradientsAreThoseOfTheFormula) {
  const auto problem = make<double>("counterexample:variant=iv", {.workers = 6});
  const std::vector<double> x = point<double>(3, 1, 4);
  for (std::uint32_t w = 0; w < 6; ++w) {
    const oracle::Vector a = three_ways()[w % 3];
    const double along = oracle::inner(a, x);
    const double value = along * along + oracle::inner(x, x) / 4;
    EXPECT_NEAR(loss(*problem, w, x), value, 1e-14 * value);
    const std::vector<double> g = gradient(*problem, w, x);
    for (std::size_t j = 0; j < 3; ++j) {
      EXPECT_NEAR(g[j], 2 * along * a[j] + x[j] / 2, 1e-13 * value);
    }
  }
}

// The place of the largest magnitude, the first one of equal ones.
std::size_t top_one(const std::vector<double>& v) {
  const auto largest = std::max_element(
      v.begin(), v.end(), [](double a, double b) { return std::fabs(a) < std::fabs(b); });
  return static_cast<std::size_t>(largest - v.begin());
}

TEST(ThreePcCheck14, TopOneDescentWalksAwayAtTheStatedRate) {
  const auto problem = make<double>("counterexample:variant=iv", {.workers = 3});
  std::vector<double> x(3);
  problem->initial_point(0, x);
  EXPECT_EQ(x, std::vector<double>(3, 1.0));
  const double gamma = 0.01;
  for (int t = 0; t < 5; ++t) {
    std::vector<double> direction(3);
    for (std::uint32_t w = 0; w < 3; ++w) {
      const std::vector<double> g = gradient(*problem, w, x);
      const auto largest = std::max_element(
          g.begin(), g.end(), [](double a, double b) { return std::fabs(a) < std::fabs(b); });
      direction[static_cast<std::size_t>(largest - g.begin())] += *largest / 3;
    }
    for (std::size_t j = 0; j < 3; ++j) x[j] -= gamma * direction[j];
  }
  for (const double value : x) {
    EXPECT_NEAR(value, std::pow(1 + 11 * gamma / 6, 5), 1e-14);
    EXPECT_NEAR(value, 1.09508997, 0.5e-8);
  }
}

// EF21 with top-1 as 3pc.md 1.3 writes it, started with full gradients, at the step size of the
// bound on L_+: 2103 rounds to |grad f|^2 <= 1e-12, +-2.
TEST(ThreePcCheck14, ErrorFeedbackReachesTheMinimumInTheStatedRounds) {
  const auto problem = make<double>("counterexample:variant=iv,l_plus=bound", {.workers = 3});
  const double u = std::sqrt(1 - 1.0 / 3);
  const double gamma = 1 / (problem->constants().l_minus.value() +
                            problem->constants().l_plus.value() * u / (1 - u));
  EXPECT_NEAR(gamma, 0.005859121, 0.5e-9);
  std::vector<double> x(3);
  problem->initial_point(0, x);
  oracle::Matrix estimates;
  for (std::uint32_t w = 0; w < 3; ++w) estimates.push_back(gradient(*problem, w, x));
  int rounds = 0;
  for (; rounds < 5000; ++rounds) {
    const oracle::Vector at_x = mean_value(*problem, x).gradient;
    if (oracle::inner(at_x, at_x) <= 1e-12) break;
    for (std::size_t j = 0; j < 3; ++j) {
      x[j] -= gamma * (estimates[0][j] + estimates[1][j] + estimates[2][j]) / 3;
    }
    for (std::uint32_t w = 0; w < 3; ++w) {
      std::vector<double> missing = gradient(*problem, w, x);
      for (std::size_t j = 0; j < 3; ++j) missing[j] -= estimates[w][j];
      const std::size_t sent = top_one(missing);
      estimates[w][sent] += missing[sent];
    }
  }
  EXPECT_NEAR(rounds, 2103, 2);
}

TEST(Counterexample, ThreeWaysRefusesWorkersThatAreNoMultipleOfThree) {
  try {
    make<double>("counterexample:variant=iv", {.workers = 4});
    FAIL() << "4 workers were accepted";
  } catch (const ConfigError& error) {
    EXPECT_STREQ(
        error.what(),
        "counterexample: variant=iv has three kinds of workers, as many of each; 4 workers "
        "are not a multiple of 3");
  }
}

}  // namespace
}  // namespace laconic
