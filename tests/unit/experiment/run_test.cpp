// SPDX-License-Identifier: Apache-2.0
#include "laconic/experiment/run.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <cmath>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "laconic/base/error.hpp"
#include "laconic/comm/transports.hpp"
#include "laconic/experiment/catalog.hpp"
#include "laconic/experiment/records.hpp"

namespace laconic::experiment {
namespace {

Plan plan_of(const std::string& text) {
  const ParsedConfig parsed = parse_config(text, "test");
  for (const Diagnostic& d : parsed.diagnostics) ADD_FAILURE() << text_of(d);
  for (const Diagnostic& d : validate(parsed.config)) {
    if (d.severity == Severity::kError) ADD_FAILURE() << text_of(d);
  }
  return make_plan(parsed.config);
}

constexpr const char* kLogistic = R"(name = "t"
workers = 5
rounds = 13
batch = 7
step = 0.5
record_every = 4
problem = "logistic:l2=1e-3"
data = "synthetic-sparse:rows=200,test_rows=50,features=30,nonzeros=5"
shard = "shuffled"
[network]
bandwidth = "1Mbit/s"
latency = "1ms"
)";
constexpr const char* kAllAggregators = R"(
[[method]]
name = "dense"
aggregator = "dense"
[[method]]
name = "vote"
aggregator = "vote:beta=0.9,zero=random,tie=random"
optimizer = "sgd:decay=decoupled,lambda=0.01"
step = 0.01
[[method]]
name = "ef"
aggregator = "ef:sign"
optimizer = "sgd:decay=coupled,lambda=0.01"
[[method]]
name = "oracle"
aggregator = "vote:zero=abstain,tie=zero"
adversary = "oracle:count=2"
step = 0.01
[[method]]
name = "page"
aggregator = "dense"
batch = "full"
estimator = "page:p=0.2,batch=6"
[[method]]
name = "model"
aggregator = "quantized:matrix=raw:thr-clip"
optimizer = "adagrad-rda:l1=1e-3"
[[method]]
name = "sum"
aggregator = "quantized:down=sum:vaninf"
optimizer = "adagrad-cmd:l1=1e-3"
[[method]]
name = "krum"
aggregator = "krum:f=1"
adversary = "scale:count=1"
batch = "full"
)";

// Keeps everything; may ask for a stop.
class Keeper final : public Observer {
 public:
  explicit Keeper(const Plan& plan) : plan_(plan) {}
  void advanced(const Progress& progress) override {
    if (stop_at_ && progress.round == *stop_at_) stop.store(true);
  }
  void recorded(const Record& record) override {
    records.push_back(record);
    Record timeless = record;
    timeless.seconds = {};
    text += record_json(plan_, timeless) + '\n';
  }
  void diverged(const Divergence& divergence) override {
    divergences.push_back(divergence);
    text += divergence_json(plan_, divergence) + '\n';
  }
  void stop_at(std::uint32_t round) { stop_at_ = round; }

  std::vector<Record> records = {};
  std::vector<Divergence> divergences = {};
  std::string text = {};
  std::atomic<bool> stop{false};

 private:
  const Plan& plan_;
  std::optional<std::uint32_t> stop_at_ = {};
};

Summary run_with(const Experiment& experiment, std::uint32_t ranks, Keeper& keeper) {
  Summary summary;
  run_on_threads(
      ranks,
      [&](Communicator& comm) {
        Summary mine = run(experiment, comm, keeper);
        if (comm.rank() == 0) summary = std::move(mine);
      },
      &keeper.stop);
  return summary;
}

class RankIndependence : public testing::TestWithParam<const char*> {};

TEST_P(RankIndependence, OfEveryRecord) {
  const Experiment experiment(
      plan_of(std::string("precision = '") + GetParam() + "'\n" + kLogistic + kAllAggregators));
  std::string first;
  for (const std::uint32_t ranks : {1U, 2U, 4U, 5U}) {
    Keeper keeper(experiment.plan());
    static_cast<void>(run_with(experiment, ranks, keeper));
    EXPECT_EQ(keeper.records.size(), 8U * 5U);
    if (first.empty()) first = keeper.text;
    EXPECT_EQ(keeper.text, first) << ranks << " ranks";
  }
}

