// SPDX-License-Identifier: Apache-2.0
// What networks promise (problem/torch): gradients are those of the losses, units sum to batches,
// and bits depend on the arguments alone, not on threads or on where vectors lie. In builds without
// libtorch: that they say what is missing.
#include <gtest/gtest.h>

#include <cmath>
#include <numeric>
#include <set>
#include <thread>

#include "laconic/base/error.hpp"
#include "tests/unit/problem/fixture.hpp"

namespace laconic {
namespace {

using namespace testing_problem;

using Vector = std::vector<double>;

constexpr std::uint32_t kRows = 29;
constexpr std::uint32_t kTestRows = 7;

// Normal numbers, `channels` images of 9 x 8 pixels a row, three classes.
data::Dataset images(std::uint32_t channels) {
  data::Dataset out{.name = "images", .label_kind = data::LabelKind::kClasses, .class_count = 3};
  out.image_height = 9;
  out.image_width = 8;
  std::uint32_t number = 0;
  for (auto* part : {&out.train, &out.test}) {
    const std::uint32_t rows = number == 0 ? kRows : kTestRows;
    const std::uint32_t features = channels * 72;
    part->rows = data::DenseRows{.values = point<float>(std::size_t{rows} * features, 1, number++),
                                 .features = features};
    for (std::uint32_t i = 0; i < rows; ++i) part->classes.push_back(i * i % 3);
  }
  return out;
}

data::Dataset tokens() {
  data::Dataset out{.name = "tokens", .label_kind = data::LabelKind::kClasses, .class_count = 7};
  out.tokens = true;
  std::uint32_t next = 1;
  for (auto* part : {&out.train, &out.test}) {
    data::DenseRows rows{.features = 5};
    for (std::uint32_t i = 0; i < (part == &out.train ? kRows : kTestRows); ++i) {
      for (std::uint32_t t = 0; t < rows.features; ++t) {
        next = (next * 1103515245U + 12345U) & 0x7fffffffU;
        rows.values.push_back(static_cast<float>((next >> 16) % 7));
      }
      part->classes.push_back((next >> 8) % 7);
    }
    part->rows = std::move(rows);
  }
  return out;
}

// Windows of 4 + 3 values, with a mean of 20 and a deviation of 2.
data::Dataset series() {
  data::Dataset out{.name = "series", .label_kind = data::LabelKind::kNone, .class_count = 0};
  out.series_lags = 4;
  out.series_horizon = 3;
  for (auto* part : {&out.train, &out.test}) {
    data::DenseRows rows{.features = 9};
    for (std::uint32_t i = 0; i < (part == &out.train ? kRows : kTestRows); ++i) {
      const std::vector<float> values = point<float>(7, 1, 40 + i);
      rows.values.insert(rows.values.end(), values.begin(), values.end());
      rows.values.push_back(20);
      rows.values.push_back(2);
    }
    part->rows = std::move(rows);
  }
  return out;
}

enum class Rows : std::uint8_t { kGray, kColour, kTokens, kSeries };

const data::Dataset& dataset(Rows rows) {
  static const data::Dataset gray = images(1);
  static const data::Dataset colour = images(3);
  static const data::Dataset text = tokens();
  static const data::Dataset windows = series();
  switch (rows) {
    case Rows::kGray:
      return gray;
    case Rows::kColour:
      return colour;
    case Rows::kTokens:
      return text;
    case Rows::kSeries:
      return windows;
  }
  return gray;
}

struct Case {
  const char* spec;
  Rows rows;
  bool by_batch = false;  // examples of a block depend on each other
};

constexpr Case kCases[] = {
    {"lenet", Rows::kGray},
    {"lenet:l2=0.1", Rows::kColour},
    {"resnet:depth=8,width=3,norm=group,l2=0.01", Rows::kColour},
    {"resnet:depth=8,width=3", Rows::kGray, true},
    {"resnet:depth=18,width=2", Rows::kColour, true},
    {"lstm:layers=2,hidden=6", Rows::kTokens},
    {"lstm:layers=1,hidden=6,tied=false,embedding=4,l2=0.1", Rows::kTokens},
    {"gpt:layers=2,heads=2,width=8", Rows::kTokens},
    {"gpt:layers=1,heads=4,width=8,biases=true,l2=0.1", Rows::kTokens},
    {"autoregressive-mlp:hidden=5/6", Rows::kSeries},
};

#ifdef LACONIC_WITHOUT_TORCH

TEST(Networks, SayWhatIsMissing) {
  for (const Case& c : kCases) {
    try {
      make<float>(c.spec, setup_of(dataset(c.rows), {.workers = 1}));
      FAIL() << c.spec;
    } catch (const ConfigError& e) {
      EXPECT_NE(std::string(e.what()).find("libtorch-dev"), std::string::npos) << e.what();
    }
  }
}

#else

class NetworkContract : public testing::TestWithParam<Case> {
 protected:
  template <Real T>
  [[nodiscard]] static std::unique_ptr<Problem<T> > make_case(std::uint32_t workers) {
    return make<T>(GetParam().spec, setup_of(dataset(GetParam().rows), {.workers = workers}));
  }
  template <Real T>
  [[nodiscard]] static std::vector<T> start(const Problem<T>& problem) {
    std::vector<T> x(problem.layout().size());
    problem.initial_point(3, x);
    return x;
  }
};

TEST_P(NetworkContract, StartsAlikeForASeedAndNotForAnother) {
  const auto problem = make_case<float>(1);
  const std::vector<float> x = start(*problem);
  EXPECT_EQ(x, start(*make_case<float>(4)));
  std::vector<float> other(x.size());
  problem->initial_point(4, other);
  EXPECT_NE(x, other);
  for (const Tensor& tensor : problem->layout().tensors()) {
    const std::span<const float> values = view_of<float>(tensor, x).values;
    if (tensor.role == Role::kBias) continue;
    EXPECT_GT(std::set<float>(values.begin(), values.end()).size(), values.size() / 2)
        << tensor.name;
  }
}

// One worker whose examples are one block: then measurements normalise by the block, too. Central
// differences with steps h and 2h differ by 3 times the truncation error at h.
TEST_P(NetworkContract, GradientIsThatOfTheLoss) {
  const auto problem = make_case<double>(1);
  const Vector origin = start(*problem);
  const std::size_t d = origin.size();
  const Vector g = gradient(*problem, 0, origin);
  for (std::uint32_t direction = 0; direction < 12; ++direction) {
    Vector u = point<double>(d, 1, 100 + direction);
    if (direction >= 4) {  // a single coordinate
      std::fill(u.begin(), u.end(), 0.0);
      u[direction * 7919 % d] = 1;
    }
    const auto along = [&](double h) {
      Vector y = origin;
      for (std::size_t j = 0; j < d; ++j) y[j] += h * u[j];
      return loss(*problem, 0, y);
    };
    const double h = 1e-6 / std::sqrt(oracle::inner(u, u));
    const double once = (along(h) - along(-h)) / (2 * h);
    const double twice = (along(2 * h) - along(-2 * h)) / (4 * h);
    const double rounding = 4e-14 * std::max(1.0, std::fabs(along(h))) / h;
    EXPECT_NEAR(once, oracle::inner(g, u), std::fabs(once - twice) + rounding)
        << "direction " << direction;
  }
}

TEST_P(NetworkContract, FloatAgreesWithDouble) {
  const auto problem = make_case<float>(1);
  const std::vector<float> x = start(*problem);
  const Vector g = gradient(*make_case<double>(1), 0, Vector(x.begin(), x.end()));
  const std::vector<float> of_float = gradient(*problem, 0, x);
  EXPECT_LE(relative_difference(Vector(of_float.begin(), of_float.end()), g), 1e-4);
}

TEST_P(NetworkContract, BatchOverAllUnitsIsTheFullGradientBitForBit) {
  const auto problem = make_case<float>(3);
  const std::vector<float> x = start(*problem);
  for (std::uint32_t w = 0; w < 3; ++w) {
    std::vector<std::uint32_t> units(problem->units(w));
    std::iota(units.begin(), units.end(), 0U);
    std::vector<float> g(x.size());
    ProblemScratch<float> scratch;
    problem->batch_gradient(w, units, x, g, scratch);
    EXPECT_EQ(g, gradient(*problem, w, x));
  }
}

// Longer than a block, too.
TEST_P(NetworkContract, UnitsSumToTheBatchAndLeaveItsBits) {
  class Sum final : public UnitSink<double> {
   public:
    explicit Sum(std::size_t d) : sum(d) {}
    void take(std::size_t k, const UnitRow<double>& row) override {
      EXPECT_EQ(k, count++);
      ASSERT_TRUE(row.dense() && row.values.size() == sum.size());
      for (std::size_t j = 0; j < sum.size(); ++j) sum[j] += row.values[j];
    }
    Vector sum;
    std::size_t count = 0;
  };
  const std::string spec = GetParam().spec;
  const std::size_t regulariser = std::min(spec.find(",l2"), spec.find(":l2"));
  const auto problem =
      make<double>(spec.substr(0, regulariser), setup_of(dataset(GetParam().rows), {.workers = 1}));
  const Vector x = start(*problem);
  for (const std::size_t size : {1, 5, 150}) {
    std::vector<std::uint32_t> units;
    for (std::uint32_t i = 0; i < size; ++i) units.push_back(i * 7 % kRows);
    Vector expected(x.size());
    Vector g(x.size());
    ProblemScratch<double> scratch;
    problem->batch_gradient(0, units, x, expected, scratch);
    Sum sum(x.size());
    problem->unit_gradients(0, units, x, g, sum, scratch);
    EXPECT_EQ(g, expected);
    EXPECT_EQ(sum.count, size);
    if (GetParam().by_batch) continue;  // a unit alone is normalised by itself
    for (double& value : sum.sum) value /= static_cast<double>(size);
    EXPECT_LE(relative_difference(sum.sum, expected), 1e-12);
  }
}

// A group's gradient is that of a batch of its examples, also where they depend on each other.
TEST_P(NetworkContract, GroupsAreBatches) {
  class Means final : public UnitSink<float> {
   public:
    void take(std::size_t k, const UnitRow<float>& row) override {
      EXPECT_EQ(k, rows.size());
      rows.emplace_back(row.values.begin(), row.values.end());
    }
    std::vector<std::vector<float> > rows = {};
  };
  const std::string spec = GetParam().spec;
  const std::size_t regulariser = std::min(spec.find(",l2"), spec.find(":l2"));
  const auto problem =
      make<float>(spec.substr(0, regulariser), setup_of(dataset(GetParam().rows), {.workers = 1}));
  ASSERT_TRUE(problem->takes_groups());
  const std::vector<float> x = start(*problem);
  const std::vector<std::uint32_t> units = {4, 9, 2, 2, 7, 0, 1};
  for (const std::vector<std::uint32_t>& sizes :
       {std::vector<std::uint32_t>{3, 4}, std::vector<std::uint32_t>{7}}) {
    std::vector<float> expected(x.size());
    std::vector<float> g(x.size());
    ProblemScratch<float> scratch;
    problem->batch_gradient(0, units, x, expected, scratch);
    Means means;
    problem->group_gradients(0, units, sizes, x, g, means, scratch);
    EXPECT_EQ(g, expected);
    ASSERT_EQ(means.rows.size(), sizes.size());
    std::size_t first = 0;
    for (std::size_t k = 0; k < sizes.size(); first += sizes[k++]) {
      problem->batch_gradient(0, std::span(units).subspan(first, sizes[k]), x, expected, scratch);
      EXPECT_EQ(means.rows[k], expected);
    }
  }
}

TEST_P(NetworkContract, BitsDoNotDependOnThreadsOrAddresses) {
  const auto problem = make_case<float>(2);
  const std::vector<float> x = start(*problem);
  const std::size_t d = x.size();
  const std::vector<float> expected = gradient(*problem, 1, x);
  const double expected_loss = loss(*problem, 1, x);
  std::vector<int> wrong(8, 0);
  {
    std::vector<std::jthread> threads;
    for (std::size_t t = 0; t < wrong.size(); ++t) {
      threads.emplace_back([&, t] {
        std::vector<float> shifted(d + t);
        std::copy(x.begin(), x.end(), shifted.begin() + static_cast<std::ptrdiff_t>(t));
        const std::span<const float> mine = std::span<const float>(shifted).subspan(t);
        std::vector<float> g(d);
        ProblemScratch<float> scratch;
        for (int repeat = 0; repeat < 3; ++repeat) {
          problem->full_gradient(1, mine, g, scratch);
          wrong[t] += g == expected ? 0 : 1;
          wrong[t] += problem->loss(1, mine, scratch) == expected_loss ? 0 : 1;
        }
      });
    }
  }
  EXPECT_EQ(wrong, std::vector<int>(8, 0));
}

// Also after another point was measured, which batch normalisation remembers.
TEST_P(NetworkContract, MeasuresTheSameAtTheSamePoint) {
  const auto problem = make_case<float>(2);
  const std::vector<float> x = start(*problem);
  const std::vector<float> y = point<float>(x.size(), 0.3, 8);
  ProblemScratch<float> scratch;
  const Counts first = problem->test_counts(0, x, scratch);
  const Counts other = problem->test_counts(0, y, scratch);
  const Counts again = problem->test_counts(0, x, scratch);
  EXPECT_EQ(first.loss_sum, again.loss_sum);
  EXPECT_NE(first.loss_sum, other.loss_sum);
  EXPECT_EQ(first.examples + problem->test_counts(1, x, scratch).examples, kTestRows);
  const Measured measured = problem->measure(0, x, scratch);
  EXPECT_EQ(measured.loss, problem->loss(0, x, scratch));
}

TEST_P(NetworkContract, ScoresAreWhatCountsGoBy) {
  const auto problem = make_case<float>(1);
  if (problem->score_count() == 0) return;
  const std::vector<float> x = start(*problem);
  const std::size_t classes = problem->score_count();
  std::vector<double> scores(problem->units(0) * classes);
  ProblemScratch<float> scratch;
  problem->scores(0, x, scores, scratch);
  std::uint64_t correct = 0;
  for (std::size_t i = 0; i < problem->units(0); ++i) {
    const auto row = std::span(scores).subspan(i * classes, classes);
    const auto best = std::max_element(row.begin(), row.end()) - row.begin();
    correct += dataset(GetParam().rows).train.classes[i] == static_cast<std::uint32_t>(best);
  }
  EXPECT_EQ(problem->train_counts(0, x, scratch).correct, correct);
}

INSTANTIATE_TEST_SUITE_P(All, NetworkContract, testing::ValuesIn(kCases), [](const auto& test) {
  std::string name = test.param.spec;
  for (char& c : name) c = std::isalnum(static_cast<unsigned char>(c)) != 0 ? c : '_';
  return name + std::to_string(test.index);
});

// Sizes that papers give.
TEST(Networks, HaveThePublishedNumbersOfParameters) {
  const auto size = [](const char* spec, const data::Dataset& like) {
    return make<float>(spec, setup_of(like, {.workers = 1}))->layout().size();
  };
  data::Dataset cifar = images(3);
  cifar.image_height = cifar.image_width = 32;
  for (auto* part : {&cifar.train, &cifar.test}) {
    part->rows = data::DenseRows{.values = std::vector<float>(3072), .features = 3072};
    part->classes = {0};
  }
  cifar.class_count = 10;
  EXPECT_EQ(size("lenet", cifar), 62006U);               // cd-grab.md 4.1
  EXPECT_EQ(size("resnet:depth=18", cifar), 11173962U);  // laser.md 5.1
  EXPECT_EQ(size("resnet:depth=20", cifar), 269722U);    // 0.27 million, as He et al. 2016 round
  data::Dataset text = tokens();
  text.class_count = 33277;
  EXPECT_EQ(size("lstm:layers=2,hidden=32", text), 1081760U);  // cd-grab.md 4.1
  data::Dataset windows = series();
  windows.series_lags = 20;
  windows.series_horizon = 6;
  for (auto* part : {&windows.train, &windows.test}) {
    part->rows = data::DenseRows{.values = std::vector<float>(28), .features = 28};
  }
  EXPECT_EQ(size("autoregressive-mlp:hidden=64/64", windows), 5569U);  // cd-grab.md 4.1
  text.class_count = 50304;
  text.train.rows = data::DenseRows{.values = std::vector<float>(512), .features = 512};
  text.test.rows = text.train.rows;
  text.train.classes = text.test.classes = {0};
  EXPECT_EQ(size("gpt:layers=12,heads=12,width=768", text), 123980544U);  // laser.md 5.1
}

// (200 / 3) sum |y - p| / (|y| + |p|) in the units of the series, for a model that says 0.
TEST(Networks, MeasureTheSymmetricErrorInTheSeriesUnits) {
  const data::Dataset windows = series();
  const auto problem =
      make<double>("autoregressive-mlp:hidden=2", setup_of(windows, {.workers = 1}));
  const Vector zero(problem->layout().size());
  double expected = 0;
  double squares = 0;
  for (std::uint32_t i = 0; i < kTestRows; ++i) {
    const auto row = std::get<data::DenseRows>(windows.test.rows).row(i);
    for (std::size_t h = 4; h < 7; ++h) {
      const double y = static_cast<double>(row[h]) * 2 + 20;
      expected += 200.0 / 3 * std::fabs(y - 20) / (std::fabs(y) + 20);
      squares += static_cast<double>(row[h]) * static_cast<double>(row[h]) / 3;
    }
  }
  ProblemScratch<double> scratch;
  const Counts counts = problem->test_counts(0, zero, scratch);
  EXPECT_NEAR(counts.smape_sum, expected, 1e-10);
  EXPECT_NEAR(counts.loss_sum, squares, 1e-6);
}

TEST(Networks, RefuseWhatDoesNotFit) {
  EXPECT_THROW(make<float>("gpt:width=9,heads=2", setup_of(tokens(), {.workers = 1})), ConfigError);
  EXPECT_THROW(make<float>("resnet:depth=12", setup_of(images(1), {.workers = 1})), ConfigError);
}

#endif

}  // namespace
}  // namespace laconic
