// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "tests/unit/problem/fixture.hpp"

namespace laconic {
namespace {

using namespace testing_problem;

// Numbers printed in 3pc.md section 7 for n=10, d=100, lambda=0.01; tolerance: half a unit of their
// last digit. 0 where nothing is printed (s=0: L_- = L_+).
struct Golden {
  const char* s;
  double l_minus, l_plus_minus, l_plus, f_star, f_start, squared_norm;
};

class GoldenQuadratic : public testing::TestWithParam<Golden> {};

TEST_P(GoldenQuadratic, HasThePrintedConstants) {
  const Golden& golden = GetParam();
  const auto problem = make<double>(
      std::string("quadratic:golden=true,d=100,lambda=0.01,s=") + golden.s, {.workers = 10});
  const Constants& constants = problem->constants();
  if (golden.l_minus > 0) {
    EXPECT_NEAR(constants.l_minus.value(), golden.l_minus, 0.5e-8);
  }
  EXPECT_NEAR(constants.l_plus_minus.value(), golden.l_plus_minus, 0.5e-8);
  EXPECT_NEAR(constants.l_plus.value(), golden.l_plus, 0.5e-8);
  EXPECT_NEAR(constants.f_star.value(), golden.f_star, 0.5e-10);
  EXPECT_EQ(constants.mu.value(), 0.01);

  std::vector<double> x(100);
  problem->initial_point(0, x);
  EXPECT_EQ(x[0], 10.0);
  const oracle::Value value = mean_value(*problem, x);
  EXPECT_NEAR(value.loss, golden.f_start, 0.5e-8);
  EXPECT_NEAR(oracle::inner(value.gradient, value.gradient), golden.squared_norm, 0.5e-8);
}

INSTANTIATE_TEST_SUITE_P(ThreePc, GoldenQuadratic,
                         testing::Values(Golden{"0", 0, 0, 1.00951628, -0.1026235091, 27.98790706,
                                                34.84662695},
                                         Golden{"1", 1.00951628, 0.99474679, 1.41726649,
                                                -0.4063993585, 30.46290706, 37.55493600},
                                         Golden{"3", 0, 2.98424037, 3.15036724, -10.0784598473,
                                                50.26290706, 63.63185839}),
                         [](const auto& tested) { return std::string("S") + tested.param.s; });

// As the library draws them: xi^s, then xi^b, of each worker's own stream.
oracle::Quadratics drawn(std::uint32_t workers, std::uint64_t seed, oracle::QuadraticDial dial) {
  oracle::Vector xi_s;
  oracle::Vector xi_b;
  for (std::uint32_t i = 0; i < workers; ++i) {
    rng::Reader reader(rng::Stream(seed, {.purpose = rng::Purpose::kData, .worker = i}));
    xi_s.push_back(reader.normal());
    xi_b.push_back(reader.normal());
  }
  return oracle::quadratics(xi_s, xi_b, dial);
}

TEST(Quadratic, AgreesWithDenseMatrices) {
  const auto expected = drawn(6, 77, {.d = 12, .s = 2.5, .lambda = 0.03});
  const auto problem = make<double>("quadratic:d=12,s=2.5,lambda=0.03", {.workers = 6, .seed = 77});
  const std::vector<double> x = point<double>(12, 1, 1);
  for (std::uint32_t w = 0; w < 6; ++w) {
    const oracle::Value value = expected.at(w, x);
    EXPECT_NEAR(loss(*problem, w, x), value.loss, kSumError * std::fabs(value.loss));
    EXPECT_LE(relative_difference(gradient(*problem, w, x), value.gradient), kSumError);
  }
}

TEST(Quadratic, MinimumIsThatOfTheLinearSystem) {
  const auto expected = drawn(6, 77, {.d = 12, .s = 2.5, .lambda = 0.03});
  const oracle::Vector x = oracle::solve(expected.mean_a(), expected.mean_b());
  const double minimum = -0.5 * oracle::inner(expected.mean_b(), x);
  const auto problem = make<double>("quadratic:d=12,s=2.5,lambda=0.03", {.workers = 6, .seed = 77});
  // The condition number is below 1e3.
  EXPECT_NEAR(problem->constants().f_star.value(), minimum, 1e-12 * std::fabs(minimum));
}

TEST(Quadratic, WorksWithOneCoordinateAndWithNegativeMeanStiffness) {
  for (const std::uint64_t seed : {1ULL, 2ULL, 3ULL, 4ULL}) {  // both signs of the mean occur
    const auto expected = drawn(2, seed, {.d = 5, .s = 9, .lambda = 0.5});
    const auto problem = make<double>("quadratic:d=5,s=9,lambda=0.5", {.workers = 2, .seed = seed});
    EXPECT_NEAR(problem->constants().l_minus.value(), oracle::spectral_norm(expected.mean_a()),
                1e-10);
    EXPECT_NEAR(oracle::eigenvalues(expected.mean_a()).front(), 0.5, 1e-10);
  }
  const auto one = make<double>("quadratic:d=1,s=0,lambda=0.5", {.workers = 1});
  EXPECT_DOUBLE_EQ(one->constants().l_minus.value(), 0.5);
  EXPECT_DOUBLE_EQ(one->constants().f_star.value(), -0.5 * 0.25 * 0.25 / 0.5);
}

TEST(Quadratic, SeedOfTheSetupDecides) {
  const auto a = make<double>("quadratic", {.workers = 3, .seed = 1});
  const auto b = make<double>("quadratic", {.workers = 3, .seed = 2});
  EXPECT_NE(a->constants().l_worker, b->constants().l_worker);
}

// 3pc.md section 6, T18, first part: closed forms against all eigenvalues of the dense matrices.
TEST(ThreePcCheck18, QuadraticConstantsAreTheClosedForms) {
  for (const double s : {0.0, 0.8, 6.4}) {
    const oracle::QuadraticDial dial{.d = 20, .s = s, .lambda = 0.01};
    const auto expected = drawn(8, 5, dial);
    const auto problem =
        make<double>("quadratic:d=20,lambda=0.01,s=" + shortest(s), {.workers = 8, .seed = 5});
    const Constants& constants = problem->constants();
    const oracle::Matrix mean = expected.mean_a();
    EXPECT_NEAR(constants.l_minus.value(), oracle::spectral_norm(mean), 1e-8);
    oracle::Matrix squares(dial.d, oracle::Vector(dial.d));
    oracle::Matrix variance = squares;
    for (std::size_t w = 0; w < 8; ++w) {
      EXPECT_NEAR(constants.l_worker[w], oracle::spectral_norm(expected.a[w]), 1e-8);
      for (std::size_t j = 0; j < dial.d; ++j) {
        oracle::Vector row = expected.a[w][j];  // symmetric: also the column
        for (std::size_t k = 0; k < dial.d; ++k) {
          squares[j][k] += oracle::inner(row, expected.a[w][k]) / 8;
        }
      }
    }
    for (std::size_t j = 0; j < dial.d; ++j) {
      for (std::size_t k = 0; k < dial.d; ++k) {
        variance[j][k] = squares[j][k] - oracle::inner(mean[j], mean[k]);
      }
    }
    EXPECT_NEAR(constants.l_plus.value(), std::sqrt(oracle::spectral_norm(squares)), 1e-8);
    // The root turns an error of 1e-15 in a vanishing variance into 3e-8.
    EXPECT_NEAR(constants.l_plus_minus.value() * constants.l_plus_minus.value(),
                oracle::spectral_norm(variance), 1e-8);
    if (mean[0][1] < 0) {  // positive mean stiffness
      EXPECT_NEAR(constants.l_plus.value() * constants.l_plus.value(),
                  constants.l_minus.value() * constants.l_minus.value() +
                      constants.l_plus_minus.value() * constants.l_plus_minus.value(),
                  1e-10);
    }
  }
}

// The same by the power iteration that the page asks for, at a size where it converges: the two
// largest eigenvalues of T differ by 0.4 %, so that 1500 steps leave 1e-11 of the second one.
TEST(ThreePcCheck18, QuadraticConstantsAgreeWithPowerIteration) {
  constexpr int kIterations = 1500;
  constexpr std::size_t kWorkers = 6;
  for (const double s : {0.0, 0.8, 6.4}) {
    const oracle::QuadraticDial dial{.d = 40, .s = s, .lambda = 1e-6};
    const auto expected = drawn(kWorkers, 12, dial);
    const auto problem = make<double>("quadratic:d=40,lambda=1e-6,s=" + shortest(s),
                                      {.workers = kWorkers, .seed = 12});
    const Constants& constants = problem->constants();
    const oracle::Matrix mean = expected.mean_a();
    const double l_minus = oracle::power_iteration(mean, kIterations);
    EXPECT_NEAR(constants.l_minus.value(), l_minus, 1e-8 * l_minus);
    oracle::Matrix squares(dial.d, oracle::Vector(dial.d));
    oracle::Matrix variance = squares;
    for (std::size_t w = 0; w < kWorkers; ++w) {
      const double l_worker = oracle::power_iteration(expected.a[w], kIterations);
      EXPECT_NEAR(constants.l_worker[w], l_worker, 1e-8 * l_worker) << "worker " << w;
      for (std::size_t j = 0; j < dial.d; ++j) {
        for (std::size_t k = 0; k < dial.d; ++k) {
          squares[j][k] += oracle::inner(expected.a[w][j], expected.a[w][k]) / kWorkers;
        }
      }
    }
    for (std::size_t j = 0; j < dial.d; ++j) {
      for (std::size_t k = 0; k < dial.d; ++k) {
        variance[j][k] = squares[j][k] - oracle::inner(mean[j], mean[k]);
      }
    }
    const double l_plus = std::sqrt(oracle::power_iteration(squares, kIterations));
    EXPECT_NEAR(constants.l_plus.value(), l_plus, 1e-8 * l_plus);
    const double l_plus_minus2 = oracle::power_iteration(variance, kIterations);
    EXPECT_NEAR(std::pow(constants.l_plus_minus.value(), 2), l_plus_minus2,
                1e-8 * (l_plus_minus2 + l_plus * l_plus));
  }
}

// Constants as functions of the drawn nu, at the size of the paper's experiments and for the
// settings of its two panels: the formulas of 3pc.md 5.2 with moments taken from the draws.
TEST(ThreePcCheck18, QuadraticConstantsAreFunctionsOfTheDraws) {
  constexpr std::uint32_t kWorkers = 100;
  for (const double s : {0.0, 0.05, 0.8, 1.6, 6.4}) {
    for (const std::uint64_t seed : {1ULL, 2ULL, 3ULL}) {
      std::vector<double> nu;
      double mean = 0;
      for (std::uint32_t i = 0; i < kWorkers; ++i) {
        rng::Reader reader(rng::Stream(seed, {.purpose = rng::Purpose::kData, .worker = i}));
        nu.push_back(1 + s * reader.normal());
        mean += nu.back() / kWorkers;
      }
      double variance = 0;
      for (const double value : nu) variance += (value - mean) * (value - mean) / kWorkers;
      const double pi = std::acos(-1.0);
      const double highest = 2 - 2 * std::cos(1000 * pi / 1001);
      const double lowest = 2 - 2 * std::cos(pi / 1001);
      const double shift = 1e-6 - mean * (mean > 0 ? lowest : highest) / 4;
      const auto problem = make<double>("quadratic:d=1000,lambda=1e-6,s=" + shortest(s),
                                        {.workers = kWorkers, .seed = seed});
      const Constants& constants = problem->constants();
      const double l_minus = mean * (mean > 0 ? highest : lowest) / 4 + shift;
      const double l_plus_minus = std::sqrt(variance) * highest / 4;
      EXPECT_NEAR(constants.l_minus.value(), l_minus, 1e-10 * l_minus);
      EXPECT_NEAR(constants.l_plus_minus.value(), l_plus_minus, 1e-10 * l_plus_minus + 1e-15);
      for (std::size_t i = 0; i < kWorkers; ++i) {
        const double l_worker =
            std::max(std::fabs(nu[i] * highest / 4 + shift), std::fabs(nu[i] * lowest / 4 + shift));
        EXPECT_NEAR(constants.l_worker[i], l_worker, 1e-10 * l_worker);
      }
      if (mean > 0) {
        EXPECT_NEAR(std::pow(constants.l_plus.value(), 2),
                    l_minus * l_minus + l_plus_minus * l_plus_minus, 1e-10);
      }
    }
  }
}

// Printed in 3pc.md 5.2 for s=0, which needs no draws: L_- = 1.0000, L_+- = 0, |grad f(x0)|^2 =
// 320.47.
TEST(ThreePcCheck18, HomogeneousQuadraticHasThePrintedConstants) {
  const auto problem = make<double>("quadratic:d=1000,lambda=1e-6,s=0", {.workers = 100});
  EXPECT_NEAR(problem->constants().l_minus.value(), 1.0, 0.5e-4);
  EXPECT_NEAR(problem->constants().l_plus.value(), problem->constants().l_minus.value(), 1e-14);
  EXPECT_NEAR(problem->constants().l_plus_minus.value(), 0.0, 1e-14);
  std::vector<double> x(1000);
  problem->initial_point(0, x);
  const std::vector<double> g = gradient(*problem, 0, x);
  EXPECT_NEAR(oracle::inner(g, g), 320.47, 0.005);
}

}  // namespace
}  // namespace laconic