INSTANTIATE_TEST_SUITE_P(Precisions, RankIndependence, testing::Values("float", "double"),
                         [](const auto& test) { return std::string(test.param); });

TEST(Run, RecordsTheFirstAndTheLastRound) {
  const Experiment experiment(
      plan_of(std::string(kLogistic) + "[[method]]\naggregator = 'dense'\n"));
  Keeper keeper(experiment.plan());
  const Summary summary = run_with(experiment, 1, keeper);
  std::vector<std::uint32_t> rounds;
  for (const Record& record : keeper.records) rounds.push_back(record.round);
  EXPECT_EQ(rounds, (std::vector<std::uint32_t>{0, 4, 8, 12, 13}));
  EXPECT_EQ(summary.methods[0].rounds, 13U);
  EXPECT_EQ(summary.methods[0].status, Status::kDone);
  EXPECT_EQ(summary.methods[0].final.loss, keeper.records.back().metrics.loss);
  EXPECT_FALSE(has_failed(summary));
}

TEST(Run, CountsTrafficAndEpochs) {
  const Experiment experiment(
      plan_of(std::string(kLogistic) + "[[method]]\naggregator = 'dense'\n"));
  Keeper keeper(experiment.plan());
  const Summary summary = run_with(experiment, 2, keeper);
  const MethodSummary& method = summary.methods[0];
  EXPECT_EQ(method.uplink.payload_bits, 13 * 30 * 32);
  EXPECT_EQ(method.downlink.payload_bits, 13 * 30 * 32);
  EXPECT_EQ(method.uplink_compression, 1.0);
  EXPECT_EQ(method.uplink.wire_bits, 13 * 30 * 32);  // the numbers and nothing else
  EXPECT_GT(method.uplink.frame_bytes, 13 * 30 * 4);
  EXPECT_GT(method.predicted_network_seconds.value(), 0.0);
  // 40 examples per worker in batches of 7: six per epoch, so 13 rounds are 2 epochs and 7 of 40.
  EXPECT_DOUBLE_EQ(method.epochs, 2 + 7.0 / 40);
  EXPECT_EQ(keeper.records.back().gradient_evaluations, 2 * 40 + 7);
}

