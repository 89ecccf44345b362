// SPDX-License-Identifier: Apache-2.0
#include "laconic/report/record_reader.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "laconic/base/error.hpp"
#include "tests/unit/report/record_lines.hpp"

namespace laconic::report {
namespace {

const std::vector<double>& column(const RecordTable& table, std::size_t series,
                                  std::string_view name) {
  return table.series.at(series).values.at(table.column(name));
}

TEST(RecordReader, MakesColumnsOfNumbersAlsoOfNestedOnes) {
  const RecordTable table =
      read_lines(record("a", 0, R"(,"loss":0.5,"uplink":{"payload_bits":7})"),
                 record("a", 3, R"(,"loss":0.25,"uplink":{"payload_bits":9},"stopped":"rounds")"));
  EXPECT_TRUE(table.problems.empty());
  EXPECT_EQ(table.header, kHeader);
  EXPECT_EQ(table.columns, (std::vector<std::string>{"round", "loss", "uplink_payload_bits"}));
  ASSERT_EQ(table.series.size(), 1U);
  EXPECT_EQ(table.series[0].method, "a");
  EXPECT_EQ(table.series[0].stopped, "rounds");
  EXPECT_EQ(column(table, 0, "round"), (std::vector<double>{0, 3}));
  EXPECT_EQ(column(table, 0, "loss"), (std::vector<double>{0.5, 0.25}));
  EXPECT_EQ(column(table, 0, "uplink_payload_bits"), (std::vector<double>{7, 9}));
}

TEST(RecordReader, KeepsRowsTogetherWhereNumbersAreMissing) {
  const RecordTable table =
      read_lines(record("a", 0, R"(,"loss":null)"), record("a", 1, R"(,"loss":2)"), record("a", 2),
                 record("b", 0));
  const auto& loss = column(table, 0, "loss");
  ASSERT_EQ(loss.size(), 3U);
  EXPECT_TRUE(std::isnan(loss[0]));
  EXPECT_EQ(loss[1], 2);
  EXPECT_TRUE(std::isnan(loss[2]));
  EXPECT_TRUE(column(table, 1, "loss").empty());
}

TEST(RecordReader, TellsRepeatsApart) {
  const std::string other = R"({"method":"a","spec":"s","repeat":1,"round":0})";
  const RecordTable table = read_lines(record("a", 5), other);
  ASSERT_EQ(table.series.size(), 2U);
  EXPECT_EQ(table.series[1].repeat, 1U);
}

TEST(RecordReader, KeepsWhereAMethodDiverged) {
  const RecordTable table = read_lines(
      record("a", 0), record("a", 4, R"(,"diverged":{"worker":2,"tensor":"w","round":4})"));
  EXPECT_TRUE(table.problems.empty());
  EXPECT_EQ(table.series[0].rows, 1U);
  EXPECT_EQ(table.series[0].diverged, R"({"worker":2,"tensor":"w","round":4})");
}

TEST(RecordReader, SaysWhichLineIsCutOffAndKeepsTheOthers) {
  const RecordTable table =
      read_text(kHeader + "\n" + record("a", 0) + "\n" + R"({"method":"a","ro)");
  EXPECT_EQ(table.cut_off, 3U);
  EXPECT_TRUE(table.problems.empty());
  EXPECT_EQ(table.series.at(0).rows, 1U);
}

TEST(RecordReader, TakesALastLineThatOnlyLacksItsLineFeed) {
  const RecordTable table = read_text(kHeader + "\n" + record("a", 0));
  EXPECT_EQ(table.cut_off, 0U);
  EXPECT_EQ(table.series.at(0).rows, 1U);
}

struct Damage {
  std::string line;
  std::string said;
};

TEST(RecordReader, LeavesOutDamagedLinesAndSaysWhich) {
  const std::vector<Damage> cases = {
      {R"({"method":)", "is not JSON"},
      {"7", "is not a JSON object"},
      {R"({"method":"a","repeat":0})", "is no record"},
      {R"({"method":"a","repeat":0,"round":-1})", "is no record"},
      {R"({"method":"a","repeat":0,"round":4294967296})", "is no record"},
      {R"({"method":"a","repeat":0.5,"round":1})", "is no record"},
      {R"({"method":7,"repeat":0,"round":1})", "is no record"},
      {record("a", 9, R"(,"loss":"low")"), "'loss' is string; a number or null is expected"},
      {record("a", 9, R"(,"uplink":{"payload_bits":[1]})"), "'uplink_payload_bits' is array"},
      {record("a", 9, R"(,"loss":1e999)"), "is not JSON"},
      {record("a", 1), "round 1 of 'a' comes after round 2"},
      {record("a", 9, R"(,"loss":)" + std::string(100, '[') + std::string(100, ']')),
       "is not JSON"},
  };
  for (const Damage& damage : cases) {
    const RecordTable table = read_lines(record("a", 2), damage.line, record("a", 10));
    ASSERT_EQ(table.problems.size(), 1U) << damage.line;
    EXPECT_EQ(table.problems[0].line, 3U) << damage.line;
    EXPECT_NE(table.problems[0].text.find(damage.said), std::string::npos)
        << table.problems[0].text;
    EXPECT_EQ(table.series.at(0).rows, 2U) << damage.line;
  }
}

TEST(RecordReader, SaysThatAFileIsNotOurs) {
  const RecordTable table = read_text("name,age\nAda,36\n");
  EXPECT_TRUE(table.empty());
  ASSERT_EQ(table.problems.size(), 2U);
  EXPECT_EQ(table.problems[0].message("records.jsonl"),
            "records.jsonl: line 1: is not JSON; it is left out");
}

TEST(RecordReader, ReadsRecordsBehindAFirstLineThatIsMissing) {
  const RecordTable table = read_text(record("a", 0) + "\n" + record("a", 1) + "\n");
  EXPECT_TRUE(table.header.empty());
  ASSERT_EQ(table.problems.size(), 1U);
  EXPECT_EQ(table.problems[0].line, 1U);
  EXPECT_EQ(table.series.at(0).rows, 2U);
}

TEST(RecordReader, ReadsWhatItKnowsOfANewerSchema) {
  const std::string header = R"({"schema":99,"config":{}})";
  const RecordTable table =
      read_text(header + "\n" + record("a", 0, R"(,"loss":1,"mood":"good","list":[1])") + "\n");
  ASSERT_EQ(table.problems.size(), 1U);
  EXPECT_NE(table.problems[0].text.find("schema 99 is newer"), std::string::npos);
  EXPECT_EQ(column(table, 0, "loss"), std::vector<double>{1});
}

TEST(RecordReader, CountsProblemsThatItDoesNotList) {
  std::string text = kHeader + "\n";
  for (std::size_t i = 0; i < kMostProblems + 5; ++i) text += "?\n";
  const RecordTable table = read_text(text);
  EXPECT_EQ(table.problems.size(), kMostProblems);
  EXPECT_EQ(table.more_problems, 5U);
}

TEST(RecordReader, SaysThatAFileIsEmpty) {
  const RecordTable table = read_text("");
  ASSERT_EQ(table.problems.size(), 1U);
  EXPECT_EQ(table.problems[0].message("f"), "f: is empty; the run has not started to write");
}

TEST(RecordReader, RefusesAFileThatIsNotThere) {
  EXPECT_THROW(static_cast<void>(read_records(std::filesystem::path("not/there.jsonl"))),
               ConfigError);
}

}  // namespace
}  // namespace laconic::report
