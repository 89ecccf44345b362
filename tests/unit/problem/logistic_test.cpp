// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <iostream>

#include "laconic/base/card.hpp"
#include "laconic/base/exact_math.hpp"
#include "laconic/data/catalog.hpp"
#include "tests/unit/problem/fixture.hpp"

namespace laconic {
namespace {

using namespace testing_problem;

oracle::Vector signs(const data::Examples& examples, const std::vector<std::uint32_t>& rows) {
  oracle::Vector out;
  for (const std::uint32_t label : labels(examples, rows)) out.push_back(label == 1 ? 1.0 : -1.0);
  return out;
}

TEST(Logistic, AgreesWithTheFormulas) {
  const data::Dataset data = sparse_data();
  const ProblemSetup setup = setup_of(data, {.workers = 3});
  for (const bool bias : {false, true}) {
    const auto problem = make<double>(
        std::string("logistic:l2=0.02,nonconvex=0.1,bias=") + (bias ? "true" : "false"), setup);
    const std::vector<double> x = point<double>(data.train.features() + (bias ? 1 : 0), 2, 3);
    ASSERT_EQ(problem->layout().size(), x.size());
    for (std::uint32_t w = 0; w < 3; ++w) {
      const oracle::Value expected =
          oracle::logistic(dense(data.train, setup.shards[w]), signs(data.train, setup.shards[w]),
                           x, {.l2 = 0.02, .nonconvex = 0.1});
      EXPECT_NEAR(loss(*problem, w, x), expected.loss, kSumError * expected.loss);
      EXPECT_LE(relative_difference(gradient(*problem, w, x), expected.gradient), kSumError);
    }
  }
}

struct Ragged {
  std::uint32_t features = 30;
  bool ones = false;  // every value is 1
};

// Rows of 0 to 11 entries in no order of length, labels of both kinds, explicit zeros.
data::Dataset ragged_data(Ragged kind) {
  rng::Reader random(rng::Stream(8, {.purpose = rng::Purpose::kTest, .tensor = 4}));
  data::SparseRows rows;
  rows.features = kind.features;
  data::Dataset out;
  for (int i = 0; i < 203; ++i) {
    std::vector<std::uint32_t> columns;
    for (std::uint64_t k = random.below(12); k > 0; --k) {
      columns.push_back(static_cast<std::uint32_t>(random.below(kind.features)));
    }
    std::sort(columns.begin(), columns.end());
    columns.erase(std::unique(columns.begin(), columns.end()), columns.end());
    for (const std::uint32_t column : columns) {
      rows.columns.push_back(column);
      rows.values.push_back(kind.ones ? 1.0 : random.below(9) == 0 ? 0.0 : random.normal());
    }
    rows.offsets.push_back(rows.columns.size());
    out.train.signs.push_back(random.below(2) == 0 ? 1.0 : -1.0);
  }
  out.train.rows = std::move(rows);
  return out;
}

// f_i and its gradient as plain loops over the rows: the order that problem.hpp promises.
oracle::Value in_order(const data::Dataset& data, const std::vector<std::uint32_t>& shard,
                       const std::vector<double>& x) {
  const auto& matrix = std::get<data::SparseRows>(data.train.rows);
  oracle::Value out{0, oracle::Vector(x.size())};
  const bool bias = x.size() > matrix.features;
  for (const std::uint32_t row : shard) {
    const auto [columns, values] = matrix.row(row);
    double score = bias ? x.back() : 0.0;
    for (std::size_t j = 0; j < columns.size(); ++j) score += values[j] * x[columns[j]];
    const bool positive = data.train.signs[row] > 0;
    const double slope = positive ? -exact::sigmoid(-score) : exact::sigmoid(score);
    for (std::size_t j = 0; j < columns.size(); ++j) {
      out.gradient[columns[j]] += slope * values[j];
    }
    if (bias) out.gradient.back() += slope;
    out.loss += exact::softplus(positive ? -score : score);
  }
  const double share = 1 / static_cast<double>(shard.size());
  for (double& value : out.gradient) value *= share;
  return out;
}

// The features do not fit 16 bits in one of the cases, and the rows do not fill their slices.
TEST(Logistic, PassesOverShardsHaveTheBitsOfPlainLoops) {
  for (const Ragged kind : {Ragged{}, Ragged{.ones = true}, Ragged{.features = 70000},
                            Ragged{.features = 70000, .ones = true}}) {
    const data::Dataset data = ragged_data(kind);
    const ProblemSetup setup =
        setup_of(data, {.sharding = data::Sharding::kShuffled, .workers = 3, .seed = 2});
    for (const bool bias : {false, true}) {
      const auto problem =
          make<double>(std::string("logistic:bias=") + (bias ? "true" : "false"), setup);
      const std::vector<double> x = point<double>(problem->layout().size(), 2, 3);
      for (std::uint32_t w = 0; w < 3; ++w) {
        const oracle::Value expected = in_order(data, setup.shards[w], x);
        EXPECT_EQ(gradient(*problem, w, x), expected.gradient);
        ProblemScratch<double> scratch;
        EXPECT_EQ(problem->train_counts(w, x, scratch).loss_sum, expected.loss);
      }
    }
  }
}

// The smoothness that 3pc.md 5.1 defines, from eigenvalues of the dense Gram matrices.
TEST(Logistic, ConstantsAreThoseOfTheGramMatrices) {
  const data::Dataset data = sparse_data();
  const ProblemSetup setup = setup_of(data, {.workers = 3});
  for (const bool bias : {false, true}) {
    const auto problem = make<double>(
        std::string("logistic:l2=0.02,nonconvex=0.1,bias=") + (bias ? "true" : "false"), setup);
    const std::size_t d = data.train.features() + (bias ? 1 : 0);
    oracle::Matrix mean(d, oracle::Vector(d));
    double squares = 0;
    for (std::uint32_t w = 0; w < 3; ++w) {
      oracle::Matrix gram(d, oracle::Vector(d));
      for (oracle::Vector row : dense(data.train, setup.shards[w])) {
        if (bias) row.push_back(1);
        for (std::size_t j = 0; j < d; ++j) {
          for (std::size_t k = 0; k < d; ++k) {
            const double term = row[j] * row[k] / static_cast<double>(setup.shards[w].size());
            gram[j][k] += term;
            mean[j][k] += term / 3;
          }
        }
      }
      const double expected = oracle::spectral_norm(gram) / 4 + 0.02 + 2 * 0.1;
      EXPECT_NEAR(problem->constants().l_worker[w], expected, 1e-12 * expected);
      squares += expected * expected / 3;
    }
    const double expected = oracle::spectral_norm(mean) / 4 + 0.02 + 2 * 0.1;
    EXPECT_NEAR(problem->constants().l_minus.value(), expected, 1e-12 * expected);
    EXPECT_NEAR(problem->constants().l_plus.value(), std::sqrt(squares), 1e-12);
  }
}

TEST(Logistic, StrongConvexityIsWhatTheNonconvexPartLeaves) {
  const data::Dataset data = sparse_data();
  const ProblemSetup setup = setup_of(data, {.workers = 1});
  EXPECT_EQ(make<double>("logistic:l2=0.5", setup)->constants().mu, 0.5);
  EXPECT_EQ(make<double>("logistic:l2=0.5,nonconvex=0.2", setup)->constants().mu, 0.4);
  EXPECT_FALSE(make<double>("logistic:l2=0.5,nonconvex=1", setup)->constants().mu);
  EXPECT_FALSE(make<double>("logistic:l2=0.5,bias=true", setup)->constants().mu);
}

// Newton's method as the textbook has it, on dense matrices.
double minimum_by_oracle(const data::Dataset& data, const ProblemSetup& setup,
                         const oracle::Penalty& penalty, bool bias) {
  const std::size_t d = data.train.features() + (bias ? 1 : 0);
  oracle::Vector x(d);
  double value = 0;
  for (int step = 0; step < 50; ++step) {
    value = 0;
    oracle::Vector gradient(d);
    oracle::Matrix hessian(d, oracle::Vector(d));
    const auto share = 1 / static_cast<double>(setup.shards.size());
    for (const std::vector<std::uint32_t>& shard : setup.shards) {
      const oracle::Value at =
          oracle::logistic(dense(data.train, shard), signs(data.train, shard), x, penalty);
      value += share * at.loss;
      for (std::size_t j = 0; j < d; ++j) gradient[j] += share * at.gradient[j];
      for (oracle::Vector row : dense(data.train, shard)) {
        if (bias) row.push_back(1);
        const double p = 1 / (1 + std::exp(-oracle::inner(row, x)));
        for (std::size_t j = 0; j < d; ++j) {
          for (std::size_t k = 0; k < d; ++k) {
            hessian[j][k] +=
                share / static_cast<double>(shard.size()) * p * (1 - p) * row[j] * row[k];
          }
        }
      }
    }
    for (std::size_t j = 0; j < data.train.features(); ++j) {
      const double plus = 1 + x[j] * x[j];
      hessian[j][j] +=
          penalty.l2 + penalty.nonconvex * (2 - 6 * x[j] * x[j]) / (plus * plus * plus);
    }
    const oracle::Vector move = oracle::solve(hessian, gradient);
    for (std::size_t j = 0; j < d; ++j) x[j] -= move[j];
  }
  return value;
}

TEST(Logistic, MinimumIsThatOfTheOracle) {
  const data::Dataset sparse = sparse_data();
  const data::Dataset ragged = ragged_data({});
  for (const data::Dataset* data : {&sparse, &ragged}) {
    for (const std::uint32_t workers : {1U, 3U}) {
      // Unequal shards: f is the mean of their means.
      ProblemSetup setup = setup_of(*data, {.workers = workers});
      if (workers == 3) setup.shards[1].resize(5);
      for (const double nonconvex : {0.0, 0.01}) {
        for (const bool bias : {false, true}) {
          const std::string spec = "logistic:l2=0.02,nonconvex=" + shortest(nonconvex) +
                                   ",bias=" + (bias ? "true" : "false");
          const double expected =
              minimum_by_oracle(*data, setup, {.l2 = 0.02, .nonconvex = nonconvex}, bias);
          EXPECT_NEAR(make<double>(spec, setup)->minimum().value(), expected, kSumError * expected);
          EXPECT_EQ(make<float>(spec, setup)->minimum(), make<double>(spec, setup)->minimum());
        }
      }
    }
  }
}

TEST(Logistic, MinimumIsUnknownWhereNothingKeepsTheWeightsInPlace) {
  const data::Dataset data = sparse_data();
  EXPECT_FALSE(make<double>("logistic", setup_of(data, {}))->minimum());
  EXPECT_FALSE(make<double>("logistic:l2=0.1,nonconvex=0.3", setup_of(data, {}))->minimum());
  const data::Dataset wide = ragged_data({.features = 70000});
  EXPECT_FALSE(make<double>("logistic:l2=0.1", setup_of(wide, {}))->minimum());
  // One label only: the intercept runs away.
  data::Dataset positive = sparse_data();
  std::fill(positive.train.signs.begin(), positive.train.signs.end(), 1.0);
  EXPECT_FALSE(make<double>("logistic:l2=0.1,bias=true", setup_of(positive, {}))->minimum());
  EXPECT_TRUE(make<double>("logistic:l2=0.1", setup_of(positive, {}))->minimum());
}

TEST(Logistic, DenseRowsAreTheSameAsSparseRows) {
  data::Dataset sparse = sparse_data();
  for (double& value : std::get<data::SparseRows>(sparse.train.rows).values) {
    value = static_cast<double>(static_cast<float>(value));
  }
  data::Dataset full = sparse;
  for (data::Examples* examples : {&full.train, &full.test}) {
    std::vector<std::uint32_t> rows(examples->size());
    std::iota(rows.begin(), rows.end(), 0U);
    data::DenseRows matrix{.features = examples->features()};
    for (const oracle::Vector& row : dense(*examples, rows)) {
      for (const double value : row) matrix.values.push_back(static_cast<float>(value));
    }
    examples->rows = std::move(matrix);
  }
  const auto a = make<float>("logistic", setup_of(sparse, {.workers = 2}));
  const auto b = make<float>("logistic", setup_of(full, {.workers = 2}));
  const std::vector<float> x = point<float>(a->layout().size(), 1, 8);
  EXPECT_EQ(gradient(*a, 1, x), gradient(*b, 1, x));
  EXPECT_NEAR(a->constants().l_minus.value(), b->constants().l_minus.value(), 1e-12);
  for (std::size_t j = 0; j < x.size(); ++j) {
    EXPECT_NEAR(a->constants().l_coordinate[j], b->constants().l_coordinate[j], 1e-12);
  }
}

TEST(Logistic, CountsHitsAndStartsAtZero) {
  const data::Dataset data = sparse_data();
  const ProblemSetup setup = setup_of(data, {.workers = 1});
  const auto problem = make<float>("logistic", setup);
  std::vector<float> x(problem->layout().size(), 1.0F);
  problem->initial_point(1, x);
  EXPECT_EQ(x, std::vector<float>(x.size(), 0.0F));
  ProblemScratch<float> scratch;
  const Counts counts = problem->train_counts(0, x, scratch);
  EXPECT_EQ(counts.examples, 91U);
  EXPECT_DOUBLE_EQ(counts.loss_sum / 91, std::log(2.0));
  std::uint64_t negative = 0;  // a score of 0 predicts class 0
  for (const std::uint32_t label : data.train.label_ids()) negative += label == 0 ? 1 : 0;
  EXPECT_EQ(counts.correct, negative);
}

// A margin of thousands neither overflows nor loses the loss.
TEST(Logistic, SurvivesHugeMargins) {
  const data::Dataset data = sparse_data();
  const auto problem = make<float>("logistic", setup_of(data, {.workers = 1}));
  const std::vector<float> x(problem->layout().size(), 1e6F);
  EXPECT_TRUE(std::isfinite(loss(*problem, 0, x)));
  for (const float g : gradient(*problem, 0, x)) EXPECT_TRUE(std::isfinite(g));
}

// lambda_max(X^T X) / (4 m) + 2 * 0.1 of the given rows, by all eigenvalues of the dense matrix.
double dense_smoothness(const data::Dataset& data, const std::vector<std::uint32_t>& rows) {
  const std::size_t d = data.train.features();
  oracle::Matrix gram(d, oracle::Vector(d));
  for (const oracle::Vector& row : dense(data.train, rows)) {
    for (std::size_t j = 0; j < d; ++j) {
      for (std::size_t k = 0; k < d; ++k) {
        gram[j][k] += row[j] * row[k] / static_cast<double>(rows.size());
      }
    }
  }
  return oracle::spectral_norm(gram) / 4 + 2 * 0.1;
}

// 3pc.md section 6, T18, second part: n=20, lambda=0.1, contiguous shards without the remainder.
// The numbers are printed with ten digits.
TEST(ThreePcCheck18, LogisticConstantsOfRealData) {
  if (std::getenv("LACONIC_DATA") == nullptr) {
    std::cout << "LACONIC_DATA is not set: generated data\n";
    const data::Dataset data = data::synthetic_sparse({.rows = 407, .features = 40, .seed = 3});
    const data::ShardOptions options{.workers = 20, .drop_remainder = true};
    const ProblemSetup setup = setup_of(data, options);
    const Constants constants = make<double>("logistic:nonconvex=0.1", setup)->constants();
    double squares = 0;
    for (std::uint32_t w = 0; w < 20; ++w) {
      const double l_worker = dense_smoothness(data, setup.shards[w]);
      EXPECT_NEAR(constants.l_worker[w], l_worker, 1e-9 * l_worker);
      squares += l_worker * l_worker / 20;
    }
    std::vector<std::uint32_t> rows(400);
    std::iota(rows.begin(), rows.end(), 0U);
    const double l_minus = dense_smoothness(data, rows);
    EXPECT_NEAR(constants.l_minus.value(), l_minus, 1e-9 * l_minus);
    EXPECT_NEAR(constants.l_plus.value(), std::sqrt(squares), 1e-9);
    return;
  }
  struct Expected {
    const char* name;
    double l_minus, l_plus;
    std::size_t rows;
    std::uint32_t features;
  };
  for (const Expected& expected : {Expected{"phishing", 0.3625653680, 0.3660995653, 11055, 68},
                                   Expected{"a9a", 1.7719331212, 1.7730809700, 32561, 123},
                                   Expected{"ijcnn1", 0.2576225587, 0.2931241041, 49990, 22}}) {
    std::cout << "LACONIC_DATA is set: " << expected.name << "\n";
    const data::Dataset data = data::load_named(expected.name);
    EXPECT_EQ(data.train.size(), expected.rows);
    EXPECT_EQ(data.train.features(), expected.features);
    const data::ShardOptions options{.workers = 20, .drop_remainder = true};
    const auto problem = make<double>("logistic:nonconvex=0.1", setup_of(data, options));
    EXPECT_NEAR(problem->constants().l_minus.value(), expected.l_minus, 1e-9 * expected.l_minus)
        << expected.name;
    EXPECT_NEAR(problem->constants().l_plus.value(), expected.l_plus, 1e-9 * expected.l_plus)
        << expected.name;
  }
}

// 3pc.md section 6, T18, last part: relative to the gradient, at h = 1e-5 (the truncation error is
// about h^2, the rounding error 1e-16 / h).
TEST(ThreePcCheck18, LogisticGradientAgreesWithCentralDifferences) {
  const bool real = std::getenv("LACONIC_DATA") != nullptr;
  std::cout << (real ? "LACONIC_DATA is set: phishing\n" : "LACONIC_DATA is not set\n");
  const data::Dataset data =
      real ? data::load_named("phishing")
           : data::synthetic_sparse({.rows = 500, .features = 60, .nonzeros = 20, .seed = 6});
  const auto problem = make<double>("logistic:nonconvex=0.1",
                                    setup_of(data, {.workers = 20, .drop_remainder = true}));
  for (const double deviation : {0.0, 0.3, 1.5}) {
    std::vector<double> x = point<double>(problem->layout().size(), deviation, 5);
    for (const std::uint32_t w : {0U, 19U}) {
      const std::vector<double> g = gradient(*problem, w, x);
      const double size = std::sqrt(oracle::inner(g, g));
      for (std::size_t j = 0; j < x.size(); ++j) {
        const double at = x[j];
        const double h = 1e-5;
        x[j] = at + h;
        const double above = loss(*problem, w, x);
        x[j] = at - h;
        const double below = loss(*problem, w, x);
        x[j] = at;
        EXPECT_NEAR((above - below) / (2 * h), g[j], 1e-6 * size) << "coordinate " << j;
      }
    }
  }
}

// 3pc.md 5.1: a share of each worker is the file's next block of N div n rows; labels are -1 and 1.
TEST(ThreePcSplit, IsFileOrderWithoutTheLastRows) {
  const data::Dataset data = data::synthetic_sparse({.rows = 407, .features = 40, .seed = 3});
  const ProblemSetup setup = setup_of(data, {.workers = 20, .drop_remainder = true});
  for (std::uint32_t w = 0; w < 20; ++w) {
    ASSERT_EQ(setup.shards[w].size(), 20U);
    for (std::uint32_t k = 0; k < 20; ++k) EXPECT_EQ(setup.shards[w][k], 20 * w + k);
  }
  // Where nothing is left over nothing is dropped (the page: "guard that").
  const data::Dataset even = data::synthetic_sparse({.rows = 400, .features = 40, .seed = 3});
  EXPECT_EQ(setup_of(even, {.workers = 20, .drop_remainder = true}).shards[19].back(), 399U);
}

}  // namespace
}  // namespace laconic