TEST(Run, AddsTheL1TermToTheLossAndCountsZeros) {
  const Experiment experiment(plan_of(std::string(kLogistic) + R"(
[[method]]
name = "plain"
aggregator = "dense"
[[method]]
name = "sparse"
aggregator = "quantized:down=lossless:thr-unb"
optimizer = "adagrad-rda:delta=1e-3,l1=0.02"
[[method]]
name = "server"
aggregator = "quantized:thr-unb"
optimizer = "adagrad-rda:delta=1e-3,l1=0.02"
)"));
  Keeper keeper(experiment.plan());
  const Summary summary = run_with(experiment, 2, keeper);
  const MethodSummary& plain = summary.methods[0];
  const MethodSummary& sparse = summary.methods[1];
  const MethodSummary& server = summary.methods[2];
  EXPECT_FALSE(plain.final.objective);
  EXPECT_EQ(plain.remark, "");
  EXPECT_GT(*sparse.final.objective, *sparse.final.loss);
  EXPECT_LT(*sparse.final.density, *plain.final.density);
  EXPECT_NE(sparse.remark.find("adagrad-rda: delta=0.001 is below"), std::string::npos);
  // The server's optimizer takes the steps that everybody's would, and says the same about them.
  EXPECT_EQ(server.remark, sparse.remark);
  EXPECT_EQ(*server.final.objective, *sparse.final.objective);
  EXPECT_EQ(*server.final.density, *sparse.final.density);
  EXPECT_EQ(server.uplink.frame_bytes, sparse.uplink.frame_bytes);
}

TEST(Run, RecordsTheSignalToNoiseRatioOfWhatIsCompressed) {
  const Experiment experiment(plan_of(std::string(kLogistic) + R"(
[[method]]
name = "dense"
aggregator = "dense"
[[method]]
name = "exact"
aggregator = "quantized:identity"
[[method]]
name = "coarse"
aggregator = "quantized:van2"
[[method]]
name = "fine"
aggregator = "quantized:van2:levels=127"
[[method]]
name = "memory"
aggregator = "ef:thr-hard"
)"));
  Keeper keeper(experiment.plan());
  const Summary summary = run_with(experiment, 2, keeper);
  EXPECT_FALSE(summary.methods[0].final.snr_db);
  EXPECT_EQ(summary.methods[1].final.snr_db, std::numeric_limits<double>::infinity());
  EXPECT_LT(*summary.methods[2].final.snr_db, 3);
  EXPECT_GT(*summary.methods[3].final.snr_db, *summary.methods[2].final.snr_db + 20);
  EXPECT_GT(*summary.methods[4].final.snr_db, 0) << "thr-hard contracts";
  for (const Record& record : keeper.records)
    EXPECT_EQ(record.metrics.snr_db.has_value(), record.method > 0 && record.round > 0);
  EXPECT_NE(keeper.text.find("\"snr_db\":null"), std::string::npos) << "no noise at all";
}

TEST(Run, RefusesARawMatrixWithoutAdagrad) {
  const ParsedConfig parsed = parse_config(
      std::string(kLogistic) + "[[method]]\naggregator = 'quantized:matrix=raw:van2'\n", "test");
  std::vector<std::string> errors;
  for (const Diagnostic& d : validate(parsed.config)) {
    if (d.severity == Severity::kError) errors.push_back(d.message);
  }
  EXPECT_EQ(errors, std::vector<std::string>{
                        "method[1]: matrix=raw is about the matrix of AdaGrad, which optimizer "
                        "'sgd:decay=decoupled,lambda=0,wd_lh=0' does not have; use adagrad-cmd or "
                        "adagrad-rda, or leave out matrix"});
}

TEST(Run, MeasuresAgreementOfVotesOnly) {
  const Experiment experiment(plan_of(std::string(kLogistic) + kAllAggregators));
  Keeper keeper(experiment.plan());
  static_cast<void>(run_with(experiment, 1, keeper));
  for (const Record& record : keeper.records) {
    const std::string& name = experiment.plan().methods[record.method].name;
    const bool votes = name == "vote" || name == "oracle";
    EXPECT_EQ(record.agreement.has_value(), votes && record.round > 0) << name;
    if (record.agreement) {
      EXPECT_GE(*record.agreement, 0.0);
      EXPECT_LE(*record.agreement, 1.0);
    }
  }
}

TEST(Run, DescendsAtTheTheoreticalStep) {
  const Experiment experiment(
      plan_of("name = 't'\nworkers = 3\nrounds = 30\nstep = 'theory'\nprecision = 'double'\n"
              "record_every = 1\nproblem = 'quadratic:d=20'\n[[method]]\naggregator = 'dense'\n"));
  Keeper keeper(experiment.plan());
  static_cast<void>(run_with(experiment, 1, keeper));
  for (std::size_t i = 1; i < keeper.records.size(); ++i) {
    EXPECT_LT(*keeper.records[i].metrics.loss, *keeper.records[i - 1].metrics.loss);
  }
}

TEST(Run, LeavesTheGradientOutOnRequest) {
  const Experiment experiment(plan_of("record_gradient = false\n" + std::string(kLogistic) +
                                      "[[method]]\naggregator = 'dense'\n"));
  Keeper keeper(experiment.plan());
  static_cast<void>(run_with(experiment, 1, keeper));
  EXPECT_FALSE(keeper.records[0].metrics.grad_norm2.has_value());
  EXPECT_TRUE(keeper.records[0].metrics.loss.has_value());
}

TEST(Run, RepeatsWithOtherSeedsAndAverages) {
  const Experiment experiment(
      plan_of("name = 't'\nworkers = 2\nrounds = 10\nstep = 0.1\nrepeats = 3\nbatch = 'noisy'\n"
              "problem = 'noisy-quadratic:d=10'\n[[method]]\naggregator = 'dense'\n"));
  Keeper keeper(experiment.plan());
  const Summary summary = run_with(experiment, 2, keeper);
  std::vector<double> finals;
  for (const Record& record : keeper.records) {
    if (record.round == 10) finals.push_back(*record.metrics.loss);
  }
  ASSERT_EQ(finals.size(), 3U);
  EXPECT_NE(finals[0], finals[1]);
  EXPECT_EQ(summary.methods[0].final.loss, (finals[0] + finals[1] + finals[2]) / 3);
}

// The first gradient overflows float in the round after a huge step.
constexpr const char* kDivergent = R"(name = "t"
workers = 4
rounds = 20
problem = "noisy-quadratic:d=10"
batch = "noisy"
step = 0.1
[[method]]
name = "bad"
aggregator = "dense"
step = 1e30
allow_divergence = ALLOW
[[method]]
name = "good"
aggregator = "dense"
)";

std::string divergent(const std::string& allow) {
  std::string text = kDivergent;
  return text.replace(text.find("ALLOW"), 5, allow);
}

TEST(Run, EndsADivergedMethodAndGoesOnWithTheOthers) {
  const Experiment experiment(plan_of(divergent("false")));
  for (const std::uint32_t ranks : {1U, 3U}) {
    Keeper keeper(experiment.plan());
    const Summary summary = run_with(experiment, ranks, keeper);
    ASSERT_EQ(keeper.divergences.size(), 1U);
    EXPECT_EQ(keeper.divergences[0].method, 0U);
    EXPECT_EQ(keeper.divergences[0].worker, 0U);
    EXPECT_EQ(summary.methods[0].status, Status::kDiverged);
    EXPECT_LT(summary.methods[0].rounds, 20U);
    EXPECT_EQ(summary.methods[1].status, Status::kDone);
    EXPECT_EQ(summary.methods[1].rounds, 20U);
    EXPECT_TRUE(has_failed(summary));
  }
}

TEST(Run, AcceptsDivergenceThatIsAllowed) {
  const Experiment experiment(plan_of(divergent("true")));
  Keeper keeper(experiment.plan());
  EXPECT_FALSE(has_failed(run_with(experiment, 1, keeper)));
}

TEST(Run, FinishesTheRoundWhenItIsInterrupted) {
  const Experiment experiment(plan_of(std::string(kLogistic) + kAllAggregators));
  for (const std::uint32_t ranks : {1U, 3U}) {
    Keeper keeper(experiment.plan());
    keeper.stop_at(6);
    const Summary summary = run_with(experiment, ranks, keeper);
    EXPECT_TRUE(summary.interrupted);
    EXPECT_EQ(summary.methods[0].status, Status::kInterrupted);
    EXPECT_EQ(summary.methods[0].rounds, keeper.records.back().round);
    EXPECT_GE(keeper.records.back().round, 6U);
    EXPECT_LE(keeper.records.back().round, 7U);
    EXPECT_EQ(summary.methods[1].status, Status::kInterrupted);
    EXPECT_EQ(summary.methods[1].rounds, 0U);
    EXPECT_EQ(summary.methods[1].final.loss, std::nullopt);
  }
}

// 3pc.md 7, table, row GD: 420 rounds to |grad f|^2 <= 1e-8.
constexpr const char* kGolden = R"(name = "t"
workers = 10
rounds = 1000
step = "theory"
precision = "double"
record_every = 100
problem = "quadratic:golden=true"
until = "grad_norm2 <= 1e-8"
)";

