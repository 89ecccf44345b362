// SPDX-License-Identifier: Apache-2.0
#include "laconic/experiment/plan.hpp"

#include <gtest/gtest.h>

#include <string>
#include <utility>

namespace laconic::experiment {
namespace {

constexpr const char* kHead = R"(name = "t"
workers = 4
rounds = 5
step = 0.1
problem = "logistic"
data = "synthetic-sparse"
)";

Diagnostics problems_of(const std::string& text) {
  ParsedConfig parsed = parse_config(text, "f.toml");
  Diagnostics out = parsed.diagnostics;
  for (Diagnostic& d : validate(parsed.config)) out.push_back(std::move(d));
  return out;
}

struct Finding {
  const char* name;
  std::string text;
  Severity severity;
  const char* place;
  const char* message;  // a part of it
};

class Found : public testing::TestWithParam<Finding> {};

// Exactly the one problem, at the right place.
TEST_P(Found, NamesPlaceAndRemedy) {
  const Diagnostics found = problems_of(GetParam().text);
  ASSERT_EQ(found.size(), 1U) << (found.size() > 1 ? text_of(found[1]) : "nothing found");
  EXPECT_EQ(found[0].severity, GetParam().severity);
  EXPECT_EQ(found[0].place, GetParam().place);
  EXPECT_NE(found[0].message.find(GetParam().message), std::string::npos) << found[0].message;
}

std::string head_without(const std::string& key) {
  std::string text = kHead;
  const std::size_t begin = text.find(key + " =");
  return text.erase(begin, text.find('\n', begin) + 1 - begin);
}
const std::string kDense = "[[method]]\naggregator = 'dense'\n";
const std::string kHeadText = kHead;
// A problem without examples.
const std::string kQuadratic =
    "name = 't'\nworkers = 2\nrounds = 5\nstep = 0.1\nproblem = 'noisy-quadratic:d=10'\n";

constexpr Severity kError = Severity::kError;
constexpr Severity kWarning = Severity::kWarning;

INSTANTIATE_TEST_SUITE_P(
    Configurations, Found,
    testing::Values(
        Finding{"no_name", head_without("name") + kDense, kError, "f.toml: name", "is missing"},
        Finding{"no_workers", head_without("workers") + kDense, kError, "f.toml: workers",
                "is missing"},
        Finding{"no_problem", head_without("problem") + kDense, kError, "f.toml: problem",
                "use quadratic"},
        Finding{"no_data", head_without("data") + kDense, kError, "f.toml: data", "needs data"},
        Finding{"no_rounds", head_without("rounds") + kDense, kError, "f.toml:6: method[1].rounds",
                "is missing (or epochs)"},
        Finding{"no_step", head_without("step") + kDense, kError, "f.toml:6: method[1].step",
                "step is missing"},
        Finding{"no_method", kHead, kError, "f.toml: method", "there is no [[method]]"},
        Finding{"no_aggregator", kHeadText + "[[method]]\n", kError,
                "f.toml:7: method[1].aggregator", "aggregator is missing; use dense"},
        Finding{"bad_problem", head_without("problem") + "problem = 'cubic'\n" + kDense, kError,
                "f.toml:6: problem", "'cubic' is not a known problem"},
        Finding{"bad_data", head_without("data") + "data = 'a10a'\n" + kDense, kError,
                "f.toml:6: data", "'a10a' is not a known data"},
        Finding{"bad_shard", kHeadText + "shard = 'dirichlet:alpha=0'\n" + kDense, kError,
                "f.toml:7: shard", "alpha=0 is not in (0"},
        Finding{"bad_spec", kHeadText + "[[method]]\naggregator = 'vote:'\n", kError,
                "f.toml:8: method[1].aggregator", "position"},
        Finding{"bad_aggregator", kHeadText + "[[method]]\naggregator = 'vote:beta=1'\n", kError,
                "f.toml:8: method[1].aggregator", "beta=1 is not in [0, 1)"},
        Finding{"bad_optimizer", kHeadText + kDense + "optimizer = 'sgdd'\n", kError,
                "f.toml:9: method[1].optimizer", "not a known optimizer"},
        Finding{"bad_shared", kHeadText + "optimizer = 'sgdd'\n" + kDense, kError,
                "f.toml:7: optimizer", "not a known optimizer"},
        Finding{"bad_schedule", kHeadText + kDense + "schedule = 'x'\n", kError,
                "f.toml:9: method[1].schedule", "not a known schedule"},
        Finding{"bad_order", kHeadText + "batch = 5\n" + kDense + "order = 'x'\n", kError,
                "f.toml:10: method[1].order", "not a known order"},
        Finding{"bad_adversary", kHeadText + kDense + "adversary = 'x'\n", kError,
                "f.toml:9: method[1].adversary", "not a known adversary"},
        Finding{"many_liars", kHeadText + kDense + "adversary = 'invert:count=5'\n", kError,
                "f.toml:9: method[1].adversary", "count=5 is more than the 4 workers"},
        Finding{"many_shards", kHeadText + "[[method]]\naggregator = 'dense:shards=5'\n", kError,
                "f.toml:8: method[1].aggregator", "more than the 4 workers"},
        Finding{"same_name", kHeadText + kDense + "name = 'x'\n" + kDense + "name = 'x'\n", kError,
                "f.toml:12: method[2].name", "also the name of method 1"},
        Finding{"same_spec", kHeadText + kDense + kDense, kError, "f.toml:9: method[2].name",
                "give every method a name"},
        Finding{"batch_without_units", kQuadratic + "batch = 3\n" + kDense, kError,
                "f.toml:6: batch", "use 'full' or 'noisy'"},
        Finding{"noise_without_noise", kHeadText + "batch = 'noisy'\n" + kDense, kError,
                "f.toml:7: batch", "has no noise of its own"},
        Finding{"epochs_without_units", kQuadratic + kDense + "epochs = 3\n", kError,
                "f.toml:8: method[1].epochs", "there are no epochs; use rounds"},
        Finding{"data_without_units", kQuadratic + "data = 'synthetic-sparse'\n" + kDense, kError,
                "f.toml:6: data", "makes its own data"},
        Finding{"shard_without_units", kQuadratic + "shard = 'shuffled'\n" + kDense, kWarning,
                "f.toml:6: shard", "is ignored"},
        Finding{"order_without_batches", kHeadText + kDense + "order = 'once'\n", kWarning,
                "f.toml:9: method[1].order", "order is ignored"},
        Finding{"shared_order_without_batches", kHeadText + "order = 'once'\n" + kDense, kWarning,
                "f.toml:7: order", "order is ignored"},
        Finding{"observing_order_without_batches", kHeadText + kDense + "order = 'cd-grab'\n",
                kError, "f.toml:9: method[1].order",
                "order 'cd-grab' needs the gradients of single examples, which batch = 'full' does "
                "not visit; use a number of examples such as batch = 16, or order = 'reshuffle'"},
        Finding{"observing_shared_order_without_batches",
                kHeadText + "order = 'grab'\n" + kDense + "batch = 'full'\n", kError,
                "f.toml:7: order", "order 'grab' needs the gradients of single examples"},
        Finding{"messages_of_larger_batches",
                kHeadText + "batch = 5\n" + kDense + "order = 'grab'\norder_from = 'messages'\n",
                kError, "f.toml:11: method[1].order_from",
                "order_from = 'messages' needs batches of one unit, because a worker sends one "
                "message per batch; use unit = 5 (batch = 5, unit = 1)"},
        Finding{"messages_that_are_summed",
                kHeadText + "[[method]]\naggregator = 'lowrank'\nbatch = 1\norder = 'grab'\n"
                            "order_from = 'messages'\n",
                kError, "f.toml:11: method[1].order_from",
                "sums the messages of workers on their way, so that none of them is known on its "
                "own; use order_from = 'gradients'"},
        Finding{"messages_over_a_link",
                kHeadText + kDense +
                    "batch = 1\norder = 'grab'\norder_from = 'messages'\n"
                    "link = 'erasure:p=0.1'\n",
                kError, "f.toml:11: method[1].order_from",
                "over link 'erasure:p=0.1' a worker does not know what of its message arrives"},
        Finding{"messages_that_nobody_looks_at",
                kHeadText + kDense + "batch = 1\norder = 'once'\norder_from = 'messages'\n",
                kWarning, "f.toml:11: method[1].order_from",
                "order 'once' looks at nothing; order_from is ignored"},
        Finding{"bad_order_from", kHeadText + kDense + "order_from = 'x'\n", kError,
                "f.toml:9: method[1].order_from",
                "order_from = 'x' is unknown; use 'gradients' or 'messages'"},
        Finding{"observing_order_of_noise",
                kQuadratic + kDense + "batch = 'noisy'\norder = 'pair-grab'\n", kError,
                "f.toml:9: method[1].order",
                "order 'pair-grab' needs the gradients of single examples, which problem "
                "'noisy-quadratic' does not give; use order = 'reshuffle'"},
        Finding{"observing_order_without_examples", kQuadratic + kDense + "order = 'cd-grab'\n",
                kError, "f.toml:8: method[1].order",
                "order 'cd-grab' needs the gradients of single examples, which problem "
                "'noisy-quadratic' does not give; use order = 'reshuffle'"},
        Finding{"observing_shared_order_without_examples",
                kQuadratic + "order = 'herding'\n" + kDense + "batch = 'full'\n", kError,
                "f.toml:6: order", "which problem 'noisy-quadratic' does not give"},
        Finding{"unit_without_batches", kHeadText + kDense + "unit = 2\n", kWarning,
                "f.toml:9: method[1].unit", "unit is ignored"},
        Finding{"unit_that_does_not_divide", kHeadText + "batch = 10\n" + kDense + "unit = 4\n",
                kError, "f.toml:10: method[1].unit",
                "unit = 4 does not divide batch = 10; a batch is made of whole units, use batch = "
                "12"},
        Finding{"records_without_epochs", kQuadratic + "record_every = 'epoch'\n" + kDense, kError,
                "f.toml:6: record_every", "there are no epochs; use a number of rounds"},
        Finding{"estimator_bad", kHeadText + kDense + "estimator = 'page:p=0'\n", kError,
                "f.toml:9: method[1].estimator", "p=0 is not in (0, 1]"},
        Finding{"estimator_batch", kHeadText + "batch = 8\n" + kDense + "estimator = 'page'\n",
                kError, "f.toml:7: batch",
                "batch = '8' has no meaning with estimator 'page', which draws its own; use 'full' "
                "and page:batch=N"},
        Finding{"estimator_without_units", kQuadratic + kDense + "estimator = 'page'\n", kError,
                "f.toml:8: method[1].estimator", "has no examples to estimate from"},
        Finding{"estimator_epochs",
                head_without("rounds") + kDense + "estimator = 'page'\nepochs = 2\n", kError,
                "f.toml:9: method[1].epochs", "use rounds"},
        Finding{"sweep_unknown",
                kHeadText + "[sweep]\nb = [0.5]\ncriterion = 'loss'\n[[method]]\naggregator = "
                            "'vote:zero=abstain,beta={b}'\nstep = '{m}'\n",
                kError, "f.toml:12: method[1].step", "{m} is not a key of [sweep]; use b"},
        Finding{"sweep_unused", kHeadText + "[sweep]\nb = [0.5]\ncriterion = 'loss'\n" + kDense,
                kError, "f.toml:8: sweep.b",
                "no text of a method holds {b}; write it where the values belong, or remove the "
                "key"},
        Finding{"sweep_bad_cell",
                kHeadText + "[sweep]\nb = [0.5, 1, 0.2]\nm = [1, 2]\ncriterion = 'loss'\n"
                            "[[method]]\naggregator = 'vote:zero=abstain,beta={b}'\nstep = '{m}'\n",
                kError, "f.toml:12: method[1].aggregator", "beta=1 is not in [0, 1); it is"},
        Finding{"sweep_bad_step",
                kHeadText + "[sweep]\nm = [1, 0]\ncriterion = 'loss'\n[[method]]\naggregator = "
                            "'dense'\nstep = 'theory*{m}'\n",
                kError, "f.toml:12: method[1].step", "step = 'theory*0' is not a positive number"},
        Finding{"sweep_many",
                kHeadText + "[sweep]\nb = '1..400'\nm = '1..400'\ncriterion = 'loss'\n"
                            "[[method]]\naggregator = 'dense'\nbatch = '{b}'\nstep = '{m}'\n",
                kError, "f.toml:7: sweep", "the sweep has more than 100000 cells"},
        Finding{"sweep_without_target",
                kHeadText + "[sweep]\nm = [1, 2]\n[[method]]\naggregator = 'dense'\nstep = "
                            "'theory*{m}'\n",
                kError, "f.toml:7: sweep.criterion",
                "uplink_bits counts up to a target, but method 1 has no until"},
        Finding{"vote_with_adam",
                kHeadText + "[[method]]\naggregator = 'vote:zero=abstain'\noptimizer = 'adam'\n",
                kWarning, "f.toml:9: method[1].optimizer", "vector of signs"},
        Finding{"vote_with_drift", kHeadText + "[[method]]\naggregator = 'vote'\n", kWarning,
                "f.toml:8: method[1].aggregator", "zero=abstain"},
        Finding{"steps_that_are_not_plain",
                kHeadText + "[[method]]\naggregator = 'mirror:lag-wk'\noptimizer = 'momentum'\n",
                kWarning, "f.toml:9: method[1].optimizer", "does not make; use sgd"},
        Finding{"steps_with_decay",
                kHeadText + "[[method]]\naggregator = 'mirror:laq'\noptimizer = "
                            "'sgd:decay=decoupled,lambda=0.1'\n",
                kWarning, "f.toml:9: method[1].optimizer", "does not make; use sgd"},
        Finding{"vote_with_theory",
                kHeadText + "[[method]]\naggregator = 'vote:zero=abstain'\nstep = 'theory'\n",
                kWarning, "f.toml:9: method[1].step", "1/L"}),
    [](const auto& test) { return std::string(test.param.name); });

// A remedy that is taken is not refused by the next finding.
TEST(Validate, NamesARemedyForAnObservingOrderThatWorks) {
  const std::string order = "[[method]]\naggregator = 'dense'\norder = ";
  const std::pair<const char*, const char*> kCases[] = {
      {"noisy-quadratic:d=10", ""},
      {"noisy-quadratic:d=10", "batch = 'noisy'\n"},
      {"quadratic", "batch = 'full'\n"}};
  for (const auto& [problem, batch] : kCases) {
    std::string head = kQuadratic;
    head.replace(head.find("noisy-quadratic:d=10"), 20, problem);
    EXPECT_EQ(problems_of(head + order + "'grab'\n" + batch).size(), 1U) << problem << batch;
    for (const Diagnostic& d : problems_of(head + order + "'reshuffle'\n" + batch)) {
      EXPECT_EQ(d.severity, kWarning) << text_of(d);
    }
  }
}

TEST(Validate, AcceptsACompleteConfiguration) {
  EXPECT_TRUE(problems_of(kHeadText + kDense).empty());
}

TEST(Validate, ReportsAllProblemsAtOnce) {
  const Diagnostics found =
      problems_of("problem = 'x'\n[[method]]\naggregator = 'y'\noptimizer = 'z'\n");
  EXPECT_EQ(found.size(), 7U);  // name, workers, step and rounds are missing, too
}

TEST(Validate, DoesNotRepeatWhatParsingRefused) {
  EXPECT_EQ(problems_of(head_without("step") + "step = 'fast'\n" + kDense).size(), 1U);
  EXPECT_EQ(problems_of(head_without("problem") + "problem = 3\n" + kDense).size(), 1U);
  EXPECT_EQ(problems_of(kHeadText + "[[method]]\naggregator = 3\n").size(), 1U);
}

TEST(Validate, ReportsASharedSpecOnce) {
  EXPECT_EQ(problems_of(kHeadText + "optimizer = 'x'\n" + kDense + "name = 'a'\n" + kDense).size(),
            1U);
}

TEST(MakePlan, LetsMethodsOverrideSharedSettings) {
  const Plan plan =
      make_plan(parse_config(kHeadText + "batch = 8\nschedule = 'cosine'\n" + kDense + kDense +
                                 "workers = 2\nepochs = 3\nstep = 1\n"
                                 "batch = 'full'\nname = 'b'\n",
                             "f.toml")
                    .config);
  EXPECT_EQ(plan.methods[0].workers, 4U);
  EXPECT_EQ(plan.methods[0].rounds, 5U);
  EXPECT_EQ(plan.methods[0].batch.size, 8U);
  EXPECT_EQ(plan.methods[1].workers, 2U);
  EXPECT_EQ(plan.methods[1].rounds, std::nullopt);
  EXPECT_EQ(plan.methods[1].epochs, 3U);
  EXPECT_EQ(plan.methods[1].schedule.name, "cosine");
  EXPECT_EQ(fewest_workers(plan), 2U);
}

TEST(MakePlan, NamesTheUnitsOfAMethodWithBatches) {
  const Plan plan = make_plan(parse_config(kHeadText + "unit = 4\n" + kDense + "batch = 8\n" +
                                               kDense + "batch = 8\nunit = 1\n" + kDense,
                                           "f.toml")
                                  .config);
  EXPECT_EQ(plan.methods[0].unit, 4U);
  EXPECT_NE(spec_text(plan.methods[0]).find(" | workers=4 | unit=4 | rounds=5"), std::string::npos)
      << spec_text(plan.methods[0]);
  EXPECT_EQ(plan.methods[1].unit, 1U);
  EXPECT_EQ(spec_text(plan.methods[1]).find("unit"), std::string::npos);
  EXPECT_EQ(spec_text(plan.methods[2]).find("unit"), std::string::npos);
}

TEST(MakePlan, NamesAMethodByItsSpec) {
  const Plan plan = make_plan(parse_config(kHeadText + kDense, "f.toml").config);
  EXPECT_EQ(plan.methods[0].name, spec_text(plan.methods[0]));
  EXPECT_NE(plan.methods[0].name.find("dense:"), std::string::npos);
  EXPECT_NE(plan.methods[0].name.find("step=0.1 | batch=full | workers=4 | rounds=5"),
            std::string::npos);
}

TEST(MakePlan, GivesEqualSpecsToEqualMethods) {
  const Plan plan = make_plan(
      parse_config(kHeadText + "[[method]]\naggregator='vote:zero=random,beta=0.50'\nname='a'\n" +
                       "[[method]]\naggregator='vote:beta=0.5,zero=random'\nname='b'\n",
                   "f.toml")
          .config);
  EXPECT_EQ(spec_text(plan.methods[0]), spec_text(plan.methods[1]));
}

}  // namespace
}  // namespace laconic::experiment
