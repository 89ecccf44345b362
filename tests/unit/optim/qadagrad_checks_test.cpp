// SPDX-License-Identifier: Apache-2.0
// The numeric checks of quantized-adagrad.md section 6 about optimizers, by number, and the
// baselines.
#include <cmath>
#include <cstring>

#include "laconic/optim/adagrad.hpp"
#include "tests/oracle/qadagrad_oracle.hpp"
#include "tests/unit/optim/support.hpp"

namespace laconic {
namespace {

using optim_test::layout_of;
using optim_test::make;
using optim_test::normals;
using Scalar = oracle::AdagradCoordinate;

template <class T>
class QadagradSteps : public testing::Test {};
using Types = testing::Types<float, double>;
TYPED_TEST_SUITE(QadagradSteps, Types);

rng::Reader reader_of(std::uint32_t test) {
  return rng::Reader(rng::Stream(6, {rng::Purpose::kTest, test, 0, 0}));
}

template <Real T>
void expect_adagrad(bool dual) {
  constexpr std::uint32_t kSize = 50;
  constexpr std::uint32_t kRounds = 500;
  const Layout layout = layout_of(kSize);
  for (const double l1 : {0.0, 0.03, 0.3}) {
    for (const bool start : {false, true}) {
      const std::string text = std::string(dual ? "adagrad-rda" : "adagrad-cmd") +
                               ":delta=0.01,l1=" +
                               (l1 == 0      ? "0"
                                : l1 == 0.03 ? "0.03"
                                             : "0.3");
      const auto optimizer = make<T>(text, layout);
      std::vector<T> x = start ? normals<T>(kSize, 5, 999) : std::vector<T>(kSize, T{0});
      std::vector<Scalar> truth;
      for (const T value : x) {
        const auto x0 = static_cast<double>(value);
        truth.push_back({.x0 = x0, .delta = 0.01, .lambda = l1, .x = x0});
      }
      double largest = 0;
      for (std::uint32_t round = 0; round < kRounds; ++round) {
        std::vector<T> q = normals<T>(kSize, 5, round);
        for (std::uint32_t i = 0; i < kSize; ++i) {
          q[i] += static_cast<T>(0.5) * x[i];  // a gradient: it pulls back what goes away
          if ((i + round) % 3 == 0) q[i] = 0;
          const auto direction = static_cast<double>(q[i]);
          dual ? truth[i].rda(direction, 0.3) : truth[i].cmd(direction, 0.3);
        }
        optimizer->step(x, q, 0.3);
        for (std::uint32_t i = 0; i < kSize; ++i)
          largest = std::max(largest, std::abs(static_cast<double>(x[i]) - truth[i].x));
      }
      EXPECT_LE(largest, sizeof(T) == 4 ? 1e-6 : 1e-13) << text << " " << start;
    }
  }
}
TYPED_TEST(QadagradSteps, QadagradCheck01IdentityMirrorDescentIsAdagrad) {
  expect_adagrad<TypeParam>(false);
}
TYPED_TEST(QadagradSteps, QadagradCheck01IdentityDualAveragingIsAdagrad) {
  expect_adagrad<TypeParam>(true);
}

// Directions and squares of different vectors, either of which is often 0.
template <Real T>
void expect_matrix_of_another_vector(bool dual) {
  constexpr std::uint32_t kSize = 60;
  const Layout layout = layout_of(kSize);
  for (const char* l1 : {"0", "0.05"}) {
    const std::string text =
        std::string(dual ? "adagrad-rda" : "adagrad-cmd") + ":delta=0.01,l1=" + l1;
    const auto optimizer = make<T>(text, layout);
    std::vector<T> x = normals<T>(kSize, 6, 999);
    std::vector<Scalar> truth;
    for (const T value : x) {
      const auto x0 = static_cast<double>(value);
      truth.push_back({.x0 = x0, .delta = 0.01, .lambda = std::stod(l1), .x = x0});
    }
    double largest = 0;
    for (std::uint32_t round = 0; round < 300; ++round) {
      std::vector<T> q = normals<T>(kSize, 7, round);
      std::vector<T> r = normals<T>(kSize, 8, round);
      for (std::uint32_t i = 0; i < kSize; ++i) {
        q[i] += static_cast<T>(0.5) * x[i];
        if ((i + round) % 3 == 0) q[i] = 0;
        if ((i + 2 * round) % 5 < 2) r[i] = 0;
        const auto direction = static_cast<double>(q[i]);
        const auto raw = static_cast<double>(r[i]);
        dual ? truth[i].rda(direction, 0.3, raw) : truth[i].cmd(direction, 0.3, raw);
      }
      optimizer->step_with_matrix_of(r, x, q, 0.3);
      for (std::uint32_t i = 0; i < kSize; ++i) {
        const double scale = std::max(1.0, std::fabs(truth[i].x));
        largest = std::max(largest, std::abs(static_cast<double>(x[i]) - truth[i].x) / scale);
      }
    }
    EXPECT_LE(largest, sizeof(T) == 4 ? 1e-5 : 1e-12) << text;
  }
}
TYPED_TEST(QadagradSteps, TheMatrixMayComeFromAnotherVector) {
  expect_matrix_of_another_vector<TypeParam>(false);
  expect_matrix_of_another_vector<TypeParam>(true);
}
TYPED_TEST(QadagradSteps, OnlyAdagradHasAMatrix) {
  using T = TypeParam;
  const Layout layout = layout_of(3);
  std::vector<T> x(3);
  for (const auto& method : optimizers<T>().methods()) {
    const auto optimizer = make<T>(std::string(method.card->name), layout);
    const std::vector<T> q(3, T{1});
    const Spec spec = {.name = std::string(method.card->name)};
    if (builds_matrix(spec)) {
      EXPECT_NO_THROW(optimizer->step_with_matrix_of(q, x, q, 0.1));
    } else {
      EXPECT_THROW(optimizer->step_with_matrix_of(q, x, q, 0.1), std::logic_error);
    }
  }
}

// The least value of a convex function between two points.
template <class F>
double least(F f, double low, double high) {
  for (int k = 0; k < 300; ++k) {
    const double a = low + (high - low) / 3;
    const double b = high - (high - low) / 3;
    (f(a) < f(b) ? high : low) = f(a) < f(b) ? b : a;
  }
  return f((low + high) / 2);
}

TEST(QadagradCheck02, StepsMinimiseWhatTheyAreDefinedBy) {
  rng::Reader random = reader_of(2);
  const Layout layout = layout_of(1);
  for (int round = 0; round < 2000; ++round) {
    const double eta = std::exp(random.normal());
    const AdagradOptions options = {.delta = std::exp(random.normal()),
                                    .l1 = random.below(4) == 0 ? 0 : std::exp(random.normal())};
    const double start = random.below(3) == 0 ? 0 : random.normal();
    std::vector<double> x = {start};
    const double q = random.normal();
    MirrorDescent<double> cmd(options, layout);
    cmd.step(x, std::vector<double>{q}, eta);
    const double h = options.delta + std::fabs(q);
    const auto objective = [&](double y) {
      return eta * q * y + eta * options.l1 * std::fabs(y) + 0.5 * h * (y - start) * (y - start);
    };
    const double best = least(objective, -100, 100);
    EXPECT_LE(objective(x[0]) - best, 1e-9 * std::max(1.0, std::fabs(best)));

    DualAveraging<double> rda(options, false, layout);
    std::vector<double> y = {start};
    double u = 0;
    double s2 = 0;
    const double t = 1 + static_cast<double>(random.below(5));
    for (double k = 0; k < t; ++k) {
      const double direction = random.normal();
      u += direction;
      s2 += direction * direction;
      rda.step(y, std::vector<double>{direction}, eta);
    }
    const auto dual = [&](double z) {
      return eta * u / t * z + eta * options.l1 * std::fabs(z) +
             (options.delta + std::sqrt(s2)) * (z - start) * (z - start) / (2 * t);
    };
    const double least_dual = least(dual, -100, 100);
    EXPECT_LE(dual(y[0]) - least_dual, 1e-9 * std::max(1.0, std::fabs(least_dual)));
  }
}

template <Real T>
bool is_plus_zero(T x) {
  return x == 0 && !std::signbit(x);
}

TYPED_TEST(QadagradSteps, QadagradCheck04ZerosAreExactlyWhereThePageSays) {
  using T = TypeParam;
  constexpr std::uint32_t kSize = 1000;
  const Layout layout = layout_of(kSize);
  rng::Reader random = reader_of(4);
  std::size_t zeros = 0;
  std::size_t cases = 0;
  std::size_t equalities = 0;
  for (int run = 0; run < 250; ++run) {
    const double lambda = std::ldexp(1.0, -static_cast<int>(random.below(6)));  // equality happens
    const double eta = random.below(2) == 0 ? 0.5 : 0.1;
    const AdagradOptions options = {.delta = 0.25, .l1 = lambda};
    MirrorDescent<T> cmd(options, layout);
    DualAveraging<T> rda(options, false, layout);
    std::vector<T> x(kSize, T{0});
    std::vector<T> y(kSize, T{0});
    std::vector<double> u(kSize, 0.0);
    for (int t = 1; t <= 2; ++t) {
      std::vector<T> q(kSize);
      for (T& value : q) {
        value = random.below(4) == 0
                    ? static_cast<T>(lambda * (static_cast<double>(random.below(5)) - 2))
                    : static_cast<T>(random.normal() * lambda);
      }
      const std::vector<T> before = x;
      cmd.step(x, q, eta);
      rda.step(y, q, eta);
      for (std::uint32_t i = 0; i < kSize; ++i) {
        const auto direction = static_cast<double>(q[i]);
        u[i] += direction;
        const bool zero = std::fabs(u[i]) <= t * lambda;
        EXPECT_EQ(is_plus_zero(y[i]), zero) << u[i] << " " << lambda;
        EXPECT_EQ(y[i] == 0, zero);
        equalities += std::fabs(u[i]) == t * lambda ? 1U : 0U;
        ++cases;
        if (before[i] != 0 && direction != 0) continue;  // the next test
        if (before[i] != 0) continue;
        EXPECT_EQ(is_plus_zero(x[i]), std::fabs(direction) <= lambda) << direction;
        EXPECT_EQ(x[i] == 0, std::fabs(direction) <= lambda);
        equalities += std::fabs(direction) == lambda ? 1U : 0U;
        zeros += x[i] == 0 ? 1U : 0U;
        ++cases;
      }
    }
  }
  EXPECT_GT(cases, 600000U);
  EXPECT_GT(zeros, 100000U);
  EXPECT_GT(equalities, 10000U);
}

TEST(QadagradCheck04, ACoordinateAwayFromZeroArrivesThereWhenThePageSays) {
  constexpr std::uint32_t kSize = 1000;
  const Layout layout = layout_of(kSize);
  rng::Reader random = reader_of(44);
  std::size_t zeros = 0;
  for (int run = 0; run < 400; ++run) {
    const double lambda = std::ldexp(1.0, -static_cast<int>(random.below(4)));
    MirrorDescent<double> cmd({.delta = 0.25, .l1 = lambda}, layout);
    std::vector<double> x(kSize);
    std::vector<double> q(kSize);
    // Multiples of 1/16: no rounding, and equality happens.
    for (double& value : x) value = (static_cast<double>(random.below(65)) - 32) / 16;
    for (double& value : q) value = (static_cast<double>(random.below(65)) - 32) / 16;
    const std::vector<double> before = x;
    cmd.step(x, q, 0.5);
    for (std::uint32_t i = 0; i < kSize; ++i) {
      if (before[i] == 0 || q[i] == 0) continue;
      const double h = 0.25 + std::fabs(q[i]);
      const bool zero = std::fabs(h * before[i] - 0.5 * q[i]) <= 0.5 * lambda;
      EXPECT_EQ(is_plus_zero(x[i]), zero);
      EXPECT_EQ(x[i] == 0, zero);
      zeros += zero ? 1U : 0U;
    }
  }
  EXPECT_GT(zeros, 10000U);
}

// Eager: every coordinate in every round, as line 9a stands there.
TYPED_TEST(QadagradSteps, QadagradCheck05LazyIsEager) {
  using T = TypeParam;
  constexpr std::uint32_t kSize = 200;
  constexpr std::uint32_t kRounds = 1000;
  const Layout layout = layout_of(kSize);
  rng::Reader random = reader_of(5);
  const AdagradOptions options = {.delta = 0.001, .l1 = 0.02};
  MirrorDescent<T> dense(options, layout);
  MirrorDescent<T> lazy(options, layout);
  std::vector<T> x = normals<T>(kSize, 5, 0);
  std::vector<T> y = x;
  std::vector<Scalar> eager;
  for (const T value : x) {
    const auto x0 = static_cast<double>(value);
    eager.push_back({.x0 = x0, .delta = 0.001, .lambda = 0.02, .x = x0});
  }
  std::size_t zeros = 0;
  for (std::uint32_t round = 0; round < kRounds; ++round) {
    const double eta = 0.1 / std::sqrt(1.0 + round);
    std::vector<T> q(kSize, T{0});
    std::vector<std::uint32_t> indices;
    std::vector<T> values;
    for (std::uint32_t i = 0; i < kSize; ++i) {
      if (random.below(20) == 0) q[i] = static_cast<T>(random.normal());
      if (q[i] != 0) indices.push_back(i);
      if (q[i] != 0) values.push_back(q[i]);
      eager[i].cmd(static_cast<double>(q[i]), eta);
    }
    dense.step(x, q, eta);
    static_cast<void>(lazy.step_sparse(y, {kSize, indices, values}, eta));
    ASSERT_EQ(std::memcmp(y.data(), x.data(), kSize * sizeof(T)), 0) << round;
    if (round % 100 != 99) continue;
    for (std::uint32_t i = 0; i < kSize; ++i) {
      ASSERT_LE(std::abs(static_cast<double>(x[i]) - eager[i].x), 1e-6);
      ASSERT_EQ(x[i] == 0, eager[i].x == 0) << round << " " << i << " " << x[i];
      zeros += x[i] == 0 ? 1U : 0U;
    }
  }
  EXPECT_GT(zeros, 100U);
}

TEST(QadagradCheck19, SquaresOverRootsOfTheirSumsAreBounded) {
  rng::Reader random = reader_of(19);
  const Layout layout = layout_of(1);
  for (int stream = 0; stream < 1000; ++stream) {
    MirrorDescent<double> method({.delta = 0}, layout);
    std::vector<double> x = {1};
    double sum = 0;
    const auto rounds = 1 + random.below(200);
    const double spread = random.below(3) == 0 ? 5 : 0.5;
    for (std::uint64_t t = 0; t < rounds; ++t) {
      const double q =
          random.below(4) == 0 ? 0 : random.normal() * std::exp(spread * random.normal());
      method.step(x, std::vector<double>{q}, 0.1);
      if (method.squares()[0] > 0) sum += q * q / std::sqrt(method.squares()[0]);
    }
    EXPECT_LE(sum, 2 * std::sqrt(method.squares()[0]) * (1 + 1e-12));
  }
}

TYPED_TEST(QadagradSteps, WithoutADirectionAndDeltaNothingMoves) {
  using T = TypeParam;
  const Layout layout = layout_of(3);
  for (const char* text : {"adagrad-cmd:delta=0,l1=1", "adagrad-rda:delta=0,l1=1"}) {
    const auto optimizer = make<T>(text, layout);
    std::vector<T> x = {1, -2, 0};
    for (int round = 0; round < 5; ++round) optimizer->step(x, std::vector<T>(3, T{0}), 0.5);
    EXPECT_EQ(x, (std::vector<T>{1, -2, 0})) << text;
  }
}

TYPED_TEST(QadagradSteps, TheL1TermLeavesBiasesAloneUnlessAsked) {
  using T = TypeParam;
  const Layout layout({{.name = "w", .shape = {2, 2}},
                       {.name = "b", .shape = {2, 1}, .role = Role::kBias},
                       {.name = "v", .shape = {1, 1}}});
  for (const char* method : {"adagrad-cmd", "adagrad-rda"}) {
    for (const bool biases : {false, true}) {
      const auto optimizer =
          make<T>(std::string(method) + ":l1=100,biases=" + (biases ? "true" : "false"), layout);
      std::vector<T> x(7, T{1});
      for (int round = 0; round < 10; ++round) optimizer->step(x, std::vector<T>(7, T{-1}), 0.5);
      for (const std::size_t i : {0U, 3U, 6U}) EXPECT_TRUE(is_plus_zero(x[i])) << method << i;
      for (const std::size_t i : {4U, 5U}) EXPECT_EQ(x[i] > 1, !biases) << method << i;
    }
  }
}

TYPED_TEST(QadagradSteps, WhatSomebodyElseChangedIsTakenOver) {
  using T = TypeParam;
  const Layout layout = layout_of(2);
  MirrorDescent<T> method({.delta = 1}, layout);
  std::vector<T> x = {1, 1};
  method.step(x, std::vector<T>{1, 1}, 0.5);
  x[0] = 5;  // a projection
  method.step(x, std::vector<T>{0, 0}, 0.5);
  EXPECT_EQ(x[0], 5);
  EXPECT_EQ(x[1], static_cast<T>(0.75));
}

TEST(AdagradRda, AroundZeroForgetsTheStart) {
  const Layout layout = layout_of(1);
  const auto zero = make<double>("adagrad-rda:centre=zero,delta=1", layout);
  const auto start = make<double>("adagrad-rda:delta=1", layout);
  std::vector<double> x = {3};
  std::vector<double> y = {3};
  zero->step(x, std::vector<double>{1}, 0.5);
  start->step(y, std::vector<double>{1}, 0.5);
  EXPECT_EQ(x[0], -0.25);
  EXPECT_EQ(y[0], 2.75);
}

TEST(AdagradRda, NamesTheBoundThatDeltaMisses) {
  const Layout layout = layout_of(2);
  const auto optimizer = make<double>("adagrad-rda:delta=0.5", layout);
  std::vector<double> x = {0, 0};
  optimizer->step(x, std::vector<double>{0.5, -0.25}, 0.1);
  EXPECT_EQ(optimizer->remark(), "");
  optimizer->step(x, std::vector<double>{0.25, -0.75}, 0.1);
  EXPECT_EQ(optimizer->remark(),
            "adagrad-rda: delta=0.5 is below the largest |q| so far, 0.75; the regret bound needs "
            "delta >= 0.75");
}

TYPED_TEST(QadagradSteps, TruncatingEveryRoundWithoutALimitIsProx) {
  using T = TypeParam;
  const Layout layout = layout_of(100);
  const auto truncated = make<T>("truncated:every=1,l1=0.3", layout);
  const auto prox = make<T>("prox:l1=0.3", layout);
  std::vector<T> x = normals<T>(100, 7, 0);
  std::vector<T> y = x;
  for (std::uint32_t round = 1; round < 30; ++round) {
    truncated->step(x, normals<T>(100, 7, round), 0.1);
    prox->step(y, normals<T>(100, 7, round), 0.1);
  }
  EXPECT_EQ(x, y);
}

TEST(Truncated, ShrinksSmallCoordinatesByWhatHasAddedUp) {
  const Layout layout = layout_of(4);
  const auto optimizer = make<double>("truncated:every=3,l1=0.5,theta=2", layout);
  std::vector<double> x = {1, -1, 3, 0.25};
  const std::vector<double> none(4, 0.0);
  optimizer->step(x, none, 0.25);
  optimizer->step(x, none, 0.25);
  EXPECT_EQ(x, (std::vector<double>{1, -1, 3, 0.25}));
  optimizer->step(x, none, 0.5);  // 0.5 (0.25 + 0.25 + 0.5)
  EXPECT_EQ(x, (std::vector<double>{0.5, -0.5, 3, 0}));
}

TEST(OptimizerCards, RefuseNegativeWeights) {
  Catalog catalog;
  add_optimizer_cards(catalog);
  for (const char* text : {"adagrad-cmd:l1=-1", "adagrad-rda:delta=-0.1", "truncated:l1=-1"}) {
    const auto problems = catalog.problems(parse_spec(text).value_or_throw(), "optimizer");
    ASSERT_EQ(problems.size(), 1U) << text;
    EXPECT_EQ(problems[0].find('\n'), std::string::npos);
  }
}

}  // namespace
}  // namespace laconic