TEST(RunUntil, ReproducesTheGoldenCountOfGradientDescent) {
  const Experiment experiment(plan_of(std::string(kGolden) + "[[method]]\naggregator = 'dense'\n"));
  std::string first;
  for (const std::uint32_t ranks : {1U, 2U, 5U}) {
    Keeper keeper(experiment.plan());
    const Summary summary = run_with(experiment, ranks, keeper);
    const MethodSummary& method = summary.methods[0];
    EXPECT_EQ(method.status, Status::kDone);
    EXPECT_EQ(method.stopped, Stopped::kUntil);
    EXPECT_EQ(method.reached, true);
    EXPECT_NEAR(method.rounds, 420, 2);
    EXPECT_EQ(method.mean_rounds, method.rounds);
    // The messages about the last state were sent, the step was not made.
    EXPECT_EQ(method.uplink.payload_bits, (method.rounds + 1) * 100.0 * 64);
    const Record& last = keeper.records.back();
    EXPECT_EQ(last.round, method.rounds);
    EXPECT_EQ(last.stopped, Stopped::kUntil);
    EXPECT_LE(*last.metrics.grad_norm2, 1e-8);
    for (std::size_t i = 0; i + 1 < keeper.records.size(); ++i) {
      EXPECT_GT(*keeper.records[i].metrics.grad_norm2, 1e-8);
      EXPECT_EQ(keeper.records[i].stopped, std::nullopt);
    }
    if (first.empty()) first = keeper.text;
    EXPECT_EQ(keeper.text, first) << ranks << " ranks";
  }
}

