// SPDX-License-Identifier: Apache-2.0
// Methods over analog channels and bad links in a whole experiment: what is validated, and what the
// records say.
#include <gtest/gtest.h>

#include <map>
#include <mutex>
#include <nlohmann/json.hpp>
#include <string>

#include "laconic/comm/transports.hpp"
#include "laconic/experiment/records.hpp"
#include "laconic/experiment/run.hpp"

namespace laconic::experiment {
namespace {

using Json = nlohmann::json;

class Collector final : public Observer {
 public:
  void advanced(const Progress&) override {}
  void recorded(const Record& record) override { records.push_back(record); }
  void diverged(const Divergence&) override { ++divergences; }
  std::vector<Record> records = {};
  int divergences = 0;
};

const std::string kHead =
    "name = 't'\nworkers = 4\nrounds = 20\nrecord_every = 5\nstep = 0.05\nproblem = 'softmax'\n"
    "data = 'synthetic-images:rows=80,test_rows=20,side=8'\n";

std::string method(const std::string& aggregator, const std::string& rest = {}) {
  return "[[method]]\naggregator = '" + aggregator + "'\n" + rest;
}

struct Outcome {
  Plan plan;
  std::vector<Record> records;
  Summary summary;
};
Outcome run_text(const std::string& text, std::uint32_t ranks) {
  const ParsedConfig parsed = parse_config(text, "test");
  EXPECT_TRUE(parsed.diagnostics.empty());
  for (const Diagnostic& d : validate(parsed.config)) ADD_FAILURE() << text_of(d);
  const Experiment experiment(make_plan(parsed.config));
  Outcome out{.plan = experiment.plan(), .records = {}, .summary = {}};
  std::mutex mutex;
  run_on_threads(ranks, [&](Communicator& comm) {
    Collector collector;
    Summary summary = run(experiment, comm, collector);
    const std::lock_guard lock(mutex);
    if (comm.rank() == 0) {
      out.records = collector.records;
      out.summary = std::move(summary);
    }
  });
  return out;
}

std::vector<std::string> errors_of(const std::string& text) {
  std::vector<std::string> out;
  for (const Diagnostic& d : validate(parse_config(text, "test").config)) {
    if (d.severity == Severity::kError) out.push_back(d.message);
  }
  return out;
}

Json without_seconds(const Plan& plan, const Record& record) {
  Json out = Json::parse(record_json(plan, record));
  out.erase("seconds");
  return out;
}

TEST(ChannelRecords, AreTheSameOnAnyNumberOfRanksAndKeepTheBudget) {
  for (const char* spec :
       {"laser:power=30,rank=2", "air:power=30", "air-sign:power=30", "air-sketch:power=30",
        "air:power=30,memory=ef14:crandk:correlated=true,k=0.2", "ddsgd:power=20000",
        "laser:power=30,rank=2,channel=(rayleigh:dropout=0.2)"}) {
    const auto one = run_text(kHead + method(spec), 1);
    ASSERT_EQ(one.records.size(), 5U) << spec;
    EXPECT_FALSE(one.records[0].channel.has_value());
    for (const std::uint32_t ranks : {2U, 4U}) {
      const auto many = run_text(kHead + method(spec), ranks);
      ASSERT_EQ(many.records.size(), one.records.size());
      for (std::size_t i = 0; i < one.records.size(); ++i) {
        EXPECT_EQ(without_seconds(many.plan, many.records[i]),
                  without_seconds(one.plan, one.records[i]))
            << spec;
      }
    }
    const double power = one.plan.methods[0].aggregator.name == "ddsgd" ? 20000 : 30;
    const ChannelRecord& last = *one.records.back().channel;
    EXPECT_NEAR(last.power, 20 * power, 1e-9 * power);
    EXPECT_LE(last.energy, last.largest_energy * (1 + 1e-12)) << spec;
    EXPECT_LE(last.largest_energy, last.power * (1 + 1e-12)) << spec;
    EXPECT_GT(last.uses, 0.0);
    const Json json = Json::parse(summary_json(one.plan, one.summary));
    const Json& channel = json["methods"][0]["channel"];
    EXPECT_EQ(channel["uses"].get<double>(), last.uses);
    EXPECT_NEAR(channel["utilisation"].get<double>(), last.energy / last.power, 1e-12);
    EXPECT_EQ(channel["lambda"].get<double>(), *last.run_lambda);
  }
}

TEST(ChannelRecords, LambdaIsTheMeanSinceTheLastRecord) {
  const auto run = run_text(kHead + method("air:power=30"), 2);
  double sum = 0;
  for (std::size_t i = 1; i < run.records.size(); ++i) {
    const ChannelRecord& channel = *run.records[i].channel;
    sum += 5 * *channel.lambda;  // five rounds each
    EXPECT_NEAR(*channel.run_lambda, sum / run.records[i].round, 1e-12 * sum);
    EXPECT_NEAR(*channel.lambda / *channel.predicted_lambda, 1.0, 0.2);
  }
}

TEST(ChannelRecords, MethodsOverTheWireHaveNone) {
  const auto run = run_text(kHead + method("lowrank:rank=2"), 1);
  EXPECT_FALSE(run.records.back().channel.has_value());
  EXPECT_FALSE(Json::parse(record_json(run.plan, run.records.back())).contains("channel"));
  EXPECT_TRUE(Json::parse(summary_json(run.plan, run.summary))["methods"][0]["channel"].is_null());
}

// An epoch of 20 examples per worker is 5 rounds: one record per epoch.
std::string ordered(const std::string& aggregator, const std::string& order) {
  return "batch = 4\n" + kHead + method(aggregator, "step = 0.2\norder = '" + order + "'\n");
}

std::vector<double> losses(const Outcome& outcome) {
  std::vector<double> out;
  for (const Record& record : outcome.records) out.push_back(*record.metrics.loss);
  return out;
}

TEST(OrdersUnderChannelNoise, TrainAndAreTheSameOnAnyNumberOfRanks) {
  for (const char* aggregator : {"air:power=300", "laser:power=300,rank=2"}) {
    for (const char* order : {"cd-grab", "cd-grab:exchange=sharded"}) {
      const std::string text = ordered(aggregator, order);
      const auto one = run_text(text, 1);
      ASSERT_EQ(one.records.size(), 5U);
      EXPECT_LT(losses(one).back(), 0.9 * losses(one).front()) << aggregator << ' ' << order;
      EXPECT_GT(one.summary.methods[0].order->uplink_bytes, 0.0);
      for (const std::uint32_t ranks : {2U, 4U}) {
        const auto many = run_text(text, ranks);
        for (std::size_t i = 0; i < one.records.size(); ++i) {
          EXPECT_EQ(without_seconds(many.plan, many.records[i]),
                    without_seconds(one.plan, one.records[i]))
              << aggregator << ' ' << order << ", " << ranks << " ranks";
        }
      }
    }
  }
}

// What orders exchange does not touch the noise: the first epoch is that of shuffling once, bit
// for bit, and later ones are not.
TEST(OrdersUnderChannelNoise, ChangeTheOrderAndNothingElse) {
  for (const char* aggregator : {"air:power=300", "laser:power=300,rank=2", "air-sign:power=300"}) {
    const auto once = losses(run_text(ordered(aggregator, "once"), 2));
    const auto balanced = losses(run_text(ordered(aggregator, "cd-grab"), 2));
    EXPECT_EQ(balanced[1], once[1]) << aggregator;
    EXPECT_NE(balanced[2], once[2]) << aggregator;
  }
}

// Orders see gradients before the channel does: without noise nothing differs from a mean over the
// wire (a mean over 4 workers is exact in either way).
TEST(OrdersUnderChannelNoise, SeeWhatTheySeeOverTheWire) {
  const std::string precise = "precision = 'double'\n";
  const auto wire = losses(run_text(precise + ordered("dense", "cd-grab"), 2));
  EXPECT_EQ(losses(run_text(precise + ordered("air:power=1,channel=(noiseless)", "cd-grab"), 2)),
            wire);
  EXPECT_NE(losses(run_text(precise + ordered("air:power=1", "cd-grab"), 2)), wire);
}

TEST(Validation, SaysWhyAMethodCannotGoOverTheAir) {
  const auto errors = [](const std::string& spec) { return errors_of(kHead + method(spec)); };
  for (const char* spec : {"air:power=9,memory=ef14:identity", "air:power=9,memory=ef21:identity",
                           "air:power=9,memory=ef21:crandk:correlated=true,k=0.3",
                           "air:power=9,memory=ef21:shrink:randk:correlated=true,k=0.3",
                           "air:power=9:randk:correlated=true,k=0.3", "air-sign:power=9"}) {
    EXPECT_EQ(errors(spec), std::vector<std::string>{}) << spec;
  }
  for (const char* spec : {"air:power=9,memory=ef21:topk:k=0.3", "air:power=9,memory=ef14:sign",
                           "air:power=9:cpermk", "air:power=9:qsgd"}) {
    ASSERT_EQ(errors(spec).size(), 1U) << spec;
    EXPECT_NE(errors(spec).front().find("is not linear over the workers, so that its messages "
                                        "cannot be added in the air; use "),
              std::string::npos)
        << spec;
  }
  ASSERT_EQ(errors("air:power=9,memory=ef21:randk:correlated=true,k=0.3").size(), 1U);
  EXPECT_NE(errors("air:power=9,memory=ef21:randk:correlated=true,k=0.3")
                .front()
                .find("needs a contractive compressor"),
            std::string::npos);
}

TEST(LinkSetting, LosesAndResendsFramesAndTheRecordsSaySo) {
  const auto lossy = run_text(kHead + method("dense", "link = 'erasure:p=0.3,repair=drop'\n"), 2);
  EXPECT_GT(lossy.records.back().lost_frames, 0U);
  const Json json = Json::parse(record_json(lossy.plan, lossy.records.back()));
  EXPECT_EQ(json["lost_frames"], lossy.records.back().lost_frames);
  EXPECT_NE(json["spec"].get<std::string>().find("erasure:"), std::string::npos);
  const auto resent = run_text("link = 'bitflip:p=1e-5,attempts=100'\n" + kHead + method("dense") +
                                   method("mirror:ef21:topk:k=0.1"),
                               1);
  const auto perfect = run_text(kHead + method("dense"), 1);
  for (std::size_t i = 0; i < perfect.records.size(); ++i) {
    EXPECT_EQ(resent.records[i].metrics.loss, perfect.records[i].metrics.loss);
  }
  EXPECT_GT(resent.records.back().resent_frames + resent.records[4].resent_frames, 0U);
  EXPECT_EQ(resent.records.back().lost_frames, 0U);
}

TEST(LinkSetting, RefusesMethodsThatNeedEveryFrameOrHaveNone) {
  EXPECT_EQ(
      errors_of(kHead + method("mirror:ef21:topk:k=0.1", "link = 'bitflip:p=0.1,repair=none'\n")),
      std::vector<std::string>{
          "mirror needs every frame as it was sent, because server and workers would drift "
          "apart, and link bitflip damages some; use repair=resend"});
  EXPECT_EQ(
      errors_of(kHead + method("mirror:ef21:topk:k=0.1", "link = 'capacity:bits=100'\n")).size(),
      1U);
  EXPECT_EQ(errors_of(kHead + method("lowrank:rank=2", "link = 'erasure:p=0.1'\n")).size(), 1U);
  EXPECT_EQ(errors_of(kHead + method("laser:power=3", "link = 'erasure:p=0.1'\n")).size(), 1U);
  EXPECT_EQ(errors_of(kHead + method("dense:sum=fast", "link = 'erasure:p=0.1'\n")).size(), 1U);
  EXPECT_EQ(errors_of(kHead + method("dense", "link = 'erasure:p=2'\n")).size(), 1U);
  EXPECT_TRUE(errors_of(kHead + method("vote", "link = 'erasure:p=0.1'\n")).empty());
}

TEST(Validation, RefusesChannelsAndPowersThatMakeNoSense) {
  const auto first = [](const std::string& spec) {
    const auto errors = errors_of(kHead + method(spec));
    return errors.empty() ? std::string() : errors.front();
  };
  EXPECT_NE(first("laser:power=0").find("power=0"), std::string::npos);
  EXPECT_NE(first("laser:rank=0,power=1").find("rank=0"), std::string::npos);
  EXPECT_NE(first("laser").find("power"), std::string::npos);
  EXPECT_NE(first("air:power=1:topk:k=0.1").find("is not linear"), std::string::npos);
  EXPECT_NE(first("air:power=1,channel=(rayleigh:inversion=false)").find("use inversion=true"),
            std::string::npos);
}

}  // namespace
}  // namespace laconic::experiment
