// SPDX-License-Identifier: Apache-2.0
#include "laconic/experiment/step_plan.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "laconic/comm/transports.hpp"
#include "laconic/experiment/step_measure.hpp"
#include "laconic/experiment/step_report.hpp"

namespace laconic::experiment {
namespace {

using Kind = BreakEven::Kind;

StepConditions plain(double bandwidth, double latency = 0) {
  return {.network = {bandwidth, latency}, .bytes_per_byte = 1};
}

TEST(StepPlan, AddsGradientCodecLatencyAndTransmission) {
  const StepLoad load = {.link_bytes = 1000, .latency_steps = 2, .calls = 3, .codec_seconds = 0.5};
  const StepConditions conditions = {
      .network = {4000, 0.125}, .bytes_per_byte = 2, .gradient_seconds = 8, .codec_slowdown = 4};
  const StepSeconds seconds = predict_step(load, conditions);
  EXPECT_EQ(seconds.gradient, 8);
  EXPECT_EQ(seconds.codec, 2);
  EXPECT_EQ(seconds.network, 5 * 0.125 + 1000 * 8 * 2 / 4000.0);
  EXPECT_EQ(seconds.total(), seconds.gradient + seconds.codec + seconds.network);
}

TEST(StepPlan, BothStepsTakeAsLongAtTheBreakEvenBandwidth) {
  const StepLoad dense = {.link_bytes = 1e6, .latency_steps = 2, .calls = 2, .codec_seconds = 1e-3};
  const StepLoad small = {.link_bytes = 1e4, .latency_steps = 6, .calls = 6, .codec_seconds = 5e-3};
  const BreakEven value = break_even(small, dense, plain(1e8, 1e-4));
  ASSERT_EQ(value.kind, Kind::kBelow);
  const StepConditions there = plain(value.bits_per_second, 1e-4);
  EXPECT_NEAR(predict_step(small, there).total(), predict_step(dense, there).total(), 1e-12);
  EXPECT_LT(predict_step(small, plain(value.bits_per_second / 2, 1e-4)).total(),
            predict_step(dense, plain(value.bits_per_second / 2, 1e-4)).total());
  const BreakEven other = break_even(dense, small, plain(1e8, 1e-4));
  EXPECT_EQ(other.kind, Kind::kAbove);
  EXPECT_DOUBLE_EQ(other.bits_per_second, value.bits_per_second);
}

TEST(StepPlan, KnowsWhatIsAlwaysFasterAndWhatNever) {
  const StepLoad dense = {.link_bytes = 1e6, .codec_seconds = 1e-3};
  const StepLoad better = {.link_bytes = 1e5, .codec_seconds = 1e-4};
  EXPECT_EQ(break_even(better, dense, plain(1e8)), (BreakEven{.kind = Kind::kAlways}));
  EXPECT_EQ(break_even(dense, better, plain(1e8)), (BreakEven{.kind = Kind::kNever}));
  EXPECT_EQ(break_even(dense, dense, plain(1e8)), (BreakEven{.kind = Kind::kNever}));
}

TEST(StepPlan, ReadsTensors) {
  const auto tensors = parse_tensors("784x1024,1024,out=1024x10,2*16x8x3x3").value_or_throw();
  ASSERT_EQ(tensors.size(), 5U);
  EXPECT_EQ(tensors[0].shape, (Shape{784, 1024}));
  EXPECT_EQ(tensors[0].name, "t0");
  EXPECT_EQ(tensors[1].shape, (Shape{1024, 1}));
  EXPECT_EQ(tensors[1].role, Role::kBias);
  EXPECT_EQ(tensors[2].name, "out");
  EXPECT_EQ(tensors[3].shape, (Shape{16, 72}));
  EXPECT_EQ(tensors[4].shape, (Shape{16, 72}));
  EXPECT_EQ(tensors[4].role, Role::kWeight);
}

TEST(StepPlan, RefusesWhatIsNoTensor) {
  for (const char* text :
       {"", "x", "3x", "3xx3", "0x3", "-1", "3,,3", "=3", "a=2*3", "0*3", "2*", "3.5", "100001*1",
        "4294967295x4294967295", "65536x65536x65536", "4*2000000000"}) {
    EXPECT_FALSE(parse_tensors(text)) << text;
  }
}

TEST(StepPlan, ReadsBandwidthsAndTimes) {
  EXPECT_EQ(parse_bandwidth("2.5Gbit/s").value_or_throw(), 2.5e9);
  EXPECT_EQ(parse_seconds("250us").value_or_throw(), 250 * 1e-6);
  EXPECT_EQ(parse_seconds("0s").value_or_throw(), 0);
  for (const char* text : {"", "100", "0Mbit/s", "-1Mbit/s", "1MB/s", "nanMbit/s", "infbit/s"})
    EXPECT_FALSE(parse_bandwidth(text)) << text;
  for (const char* text : {"", "1", "-1ms", "1min", "nans"})
    EXPECT_FALSE(parse_seconds(text)) << text;
}

TEST(StepPlan, SortsByStepAndWritesJson) {
  StepReport report = {.workers = 4,
                       .tensors = 1,
                       .numbers = 10,
                       .conditions = plain(8e6),
                       .methods = {{.aggregator = "slow", .load = {.link_bytes = 2e6}},
                                   {.aggregator = "fast", .load = {.link_bytes = 1e6}}},
                       .refused = {{.aggregator = "odd", .why = "it does not suit"}}};
  predict(report, {.link_bytes = 2e6});
  const auto json = nlohmann::json::parse(step_json(report));
  EXPECT_EQ(json["methods"][0]["aggregator"], "fast");
  EXPECT_EQ(json["methods"][0]["step_seconds"], 1.0);
  EXPECT_EQ(json["methods"][0]["faster_than_dense"]["kind"], "always");
  EXPECT_EQ(json["methods"][1]["faster_than_dense"]["kind"], "never");
  EXPECT_TRUE(json["methods"][1]["measured"].is_null());
  EXPECT_TRUE(json["methods"][1]["memory_bytes"].is_null());
  EXPECT_EQ(json["refused"][0]["why"], "it does not suit");
}

// A matrix of one bucket, uncompressed, one shard per worker: V (n - 1) / n bytes per phase, and a
// header of 32 bytes for every frame that crosses the link.
TEST(StepMeasure, CountsTheBytesOfADenseStep) {
  const auto tensors = parse_tensors("64x64").value_or_throw();
  const StepLoad load = measure_step<float>(
      tensors, {.aggregator = "dense:shards=4", .workers = 4, .seconds = 0.001});
  const double vector_bytes = 64 * 64 * 4;
  EXPECT_EQ(load.link_bytes, 2 * (vector_bytes * 3 / 4 + 3 * 32));
  EXPECT_EQ(load.latency_steps, 2);
  EXPECT_EQ(load.calls, 3);  // and who takes part
  EXPECT_GT(load.codec_seconds, 0);
  // At least the synchronizer's copies of gradient and direction, where the C library can say.
  EXPECT_GE(load.memory_bytes.value_or(1e9), 2 * vector_bytes);
}

TEST(StepMeasure, RealStepsCarryWhatWasPredicted) {
  const auto tensors = parse_tensors("40x30,30,30x20,20").value_or_throw();
  for (const char* aggregator : {"vote:beta=0.9", "mirror:ef21:topk:k=0.05", "lowrank:rank=2"}) {
    const StepLoad load =
        measure_step<double>(tensors, {.aggregator = aggregator, .workers = 3, .seconds = 0.001});
    double busiest = 0;
    std::vector<double> link_bytes(3);
    run_on_threads(3, [&](Communicator& comm) {
      const TimedSteps timed = time_steps<double>(
          tensors, {.aggregator = aggregator, .steps = 3, .gradient_seconds = 1e-4}, comm);
      link_bytes[comm.rank()] = timed.load.link_bytes;
      EXPECT_GE(timed.median_seconds, 1e-4);
      EXPECT_LE(timed.fastest_seconds, timed.median_seconds);
      EXPECT_GE(timed.slowest_seconds, timed.median_seconds);
      EXPECT_EQ(timed.load.calls, load.calls) << aggregator;
    });
    for (const double bytes : link_bytes) busiest = std::max(busiest, bytes);
    EXPECT_EQ(busiest, load.link_bytes) << aggregator;
  }
}

TEST(StepMeasure, RefusesAMethodThatDoesNotSuitTheTensors) {
  const auto tensors = parse_tensors("8x8").value_or_throw();
  EXPECT_THROW(static_cast<void>(measure_step<float>(
                   tensors, {.aggregator = "mirror:lag-wk", .workers = 2, .seconds = 0.001})),
               ConfigError);
}

TEST(StepMeasure, MeasuresTheSameSlowdownOnAllRanks) {
  std::vector<double> slowdowns(2);
  run_on_threads(2, [&](Communicator& comm) { slowdowns[comm.rank()] = measure_slowdown(comm); });
  EXPECT_GE(slowdowns[0],
            0.99);  // a thread's clock never runs ahead of the wall's but by its grain
  EXPECT_EQ(slowdowns[1], slowdowns[0]);
}

TEST(StepMeasure, MeasuresTheSameNetworkOnAllRanks) {
  std::vector<Network> networks(3);
  run_on_threads(3, [&](Communicator& comm) { networks[comm.rank()] = measure_network(comm); });
  EXPECT_GT(networks[0].bandwidth_bits_per_second, 1e6);  // memory, on the slowest of machines
  EXPECT_GT(networks[0].latency_seconds, 0);
  EXPECT_EQ(networks[1], networks[0]);
  EXPECT_EQ(networks[2], networks[0]);
}

}  // namespace
}  // namespace laconic::experiment