// One round less is not enough: the run of the target ends at the first state that meets it.
TEST(RunUntil, EndsAtTheFirstStateThatMeetsTheTarget) {
  const std::string dense = "[[method]]\naggregator = 'dense'\n";
  const Experiment target(plan_of(std::string(kGolden) + dense));
  Keeper keeper(target.plan());
  const std::uint32_t rounds = run_with(target, 1, keeper).methods[0].rounds;
  const Experiment less(
      plan_of("name = 't'\nworkers = 10\nstep = 'theory'\nprecision = 'double'\n"
              "record_every = 1\nproblem = 'quadratic:golden=true'\nrounds = " +
              std::to_string(rounds) + "\n" + dense));
  Keeper all(less.plan());
  static_cast<void>(run_with(less, 1, all));
  for (const Record& record : all.records) {
    EXPECT_EQ(*record.metrics.grad_norm2 <= 1e-8, record.round >= rounds) << record.round;
  }
}

TEST(RunUntil, ReachesTinyGradientsInDouble) {
  const Experiment experiment(
      plan_of("name = 't'\nworkers = 3\nrounds = 100000\nstep = 'theory'\nprecision = 'double'\n"
              "problem = 'quadratic:d=20,lambda=0.1'\nuntil = 'grad_norm2 <= 1e-24'\n"
              "[[method]]\naggregator = 'dense'\n"));
  Keeper keeper(experiment.plan());
  const Summary summary = run_with(experiment, 1, keeper);
  EXPECT_EQ(summary.methods[0].stopped, Stopped::kUntil);
  EXPECT_LE(*summary.methods[0].final.grad_norm2, 1e-24);
}

TEST(RunUntil, SaysWhenTheTargetIsNotReached) {
  const Experiment experiment(
      plan_of("name = 't'\nworkers = 2\nrounds = 7\nstep = 0.01\nproblem = 'quadratic:d=20'\n"
              "[[method]]\naggregator = 'dense'\nuntil = 'grad_norm <= 1e-9'\n"));
  Keeper keeper(experiment.plan());
  const MethodSummary method = run_with(experiment, 2, keeper).methods[0];
  EXPECT_EQ(method.status, Status::kDone);
  EXPECT_EQ(method.stopped, Stopped::kRounds);
  EXPECT_EQ(method.reached, false);
  EXPECT_EQ(method.rounds, 7U);
  EXPECT_EQ(keeper.records.back().stopped, Stopped::kRounds);
}

