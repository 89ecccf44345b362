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

struct Widths {
  const char* spec;
  std::vector<std::size_t> hidden;
};

TEST(Mlp, AgreesWithTheFormulasOnDenseAndSparseRows) {
  const std::vector<Widths> cases = {
      {"9", {9}}, {"9/5", {9, 5}}, {"3/8", {3, 8}}, {"7/1/6", {7, 1, 6}}};
  for (const data::Dataset& data : {image_data(), sparse_data()}) {
    const ProblemSetup setup = setup_of(data, {.workers = 2});
    for (const Widths& widths : cases) {
      for (const bool relu : {true, false}) {
        const auto problem = make<double>(std::string("mlp:l2=0.1,hidden=") + widths.spec +
                                              ",activation=" + (relu ? "relu" : "tanh"),
                                          setup);
        oracle::Network network{.widths = {data.train.features()}, .relu = relu, .l2 = 0.1};
        network.widths.insert(network.widths.end(), widths.hidden.begin(), widths.hidden.end());
        network.widths.push_back(data.class_count);
        for (const std::uint32_t number : {4U, 5U}) {
          const std::vector<double> x = point<double>(problem->layout().size(), 0.5, number);
          for (std::uint32_t w = 0; w < 2; ++w) {
            const oracle::Value expected =
                oracle::cross_entropy(network, dense(data.train, setup.shards[w]),
                                      labels(data.train, setup.shards[w]), x);
            EXPECT_NEAR(loss(*problem, w, x), expected.loss, kSumError * expected.loss);
            EXPECT_LE(relative_difference(gradient(*problem, w, x), expected.gradient), kSumError)
                << widths.spec;
          }
        }
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
  const auto deep = make<float>("mlp:hidden=9/4", setup_of(data, {.workers = 1}));
  ASSERT_EQ(deep->layout().tensors().size(), 6U);
  EXPECT_EQ(deep->layout().tensors()[2].shape, (Shape{4, 9}));
  EXPECT_EQ(deep->layout().tensors()[4].name, "w3");
  EXPECT_EQ(deep->layout().tensors()[4].shape, (Shape{10, 4}));
  EXPECT_EQ(deep->description(),
            "perceptron 49-9-4-10 (relu), 301 examples, 49 features, 1 workers");
}

TEST(Mlp, RefusesMoreParametersThanAModelMayHave) {
  const data::Dataset data = image_data();
  try {
    make<float>("mlp:hidden=65536/65536", setup_of(data, {.workers = 1}));
    FAIL() << "4.3e9 parameters";
  } catch (const ConfigError& error) {
    EXPECT_STREQ(error.what(),
                 "mlp: hidden=65536/65536 on 49 features makes 4298965002 parameters, more than "
                 "4294967295; take fewer units");
  }
}

TEST(Mlp, StartHasTheVarianceOfHeOrXavier) {
  const data::Dataset data = image_data();
  for (const bool relu : {true, false}) {
    const auto problem =
        make<double>(std::string("mlp:hidden=200/90,activation=") + (relu ? "relu" : "tanh"),
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
