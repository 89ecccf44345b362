// SPDX-License-Identifier: Apache-2.0
// Steps and rounds against the golden table of 3pc.md 7. A and B are written here from the formulas
// of 2.1, the constants are those of the golden quadratic.
#include "laconic/experiment/step_theory.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <memory>
#include <string>

#include "laconic/base/error.hpp"
#include "laconic/experiment/catalog.hpp"
#include "laconic/experiment/method_theory.hpp"

namespace laconic::experiment {
namespace {

StepTheory of(double a, double b) { return {.a = a, .b = b, .plus = b / a, .plus_minus = 0}; }
StepTheory ef21(double alpha) {
  const double u = std::sqrt(1 - alpha);
  return of(1 - u, u * u / (1 - u));
}
StepTheory clag(double alpha, double zeta) {
  const double u = std::sqrt(1 - alpha);
  return of(1 - u, std::max(u * u / (1 - u), zeta));
}

struct Golden {
  const char* name;
  StepTheory theory;
  double gamma;  // of the table, s = 1
};

const double kAlpha = 0.1;             // Top-10 of 100
const double kBoth = 1 - 0.95 * 0.95;  // Top-5 after Top-5
const Golden kTable[] = {
    {"gd", of(1, 0), 0.99057342},
    {"ef21", ef21(kAlpha), 0.03675081},
    {"lag1", of(1, 1), 0.41206820},
    {"lag16", of(1, 16), 0.14973238},
    {"clag1", clag(kAlpha, 1), 0.03675081},
    {"clag16", clag(kAlpha, 16), 0.03675081},
    {"clag64", clag(kAlpha, 64), 0.01958463},
    {"v1", of(1, 1 - kAlpha), 0.42479921},
    {"v2", of(0.08, 0.92 * 49), 0.02885769},  // Top-8, Rand-2 of 100
    {"v4", ef21(kBoth), 0.03579408},
    {"v5", of(1 - std::sqrt(0.9), 0.9 * 0.9 / (1 - std::sqrt(0.9))), 0.03866117},
    // Rand-10 with p = 0.1: omega = 9 and the variance of the mean of 10 workers.
    {"marina_rand",
     {.a = 0.1, .b = 0.9 * 9, .plus = 0.9 * 9 / (10 * 0.1), .plus_minus = 0},
     0.19828966},
    {"marina_perm", {.a = 0.1, .b = 0.9 * 9, .plus = 0, .plus_minus = 9}, 0.25039082},
};

class GoldenGamma : public testing::TestWithParam<Golden> {
 protected:
  GoldenGamma()
      : problem_(problems<double>().make(
            all_cards().canonical(parse_spec("quadratic:golden=true").value_or_throw(), "problem"),
            {.dataset = nullptr, .shards = {}, .workers = 10, .seed = 1})) {}
  std::unique_ptr<Problem<double>> problem_;
};

TEST_P(GoldenGamma, IsTheOneOfTheTable) {
  EXPECT_NEAR(theory_step(GetParam().theory, problem_->constants()), GetParam().gamma, 5e-9);
}

INSTANTIATE_TEST_SUITE_P(Table, GoldenGamma, testing::ValuesIn(kTable),
                         [](const auto& test) { return std::string(test.param.name); });

Constants constants() {
  Constants out;
  out.l_minus = 2;
  out.l_plus = 3;
  out.l_plus_minus = 0.5;
  out.mu = 0.25;
  return out;
}

TEST(StepTheory, TakesTheSmallerOfBothPlSteps) {
  // 1/(2 + sqrt(2 * 4 * 9)) against A / (2 mu).
  EXPECT_DOUBLE_EQ(pl_step(of(0.5, 2), constants()), 1 / (2 + std::sqrt(72.0)));
  EXPECT_DOUBLE_EQ(pl_step({.a = 0.01, .b = 0, .plus = 0, .plus_minus = 0}, constants()),
                   0.01 / 0.5);
}

TEST(StepTheory, NamesTheConstantThatIsMissing) {
  const StepTheory both = {.a = 0.5, .b = 1, .plus = 2, .plus_minus = 3};
  EXPECT_EQ(missing_for_theory(both, constants()), "");
  Constants less = constants();
  less.l_plus_minus.reset();
  EXPECT_EQ(missing_for_theory(both, less), "L_+- (the Hessian variance)");
  EXPECT_EQ(missing_for_theory(of(0.5, 1), less), "");
  less.l_plus.reset();
  EXPECT_EQ(missing_for_theory(both, less), "L_+ (the smoothness of the workers' functions)");
  EXPECT_EQ(missing_for_theory(of(1, 0), less), "");
  less.mu.reset();
  EXPECT_EQ(missing_for_pl(of(1, 0), less), "mu (the PL constant)");
  less.l_minus.reset();
  EXPECT_EQ(missing_for_theory(of(1, 0), less), "L_- (the smoothness of f)");
}

// 3pc.md 1.4: T = (2 Delta^0 M_1 + G^0 / A) / eps^2, and the logarithm under PL.
TEST(StepTheory, PredictsRounds) {
  EXPECT_EQ(rounds_by_theory(of(0.5, 1), 0.1, {.gap = 3, .error = 1}, 0.01), 6200);
  EXPECT_EQ(rounds_by_pl(of(0.5, 1), {.gamma = 0.1, .mu = 1}, {.gap = 1, .error = 0}, 1), 0);
  // 1.2 * 0.9^T <= 0.1.
  EXPECT_EQ(rounds_by_pl(of(0.5, 1), {.gamma = 0.1, .mu = 1}, {.gap = 1, .error = 1}, 0.1), 24);
}

MethodPlan method_of(const std::string& lines) {
  const ParsedConfig parsed = parse_config(
      "name = 't'\nworkers = 10\nrounds = 1\nprecision = 'double'\n"
      "problem = 'quadratic:golden=true'\n[[method]]\nname = 'm'\n" +
          lines,
      "test");
  EXPECT_TRUE(parsed.diagnostics.empty());
  return make_plan(parsed.config).methods[0];
}

using BaseStep = GoldenGamma;

TEST_F(BaseStep, MultipliesTheTheory) {
  const double gamma = 1 / *problem_->constants().l_minus;
  for (const auto& [step, expected] :
       std::initializer_list<std::pair<const char*, double>>{{"'theory'", gamma},
                                                             {"'theory*16'", 16 * gamma},
                                                             {"'pl'", gamma},
                                                             {"'pl*2'", 2 * gamma},
                                                             {"0.125", 0.125},
                                                             {"'0.125'", 0.125}}) {
    EXPECT_EQ(
        base_step(method_of(std::string("aggregator = 'dense'\nstep = ") + step), *problem_, 1),
        expected)
        << step;
  }
}

TEST_F(BaseStep, RefusesPlWithoutATheory) {
  const MethodPlan vote = method_of("aggregator = 'vote:zero=abstain'\nstep = 'pl'");
  try {
    static_cast<void>(base_step(vote, *problem_, 1));
    FAIL() << "accepted";
  } catch (const ConfigError& e) {
    EXPECT_STREQ(e.what(),
                 "method 'm': step = 'pl' needs the constants A and B of a three-point inequality, "
                 "which 'vote' does not have; give a number, e.g. step = 0.1");
  }
}

// Gradient descent on the golden quadratic: 420 rounds to 1e-8, theory promises no fewer.
TEST_F(BaseStep, PromisesNoFewerRoundsThanAreNeeded) {
  const MethodPlan theory =
      method_of("aggregator = 'dense'\nstep = 'theory'\nuntil = 'grad_norm2 <= 1e-8'");
  const double gap = 30.46290706 + 0.4063993585;
  EXPECT_NEAR(predicted_rounds(theory, *problem_, 1).value(), 2 * gap * 1.00951628 / 1e-8, 1e4);
  const MethodPlan pl =
      method_of("aggregator = 'dense'\nstep = 'pl'\nuntil = 'grad_norm2 <= 1e-8'");
  const double rounds = predicted_rounds(pl, *problem_, 1).value();
  EXPECT_GE(rounds, 420);
  EXPECT_NEAR(rounds, std::log(gap * 2 * 1.00951628 / 1e-8) / -std::log1p(-0.01 / 1.00951628), 1);
  EXPECT_FALSE(predicted_rounds(method_of("aggregator = 'dense'\nstep = 'theory*2'\n"
                                          "until = 'grad_norm2 <= 1e-8'"),
                                *problem_, 1));
}

}  // namespace
}  // namespace laconic::experiment
