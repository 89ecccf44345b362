// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <cmath>

#include "tests/unit/problem/fixture.hpp"

namespace laconic {
namespace {

using namespace testing_problem;

std::vector<double> noise_of(const Problem<double>& problem, std::uint32_t worker,
                             std::uint32_t round) {
  const std::vector<double> x(problem.layout().size(), 0.0);
  std::vector<double> g(x.size());
  ProblemScratch<double> scratch;
  problem.noisy_gradient(3, round, worker, x, g, scratch);
  return g;
}

TEST(NoisyQuadratic, Check16ProfilesAreThoseOfTheSpecification) {
  const auto problem =
      make<double>("noisy-quadratic:d=50,curvature=check16,noise=check16", {.workers = 2});
  const std::vector<double> noise = noise_of(*problem, 1, 4);
  rng::Reader reader(rng::Stream(3, {.purpose = rng::Purpose::kNoise, .worker = 1, .round = 4}));
  for (std::size_t i = 0; i < 50; ++i) {
    EXPECT_DOUBLE_EQ(problem->constants().l_coordinate[i], 0.1 + 0.2 * static_cast<double>(i % 10));
    EXPECT_DOUBLE_EQ(noise[i], (0.5 + 0.3 * static_cast<double>(i % 7)) * reader.normal());
  }
}

TEST(NoisyQuadratic, GeometricCurvatureGoesFromOneToMin) {
  const auto problem =
      make<double>("noisy-quadratic:d=5,curvature=geometric,min=0.01", {.workers = 1});
  const std::vector<double>& curvature = problem->constants().l_coordinate;
  const std::vector<double> expected = {1, std::sqrt(0.1), 0.1, std::sqrt(0.001), 0.01};
  EXPECT_EQ(curvature[0], 1.0);
  for (std::size_t i = 0; i < 5; ++i) EXPECT_NEAR(curvature[i], expected[i], 1e-15);
  EXPECT_NEAR(problem->constants().mu.value(), 0.01, 1e-16);
}

TEST(NoisyQuadratic, FirstDisturbsOnlyTheFirstCoordinate) {
  const auto problem = make<double>("noisy-quadratic:d=9,noise=first,sigma=100", {.workers = 1});
  const std::vector<double> noise = noise_of(*problem, 0, 0);
  EXPECT_GT(std::fabs(noise[0]), 1.0);
  for (std::size_t i = 1; i < 9; ++i) EXPECT_EQ(noise[i], 0.0);
}

TEST(NoisyQuadratic, Every10thIsNoisyThereAndAlmostQuietElsewhere) {
  const auto noisy = make<double>("noisy-quadratic:d=25,noise=every10th,sigma=2", {.workers = 1});
  const auto unit = make<double>("noisy-quadratic:d=25", {.workers = 1});
  const std::vector<double> noise = noise_of(*noisy, 0, 1);
  const std::vector<double> normal = noise_of(*unit, 0, 1);
  for (std::size_t i = 0; i < 25; ++i) {
    EXPECT_DOUBLE_EQ(noise[i], (i % 10 == 0 ? 2.0 : 0.01) * normal[i]);
  }
}

TEST(NoisyQuadratic, BatchDividesTheDeviationByItsRoot) {
  const auto one = make<double>("noisy-quadratic:d=8", {.workers = 1});
  const auto sixteen = make<double>("noisy-quadratic:d=8,batch=16", {.workers = 1});
  const std::vector<double> noise = noise_of(*one, 0, 2);
  const std::vector<double> averaged = noise_of(*sixteen, 0, 2);
  for (std::size_t i = 0; i < 8; ++i) EXPECT_DOUBLE_EQ(averaged[i], noise[i] / 4);
}

TEST(NoisyQuadratic, WithoutNoiseIsTheFullGradient) {
  const auto problem = make<float>("noisy-quadratic:d=30,sigma=0", {.workers = 1});
  const std::vector<float> x = point<float>(30, 1, 0);
  std::vector<float> g(30);
  ProblemScratch<float> scratch;
  problem->noisy_gradient(1, 2, 0, x, g, scratch);
  EXPECT_EQ(g, gradient(*problem, 0, x));
}

TEST(NoisyQuadratic, StartIsNormalAndNamedByTheSeed) {
  const auto problem = make<double>("noisy-quadratic:d=4000", {.workers = 1});
  std::vector<double> x(4000);
  problem->initial_point(9, x);
  std::vector<double> expected(4000);
  rng::fill_normal(rng::Stream(9, {.purpose = rng::Purpose::kInitial}), {}, expected);
  EXPECT_EQ(x, expected);
  // f(x) = |x|^2 / 2 has mean d/2 and deviation sqrt(d/2).
  EXPECT_NEAR(loss(*problem, 0, x), 2000, 5 * std::sqrt(2000.0));
}

}  // namespace
}  // namespace laconic