TEST(RunUntil, KnowsLossAndItsGapAndTheNormWithoutSquare) {
  for (const std::string target : {"loss_gap <= 0.5", "loss <= 0.1", "grad_norm <= 1e-2"}) {
    const Experiment experiment(
        plan_of("name = 't'\nworkers = 4\nrounds = 5000\nstep = 'theory'\nprecision = 'double'\n"
                "record_gradient = false\nproblem = 'quadratic:golden=true'\nuntil = '" +
                target + "'\n[[method]]\naggregator = 'dense'\n"));
    std::string first;
    for (const std::uint32_t ranks : {1U, 3U}) {
      Keeper keeper(experiment.plan());
      const MethodSummary method = run_with(experiment, ranks, keeper).methods[0];
      EXPECT_EQ(method.stopped, Stopped::kUntil) << target;
      EXPECT_EQ(method.uplink.payload_bits, (method.rounds + 1) * 100.0 * 64) << target;
      if (first.empty()) first = keeper.text;
      EXPECT_EQ(keeper.text, first) << target;
    }
  }
}

TEST(RunUntil, IsCheckedAtRecordsWithBatches) {
  const Experiment experiment(plan_of("until = 'loss <= 0.68'\n" + std::string(kLogistic) +
                                      "[[method]]\naggregator = 'dense'\nrounds = 1000\n"));
  for (const std::uint32_t ranks : {1U, 3U}) {
    Keeper keeper(experiment.plan());
    const MethodSummary method = run_with(experiment, ranks, keeper).methods[0];
    EXPECT_EQ(method.stopped, Stopped::kUntil);
    EXPECT_EQ(method.rounds % 4, 0U);
    EXPECT_EQ(method.uplink.payload_bits, method.rounds * 30.0 * 32);
    EXPECT_LE(*method.final.loss, 0.68);
    EXPECT_GT(*keeper.records[keeper.records.size() - 2].metrics.loss, 0.68);
  }
}

TEST(RunUntil, ChangesNoRecordBeforeTheEnd) {
  const std::string dense = "[[method]]\nname = 'm'\naggregator = 'dense'\nbatch = 'full'\n";
  const Experiment with(plan_of(kLogistic + dense + "until = 'loss <= 0'\n"));
  const Experiment without(plan_of(kLogistic + dense));
  Keeper a(with.plan());
  Keeper b(without.plan());
  static_cast<void>(run_with(with, 2, a));
  static_cast<void>(run_with(without, 2, b));
  ASSERT_EQ(a.records.size(), b.records.size());
  for (std::size_t i = 0; i < a.records.size(); ++i) {
    EXPECT_EQ(a.records[i].metrics.loss, b.records[i].metrics.loss);
    EXPECT_EQ(a.records[i].uplink.frame_bytes, b.records[i].uplink.frame_bytes);
  }
}

// kLogistic without its regulariser.
std::string flat_logistic() {
  std::string text = kLogistic;
  const std::string spec = ":l2=1e-3";
  return text.erase(text.find(spec), spec.size());
}

TEST(RunUntil, NeedsAMinimumThatTheProblemKnows) {
  try {
    const Experiment experiment(plan_of("until = 'loss_gap <= 1'\n" + flat_logistic() +
                                        "[[method]]\nname = 'm'\naggregator = 'dense'\n"));
    FAIL() << "accepted";
  } catch (const ConfigError& e) {
    EXPECT_NE(
        std::string(e.what()).find("method 'm': until = 'loss_gap <= 1' needs the minimum f*"),
        std::string::npos)
        << e.what();
  }
}

TEST(RunExcess, NeedsAMinimumThatTheProblemKnows) {
  try {
    const Experiment experiment(plan_of("record_excess = true\n" + flat_logistic() +
                                        "[[method]]\nname = 'm'\naggregator = 'dense'\n"));
    FAIL() << "accepted";
  } catch (const ConfigError& e) {
    EXPECT_NE(std::string(e.what()).find("record_excess needs the minimum f*"), std::string::npos)
        << e.what();
  }
}

