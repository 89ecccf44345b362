// SPDX-License-Identifier: Apache-2.0
#include "cli/output.hpp"

#include <gtest/gtest.h>

#include <sstream>
#include <string>

#include "cli/ranking.hpp"

namespace laconic::cli {
namespace {

TEST(Output, WritesNumbersWithUnits) {
  EXPECT_EQ(bits_text(0), "0 bit");
  EXPECT_EQ(bits_text(999), "999 bit");
  EXPECT_EQ(bits_text(14'400'000), "14.4 Mbit");
  EXPECT_EQ(bits_text(999'999), "1.00 Mbit");
  EXPECT_EQ(bytes_text(9'912'422), "9.91 MB");
  EXPECT_EQ(seconds_text(0.0125), "12.5 ms");
  EXPECT_EQ(seconds_text(3.08), "3.08 s");
  EXPECT_EQ(seconds_text(200), "3 min 20 s");
  EXPECT_EQ(seconds_text(7200), "2.00 h");
  EXPECT_EQ(factor_text(32), "32x");
  EXPECT_EQ(factor_text(28.9), "29x");
  EXPECT_EQ(factor_text(1.6), "1.60x");
}

TEST(Output, CutsAndFillsByCodePoints) {
  EXPECT_EQ(left("abc", 5), "abc  ");
  EXPECT_EQ(right("abc", 5), "  abc");
  EXPECT_EQ(left("abcdef", 4), "abc~");
  EXPECT_EQ(columns("\xc3\xa9t\xc3\xa9"), 3U);
  EXPECT_EQ(left("\xc3\xa9t\xc3\xa9s", 3), "\xc3\xa9t~");
}

TEST(Output, WrapsBetweenWords) {
  EXPECT_EQ(wrapped("one two three", 2, 10), "  one two\n  three\n");
}

experiment::MethodSummary method(const std::string& name, double accuracy) {
  experiment::MethodSummary out;
  out.name = name;
  out.final.loss = 0.5;
  out.final.test_accuracy = accuracy;
  out.uplink_compression = 32;
  return out;
}

TEST(Ranking, PutsTheBestFirstAndTheDivergedLast) {
  experiment::Summary summary;
  summary.methods = {method("low", 0.5), method("gone", 0.9), method("high", 0.8)};
  summary.methods[1].status = experiment::Status::kDiverged;
  const std::string text = ranking_text(summary);
  EXPECT_LT(text.find("high"), text.find("low"));
  EXPECT_LT(text.find("low"), text.find("gone"));
  EXPECT_NE(text.find("diverged"), std::string::npos);
}

TEST(Ranking, FitsIntoEightyColumns) {
  experiment::Summary summary;
  summary.network = {1e8, 1e-3};
  summary.methods = {method(std::string(200, 'n'), 1.0), method("b", 0.123)};
  summary.methods[0].uplink = {1.23e15, 1e14};
  summary.methods[0].predicted_network_seconds = 5999;
  summary.methods[0].status = experiment::Status::kInterrupted;
  summary.interrupted = true;
  std::istringstream lines(ranking_text(summary));
  for (std::string line; std::getline(lines, line);) EXPECT_LE(columns(line), 80U) << line;
}

}  // namespace
}  // namespace laconic::cli
