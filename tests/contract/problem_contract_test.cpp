// SPDX-License-Identifier: Apache-2.0
// What every problem promises, whatever the method: gradients are those of the losses, shards sum
// to the whole, constants bound what is measured, float agrees with double, and results are a
// function of the arguments alone. Every registered problem has a case, at least one.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <set>
#include <thread>

#include "laconic/kernels/kernels.hpp"
#include "laconic/problem/unit_groups.hpp"
#include "tests/contract/allocations.hpp"
#include "tests/unit/problem/fixture.hpp"

namespace laconic {
namespace {

using namespace testing_problem;

constexpr double kUnit = 0x1p-53;       // roundoff of double
constexpr double kFloatUnit = 0x1p-24;  // roundoff of float
constexpr std::uint32_t kWorkers = 3;
constexpr std::size_t kBlock = 128;  // rows whose gradients are summed in float by the networks

enum class Data : std::uint8_t { kNone, kSparse, kImages };

struct Case {
  const char* spec;
  Data data = Data::kNone;
};

const data::Dataset* dataset(Data data) {
  static const data::Dataset sparse = sparse_data();
  static const data::Dataset images = image_data();
  if (data == Data::kNone) return nullptr;
  return data == Data::kSparse ? &sparse : &images;
}

ProblemSetup setup(Data data, std::uint32_t workers) {
  if (data == Data::kNone) return {.workers = workers, .seed = 4};
  ProblemSetup setup = setup_of(*dataset(data), {.workers = workers});
  setup.seed = 4;
  return setup;
}

using Vector = std::vector<double>;

double norm(const Vector& v) { return std::sqrt(oracle::inner(v, v)); }

Vector difference(const Vector& a, const Vector& b) {
  Vector out(a.size());
  for (std::size_t j = 0; j < a.size(); ++j) out[j] = a[j] - b[j];
  return out;
}

class ProblemContract : public testing::TestWithParam<Case> {
 protected:
  template <Real T>
  [[nodiscard]] std::unique_ptr<Problem<T>> make_case(std::uint32_t workers = kWorkers) const {
    return make<T>(GetParam().spec, setup(GetParam().data, workers));
  }
  // Points near the origin, of ordinary size and far away, inside the domain.
  template <Real T>
  [[nodiscard]] static std::vector<std::vector<T>> points(const Problem<T>& problem) {
    std::vector<std::vector<T>> out;
    std::uint32_t number = 0;
    for (const double deviation : {0.05, 0.5, 0.7, 5.0}) {
      out.push_back(point<T>(problem.layout().size(), deviation, number++));
      problem.project(out.back());
    }
    return out;
  }
};

// Central differences with steps h and 2h: their difference is 3 times the truncation error at h
// (up to terms of h^4), and the losses carry the roundings of sums that are at most `terms` long.
TEST_P(ProblemContract, GradientIsThatOfTheLoss) {
  const auto problem = make_case<double>();
  const std::size_t d = problem->layout().size();
  for (const Vector& x : points(*problem)) {
    for (std::uint32_t w = 0; w < kWorkers; ++w) {
      const Vector g = gradient(*problem, w, x);
      for (std::uint32_t direction = 0; direction < 8; ++direction) {
        Vector u = point<double>(d, 1, 100 + direction);
        if (direction >= 4) {  // a single coordinate
          std::fill(u.begin(), u.end(), 0.0);
          u[direction * 7919 % d] = 1;
        }
        const auto along = [&](double h) {
          Vector y = x;
          for (std::size_t j = 0; j < d; ++j) y[j] += h * u[j];
          return loss(*problem, w, y);
        };
        const double h = 1e-5 / norm(u);
        const double once = (along(h) - along(-h)) / (2 * h);
        const double twice = (along(2 * h) - along(-2 * h)) / (4 * h);
        const double largest = std::max(std::fabs(along(h)), norm(x) * norm(g));
        const double terms = std::sqrt(static_cast<double>(d + problem->units(w))) + 10;
        const double rounding = 4 * terms * kUnit * largest / h;
        const double expected = oracle::inner(g, u);
        EXPECT_NEAR(once, expected, std::fabs(once - twice) + rounding)
            << "worker " << w << ", direction " << direction;
      }
    }
  }
}

TEST_P(ProblemContract, BatchOverAllUnitsIsTheFullGradientBitForBit) {
  const auto problem = make_case<float>();
  for (const std::vector<float>& x : points(*problem)) {
    for (std::uint32_t w = 0; w < kWorkers && problem->units(w) > 0; ++w) {
      std::vector<std::uint32_t> units(problem->units(w));
      std::iota(units.begin(), units.end(), 0U);
      std::vector<float> g(x.size());
      ProblemScratch<float> scratch;
      problem->batch_gradient(w, units, x, g, scratch);
      EXPECT_EQ(g, gradient(*problem, w, x));
    }
  }
}

TEST_P(ProblemContract, UnitsSumToTheFullGradient) {
  const auto problem = make_case<double>();
  const Vector x = points(*problem)[1];
  for (std::uint32_t w = 0; w < kWorkers && problem->units(w) > 0; ++w) {
    Vector mean(x.size());
    Vector g(x.size());
    ProblemScratch<double> scratch;
    for (std::uint32_t unit = 0; unit < problem->units(w); ++unit) {
      problem->batch_gradient(w, std::span(&unit, 1), x, g, scratch);
      for (std::size_t j = 0; j < g.size(); ++j) mean[j] += g[j] / problem->units(w);
    }
    EXPECT_LE(relative_difference(mean, gradient(*problem, w, x)), kSumError);
  }
}

// Largest sum_j |w_j| |v_j| + |b| over the outputs of a layer, for |v| given elementwise.
Vector absolute_layer(std::span<const double> w, std::span<const double> b, const Vector& v) {
  Vector out;
  for (std::size_t o = 0; o * v.size() < w.size(); ++o) {
    double sum = b.empty() ? 0 : std::fabs(b[o]);
    for (std::size_t j = 0; j < v.size(); ++j) sum += std::fabs(w[o * v.size() + j]) * v[j];
    out.push_back(sum);
  }
  return out;
}

double largest(std::span<const double> v) { return *std::max_element(v.begin(), v.end()); }

// How far a gradient in float may be from the one in double at the same x. 0 for problems that sum
// in double and round once: then the result must be the rounded double.
//
// Networks: a sum of k products in float errs by (k+1) u times the sum of magnitudes. Softmax
// slopes move by at most half the largest move of a logit, then round (2u). A block of at most 128
// rows is summed in float. Sizes are bounded by the largest element of the rows and the weights'
// row sums. (A relu unit whose input changes sign by rounding is not covered: at these points there
// is none.)
double float_error(const Layout& layout, const Vector& x, const data::Dataset* dataset) {
  const auto tensors = layout.tensors();
  if (tensors.size() == 1 || tensors[0].name == "x" || tensors[0].shape.cols == 1) return 0;
  if (tensors[0].name == "decoder") return 0;
  const double u = kFloatUnit;
  const auto values = [&](std::size_t t) { return view_of<double>(tensors[t], x).values; };
  std::vector<std::uint32_t> rows(dataset->train.size());
  std::iota(rows.begin(), rows.end(), 0U);
  Vector input(dataset->train.features());
  for (const Vector& row : dense(dataset->train, rows)) {
    for (std::size_t j = 0; j < row.size(); ++j) input[j] = std::max(input[j], std::fabs(row[j]));
  }
  const double input_max = std::max(1.0, largest(input));
  const auto inputs = static_cast<double>(input.size());
  const double batch = kBlock + 4;
  const double z1 = largest(absolute_layer(values(0), values(1), input));
  const double e1 = (inputs + 3) * u * z1;
  if (tensors.size() == 2) return (0.5 * e1 + 2 * u + batch * u) * input_max;
  // One layer after the other: z bounds what it holds, error how far that may be off; then the
  // slopes from the last layer to the first, likewise.
  const std::size_t layers = tensors.size() / 2;
  Vector z = {input_max, z1};
  Vector error = {0, e1};
  for (std::size_t l = 2; l <= layers; ++l) {
    const Tensor& w = tensors[2 * l - 2];
    const std::span<const double> weights = values(2 * l - 2);
    const double row_sum = largest(absolute_layer(weights, {}, Vector(w.shape.cols, 1.0)));
    z.push_back(
        largest(absolute_layer(weights, values(2 * l - 1), Vector(w.shape.cols, z[l - 1]))));
    error.push_back(row_sum * error[l - 1] + (static_cast<double>(w.shape.cols) + 3) * u * z[l]);
  }
  double slope = 1;
  double slope_error = 0.5 * error[layers] + 2 * u;
  double worst = 0;
  for (std::size_t l = layers; l > 0; --l) {
    const double held = std::max(1.0, z[l - 1]);  // the bias's 1, too
    worst = std::max(worst, slope_error * held + slope * (error[l - 1] + batch * u * held));
    const Tensor& w = tensors[2 * l - 2];
    double column_sum = 0;
    for (std::size_t i = 0; i < w.shape.cols; ++i) {
      double sum = 0;
      for (std::size_t o = 0; o < w.shape.rows; ++o) {
        sum += std::fabs(values(2 * l - 2)[o * w.shape.cols + i]);
      }
      column_sum = std::max(column_sum, sum);
    }
    const double terms = static_cast<double>(w.shape.rows) + 3;
    slope_error = column_sum * (slope_error + slope * (terms * u + 2 * error[l - 1] + 3 * u));
    slope *= column_sum;
  }
  return worst;
}

// Keeps what it is given, as dense vectors.
template <Real T>
class Rows final : public UnitSink<T> {
 public:
  explicit Rows(std::size_t dimension) : dimension_(dimension) {}
  void take(std::size_t k, const UnitRow<T>& row) override {
    EXPECT_EQ(k, rows.size());
    std::vector<T> values(dimension_);
    if (row.dense()) {
      ASSERT_EQ(row.values.size(), dimension_);
      std::copy(row.values.begin(), row.values.end(), values.begin());
    } else {
      ASSERT_EQ(row.values.size(), row.indices.size());
      ++sparse;
      for (std::size_t e = 0; e < row.indices.size(); ++e) {
        ASSERT_LT(row.indices[e], dimension_);
        ASSERT_TRUE(e == 0 || row.indices[e - 1] < row.indices[e]);
        values[row.indices[e]] = row.values[e];
      }
    }
    rows.push_back(std::move(values));
  }
  std::vector<std::vector<T>> rows = {};
  std::size_t sparse = 0;

