// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <cmath>

#include "tests/unit/problem/fixture.hpp"

namespace laconic {
namespace {

using namespace testing_problem;

TEST(Autoencoder, AgreesWithTheFormulas) {
  for (const data::Dataset& data : {image_data(), sparse_data()}) {
    const ProblemSetup setup = setup_of(data, {.workers = 2});
    for (const std::size_t code : {1U, 3U, 8U}) {
      const auto problem = make<double>("autoencoder:code=" + std::to_string(code), setup);
      ASSERT_EQ(problem->layout().size(), 2 * code * data.train.features());
      const std::vector<double> x = point<double>(problem->layout().size(), 0.3, 3);
      for (std::uint32_t w = 0; w < 2; ++w) {
        const oracle::Value expected =
            oracle::autoencoder(dense(data.train, setup.shards[w]), code, x);
        EXPECT_NEAR(loss(*problem, w, x), expected.loss, kSumError * expected.loss);
        EXPECT_LE(relative_difference(gradient(*problem, w, x), expected.gradient), kSumError);
      }
    }
  }
}

// An orthogonal projection onto the span of the rows reconstructs them: loss and gradient vanish.
TEST(Autoencoder, PerfectReconstructionHasNoLossAndNoGradient) {
  data::Dataset data;
  data.train.rows = data::SparseRows{
      .offsets = {0, 1, 2, 3}, .columns = {0, 2, 0}, .values = {3, 0.5, -2}, .features = 4};
  data.train.signs = {1, -1, 1};
  const auto problem =
      make<double>("autoencoder:code=2", {.dataset = &data, .shards = {{0, 1, 2}}, .workers = 1});
  std::vector<double> x(16);
  for (const std::size_t element : {0U, 5U}) x[element] = 1;   // D = [e_1, e_3]
  for (const std::size_t element : {8U, 14U}) x[element] = 1;  // E = D^T
  EXPECT_EQ(loss(*problem, 0, x), 0.0);
  EXPECT_EQ(gradient(*problem, 0, x), std::vector<double>(16, 0.0));
}

TEST(Autoencoder, StartsWithTheStatedDeviation) {
  const data::Dataset data = image_data();  // 49 pixels
  const auto problem = make<double>("autoencoder:code=40,scale=3", setup_of(data, {.workers = 1}));
  std::vector<double> x(problem->layout().size());
  problem->initial_point(1, x);
  double squares = 0;
  for (const double value : x) squares += value * value;
  const double measured = std::sqrt(squares / static_cast<double>(x.size()));
  EXPECT_NEAR(measured, 3 / 7.0, 4 * (3 / 7.0) / std::sqrt(2.0 * static_cast<double>(x.size())));
  std::vector<double> other(x.size());
  problem->initial_point(2, other);
  EXPECT_NE(x, other);
}

TEST(Autoencoder, HasNoAccuracyAndNoConstants) {
  const data::Dataset data = image_data();
  const auto problem = make<float>("autoencoder:code=2", setup_of(data, {.workers = 1}));
  const std::vector<float> x(problem->layout().size(), 0.1F);
  ProblemScratch<float> scratch;
  EXPECT_EQ(problem->train_counts(0, x, scratch).examples, 0U);
  EXPECT_EQ(problem->test_counts(0, x, scratch).examples, 0U);
  EXPECT_FALSE(problem->constants().l_minus);
  EXPECT_TRUE(problem->constants().l_worker.empty());
  EXPECT_EQ(problem->description(),
            "linear autoencoder 49-2, 301 examples, 49 features, 1 workers");
}

}  // namespace
}  // namespace laconic
