// SPDX-License-Identifier: Apache-2.0
// What is wrong between parameters, which a card cannot see: each refusal and its neighbour that is
// fine.
#include "tests/unit/optim/support.hpp"

namespace laconic {
namespace {

using Problems = std::vector<std::string>;

Problems optimizer(const std::string& text) {
  return optimizer_problems(optim_test::canonical(text, "optimizer"));
}
Problems schedule(const std::string& text) {
  return schedule_problems(optim_test::canonical(text, "schedule"));
}

TEST(OptimizerProblems, DefaultsHaveNone) {
  for (const auto& method : optimizers<float>().methods()) {
    EXPECT_EQ(optimizer(std::string(method.card->name)), Problems{});
  }
}

TEST(OptimizerProblems, TheSecondDecayNeedsBoth) {
  for (const auto& method : optimizers<float>().methods()) {
    const std::string name(method.card->name);
    EXPECT_EQ(
        optimizer(name + ":wd_lh=0.1"),
        Problems{name +
                 ": wd_lh=0.1 has no effect with decay=decoupled; use decay=both, or lambda"});
    EXPECT_EQ(
        optimizer(name + ":decay=coupled,wd_lh=0.1"),
        Problems{name + ": wd_lh=0.1 has no effect with decay=coupled; use decay=both, or lambda"});
    EXPECT_EQ(optimizer(name + ":decay=both,wd_lh=0.1"), Problems{});
  }
}

TEST(OptimizerProblems, NesterovNeedsUndampenedMomentum) {
  EXPECT_EQ(optimizer("momentum:nesterov=true"), Problems{});
  EXPECT_EQ(
      optimizer("momentum:dampening=0.1,nesterov=true"),
      Problems{"momentum: nesterov=true is defined for dampening=0 only; leave dampening out"});
  EXPECT_EQ(optimizer("momentum:beta=0,nesterov=true"),
            Problems{"momentum: nesterov=true needs beta > 0; with beta=0 use sgd"});
}

TEST(OptimizerProblems, WarmUpNeedsMomentumOfFiniteLength) {
  EXPECT_EQ(optimizer("signum:beta=0.999999,warmup=true"), Problems{});
  EXPECT_EQ(
      optimizer("signum:warmup=true"),
      Problems{
          "signum: warmup=true needs beta > 0; with beta=0 every step is along sgn(u) already"});
  EXPECT_EQ(
      optimizer("signum:beta=0.9999999,warmup=true"),
      Problems{"signum: warmup=true needs beta <= 0.999999; above that it outlasts every run"});
}

TEST(OptimizerProblems, AllAreReportedAtOnce) {
  EXPECT_EQ(optimizer("momentum:beta=0,dampening=0.5,nesterov=true,wd_lh=1").size(), 3U);
}

TEST(ScheduleProblems, DefaultsHaveNone) {
  for (const auto& method : schedules().methods())
    EXPECT_EQ(schedule(std::string(method.card->name)), Problems{});
}

TEST(ScheduleProblems, StepDecayNeedsRisingFractions) {
  const std::string hint = "; it is a rising list of fractions of the run, e.g. at=0.5/0.75";
  EXPECT_EQ(schedule("step-decay:at=0.5/half"),
            Problems{"step-decay: at=0.5/half: 'half' is not a finite number" + hint});
  EXPECT_EQ(schedule("step-decay:at=0.5/"),
            Problems{"step-decay: at=0.5/: '' is not a finite number" + hint});
  EXPECT_EQ(schedule("step-decay:at=100"),
            Problems{"step-decay: at=100: 100 is not in (0, 1)" + hint});
  EXPECT_EQ(schedule("step-decay:at=0.5/0.5"),
            Problems{"step-decay: at=0.5/0.5: 0.5 does not lie behind 0.5" + hint});
}

TEST(ScheduleProblems, WarmupNeedsWholeRoundsOrAFraction) {
  EXPECT_EQ(schedule("warmup:length=2.5"),
            Problems{"warmup: length=2.5 is neither a whole number of rounds nor below 1; use 2 or "
                     "a fraction of the run"});
  EXPECT_EQ(schedule("warmup:length=3"), Problems{});
}

TEST(ScheduleProblems, WarmupReportsTheScheduleBehindIt) {
  EXPECT_EQ(schedule("warmup:length=1.5:step-decay:at=2").size(), 2U);
}

}  // namespace
}  // namespace laconic
