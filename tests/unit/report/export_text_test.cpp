// SPDX-License-Identifier: Apache-2.0
#include "laconic/report/export_text.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/unit/report/record_lines.hpp"

namespace laconic::report {
namespace {

TEST(ExportText, CsvHasALinePerRecordAndEmptyFieldsForWhatIsAbsent) {
  const RecordTable table = read_lines(record("a", 0, R"(,"loss":0.1)"),
                                       record("a", 2, R"(,"loss":null,"stopped":"until")"),
                                       record("b", 0, R"(,"uplink":{"wire_bits":5})"));
  EXPECT_EQ(csv(table),
            "method,spec,repeat,round,loss,uplink_wire_bits,stopped\n"
            "a,s,0,0,0.1,,\n"
            "a,s,0,2,,,until\n"
            "b,s,0,0,,5,\n");
}

TEST(ExportText, CsvQuotesFieldsThatNeedIt) {
  const RecordTable table = read_lines(record(R"(a, \"b\"\n)", 0));
  EXPECT_NE(csv(table).find("\"a, \"\"b\"\"\n\",s,0,0,"), std::string::npos);
}

TEST(ExportText, NumbersReadBackAsTheSameDouble) {
  const RecordTable table = read_lines(record("a", 0, R"(,"loss":0.30000000000000004)"));
  EXPECT_NE(csv(table).find(",0.30000000000000004,"), std::string::npos);
  const auto json = nlohmann::json::parse(jsonl(table));
  EXPECT_EQ(json["loss"].get<double>(), 0.30000000000000004);
}

TEST(ExportText, JsonLinesAreFlatAndLeaveOutWhatIsAbsent) {
  const RecordTable table =
      read_lines(record("a", 0, R"(,"loss":null,"uplink":{"wire_bits":5},"stopped":"rounds")"));
  EXPECT_EQ(nlohmann::json::parse(jsonl(table)), nlohmann::json({{"method", "a"},
                                                                 {"spec", "s"},
                                                                 {"repeat", 0},
                                                                 {"round", 0},
                                                                 {"uplink_wire_bits", 5},
                                                                 {"stopped", "rounds"}}));
}

}  // namespace
}  // namespace laconic::report
