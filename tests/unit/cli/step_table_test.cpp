// SPDX-License-Identifier: Apache-2.0
#include "cli/step_table.hpp"

#include <gtest/gtest.h>

#include <string>

namespace laconic::cli {
namespace {

using experiment::StepReport;

StepReport two_methods() {
  StepReport report = {
      .workers = 4,
      .tensors = 2,
      .numbers = 1000,
      .conditions = {.network = {8e6, 1e-3}, .bytes_per_byte = 1, .gradient_seconds = 0.04},
      .methods = {{.aggregator = "dense", .load = {.link_bytes = 1e6, .memory_bytes = 8000.0}},
                  {.aggregator = "vote", .load = {.link_bytes = 1e4, .codec_seconds = 0.002}}}};
  predict(report, report.methods.front().load);
  return report;
}

TEST(StepTable, ShowsTheBestFirstWithTheSpecToPaste) {
  EXPECT_EQ(
      step_table(two_methods()),
      "4 workers, 2 tensors of 1000 numbers (4.00 kB)\n"
      "8.00 Mbit/s and 1.00 ms latency; a gradient takes 40.0 ms\n"
      "       step    codec  network    bytes   memory        beats dense  aggregator\n"
      " 1  52.0 ms  2.00 ms  10.0 ms  10.0 kB        -  below 3.96 Gbit/s  vote\n"
      " 2   1.04 s     0 ms   1.00 s  1.00 MB  8.00 kB                  -  dense\n"
      "step: gradient, codec and network, one after the other; bytes: on a worker's link, per "
      "step;\n"
      "memory: of a worker, beyond model and gradient; beats dense: on which bandwidths.\n"
      "How many steps a method needs is another question: laconic run.\n");
}

TEST(StepTable, ShowsHowFarMeasuredStepsAreFromPredictedOnes) {
  StepReport report = two_methods();
  report.methods.front().measured = experiment::TimedSteps{.median_seconds = 0.065};
  const std::string table = step_table(report);
  EXPECT_NE(table.find("65.0 ms (+25 %)"), std::string::npos) << table;
  EXPECT_NE(table.find("measured"), std::string::npos);
}

}  // namespace
}  // namespace laconic::cli