 private:
  std::size_t dimension_;
};

// The same problem without its regulariser.
std::string bare(std::string_view spec) {
  Spec parsed = parse_spec(spec).value_or_throw();
  std::erase_if(parsed.params, [](const Spec::Param& param) {
    return param.key == "l2" || param.key == "nonconvex";
  });
  return print(parsed);
}

// Batches as training makes them, and one longer than the blocks of the networks.
std::vector<std::vector<std::uint32_t>> batches(std::uint32_t units) {
  std::vector<std::vector<std::uint32_t>> out = {{3}, {5, 0, 7, 7, 2}, {}};
  while (out.back().size() <= kBlock) {
    for (std::uint32_t u = units; u-- > 0;) out.back().push_back(u);
  }
  return out;
}

TEST_P(ProblemContract, UnitGradientsLeaveTheBatchGradientsBits) {
  const auto problem = make_case<float>();
  for (const std::vector<float>& x : points(*problem)) {
    for (std::uint32_t w = 0; w < kWorkers && problem->units(w) > 0; ++w) {
      for (const std::vector<std::uint32_t>& units : batches(problem->units(w))) {
        std::vector<float> expected(x.size());
        std::vector<float> g(x.size());
        ProblemScratch<float> scratch;
        problem->batch_gradient(w, units, x, expected, scratch);
        Rows<float> rows(x.size());
        problem->unit_gradients(w, units, x, g, rows, scratch);
        EXPECT_EQ(g, expected);
        EXPECT_EQ(rows.rows.size(), units.size());
      }
    }
  }
}

template <Real T>
void check_sparse_gradients(const Problem<T>& problem, const std::vector<std::vector<T>>& points) {
  ProblemScratch<T> scratch;
  SparseVector<T> sparse;
  for (const std::vector<T>& x : points) {
    for (std::uint32_t w = 0; w < kWorkers; ++w) {
      for (const std::vector<std::uint32_t>& units : batches(problem.units(w))) {
        std::vector<T> expected(x.size());
        problem.batch_gradient(w, units, x, expected, scratch);
        problem.sparse_gradient(w, units, x, sparse, scratch);
        std::vector<T> g(x.size(), T{0});
        for (std::size_t j = 0; j < sparse.size(); ++j) {
          ASSERT_TRUE(j == 0 || sparse.indices[j - 1] < sparse.indices[j]);
          ASSERT_NE(sparse.values[j], T{0});
          g[sparse.indices[j]] = sparse.values[j];
        }
        EXPECT_EQ(g, expected);
      }
    }
  }
}

TEST_P(ProblemContract, SparseGradientsHaveTheBatchGradientsBits) {
  const auto problem = make_case<float>();
  if (!problem->sparse_entries()) return;
  EXPECT_GT(*problem->sparse_entries(), 0);
  std::vector<std::vector<double>> wide;
  for (const std::vector<float>& x : points(*problem)) wide.emplace_back(x.begin(), x.end());
  check_sparse_gradients<float>(*problem, points(*problem));
  check_sparse_gradients<double>(*make_case<double>(), wide);
}

TEST(SparseGradients, AreThoseOfLogisticRegressionWithoutARegulariser) {
  const auto offers = [](const char* spec) {
    return make<float>(spec, setup(Data::kSparse, kWorkers))->sparse_entries().has_value();
  };
  EXPECT_TRUE(offers("logistic"));
  EXPECT_TRUE(offers("logistic:bias=true"));
  EXPECT_FALSE(offers("logistic:l2=0.1"));
  EXPECT_FALSE(offers("logistic:nonconvex=0.1"));
}

// Central differences of the loss of a worker that has the one example, as for whole gradients.
TEST_P(ProblemContract, UnitGradientsAreThoseOfTheExamplesLosses) {
  const auto problem = make_case<double>();
  if (problem->units(1) == 0) return;
  const std::size_t d = problem->layout().size();
  const ProblemSetup whole = setup(GetParam().data, kWorkers);
  const std::vector<std::uint32_t> units = {4, 0, 9};
  const oracle::Matrix inputs =
      dense(dataset(GetParam().data)->train,
            {whole.shards[1][units[0]], whole.shards[1][units[1]], whole.shards[1][units[2]]});
  for (const Vector& x : points(*problem)) {
    Vector g(d);
    ProblemScratch<double> scratch;
    Rows<double> rows(d);
    problem->unit_gradients(1, units, x, g, rows, scratch);
    for (std::size_t k = 0; k < units.size(); ++k) {
      ProblemSetup one = whole;
      one.shards = {{whole.shards[1][units[k]]}};
      one.workers = 1;
      const auto single = make<double>(bare(GetParam().spec), one);
      for (std::uint32_t direction = 0; direction < 4; ++direction) {
        const Vector u = point<double>(d, 1, 100 + direction);
        const auto along = [&](double h) {
          Vector y = x;
          for (std::size_t j = 0; j < d; ++j) y[j] += h * u[j];
          return loss(*single, 0, y);
        };
        const double h = 1e-5 / norm(u);
        const double once = (along(h) - along(-h)) / (2 * h);
        const double twice = (along(2 * h) - along(-2 * h)) / (4 * h);
        // A loss that is nearly 0 has the roundings of the outputs it is made from, which are at
        // most |W| |a| or, with hidden layers, |W3| |W2| |W1| |a|.
        const double weights = std::max(1.0, norm(x));
        const double layers =
            std::max(2.0, static_cast<double>(problem->layout().tensors().size() / 2));
        const double outputs = norm(x) * std::pow(weights, layers - 1) * norm(inputs[k]);
        const double largest = std::max({1.0, std::fabs(along(h)), outputs});
        const double terms = std::sqrt(static_cast<double>(d)) + 10;
        const double rounding = 4 * terms * kUnit * largest / h;
        EXPECT_NEAR(once, oracle::inner(rows.rows[k], u), std::fabs(once - twice) + rounding)
            << "unit " << units[k] << ", direction " << direction;
      }
    }
  }
}

TEST_P(ProblemContract, UnitGradientsAndTheRegulariserMakeTheBatchGradient) {
  const auto problem = make_case<double>();
  if (problem->units(0) == 0) return;
  const auto plain = make<double>(bare(GetParam().spec), setup(GetParam().data, kWorkers));
  const auto rounded = make_case<float>();
  const std::size_t d = problem->layout().size();
  bool near_the_origin = true;
  for (const std::vector<float>& at : points(*rounded)) {
    const Vector x(at.begin(), at.end());
    for (const std::vector<std::uint32_t>& units : batches(problem->units(2))) {
      ProblemScratch<double> scratch;
      Vector g(d);
      Vector data_only(d);
      Rows<double> rows(d);
      plain->batch_gradient(2, units, x, data_only, scratch);
      problem->unit_gradients(2, units, x, g, rows, scratch);
      Vector mean(d);
      double largest = 0;
      for (const Vector& row : rows.rows) {
        for (std::size_t j = 0; j < d; ++j) {
          mean[j] += row[j] / static_cast<double>(units.size());
          largest = std::max(largest, std::fabs(row[j]));
        }
      }
      // Units may cancel: errors are relative to the largest of them.
      for (std::size_t j = 0; j < d; ++j) {
        EXPECT_NEAR(mean[j], data_only[j], kSumError * largest);
        EXPECT_NEAR(mean[j] + (g[j] - data_only[j]), g[j], kSumError * (largest + std::fabs(g[j])));
      }
      // In float every unit is as close to the one in double as whole gradients are.
      ProblemScratch<float> scratch_float;
      std::vector<float> g_float(d);
      Rows<float> rows_float(d);
      rounded->unit_gradients(2, units, at, g_float, rows_float, scratch_float);
      EXPECT_EQ(rows_float.sparse, rows.sparse);
      const double error = float_error(problem->layout(), x, dataset(GetParam().data));
      for (std::size_t k = 0; k < units.size(); ++k) {
        for (std::size_t j = 0; j < d; ++j) {
          EXPECT_NEAR(static_cast<double>(rows_float.rows[k][j]),
                      static_cast<double>(static_cast<float>(rows.rows[k][j])),
                      error + (error > 0 ? 2 * kFloatUnit * std::fabs(rows.rows[k][j]) : 0.0));
        }
      }
      if (near_the_origin) {  // elsewhere the bound says little
        EXPECT_LT(error, 1e-3 * largest);
      }
    }
    near_the_origin = false;
  }
}

// Sparse rows of a linear model have sparse gradients.
TEST_P(ProblemContract, UnitGradientsAreSparseWhereTheRowsAre) {
  const auto problem = make_case<float>();
  if (problem->units(0) == 0) return;
  const std::vector<float> x = points(*problem)[1];
  std::vector<float> g(x.size());
  ProblemScratch<float> scratch;
  Rows<float> rows(x.size());
  const std::vector<std::uint32_t> units = {2, 1};
  problem->unit_gradients(0, units, x, g, rows, scratch);
  const std::string name = parse_spec(GetParam().spec).value_or_throw().name;
  const bool sparse = name == "logistic" || (name == "softmax" && GetParam().data == Data::kSparse);
  EXPECT_EQ(rows.sparse, sparse ? 2U : 0U);
}

TEST_P(ProblemContract, UnitGradientsAreThereWhereTheTraitsSaySo) {
  const auto problem = make_case<float>();
  const ProblemTraits traits = problem_traits(parse_spec(GetParam().spec).value_or_throw().name);
  EXPECT_EQ(traits.unit_gradients, problem->units(0) > 0);
}

TEST_P(ProblemContract, ScoresPredictWhatIsCounted) {
  const auto problem = make_case<float>();
  const std::size_t width = problem->score_count();
  const ProblemTraits traits = problem_traits(parse_spec(GetParam().spec).value_or_throw().name);
  EXPECT_EQ(traits.predicts, width > 0);
  if (width == 0) return;
  const ProblemSetup rows = setup(GetParam().data, kWorkers);
  const std::vector<std::uint32_t> labels = dataset(GetParam().data)->train.label_ids();
  for (const std::vector<float>& x : points(*problem)) {
    for (std::uint32_t w = 0; w < kWorkers; ++w) {
      ProblemScratch<float> scratch;
      std::vector<double> scores(problem->units(w) * width);
      problem->scores(w, x, scores, scratch);
      std::uint64_t correct = 0;
      for (std::size_t k = 0; k < problem->units(w); ++k) {
        const auto own = std::span(scores).subspan(k * width, width);
        const auto largest = std::max_element(own.begin(), own.end()) - own.begin();
        const std::uint32_t says =
            width == 1 ? (own[0] > 0 ? 1U : 0U) : static_cast<std::uint32_t>(largest);
        correct += says == labels[rows.shards[w][k]] ? 1U : 0U;
      }
      EXPECT_EQ(correct, problem->train_counts(w, x, scratch).correct);
    }
  }
}

TEST_P(ProblemContract, ShardsSumToTheWhole) {
  const auto parts = make_case<double>(kWorkers);
  if (parts->units(0) == 0) {
    // Without examples the whole is the mean: its minimum and curvature are measured below.
    EXPECT_EQ(parts->workers(), kWorkers);
    return;
  }
  const auto whole = make_case<double>(1);
  for (const Vector& x : points(*parts)) {
    Vector g(x.size());
    double value = 0;
    Counts counts;
    Counts test_counts;
    ProblemScratch<double> scratch;
    for (std::uint32_t w = 0; w < kWorkers; ++w) {
      const double share = static_cast<double>(parts->units(w)) / whole->units(0);
      value += share * loss(*parts, w, x);
      const Vector part = gradient(*parts, w, x);
      for (std::size_t j = 0; j < g.size(); ++j) g[j] += share * part[j];
      const Counts train = parts->train_counts(w, x, scratch);
      const Counts test = parts->test_counts(w, x, scratch);
      counts.loss_sum += train.loss_sum;
      counts.correct += train.correct;
      counts.examples += train.examples;
      test_counts.loss_sum += test.loss_sum;
      test_counts.correct += test.correct;
      test_counts.examples += test.examples;
    }
    const double expected = loss(*whole, 0, x);
    EXPECT_NEAR(value, expected, kSumError * expected);
    EXPECT_LE(relative_difference(g, gradient(*whole, 0, x)), kSumError);
    const Counts train = whole->train_counts(0, x, scratch);
    const Counts test = whole->test_counts(0, x, scratch);
    EXPECT_NEAR(counts.loss_sum, train.loss_sum, kSumError * train.loss_sum);
    EXPECT_EQ(counts.correct, train.correct);
    EXPECT_EQ(counts.examples, train.examples);
    EXPECT_EQ(test_counts.examples, test.examples);
    if (train.examples == 0) continue;  // no notion of accuracy
    EXPECT_EQ(counts.examples, dataset(GetParam().data)->train.size());
    EXPECT_NEAR(test_counts.loss_sum, test.loss_sum, kSumError * test.loss_sum);
    EXPECT_EQ(test_counts.correct, test.correct);
    EXPECT_EQ(test_counts.examples, dataset(GetParam().data)->test.size());
  }
}

// Distances from 1e-2 to 10 in random directions and along the gradient's change, which is where
// smooth functions bend most.
TEST_P(ProblemContract, MeasuredSmoothnessIsWithinTheConstants) {
  const auto problem = make_case<double>();
  const Constants& constants = problem->constants();
  const std::size_t d = problem->layout().size();
  const auto gradients = [&](const Vector& x) {
    std::vector<Vector> out;
    for (std::uint32_t w = 0; w < kWorkers; ++w) out.push_back(gradient(*problem, w, x));
    return out;
  };
  const auto mean = [&](const std::vector<Vector>& all) {
    Vector out(d);
    for (const Vector& g : all) {
      for (std::size_t j = 0; j < d; ++j) out[j] += g[j] / kWorkers;
    }
    return out;
  };
  double sharpest = 0;  // largest measured share of L_-
  for (const Vector& x : points(*problem)) {
    const auto at_x = gradients(x);
    const oracle::Value value_x = mean_value(*problem, x);
    Vector u = point<double>(d, 1, 55);
    for (int trial = 0; trial < 12; ++trial) {
      const double distance = std::pow(10.0, trial % 4 - 2) / norm(u);
      Vector y = x;
      for (std::size_t j = 0; j < d; ++j) y[j] += distance * u[j];
      const Vector step = difference(y, x);
      const double length = norm(step);
      const auto at_y = gradients(y);
      const Vector change = difference(mean(at_y), mean(at_x));
      const double slack = 1e-9;  // roundings of the gradients, relative to the bounds
      double squares = 0;
      for (std::uint32_t w = 0; w < kWorkers; ++w) {
        const double moved = norm(difference(at_y[w], at_x[w]));
        squares += moved * moved / kWorkers;
        if (!constants.l_worker.empty()) {
          EXPECT_LE(moved, constants.l_worker[w] * length * (1 + slack) + 1e-12);
        }
      }
      if (constants.l_minus) {
        EXPECT_LE(norm(change), *constants.l_minus * length * (1 + slack) + 1e-12);
        if (*constants.l_minus > 0) {
          sharpest = std::max(sharpest, norm(change) / length / *constants.l_minus);
        }
      }
      if (constants.l_plus) {
        EXPECT_LE(std::sqrt(squares), *constants.l_plus * length * (1 + slack) + 1e-12);
      }
      if (constants.l_plus_minus) {
        const double variance = squares - oracle::inner(change, change);
        EXPECT_LE(variance, std::pow(*constants.l_plus_minus * length, 2) * (1 + slack) +
                                1e-13 * squares + 1e-24);
      }
      if (!constants.l_coordinate.empty()) {
        const oracle::Value value_y = mean_value(*problem, y);
        const double bent =
            std::fabs(value_y.loss - value_x.loss - oracle::inner(value_x.gradient, step));
        double bound = 0;
        for (std::size_t j = 0; j < d; ++j) {
          bound += 0.5 * constants.l_coordinate[j] * step[j] * step[j];
        }
        const double rounding = 1e-13 * (std::fabs(value_x.loss) + std::fabs(value_y.loss) +
                                         norm(value_x.gradient) * length);
        EXPECT_LE(bent, bound * (1 + slack) + rounding);
      }
      if (norm(change) > 1e-12) u = change;
    }
  }
  // The constants are not merely large: quadratics attain L_-, the losses with data are closest to
  // their bound near the origin.
  if (constants.l_minus.value_or(0) > 0) {
    EXPECT_GT(sharpest, 0.2);
  }
}

TEST_P(ProblemContract, NoPointIsBelowTheMinimum) {
  const auto problem = make_case<double>();
  const Constants& constants = problem->constants();
  const std::optional<double> minimum = problem->minimum();
  if (constants.f_star) {
    EXPECT_EQ(minimum, constants.f_star);
  }
  std::vector<Vector> all = points(*problem);
  Vector start(problem->layout().size());
  problem->initial_point(1, start);
  all.push_back(start);
  for (const Vector& x : all) {
    const oracle::Value value = mean_value(*problem, x);
    EXPECT_TRUE(std::isfinite(value.loss));
    if (minimum) {
      EXPECT_GE(value.loss, *minimum);
    }
    if (!constants.f_star) continue;
    EXPECT_GE(value.loss, *constants.f_star);
    if (constants.mu) {  // the PL inequality
      EXPECT_GE(oracle::inner(value.gradient, value.gradient) * (1 + 1e-12),
                2 * *constants.mu * (value.loss - *constants.f_star));
    }
  }
}

// Strongly convex where mu says so: <grad f(x) - grad f(y), x - y> >= mu |x - y|^2.
TEST_P(ProblemContract, IsAsConvexAsMuSays) {
  const auto problem = make_case<double>();
  if (!problem->constants().mu) return;
  const std::vector<Vector> all = points(*problem);
  for (std::size_t i = 1; i < all.size(); ++i) {
    const Vector step = difference(all[i], all[i - 1]);
    const Vector change = difference(mean_value(*problem, all[i]).gradient,
                                     mean_value(*problem, all[i - 1]).gradient);
    EXPECT_GE(oracle::inner(change, step) * (1 + 1e-12),
              *problem->constants().mu * oracle::inner(step, step));
  }
}

TEST_P(ProblemContract, FloatAgreesWithDouble) {
  const auto in_float = make_case<float>();
  const auto in_double = make_case<double>();
  bool compared = false;
  for (const std::vector<float>& x : points(*in_float)) {
    const Vector same(x.begin(), x.end());
    const double error = float_error(in_float->layout(), same, dataset(GetParam().data));
    double scale = 0;
    for (std::uint32_t w = 0; w < kWorkers; ++w) {
      const std::vector<float> g = gradient(*in_float, w, x);
      const Vector expected = gradient(*in_double, w, same);
      for (std::size_t j = 0; j < g.size(); ++j) {
        const auto value = static_cast<double>(g[j]);
        EXPECT_NEAR(value, static_cast<double>(static_cast<float>(expected[j])),
                    error + (error > 0 ? kFloatUnit * std::fabs(expected[j]) : 0.0))
            << "coordinate " << j;
        scale = std::max(scale, std::fabs(expected[j]));
      }
    }
    // The bound grows with the weights; near the origin it must say something.
    if (!compared) {
      EXPECT_LT(error, 1e-3 * scale);
    }
    compared = true;
  }
}

TEST_P(ProblemContract, SameArgumentsGiveTheSameBits) {
  const auto first = make_case<float>();
  const auto second = make_case<float>();
  ProblemScratch<float> used;  // by other calls in between
  for (const std::vector<float>& x : points(*first)) {
    for (std::uint32_t w = 0; w < kWorkers; ++w) {
      std::vector<float> g(x.size(), std::numeric_limits<float>::quiet_NaN());
      std::fill(used.values.take(50000).begin(), used.values.take(50000).end(), -1.0F);
      std::fill(used.sums.take(5000).begin(), used.sums.take(5000).end(), -1.0);
      second->full_gradient(w, x, g, used);
      EXPECT_EQ(g, gradient(*first, w, x));
      EXPECT_EQ(second->loss(w, x, used), loss(*first, w, x));
      second->noisy_gradient(8, 9, w, x, g, used);
      std::vector<float> again(x.size());
      ProblemScratch<float> fresh;
      first->noisy_gradient(8, 9, w, x, again, fresh);
      EXPECT_EQ(g, again);
    }
  }
  std::vector<float> x(first->layout().size());
  std::vector<float> y(x.size(), 1.0F);
  first->initial_point(6, x);
  second->initial_point(6, y);
  EXPECT_EQ(x, y);
}

TEST_P(ProblemContract, EverySimdTargetGivesTheSameBits) {
  const auto problem = make_case<float>();
  const std::vector<float> x = points(*problem)[1];
  const std::vector<float> expected = gradient(*problem, 0, x);
  const double value = loss(*problem, 0, x);
  const auto rows_of = [&] {
    Rows<float> rows(x.size());
    if (problem->units(0) == 0) return rows.rows;
    std::vector<float> g(x.size());
    ProblemScratch<float> scratch;
    problem->unit_gradients(0, std::vector<std::uint32_t>{3, 1, 2}, x, g, rows, scratch);
    return rows.rows;
  };
  const std::vector<std::vector<float>> units = rows_of();
  for (const std::string& target : kernels::simd_targets()) {
    kernels::force_simd_target(target);
    EXPECT_EQ(gradient(*problem, 0, x), expected) << target;
    EXPECT_EQ(loss(*problem, 0, x), value) << target;
    EXPECT_EQ(rows_of(), units) << target;
  }
  kernels::force_simd_target("");
}

TEST_P(ProblemContract, ThreadsDoNotDisturbEachOther) {
  const auto problem = make_case<float>();
  const std::vector<float> x = points(*problem)[1];
  std::vector<std::vector<float>> results(kWorkers);
  std::vector<const Constants*> constants(kWorkers);
  {
    std::vector<std::jthread> threads;
    for (std::uint32_t w = 0; w < kWorkers; ++w) {
      threads.emplace_back([&, w] {
        results[w] = gradient(*problem, w, x);
        constants[w] = &problem->constants();
      });
    }
  }
  for (std::uint32_t w = 0; w < kWorkers; ++w) {
    EXPECT_EQ(results[w], gradient(*problem, w, x));
    EXPECT_EQ(constants[w], constants[0]);
  }
}

TEST_P(ProblemContract, NoiseIsUnbiasedAndNamedByItsFacts) {
  const auto problem = make_case<double>();
  const Vector x = points(*problem)[1];
  const Vector exact = gradient(*problem, 1, x);
  Vector g(x.size());
  ProblemScratch<double> scratch;
  problem->noisy_gradient(1, 0, 1, x, g, scratch);
  if (!problem_traits(parse_spec(GetParam().spec).value_or_throw().name).synthetic_noise) {
    EXPECT_EQ(g, exact);
    return;
  }
  constexpr std::uint32_t kRounds = 4000;
  Vector mean(x.size());
  Vector squares(x.size());
  for (std::uint32_t round = 0; round < kRounds; ++round) {
    problem->noisy_gradient(1, round, 1, x, g, scratch);
    for (std::size_t j = 0; j < g.size(); ++j) {
      mean[j] += (g[j] - exact[j]) / kRounds;
      squares[j] += (g[j] - exact[j]) * (g[j] - exact[j]) / kRounds;
    }
  }
  for (std::size_t j = 0; j < g.size(); ++j) {
    EXPECT_LE(std::fabs(mean[j]), 5 * std::sqrt(squares[j] / kRounds) + 1e-12);
  }
  if (*std::max_element(squares.begin(), squares.end()) == 0) return;  // a deterministic variant
  const auto differs = [&](std::uint64_t seed, std::uint32_t worker) {
    for (std::uint32_t round = 0; round < 20; ++round) {
      Vector other(g.size());
      problem->noisy_gradient(1, round, 1, x, g, scratch);
      problem->noisy_gradient(seed, round, worker, x, other, scratch);
      if (other != g) return true;
    }
    return false;
  };
  EXPECT_TRUE(differs(2, 1));
  EXPECT_TRUE(differs(1, 2));
}

TEST_P(ProblemContract, NothingIsAllocatedAfterWarmUp) {
  const auto problem = make_case<float>();
  const std::vector<float> x = points(*problem)[1];
  std::vector<float> g(x.size());
  std::vector<float> moved = x;
  ProblemScratch<float> scratch;
  const std::vector<std::uint32_t> units = {1, 0, 3, 2};
  const std::vector<std::uint32_t> groups = {1, 3};
  class Nothing final : public UnitSink<float> {
    void take(std::size_t, const UnitRow<float>&) override {}
  } nothing;
  UnitGroups<float> grouped(x.size());
  const auto round = [&](std::uint32_t t) {
    for (std::uint32_t w = 0; w < kWorkers; ++w) {
      if (problem->units(w) > 0) {
        problem->batch_gradient(w, units, x, g, scratch);
        grouped.begin(groups, nothing);
        problem->unit_gradients(w, units, x, g, grouped, scratch);
      }
      problem->full_gradient(w, x, g, scratch);
      problem->noisy_gradient(1, t, w, x, g, scratch);
      static_cast<void>(problem->loss(w, x, scratch));
      static_cast<void>(problem->train_counts(w, x, scratch));
      static_cast<void>(problem->test_counts(w, x, scratch));
      problem->project(moved);
    }
  };
  round(0);
  const std::size_t before = test::allocations();
  round(1);
  round(2);
  EXPECT_EQ(test::allocations() - before, 0U);
}

const Case kCases[] = {
    {.spec = "quadratic:d=30,s=0"},
    {.spec = "quadratic:d=30,s=3,lambda=0.1"},
    {.spec = "quadratic:d=17,golden=true"},
    {.spec = "noisy-quadratic:d=40"},
    {.spec = "matrix-quadratic:rows=7,cols=9,rank=2,sigma=0.3"},
    {.spec = "noisy-quadratic:d=40,curvature=geometric,noise=every10th,batch=3"},
    {.spec = "noisy-quadratic:d=40,curvature=check16,noise=check16"},
    {.spec = "noisy-quadratic:d=40,noise=first,sigma=100"},
    {.spec = "counterexample:variant=i"},
    {.spec = "counterexample:variant=ii"},
    {.spec = "counterexample:variant=iii,eps=0.25,batch=3"},
    {.spec = "counterexample:variant=iv"},
    {.spec = "logistic", .data = Data::kSparse},
    {.spec = "logistic:bias=true", .data = Data::kSparse},
    {.spec = "logistic:l2=0.3,bias=true", .data = Data::kSparse},
    {.spec = "logistic:l2=0.3,nonconvex=0.1", .data = Data::kSparse},
    {.spec = "softmax:l2=0.2", .data = Data::kImages},
    {.spec = "softmax", .data = Data::kSparse},
    {.spec = "mlp:hidden=8", .data = Data::kImages},
    {.spec = "mlp:hidden=8,activation=tanh,l2=0.2", .data = Data::kImages},
    {.spec = "mlp:hidden=5", .data = Data::kSparse},
    {.spec = "mlp:hidden=8/5", .data = Data::kImages},
    {.spec = "mlp:hidden=6/7/4,activation=tanh,l2=0.2", .data = Data::kImages},
    {.spec = "mlp:hidden=4/6", .data = Data::kSparse},
    {.spec = "autoencoder:code=3", .data = Data::kImages},
    {.spec = "autoencoder:code=5,scale=2", .data = Data::kSparse},
};

std::string name_of(const Case& tested) {
  std::string name = tested.spec;
  if (tested.data == Data::kSparse) name += "_sparse";
  if (tested.data == Data::kImages) name += "_images";
  for (char& c : name) {
    if (std::isalnum(static_cast<unsigned char>(c)) == 0) c = '_';
  }
  return name;
}

INSTANTIATE_TEST_SUITE_P(All, ProblemContract, testing::ValuesIn(kCases),
                         [](const auto& tested) { return name_of(tested.param); });

TEST(ProblemContractCases, CoverEveryRegisteredProblem) {
  std::set<std::string> covered;
  for (const Case& tested : kCases) {
    covered.insert(parse_spec(tested.spec).value_or_throw().name);
  }
  // Those that libtorch differentiates: network_contract_test.
  covered.insert({"lenet", "resnet", "lstm", "gpt", "autoregressive-mlp"});
  for (const auto& method : problems<float>().methods()) {
    EXPECT_TRUE(covered.contains(std::string(method.card->name))) << method.card->name;
  }
}

}  // namespace
}  // namespace laconic
