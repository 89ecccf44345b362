// SPDX-License-Identifier: Apache-2.0
#include "laconic/experiment/sweep.hpp"

#include <gtest/gtest.h>

#include "laconic/experiment/plan.hpp"

namespace laconic::experiment {
namespace {

using Texts = std::vector<std::string>;

TEST(SweepRange, ListsPowersAndWholeNumbers) {
  EXPECT_EQ(*expand_range("2^0..2^4"), (Texts{"1", "2", "4", "8", "16"}));
  EXPECT_EQ(*expand_range("2^-2..2^1"), (Texts{"0.25", "0.5", "1", "2"}));
  EXPECT_EQ(*expand_range("10^2..10^3"), (Texts{"100", "1000"}));
  EXPECT_EQ(*expand_range("-1..2"), (Texts{"-1", "0", "1", "2"}));
  EXPECT_EQ(*expand_range("7..7"), (Texts{"7"}));
  EXPECT_EQ(*expand_range("once"), (Texts{"once"}));
  EXPECT_EQ(expand_range("2^0..2^11")->back(), "2048");
}

TEST(SweepRange, RefusesWhatIsNoRange) {
  for (const auto& [text, part] : std::initializer_list<std::pair<const char*, const char*>>{
           {"1..", "is none"},
           {"a..b", "is none"},
           {"2^1..3^2", "has two bases"},
           {"2^1..4", "has two bases"},
           {"5..1", "ends before it begins"},
           {"1..200000", "has more than 100000 values"},
           {"0^1..0^2", "has a base that is not a positive number"},
           {"^1..^2", "has a base that is not a positive number"},
           {"2^1000..2^1100", "leaves the range of a double"}}) {
    const auto range = expand_range(text);
    ASSERT_FALSE(range) << text;
    EXPECT_EQ(range.error(), std::string("range '") + text + "' " + part +
                                 "; write FROM..TO with whole numbers, or 2^FROM..2^TO");
  }
}

TEST(SweepText, PutsValuesInPlace) {
  const Assignment values = {{"k", "10"}, {"zeta", "0.5"}};
  EXPECT_EQ(substitute("clag:zeta={zeta}:topk:k={k},x={k}", values),
            "clag:zeta=0.5:topk:k=10,x=10");
  EXPECT_EQ(substitute("{other}{}{K}{k", values), "{other}{}{K}{k");
  EXPECT_EQ(placeholders("a{k}b{zeta}{k}{}{K}{"), (std::vector<std::string_view>{"k", "zeta"}));
  EXPECT_EQ(text_of(values), "k=10 zeta=0.5");
}

constexpr const char* kSweep = R"(name = "t"
workers = 4
rounds = 5
problem = "quadratic"
step = "theory*{m}"
until = "loss <= {u}"
[sweep]
m = [1, 2, 4]
u = ["-1"]
b = [0.5, 0.9]
select = ["m"]
[[method]]
name = "plain"
aggregator = "dense"
[[method]]
name = "heavy"
aggregator = "dense"
optimizer = "momentum:beta={b}"
[[method]]
name = "fixed"
aggregator = "dense"
step = 0.1
)";

// Shared texts count for the methods that use them; the last key changes fastest.
TEST(SweepPlan, CountsCellsByTheKeysOfEveryMethod) {
  const ParsedConfig parsed = parse_config(kSweep, "test");
  ASSERT_TRUE(parsed.diagnostics.empty()) << text_of(parsed.diagnostics[0]);
  for (const Diagnostic& d : validate(parsed.config)) ADD_FAILURE() << text_of(d);
  const Plan plan = make_plan(parsed.config);
  ASSERT_TRUE(plan.sweep.has_value());
  EXPECT_EQ(plan.sweep->cells_of(0), 3U);
  EXPECT_EQ(plan.sweep->cells_of(1), 6U);
  EXPECT_EQ(plan.sweep->cells_of(2), 1U);
  EXPECT_EQ(plan.sweep->cells(), 10U);
  EXPECT_EQ(plan.methods.size(), 3U);
  const Cell cell = plan.sweep->cell(3 + 3);
  EXPECT_EQ(cell.method, 1U);
  EXPECT_EQ(text_of(cell.values), "m=2 u=-1 b=0.9");
  EXPECT_EQ(text_of(plan.sweep->group_of(cell)), "u=-1 b=0.9");
  const MethodPlan method = plan_cell(*plan.sweep, cell);
  EXPECT_EQ(method.name, "heavy m=2 u=-1 b=0.9");
  EXPECT_EQ(method.step, (StepSize{.kind = StepSize::Kind::kTheory, .factor = 2}));
  EXPECT_EQ(method.until, (Until{Until::Quantity::kLoss, -1}));
  EXPECT_NE(print(method.optimizer).find("beta=0.9"), std::string::npos);
  EXPECT_EQ(plan_cell(*plan.sweep, plan.sweep->cell(9)).step.factor, 0.1);
}

}  // namespace
}  // namespace laconic::experiment
