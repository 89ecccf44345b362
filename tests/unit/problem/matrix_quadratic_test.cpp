// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <cmath>

#include "laconic/aggregate/svd.hpp"
#include "tests/unit/problem/fixture.hpp"

namespace laconic {
namespace {

using namespace testing_problem;

TEST(MatrixQuadratic, LooksForAMatrixOfTheStatedRankWithEntriesOfVarianceOne) {
  const auto problem = make<double>("matrix-quadratic:rows=40,cols=30,rank=3", {.workers = 2});
  EXPECT_EQ(problem->layout().tensors()[0].shape, (Shape{40, 30}));
  // The gradient at 0 is -W*.
  std::vector<double> x(1200);
  std::vector<double> g(1200);
  ProblemScratch<double> scratch;
  problem->initial_point(1, x);
  for (const double value : x) EXPECT_EQ(value, 0.0);
  problem->full_gradient(1, x, g, scratch);
  aggregate::TruncatedSvd svd;
  svd.compute(40, 30, 30, g);
  EXPECT_GT(svd.singular_values()[2], 1.0);
  EXPECT_LT(svd.singular_values()[3], 1e-12);
  double squared = 0;
  for (const double value : g) squared += value * value;
  EXPECT_NEAR(squared / 1200, 1.0, 0.5);
  EXPECT_NEAR(problem->loss(0, x, scratch), 0.5 * squared, 1e-12 * squared);
}

TEST(MatrixQuadratic, NoiseHasTheStatedDeviationAndIsTheWorkersOwn) {
  const auto problem =
      make<double>("matrix-quadratic:rows=100,cols=100,sigma=0.02", {.workers = 3});
  std::vector<double> x(10000, 0.5);
  std::vector<double> exact(10000);
  std::vector<double> a(10000);
  std::vector<double> b(10000);
  ProblemScratch<double> scratch;
  problem->full_gradient(0, x, exact, scratch);
  problem->noisy_gradient(5, 2, 0, x, a, scratch);
  problem->noisy_gradient(5, 2, 1, x, b, scratch);
  double squared = 0;
  double product = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    squared += std::pow(a[i] - exact[i], 2);
    product += (a[i] - exact[i]) * (b[i] - exact[i]);
  }
  EXPECT_NEAR(std::sqrt(squared / 10000), 0.02, 5 * 0.02 / std::sqrt(20000.0));
  EXPECT_LT(std::fabs(product / squared), 5 / 100.0);
}

}  // namespace
}  // namespace laconic
