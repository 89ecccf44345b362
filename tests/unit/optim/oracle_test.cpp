// SPDX-License-Identifier: Apache-2.0
// Every optimizer and every kind of decay against the formulas in extended precision. The oracle
// carries a bound of the rounding errors along with each number (running error analysis), so that
// the tolerance is derived, not chosen.
#include <cmath>
#include <limits>

#include "tests/unit/optim/support.hpp"

namespace laconic {
namespace {

using optim_test::layout_of;
using optim_test::make;
using optim_test::normals;

// A number of the oracle, and how far the number computed in T may be from it.
struct Tracked {
  long double value = 0;
  long double error = 0;
};

template <Real T>
class Arithmetic {
 public:
  static constexpr long double kUnit = std::numeric_limits<T>::epsilon() / 2.0L;
  // c is rounded to T (from a double that was rounded itself), the product is rounded to T.
  static Tracked multiply(long double c, Tracked a) {
    const long double value = c * a.value;
    return {value, std::fabs(c) * a.error * (1 + 4 * kUnit) + 3.1L * kUnit * std::fabs(value)};
  }
  static Tracked add(Tracked a, Tracked b) {
    const long double value = a.value + b.value;
    return {value, (a.error + b.error) * (1 + 2 * kUnit) + 1.01L * kUnit * std::fabs(value)};
  }
};

struct DecayCase {
  std::string text;
  double coupled = 0;
  double decoupled = 0;
};
const std::vector<DecayCase> kDecays = {
    {"lambda=0", 0, 0},
    {"decay=decoupled,lambda=0.5", 0, 0.5},
    {"decay=coupled,lambda=0.25", 0.25, 0},
    {"decay=both,lambda=0.25,wd_lh=0.5", 0.25, 0.5},
};

// One coordinate of an optimizer, in extended precision. step() gets the direction after coupling
// and returns u', the vector that is subtracted (times eta).
template <class Rule, Real T>
void expect_follows(const std::string& method, const Rule& fresh_rule) {
  using A = Arithmetic<T>;
  constexpr std::uint32_t kRounds = 50;
  for (const DecayCase& decay : kDecays) {
    for (const std::uint32_t size : {1U, 7U, 64U, 333U}) {
      const std::string text =
          method + (method.find(':') == std::string::npos ? ":" : ",") + decay.text;
      SCOPED_TRACE(text + " size " + std::to_string(size));
      const Layout layout = layout_of(size);
      const auto optimizer = make<T>(text, layout);
      std::vector<T> x = normals<T>(size, 1, 0);
      std::vector<Tracked> expected(size);
      for (std::size_t i = 0; i < size; ++i) expected[i].value = static_cast<long double>(x[i]);
      std::vector<Rule> rules(size, fresh_rule);
      std::vector<bool> undecided(size, false);
      const double eta = 0.01;
      for (std::uint32_t round = 0; round < kRounds; ++round) {
        std::vector<T> g = normals<T>(size, 2, round);
        std::vector<Tracked> u(size);
        for (std::size_t i = 0; i < size; ++i) {
          u[i].value = static_cast<long double>(g[i]);
          if (decay.coupled != 0) u[i] = A::add(u[i], A::multiply(decay.coupled, expected[i]));
        }
        optimizer->couple_decay(x, g);
        optimizer->step(x, g, eta);
        for (std::size_t i = 0; i < size; ++i) {
          const Tracked along = rules[i].step(u[i]);
          if (std::isinf(along.error)) undecided[i] = true;
          if (decay.decoupled != 0)
            expected[i] =
                A::multiply(1.0L - static_cast<long double>(eta) * decay.decoupled, expected[i]);
          expected[i] = A::add(expected[i], A::multiply(-static_cast<long double>(eta), along));
        }
      }
      std::size_t decided = 0;
      for (std::size_t i = 0; i < size; ++i) {
        if (undecided[i]) continue;
        ++decided;
        ASSERT_LE(std::fabs(static_cast<long double>(x[i]) - expected[i].value), expected[i].error)
            << "coordinate " << i;
        ASSERT_LE(expected[i].error, 1e6L * A::kUnit) << "the bound says nothing";
      }
      EXPECT_GE(10 * decided, 9 * size);
    }
  }
}

template <Real T>
struct SgdRule {
  Tracked step(Tracked u) { return u; }
};

template <Real T>
struct MomentumRule {
  using A = Arithmetic<T>;
  double beta = 0.9;
  double dampening = 0;
  bool nesterov = false;
  Tracked v = {};
  Tracked step(Tracked u) {
    v = A::add(A::multiply(beta, v), A::multiply(1 - dampening, u));
    return nesterov ? A::add(u, A::multiply(beta, v)) : v;
  }
};

// Infinite error: the sign cannot be told from the oracle's precision.
Tracked sign_of(Tracked v) {
  if (std::fabs(v.value) <= v.error) return {0, std::numeric_limits<long double>::infinity()};
  return {v.value > 0 ? 1.0L : -1.0L, 0};
}

template <Real T>
struct SignumRule {
  using A = Arithmetic<T>;
  double beta = 0;
  std::uint64_t warmup = 0;
  Tracked v = {};
  std::uint64_t rounds = 0;
  Tracked step(Tracked u) {
    v = A::add(A::multiply(beta, v), A::multiply(1 - beta, u));
    return sign_of(++rounds <= warmup ? u : v);
  }
};

template <Real T>
struct AdamRule {
  using A = Arithmetic<T>;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double eps = 1e-8;
  Tracked m = {};
  Tracked s = {};
  int rounds = 0;
  // Relative error of 1 - beta^t when beta^t is a product of t rounded factors.
  static long double correction_error(double beta, int t) {
    const long double power = std::pow(static_cast<long double>(beta), t);
    return (t + 2) * 0x1p-53L * (power / (1 - power) + 1);
  }
  Tracked step(Tracked u) {
    ++rounds;
    const long double unit = A::kUnit;
    m = A::add(A::multiply(beta1, m), A::multiply(1 - beta1, u));
    // sqrt(beta2 s^2 + (1 - beta2) u^2) is a norm of (s, u): errors pass through it as through a
    // norm.
    const long double root = std::sqrt(static_cast<long double>(beta2) * s.value * s.value +
                                       (1 - static_cast<long double>(beta2)) * u.value * u.value);
    s = {root,
         std::sqrt(beta2 * s.error * s.error + (1 - beta2) * u.error * u.error) * (1 + 8 * unit) +
             8 * unit * root};
    const long double c1 = 1 - std::pow(static_cast<long double>(beta1), rounds);
    const long double c2 = std::sqrt(1 - std::pow(static_cast<long double>(beta2), rounds));
    const long double numerator = m.value / c1;
    const long double numerator_error =
        m.error / c1 + std::fabs(numerator) * (2 * correction_error(beta1, rounds) + 2 * unit);
    const long double denominator = s.value / c2 + eps;
    const long double denominator_error =
        s.error / c2 + denominator * (2 * correction_error(beta2, rounds) + 4 * unit);
    const long double quotient = numerator / denominator;
    return {quotient, (numerator_error + std::fabs(quotient) * denominator_error) /
                              (denominator - denominator_error) +
                          4 * unit * std::fabs(quotient)};
  }
};

template <class T>
class OptimizerOracle : public testing::Test {};
using Types = testing::Types<float, double>;
TYPED_TEST_SUITE(OptimizerOracle, Types);

TYPED_TEST(OptimizerOracle, SgdFollowsItsFormula) {
  expect_follows<SgdRule<TypeParam>, TypeParam>("sgd", {});
}

TYPED_TEST(OptimizerOracle, MomentumFollowsItsFormula) {
  expect_follows<MomentumRule<TypeParam>, TypeParam>("momentum", {});
  expect_follows<MomentumRule<TypeParam>, TypeParam>("momentum:beta=0.5,dampening=0.5",
                                                     {.beta = 0.5, .dampening = 0.5});
  expect_follows<MomentumRule<TypeParam>, TypeParam>("momentum:beta=0", {.beta = 0});
}

TYPED_TEST(OptimizerOracle, NesterovMomentumFollowsItsFormula) {
  expect_follows<MomentumRule<TypeParam>, TypeParam>("momentum:nesterov=true", {.nesterov = true});
}

TYPED_TEST(OptimizerOracle, SignumFollowsItsFormula) {
  expect_follows<SignumRule<TypeParam>, TypeParam>("signum", {});
  expect_follows<SignumRule<TypeParam>, TypeParam>("signum:beta=0.9", {.beta = 0.9});
}

TYPED_TEST(OptimizerOracle, SignumWithWarmUpStepsAlongTheDirectionFirst) {
  expect_follows<SignumRule<TypeParam>, TypeParam>("signum:beta=0.7,warmup=true",
                                                   {.beta = 0.7, .warmup = 1});
  expect_follows<SignumRule<TypeParam>, TypeParam>("signum:beta=0.9,warmup=true",
                                                   {.beta = 0.9, .warmup = 54});
}

TYPED_TEST(OptimizerOracle, AdamFollowsItsFormula) {
  expect_follows<AdamRule<TypeParam>, TypeParam>("adam", {});
  expect_follows<AdamRule<TypeParam>, TypeParam>("adam:beta1=0.5,beta2=0.9,eps=0.001",
                                                 {.beta1 = 0.5, .beta2 = 0.9, .eps = 0.001});
}

TYPED_TEST(OptimizerOracle, SgdIsOneRoundedProductAndOneRoundedSum) {
  using T = TypeParam;
  const Layout layout = layout_of(257);
  const auto optimizer = make<T>("sgd", layout);
  std::vector<T> x = normals<T>(257, 3, 0);
  std::vector<T> expected = x;
  for (std::uint32_t round = 0; round < 20; ++round) {
    const std::vector<T> u = normals<T>(257, 4, round);
    optimizer->step(x, u, 0.1);
    for (std::size_t i = 0; i < u.size(); ++i) {
      const T product = static_cast<T>(-0.1) * u[i];
      expected[i] = expected[i] + product;
    }
  }
  EXPECT_EQ(x, expected);
}

}  // namespace
}  // namespace laconic
