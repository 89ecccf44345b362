// SPDX-License-Identifier: Apache-2.0
#include "laconic/report/page.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "laconic/base/error.hpp"
#include "tests/unit/report/record_lines.hpp"

namespace laconic::report {
namespace {

RunFolder run_of(RecordTable records) {
  RunFolder run;
  run.folder = "out/some";
  run.records = std::move(records);
  return run;
}

nlohmann::json data_of(const RunFolder& run) {
  return nlohmann::json::parse(page_data(std::span(&run, 1), {}));
}

TEST(Page, HoldsTheRecordsByColumn) {
  const nlohmann::json data = data_of(run_of(read_lines(
      record("a", 0, R"(,"loss":0.5,"bits":3)"), record("a", 2, R"(,"loss":null,"bits":3)"))));
  const nlohmann::json& run = data["runs"][0];
  EXPECT_EQ(run["folder"], "some");
  EXPECT_EQ(run["header"]["config"]["name"], "t");
  const nlohmann::json& series = run["series"][0];
  EXPECT_EQ(series["method"], "a");
  EXPECT_EQ(series["columns"]["round"], nlohmann::json({0, 2}));
  EXPECT_EQ(series["columns"]["loss"], nlohmann::json({0.5, nullptr}));
  EXPECT_EQ(series["columns"]["bits"], 3) << "a column that is all alike is one number";
}

TEST(Page, KeepsCountsWhole) {
  const nlohmann::json data = data_of(run_of(
      read_lines(record("a", 0, R"(,"bits":0)"), record("a", 1, R"(,"bits":1234567890123)"))));
  EXPECT_EQ(data["runs"][0]["series"][0]["columns"]["bits"][1], 1234567890123);
}

// Names may be anything; what leaves the script element would be executed.
TEST(Page, EscapesWhatHtmlAndScriptsKnow) {
  const std::string hostile = R"(</script><img src=x onerror=alert(1)>&amp;'\"\\)"
                              "\\u2028\xe2\x80\xa8\xe2\x80\xa9\xff";
  const RunFolder run = run_of(read_lines(record("a" + hostile, 0)));
  const std::string data = page_data(std::span(&run, 1), {});
  EXPECT_EQ(data.find_first_of("<>&"), std::string::npos);
  for (const char c : data) EXPECT_GE(c, ' ') << "not ASCII, or a control character";
  EXPECT_TRUE(nlohmann::json::accept(data));
}

TEST(Page, KeepsHostileNamesAsTheyAre) {
  const std::string hostile = "</script><!--\xe2\x80\xa8";
  const nlohmann::json data = data_of(run_of(read_lines(record(hostile, 0))));
  EXPECT_EQ(data["runs"][0]["series"][0]["method"], hostile);
}

TEST(Page, StandsWhereTheBundleSays) {
  EXPECT_EQ(fill_page("<LACONIC-DATA-BELONGS-HERE>", "{}"), "<{}>");
  EXPECT_THROW(static_cast<void>(fill_page("<>", "{}")), ConfigError);
}

TEST(Page, IsOneFileThatRefersToNoOther) {
  const RunFolder run = run_of(read_lines(record("a", 0)));
  const std::string html = page({&run, 1});
  EXPECT_EQ(html.find("src=\""), std::string::npos);
  EXPECT_EQ(html.find("https://"), std::string::npos);
  EXPECT_NE(html.find("Content-Security-Policy"), std::string::npos);
  EXPECT_NE(html.find(R"("method":"a")"), std::string::npos);
}

TEST(Page, SaysWhetherItIsLive) {
  EXPECT_TRUE(nlohmann::json::parse(page_data({}, {.live = true}))["live"]);
  EXPECT_FALSE(nlohmann::json::parse(page_data({}, {}))["live"]);
}

}  // namespace
}  // namespace laconic::report
