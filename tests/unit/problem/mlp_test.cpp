// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <iostream>

#include "laconic/data/catalog.hpp"
#include "tests/unit/problem/fixture.hpp"

namespace laconic {
namespace {

using namespace testing_problem;

TEST(Mlp, AgreesWithTheFormulasOnDenseAndSparseRows) {
  for (const data::Dataset& data : {image_data(), sparse_data()}) {
    const ProblemSetup setup = setup_of(data, {.workers = 2});
    for (const bool relu : {true, false}) {
      const auto problem = make<double>(
          std::string("mlp:hidden=9,l2=0.1,activation=") + (relu ? "relu" : "tanh"), setup);
      const oracle::Network network{
          .widths = {data.train.features(), 9, data.class_count}, .relu = relu, .l2 = 0.1};
      const std::vector<double> x = point<double>(problem->layout().size(), 0.5, 4);
      for (std::uint32_t w = 0; w < 2; ++w) {
        const oracle::Value expected = oracle::cross_entropy(
            network, dense(data.train, setup.shards[w]), labels(data.train, setup.shards[w]), x);
        EXPECT_NEAR(loss(*problem, w, x), expected.loss, kSumError * expected.loss);
        EXPECT_LE(relative_difference(gradient(*problem, w, x), expected.gradient), kSumError);
      }
    }
  }
}

TEST(Mlp, TensorsLieInTheOrderOfTheLayers) {
  const data::Dataset data = image_data();
  const auto problem = make<float>("mlp:hidden=9", setup_of(data, {.workers = 1}));
  const auto tensors = problem->layout().tensors();
  ASSERT_EQ(tensors.size(), 4U);
  EXPECT_EQ(tensors[0].name, "w1");
  EXPECT_EQ(tensors[0].shape, (Shape{9, 49}));
  EXPECT_EQ(tensors[1].role, Role::kBias);
  EXPECT_EQ(tensors[2].shape, (Shape{10, 9}));
  EXPECT_EQ(tensors[3].name, "b2");
}

TEST(Mlp, StartHasTheVarianceOfHeOrXavier) {
  const data::Dataset data = image_data();
  for (const bool relu : {true, false}) {
    const auto problem =
        make<double>(std::string("mlp:hidden=200,activation=") + (relu ? "relu" : "tanh"),
                     setup_of(data, {.workers = 1}));
    std::vector<double> x(problem->layout().size());
    problem->initial_point(21, x);
    for (const Tensor& tensor : problem->layout().tensors()) {
      const auto values = span_of<double>(tensor, x).values;
      double squares = 0;
      for (const double value : values) squares += value * value;
      if (tensor.role == Role::kBias) {
        EXPECT_EQ(squares, 0.0);
        continue;
      }
      const double fan = relu ? tensor.shape.cols : double(tensor.shape.cols + tensor.shape.rows);
      const auto count = static_cast<double>(values.size());
      // The mean of the squares of m normal numbers has deviation sqrt(2/m).
      EXPECT_NEAR(squares / count * fan / 2, 1.0, 5 * std::sqrt(2 / count)) << tensor.name;
    }
  }
}

TEST(Mlp, ClaimsNoConstants) {
  const data::Dataset data = image_data();
  const auto problem = make<float>("mlp:hidden=2", setup_of(data, {.workers = 1}));
  EXPECT_FALSE(problem->constants().l_minus);
  EXPECT_TRUE(problem->constants().l_worker.empty());
}

TEST(Mlp, LearnsFromBatches) {
  const char* folder = std::getenv("LACONIC_DATA");
  std::cout << (folder != nullptr ? "LACONIC_DATA is set: mnist\n"
                                  : "LACONIC_DATA is not set: generated images\n");
  const data::Dataset data =
      folder != nullptr
          ? data::load_named("mnist")
          : data::synthetic_images({.rows = 2000, .test_rows = 500, .noise = 0.1, .seed = 1});
  const auto problem = make<float>("mlp", setup_of(data, {.workers = 1}));
  std::vector<float> x(problem->layout().size());
  problem->initial_point(1, x);
  std::vector<float> g(x.size());
  std::vector<std::uint32_t> order(problem->units(0));
  std::iota(order.begin(), order.end(), 0U);
  rng::permute(rng::Stream(1, {.purpose = rng::Purpose::kTest}), order);
  ProblemScratch<float> scratch;
  constexpr std::size_t kBatch = 32;
  for (std::size_t step = 0; step < 600; ++step) {
    const std::size_t first = step % (order.size() / kBatch) * kBatch;
    problem->batch_gradient(0, std::span(order).subspan(first, kBatch), x, g, scratch);
    for (std::size_t j = 0; j < x.size(); ++j) x[j] -= 0.1F * g[j];
  }
  const Counts counts = problem->test_counts(0, x, scratch);
  const double accuracy =
      static_cast<double>(counts.correct) / static_cast<double>(counts.examples);
  std::cout << "test accuracy " << accuracy << "\n";
  EXPECT_GT(accuracy, 0.85);  // guessing: 0.1
}

}  // namespace
}  // namespace laconic
