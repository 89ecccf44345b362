// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <string>

#include "tests/unit/problem/fixture.hpp"

namespace laconic {
namespace {

using namespace testing_problem;

TEST(ProblemRegistry, BothPrecisionsHoldTheSameCards) {
  ASSERT_EQ(problems<float>().methods().size(), problems<double>().methods().size());
  for (std::size_t i = 0; i < problems<float>().methods().size(); ++i) {
    EXPECT_EQ(problems<float>().methods()[i].card, problems<double>().methods()[i].card);
  }
}

TEST(ProblemRegistry, TraitsSayWhatHasToBeLoaded) {
  EXPECT_FALSE(problem_traits("quadratic").needs_dataset);
  EXPECT_FALSE(problem_traits("quadratic").synthetic_noise);
  EXPECT_TRUE(problem_traits("noisy-quadratic").synthetic_noise);
  EXPECT_TRUE(problem_traits("counterexample").synthetic_noise);
  EXPECT_TRUE(problem_traits("logistic").needs_dataset);
  EXPECT_TRUE(problem_traits("logistic").needs_two_classes);
  EXPECT_TRUE(problem_traits("mlp").needs_dataset);
  EXPECT_FALSE(problem_traits("mlp").needs_two_classes);
  EXPECT_TRUE(problem_traits("mlp").needs_labels);
  EXPECT_FALSE(problem_traits("autoencoder").needs_labels);
}

std::string suits_error(const char* problem, const data::Dataset& dataset) {
  try {
    check_suits(problem, problem_traits(problem), dataset);
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "";
}

TEST(ProblemRegistry, ProblemsOfFeaturesRefuseTokensAndSeries) {
  const data::Dataset tokens = data::synthetic_text({.rows = 3});
  const data::Dataset series = data::synthetic_series({.series = 1});
  for (const char* problem : {"logistic", "softmax", "mlp", "autoencoder"}) {
    EXPECT_EQ(problem_traits(problem).takes, Takes::kFeatures);
    EXPECT_EQ(suits_error(problem, tokens),
              std::string(problem) +
                  ": data set synthetic-text has windows of tokens, but the problem takes rows of "
                  "features; use data of that kind, or a problem that is made for windows of "
                  "tokens");
    EXPECT_EQ(suits_error(problem, series),
              std::string(problem) +
                  ": data set synthetic-series has windows of time series, but the problem takes "
                  "rows of features; use data of that kind, or a problem that is made for windows "
                  "of time series");
    EXPECT_EQ(suits_error(problem, image_data()), "");
  }
}

TEST(ProblemRegistry, ProblemsWithLabelsRefuseRowsWithoutAndTheAutoencoderTakesThem) {
  data::Dataset plain = data::synthetic_low_rank({.rows = 6, .features = 4, .rank = 2});
  plain.label_kind = data::LabelKind::kNone;
  plain.class_count = 0;
  plain.train.classes.clear();
  EXPECT_EQ(data::summarize(plain), "6 rows, 4 features, no labels");
  for (const char* problem : {"logistic", "softmax", "mlp"}) {
    EXPECT_EQ(suits_error(problem, plain),
              std::string(problem) +
                  ": data set synthetic-low-rank has no labels, which the problem needs; use data "
                  "with labels, or a problem without, such as autoencoder");
  }
  EXPECT_EQ(suits_error("autoencoder", plain), "");
  const auto problem = make<float>("autoencoder:code=2", setup_of(plain, {.workers = 2}));
  EXPECT_EQ(problem->units(0) + problem->units(1), 6U);
}

TEST(ProblemRegistry, ProblemsOfOneKindOfRowsRefuseTheOthers) {
  const ProblemTraits images{.needs_dataset = true, .takes = Takes::kImages};
  const ProblemTraits tokens{.needs_dataset = true, .takes = Takes::kTokens};
  const ProblemTraits series{.needs_dataset = true, .takes = Takes::kSeries};
  const data::Dataset text = data::synthetic_text({.rows = 3});
  const data::Dataset waves = data::synthetic_series({.series = 1});
  EXPECT_NO_THROW(check_suits("p", images, image_data()));
  EXPECT_NO_THROW(check_suits("p", tokens, text));
  EXPECT_NO_THROW(check_suits("p", series, waves));
  EXPECT_THROW(check_suits("p", images, sparse_data()), ConfigError);
  EXPECT_THROW(check_suits("p", tokens, image_data()), ConfigError);
  EXPECT_THROW(check_suits("p", series, text), ConfigError);
  EXPECT_THROW(check_suits("p", tokens, waves), ConfigError);
}

TEST(ProblemRegistry, RefusesTraitsOfAnUnknownName) {
  EXPECT_THROW(static_cast<void>(problem_traits("quadratik")), std::logic_error);
}

TEST(ProblemRegistry, LogisticRefusesTenClassesAndNamesTheAlternative) {
  const data::Dataset images = image_data();
  try {
    make<float>("logistic", setup_of(images, {.workers = 2}));
    FAIL() << "ten classes were accepted";
  } catch (const ConfigError& error) {
    EXPECT_NE(std::string_view(error.what()).find("10 classes, not 2; use softmax or mlp"),
              std::string_view::npos)
        << error.what();
  }
}

TEST(ProblemRegistry, RefusesSetupsThatDoNotFitTheData) {
  const data::Dataset sparse = sparse_data();
  EXPECT_THROW(make<float>("logistic", {.workers = 2}), std::logic_error);
  EXPECT_THROW(make<float>("logistic", {.dataset = &sparse, .shards = {{0}, {}}, .workers = 2}),
               std::logic_error);
  EXPECT_THROW(make<float>("logistic", {.dataset = &sparse, .shards = {{0}, {91}}, .workers = 2}),
               std::logic_error);
  EXPECT_THROW(make<float>("logistic", {.dataset = &sparse, .shards = {{0}}, .workers = 2}),
               std::logic_error);
}

TEST(ProblemRegistry, RefusesUnitsAndWorkersThatDoNotExist) {
  const data::Dataset sparse = sparse_data();
  const auto problem =
      make<float>("logistic", {.dataset = &sparse, .shards = {{4, 8}}, .workers = 1});
  std::vector<float> x(problem->layout().size());
  std::vector<float> g(x.size());
  ProblemScratch<float> scratch;
  const std::vector<std::uint32_t> third = {2};
  EXPECT_THROW(problem->batch_gradient(0, third, x, g, scratch), std::logic_error);
  EXPECT_THROW(problem->batch_gradient(0, {}, x, g, scratch), std::logic_error);
  EXPECT_THROW(problem->full_gradient(1, x, g, scratch), std::logic_error);
}

TEST(ProblemRegistry, ProblemsWithoutExamplesRefuseBatches) {
  const auto problem = make<float>("quadratic:d=3", {.workers = 2});
  std::vector<float> x(3);
  std::vector<float> g(3);
  ProblemScratch<float> scratch;
  const std::vector<std::uint32_t> unit = {0};
  EXPECT_EQ(problem->units(0), 0U);
  EXPECT_THROW(problem->batch_gradient(0, unit, x, g, scratch), std::logic_error);
}

TEST(ProblemRegistry, DescriptionsNameTheModelAndItsSize) {
  const data::Dataset sparse = sparse_data();
  const data::Dataset images = image_data();
  EXPECT_EQ(make<float>("logistic", setup_of(sparse, {.workers = 3}))->description(),
            "logistic regression, 91 examples, 24 features, 3 workers");
  EXPECT_EQ(make<float>("mlp:hidden=5", setup_of(images, {.workers = 2}))->description(),
            "perceptron 49-5-10 (relu), 301 examples, 49 features, 2 workers");
  EXPECT_EQ(make<float>("quadratic:s=2", {.workers = 2})->description(),
            "quadratic, 100 coordinates, 2 workers, heterogeneity 2");
}

}  // namespace
}  // namespace laconic
