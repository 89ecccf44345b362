// SPDX-License-Identifier: Apache-2.0
// A and B as functions of alpha, zeta and p: check T17 of 3pc.md section 6 and the reference values
// of 2.2; and what is refused.
#include <gtest/gtest.h>

#include <cmath>

#include "tests/support/mechanisms.hpp"

namespace laconic {
namespace {

using test::make_mechanism;

StepTheory theory(const std::string& spec, std::uint32_t dim, std::uint32_t workers = 1) {
  return *make_mechanism<double>(spec, workers)->theory({dim, 1});
}

TEST(ThreePcCheck17, ReferenceValuesOfTheYoungConstants) {
  const StepTheory tenth = theory("ef21:topk:k=10", 100);
  EXPECT_NEAR(tenth.a, 0.05131670, 1e-8);
  EXPECT_NEAR(tenth.b, 17.53814968, 1e-8);
  EXPECT_NEAR(std::sqrt(tenth.plus), 18.486833, 1e-6);
  const StepTheory third = theory("ef21:topk:k=1", 3);
  EXPECT_NEAR(third.a, 0.18350342, 1e-8);
  EXPECT_NEAR(third.b, 3.63299316, 1e-8);
  const StepTheory hundredth = theory("ef21:topk:k=1", 100);
  EXPECT_NEAR(hundredth.a, 0.00501256, 1e-8);
  EXPECT_NEAR(hundredth.b, 197.50375627, 1e-8);
}

TEST(ThreePcCheck17, TheBestYoungParameterMinimisesTheRatio) {
  for (const double alpha : {0.01, 0.1, 1.0 / 3, 0.7}) {
    const auto ratio = [alpha](double s) {
      return (1 - alpha) * (1 + 1 / s) / (1 - (1 - alpha) * (1 + s));
    };
    const double largest = alpha / (1 - alpha);
    double best = 1e-6;
    for (double s = 1e-6; s < largest; s += largest * 1e-5) {
      if (ratio(s) < ratio(best)) best = s;
    }
    EXPECT_NEAR(best, 1 / std::sqrt(1 - alpha) - 1, 1e-4) << alpha;
  }
}

TEST(ThreePcCheck17, RatioIsWithinItsBoundAndVanishesAtAlphaOne) {
  double last = 1e300;
  for (std::uint32_t k = 1; k <= 100; ++k) {
    const StepTheory at = theory("ef21:topk:k=" + std::to_string(k), 100);
    EXPECT_LE(std::sqrt(at.plus), 2 / (k / 100.0) - 1 + 1e-9);
    EXPECT_LT(at.plus, last);
    last = at.plus;
  }
  EXPECT_EQ(last, 0.0);
  EXPECT_EQ(theory("ef21:topk:k=100", 100).a, 1.0);
}

TEST(ThreePcCheck17, BGrowsWithTheTrigger) {
  double last = 0;
  for (const char* zeta : {"0", "1", "17", "18", "64", "1024"}) {
    const StepTheory at = theory(std::string("clag:zeta=") + zeta + ":topk:k=10", 100);
    EXPECT_GE(at.b, last);
    EXPECT_NEAR(at.a, 0.05131670, 1e-8);
    last = at.b;
  }
  EXPECT_EQ(last, 1024.0);
}

TEST(ThreePcCheck17, TheImprovedConstantOfClag) {
  const StepTheory paper = theory("clag:zeta=64:topk:k=10", 100);
  const StepTheory improved = theory("clag:zeta=64,improved=true:topk:k=10", 100);
  EXPECT_NEAR(paper.plus, 1247.16, 0.005);
  EXPECT_NEAR(improved.plus, 734.25, 0.005);
  EXPECT_EQ(improved.b, 64.0);
  // No gain below u^2 / (1 - u).
  EXPECT_EQ(theory("clag:zeta=16,improved=true:topk:k=10", 100).plus,
            theory("clag:zeta=16:topk:k=10", 100).plus);
}

TEST(MechanismTheory, FollowsTheTable) {
  const double alpha = 0.1;
  const double omega = 9;
  EXPECT_EQ(theory("gd", 100).plus, 0.0);
  EXPECT_EQ(theory("lag:zeta=16", 100).plus, 16.0);
  EXPECT_NEAR(theory("3pcv1:topk:k=10", 100).plus, 1 - alpha, 1e-12);
  EXPECT_NEAR(theory("3pcv2:q=(randk:k=10):topk:k=10", 100).plus, (1 - alpha) * omega / alpha,
              1e-9);
  const StepTheory v3 = theory("3pcv3:first=(lag:zeta=4):topk:k=10", 100);
  EXPECT_NEAR(v3.a, 1, 1e-12);
  EXPECT_NEAR(v3.b, 0.9 * 4, 1e-12);
  const double u = 0.9;  // of two alphas of 0.1
  EXPECT_NEAR(std::sqrt(theory("3pcv4:first=(topk:k=10):topk:k=10", 100).plus), u / (1 - u), 1e-9);
  const double p = 0.1;
  const double root = std::sqrt(1 - p);
  EXPECT_NEAR(std::sqrt(theory("3pcv5:topk:k=10", 100).plus), std::sqrt((1 - p) * 0.9) / (1 - root),
              1e-9);
  EXPECT_NEAR(theory("marina:randk:k=10", 100, 10).plus, (1 - p) * omega / (10 * p), 1e-9);
  const StepTheory perm = theory("marina:permk", 100, 10);
  EXPECT_NEAR(perm.plus, 0, 1e-12);
  EXPECT_NEAR(perm.plus_minus, (1 - p) / p, 1e-9);
  EXPECT_NEAR(theory("ef21-pp:p=0.5:topk:k=10", 100).a, 1 - std::sqrt(1 - 0.05), 1e-12);
  EXPECT_NEAR(theory("adacgd:zeta=64,cheap=(topk:k=1):ef21:topk:k=10", 100).b, 64, 1e-12);
}

std::vector<std::string> problems(const std::string& spec, std::uint32_t workers = 4) {
  return mechanism_problems(test::canonical_mechanism(spec), workers);
}

TEST(MechanismProblems, NameThePromiseTheNeedAndASpecThatWorks) {
  EXPECT_EQ(
      problems("ef21:randk:k=0.01"),
      std::vector<std::string>{"ef21 needs a contractive compressor; randk:k=0.01 is unbiased "
                               "(omega=99); try ef21:shrink:randk:k=0.01"});
  EXPECT_EQ(problems("marina:topk:k=0.1"),
            std::vector<std::string>{"marina needs an unbiased compressor; topk:k=0.1 is "
                                     "contractive, but biased; try marina:p=0:randk:k=0.1"});
  EXPECT_EQ(problems("3pcv2:q=(topk:k=0.1):randk:k=0.1").size(), 2U);
  EXPECT_EQ(problems("3pcv3:first=(dcgd:topk:k=0.1):topk:k=0.1"),
            std::vector<std::string>{
                "3pcv3 needs an inner mechanism whose messages are increments; those of dcgd are "
                "not; try 3pcv3:first=(ef21:topk:k=0.01):topk:k=0.1"});
  EXPECT_TRUE(problems("ef21:shrink:randk:k=0.01").empty());
}

// Every pair of mechanism and compressor runs, or is refused with a spec that is accepted.
TEST(MechanismProblems, EveryPairRunsOrIsRefusedWithARemedyThatWorks) {
  for (const auto& mechanism : mechanisms<double>().methods()) {
    const std::string name(mechanism.card->name);
    if (mechanism.card->inner_kind != "compressor") continue;
    for (const auto& compressor : compressors<double>().methods()) {
      std::string inner(compressor.card->name);
      if (!compressor.card->inner_kind.empty() && compressor.card->default_inner.empty()) {
        inner += ":randk:k=0.5";
      }
      SCOPED_TRACE(name + ":" + inner);
      Spec pair;
      try {
        pair = test::canonical_mechanism(name + ":" + inner);
      } catch (const ConfigError&) {
        continue;  // the compressor has parameters without defaults
      }
      const auto refused = mechanism_problems(pair, 4);
      if (refused.empty()) {
        const auto made = mechanisms<double>().make(
            pair, {.workers = 4, .l_worker = std::vector<double>(4, 1.0)});
        EXPECT_TRUE(made->needs({8, 1}).belief || made->needs({8, 1}).carry == 0);
        continue;
      }
      ASSERT_EQ(refused.size(), 1U) << refused.front();
      const std::size_t at = refused.front().rfind("; try ");
      ASSERT_NE(at, std::string::npos) << refused.front();
      EXPECT_TRUE(problems(refused.front().substr(at + 6)).empty()) << refused.front();
    }
  }
}

}  // namespace
}  // namespace laconic
