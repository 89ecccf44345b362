// SPDX-License-Identifier: Apache-2.0
#include "laconic/experiment/estimator.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <memory>
#include <numeric>

#include "laconic/data/dataset.hpp"
#include "laconic/experiment/catalog.hpp"
#include "laconic/rng/stream.hpp"
#include "tests/oracle/page_oracle.hpp"

namespace laconic::experiment {
namespace {

constexpr std::uint32_t kWorkers = 3;
constexpr std::uint32_t kRows = 8;  // per worker
constexpr std::uint32_t kFeatures = 5;
constexpr std::uint64_t kSeed = 11;

Spec canonical(std::string_view text, std::string_view kind) {
  return all_cards().canonical(parse_spec(text).value_or_throw(), kind);
}

// A small logistic regression, in the library and for the oracle.
class Page : public testing::Test {
 protected:
  Page() {
    rng::Reader reader(rng::Stream(1, {.purpose = rng::Purpose::kTest}));
    data::DenseRows rows;
    rows.features = kFeatures;
    for (std::uint32_t w = 0; w < kWorkers; ++w) {
      setup_.shards.emplace_back(kRows);
      std::iota(setup_.shards.back().begin(), setup_.shards.back().end(), w * kRows);
      rows_.emplace_back();
      signs_.emplace_back();
      for (std::uint32_t i = 0; i < kRows; ++i) {
        rows_.back().emplace_back();
        for (std::uint32_t k = 0; k < kFeatures; ++k) {
          rows.values.push_back(static_cast<float>(reader.normal()));
          rows_.back().back().push_back(static_cast<double>(rows.values.back()));
        }
        signs_.back().push_back(reader.below(2) == 0 ? -1.0 : 1.0);
        dataset_.train.signs.push_back(signs_.back().back());
      }
    }
    dataset_.train.rows = std::move(rows);
    setup_.dataset = &dataset_;
    setup_.workers = kWorkers;
    problem_ = problems<double>().make(canonical("logistic:l2=0.1", "problem"), setup_);
  }

  [[nodiscard]] PageEstimator<double> make(std::string_view spec, WorkerBlock mine) const {
    return PageEstimator<double>(Args(canonical(spec, "estimator")),
                                 {.problem = problem_.get(), .mine = mine, .seed = kSeed});
  }

  static oracle::Vector point(std::uint32_t t) {
    rng::Reader reader(rng::Stream(2, {.purpose = rng::Purpose::kTest, .round = t}));
    oracle::Vector x(kFeatures);
    for (double& value : x) value = reader.normal();
    return x;
  }

  data::Dataset dataset_ = {};
  ProblemSetup setup_ = {};
  std::vector<oracle::Matrix> rows_ = {};
  std::vector<oracle::Vector> signs_ = {};
  std::unique_ptr<Problem<double>> problem_ = {};
  ProblemScratch<double> scratch_ = {};
};

struct Coin {
  bool full = false;
  std::vector<std::uint32_t> examples = {};
};
// What the streams that estimator.cpp names say.
Coin drawn(std::uint32_t worker, std::uint32_t t, bool shared, std::size_t batch) {
  Coin out;
  rng::Reader coin(rng::Stream(kSeed, {.purpose = rng::Purpose::kBatch,
                                       .worker = shared ? 0 : worker,
                                       .round = t,
                                       .tensor = shared ? 2U : 1U}));
  out.full = t == 0 || coin.unit_double() < 0.4;
  rng::Reader examples(
      rng::Stream(kSeed, {.purpose = rng::Purpose::kBatch, .worker = worker, .round = t}));
  for (std::size_t i = 0; i < batch; ++i) {
    out.examples.push_back(static_cast<std::uint32_t>(examples.below(kRows)));
  }
  return out;
}

TEST_F(Page, AgreesWithTheFormula) {
  for (const bool shared : {true, false}) {
    auto page =
        make(shared ? "page:p=0.4,batch=3" : "page:p=0.4,batch=3,coin=worker", {0, kWorkers});
    std::vector<std::vector<oracle::PageRound>> rounds(kWorkers);
    std::uint64_t evaluations = 0;
    std::uint64_t expected_evaluations = 0;
    for (std::uint32_t t = 0; t < 30; ++t) {
      const oracle::Vector x = point(t);
      for (std::uint32_t w = 0; w < kWorkers; ++w) {
        Coin coin = drawn(w, t, shared, 3);
        expected_evaluations += coin.full ? kRows : 6;
        rounds[w].push_back({.full = coin.full, .examples = std::move(coin.examples), .x = x});
        oracle::Vector estimate(kFeatures);
        evaluations += page.estimate(t, w, x, estimate, scratch_);
        const oracle::Vector expected =
            oracle::page(rows_[w], signs_[w], {.l2 = 0.1, .nonconvex = 0}, rounds[w]).back();
        for (std::uint32_t k = 0; k < kFeatures; ++k) {
          // Thirty sums of numbers of size one, rounded once each on both sides.
          EXPECT_NEAR(estimate[k], expected[k], 1e-13) << "round " << t << ", worker " << w;
        }
      }
      page.keep(x);
    }
    EXPECT_EQ(evaluations, expected_evaluations);
  }
}

TEST_F(Page, DoesNotDependOnWhoHostsAWorker) {
  auto all = make("page:p=0.3,batch=2,coin=worker", {0, kWorkers});
  auto last = make("page:p=0.3,batch=2,coin=worker", {2, 3});
  for (std::uint32_t t = 0; t < 10; ++t) {
    const oracle::Vector x = point(t);
    oracle::Vector a(kFeatures);
    oracle::Vector b(kFeatures);
    for (std::uint32_t w = 0; w < kWorkers; ++w) {
      static_cast<void>(all.estimate(t, w, x, a, scratch_));
    }
    static_cast<void>(last.estimate(t, 0, x, b, scratch_));
    EXPECT_EQ(a, b);
    all.keep(x);
    last.keep(x);
  }
}

TEST_F(Page, IsTheGradientWhenItsCoinAlwaysSaysSo) {
  auto page = make("page:p=1", {0, kWorkers});
  oracle::Vector estimate(kFeatures);
  oracle::Vector gradient(kFeatures);
  for (std::uint32_t t = 0; t < 3; ++t) {
    const oracle::Vector x = point(t);
    EXPECT_EQ(page.estimate(t, 1, x, estimate, scratch_), kRows);
    problem_->full_gradient(1, x, gradient, scratch_);
    EXPECT_EQ(estimate, gradient);
    page.keep(x);
  }
}

}  // namespace
}  // namespace laconic::experiment