TEST(RunExcess, IsTheLossAboveTheMinimum) {
  const std::string text = std::string(kLogistic) + "[[method]]\naggregator = 'dense'\n";
  const Experiment plain(plan_of(text));
  const Experiment measured(plan_of("record_excess = true\nrepeats = 2\n" + text));
  Keeper before(plain.plan());
  Keeper keeper(measured.plan());
  static_cast<void>(run_with(plain, 1, before));
  const Summary summary = run_with(measured, 2, keeper);
  const double f_star = *measured.problem<float>(5, 1)->minimum();
  double last = 0;
  for (const Record& record : keeper.records) {
    if (record.repeat > 0) {
      last = *record.metrics.excess;
      continue;
    }
    EXPECT_EQ(*record.metrics.excess, *record.metrics.loss - f_star);
    EXPECT_GT(*record.metrics.excess, 0);
    EXPECT_LT(*record.metrics.excess, 0.7);
  }
  // Nothing else changes, and the shards of a repeat have a minimum of their own.
  ASSERT_EQ(keeper.records.size(), 2 * before.records.size());
  for (std::size_t i = 0; i < before.records.size(); ++i) {
    EXPECT_EQ(before.records[i].metrics.loss, keeper.records[i].metrics.loss);
    EXPECT_FALSE(before.records[i].metrics.excess);
  }
  const double first = *keeper.records[before.records.size() - 1].metrics.excess;
  EXPECT_EQ(summary.methods[0].final.excess, (first + last) / 2);
}

