// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <cmath>

#include "tests/unit/problem/fixture.hpp"

namespace laconic {
namespace {

using namespace testing_problem;

TEST(Softmax, AgreesWithTheFormulasOnDenseAndSparseRows) {
  for (const data::Dataset& data : {image_data(), sparse_data()}) {
    const ProblemSetup setup = setup_of(data, {.workers = 2});  // dense: 151 rows, two blocks
    const auto problem = make<double>("softmax:l2=0.1", setup);
    const oracle::Network network{.widths = {data.train.features(), data.class_count}, .l2 = 0.1};
    const std::vector<double> x = point<double>(problem->layout().size(), 1, 4);
    for (std::uint32_t w = 0; w < 2; ++w) {
      const oracle::Value expected = oracle::cross_entropy(
          network, dense(data.train, setup.shards[w]), labels(data.train, setup.shards[w]), x);
      EXPECT_NEAR(loss(*problem, w, x), expected.loss, kSumError * expected.loss);
      EXPECT_LE(relative_difference(gradient(*problem, w, x), expected.gradient), kSumError);
    }
  }
}

TEST(Softmax, WithTwoClassesIsLogisticRegression) {
  const data::Dataset data = sparse_data();
  const ProblemSetup setup = setup_of(data, {.workers = 1});
  const auto softmax = make<double>("softmax:bias=false", setup);
  const auto logistic = make<double>("logistic", setup);
  const std::size_t d = data.train.features();
  const std::vector<double> x = point<double>(2 * d, 1, 6);
  std::vector<double> difference(d);
  for (std::size_t j = 0; j < d; ++j) difference[j] = x[d + j] - x[j];
  const double expected = loss(*logistic, 0, difference);
  EXPECT_NEAR(loss(*softmax, 0, x), expected, kSumError * expected);
  ProblemScratch<double> scratch;
  EXPECT_EQ(softmax->train_counts(0, x, scratch).correct,
            logistic->train_counts(0, difference, scratch).correct);
}

TEST(Softmax, StartsAtZeroWhereEveryClassIsEquallyLikely) {
  const data::Dataset data = image_data();
  const auto problem = make<float>("softmax", setup_of(data, {.workers = 1}));
  std::vector<float> x(problem->layout().size(), 1.0F);
  problem->initial_point(4, x);
  EXPECT_NEAR(loss(*problem, 0, x), std::log(10.0), 1e-15 * 301);
}

TEST(Softmax, ConstantsScaleTheGramMatrixByOneHalf) {
  const data::Dataset data = sparse_data();
  const ProblemSetup setup = setup_of(data, {.workers = 3});
  const Constants logistic = make<double>("logistic", setup)->constants();
  const Constants softmax = make<double>("softmax:bias=false,l2=0.25", setup)->constants();
  EXPECT_NEAR(softmax.l_minus.value(), 2 * logistic.l_minus.value() + 0.25, 1e-12);
  EXPECT_NEAR(softmax.l_plus.value(),
              std::sqrt((std::pow(2 * logistic.l_worker[0] + 0.25, 2) +
                         std::pow(2 * logistic.l_worker[1] + 0.25, 2) +
                         std::pow(2 * logistic.l_worker[2] + 0.25, 2)) /
                        3),
              1e-12);
  EXPECT_EQ(softmax.mu, 0.25);
}

// Logits of thousands: the largest is subtracted before exp.
TEST(Softmax, SurvivesHugeLogits) {
  const data::Dataset data = image_data();
  const auto problem = make<float>("softmax", setup_of(data, {.workers = 1}));
  const std::vector<float> x = point<float>(problem->layout().size(), 1e5, 0);
  EXPECT_TRUE(std::isfinite(loss(*problem, 0, x)));
  for (const float g : gradient(*problem, 0, x)) ASSERT_TRUE(std::isfinite(g));
}

}  // namespace
}  // namespace laconic