TEST(RunRecords, EveryEpochOfEveryMethod) {
  // 40 examples per worker: 6 batches of 7, or 4 of 10, or one.
  std::string text = kLogistic;
  text.replace(text.find("record_every = 4"), 16, "record_every = 'epoch'");
  const Experiment experiment(plan_of(text + R"(
[[method]]
name = "a"
aggregator = "dense"
[[method]]
name = "b"
aggregator = "dense"
batch = 10
[[method]]
name = "c"
aggregator = "dense"
batch = "full"
rounds = 100
)"));
  Keeper keeper(experiment.plan());
  static_cast<void>(run_with(experiment, 1, keeper));
  std::vector<std::vector<std::uint32_t>> rounds(3);
  std::vector<std::uint32_t> whole;
  for (std::uint32_t t = 0; t <= 100; t += 2) whole.push_back(t);
  for (const Record& record : keeper.records) rounds[record.method].push_back(record.round);
  EXPECT_EQ(rounds[0], (std::vector<std::uint32_t>{0, 6, 12, 13}));
  EXPECT_EQ(rounds[1], (std::vector<std::uint32_t>{0, 4, 8, 12, 13}));
  EXPECT_EQ(rounds[2], whole);
}

TEST(RunBudget, EndsAfterTheRoundThatSpendsIt) {
  // Ten coordinates of 64 bits: 640 bits per round and worker.
  for (const auto& [budget, rounds] : std::initializer_list<std::pair<const char*, std::uint32_t>>{
           {"1920bit", 3}, {"1921bit", 4}, {"1.921kbit wire", 4}, {"1bit", 1}}) {
    const Experiment experiment(plan_of(
        std::string("name = 't'\nworkers = 3\nrounds = 100\nstep = 0.1\nprecision = 'double'\n"
                    "problem = 'quadratic:d=10'\nbudget = '") +
        budget + "'\n[[method]]\naggregator = 'dense'\n"));
    for (const std::uint32_t ranks : {1U, 2U}) {
      Keeper keeper(experiment.plan());
      const MethodSummary method = run_with(experiment, ranks, keeper).methods[0];
      EXPECT_EQ(method.rounds, rounds) << budget;
      EXPECT_EQ(method.stopped, Stopped::kBudget) << budget;
      EXPECT_EQ(method.status, Status::kDone);
      EXPECT_EQ(keeper.records.back().round, rounds);
    }
  }
}

TEST(Experiment, RefusesATheoreticalStepWithoutL) {
  const std::string text =
      "name = 't'\nworkers = 2\nrounds = 5\nstep = 'theory'\nbatch = 5\n"
      "problem = 'mlp:hidden=4'\ndata = 'synthetic-images:rows=50,test_rows=10,side=14'\n"
      "[[method]]\naggregator = 'dense'\n";
  try {
    const Experiment experiment(plan_of(text));
    FAIL() << "accepted";
  } catch (const ConfigError& e) {
    EXPECT_NE(std::string(e.what()).find("give a number"), std::string::npos) << e.what();
  }
}

TEST(Experiment, ReportsEveryMethodThatDoesNotFitTheData) {
  const std::string text =
      "name = 't'\nworkers = 2\nrounds = 5\nstep = 0.1\nproblem = 'logistic'\n"
      "data = 'synthetic-sparse:rows=10,test_rows=4,features=8,nonzeros=2'\n"
      "[[method]]\naggregator = 'dense'\nworkers = 11\n"
      "[[method]]\naggregator = 'dense'\nworkers = 12\n";
  try {
    const Experiment experiment(plan_of(text));
    FAIL() << "accepted";
  } catch (const ConfigError& e) {
    EXPECT_NE(std::string(e.what()).find("11"), std::string::npos) << e.what();
    EXPECT_NE(std::string(e.what()).find("12"), std::string::npos) << e.what();
  }
}

// What only the model's layout can tell: one line, before the first round.
TEST(Experiment, RefusesACompressorThatDoesNotFitTheModel) {
  for (const auto& [spec, part] :
       {std::pair{"mirror:ef21:topk:k=11", "k=11"}, std::pair{"ef:topk:k=11", "k=11"}}) {
    const std::string text = std::string(
                                 "name = 't'\nworkers = 4\nrounds = 5\nstep = 0.1\n"
                                 "problem = 'quadratic:d=10'\n[[method]]\naggregator = '") +
                             spec + "'\n";
    try {
      const Experiment experiment(plan_of(text));
      FAIL() << spec << " was accepted";
    } catch (const ConfigError& e) {
      const std::string what = e.what();
      EXPECT_NE(what.find(part), std::string::npos) << what;
      EXPECT_EQ(what.find('\n'), std::string::npos) << what;
    }
  }
}

TEST(Experiment, CountsEpochsInRoundsOfTheLongestShard) {
  const Experiment experiment(
      plan_of("name = 't'\nworkers = 3\nepochs = 2\nstep = 0.1\nbatch = 4\nproblem = 'logistic'\n"
              "data = 'synthetic-sparse:rows=25,test_rows=5,features=8,nonzeros=2'\n"
              "[[method]]\naggregator = 'dense'\n"));
  const auto problem = experiment.problem<float>(3, 1);
  // 9, 8 and 8 examples: three, two and two batches of 4.
  EXPECT_EQ(rounds_of(experiment.plan().methods[0], *problem), 6U);
  MethodPlan method = experiment.plan().methods[0];
  EXPECT_DOUBLE_EQ(epochs_after(method, *problem, 2), 24.0 / 25);
  EXPECT_DOUBLE_EQ(epochs_after(method, *problem, 3), (9.0 + 12 + 12) / 25);
  // In step the shorter shards wait for the longest.
  method.order = all_cards().canonical(parse_spec("grab").value_or_throw(), "order");
  EXPECT_DOUBLE_EQ(epochs_after(method, *problem, 2), 24.0 / 25);
  EXPECT_DOUBLE_EQ(epochs_after(method, *problem, 3), 1);
  EXPECT_DOUBLE_EQ(epochs_after(method, *problem, 4), 1 + 12.0 / 25);
}

}  // namespace
}  // namespace laconic::experiment
