// SPDX-License-Identifier: Apache-2.0
#include "laconic/data/series.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "laconic/base/error.hpp"
#include "tests/unit/data/support.hpp"

namespace laconic::data {
namespace {

using testing::bytes_of;
using testing::error_of;
using testing::gzipped;
using testing::TemporaryFolder;
using Values = std::vector<double>;

std::string error(std::string_view text, const SeriesOptions& options = {}) {
  return error_of<ConfigError>([&] { (void)parse_m4(bytes_of(text), "f", options); });
}
std::string row_error(std::string_view row) { return error("id,a,b,c\n" + std::string(row)); }

TEST(M4, ReadsSeriesWithTrailingEmptyCells) {
  const auto series =
      parse_m4(bytes_of("\"V1\",\"V2\",V3,V4\n\"W1\",\"1.5\",-2,3e2\r\nW2,7,,\n"), "f");
  ASSERT_EQ(series.size(), 2U);
  EXPECT_EQ(series[0].id, "W1");
  EXPECT_EQ(series[0].values, (Values{1.5, -2, 300}));
  EXPECT_EQ(series[1].id, "W2");
  EXPECT_EQ(series[1].values, (Values{7}));
}

TEST(M4, ReadsQuotedCellsWithCommasAndALastLineWithoutEnd) {
  const auto series = parse_m4(bytes_of("id,a\n\"W,1\",\"4\"\nW2,\"5\""), "f");
  ASSERT_EQ(series.size(), 2U);
  EXPECT_EQ(series[0].id, "W,1");
  EXPECT_EQ(series[1].values, (Values{5}));
}

TEST(M4, ReadsGzipByContent) {
  const TemporaryFolder folder;
  EXPECT_EQ(read_m4(folder.write("f", gzipped("id,a\nW1,4\n"))).size(), 1U);
}

TEST(M4, RefusesFilesThatAreNoTables) {
  EXPECT_EQ(error(""),
            "f: the file is empty; it should be CSV with a header and a series per line");
  EXPECT_EQ(error("id\nW1\n"),
            "f: line 1: column 1: the header has no column for values; is this a file of M4?");
  EXPECT_EQ(error("id,a\n"),
            "f: line 1: column 1: no series follows the header; name another file");
  EXPECT_EQ(error("\n"), "f: line 1: column 1: the line is empty; remove it");
  EXPECT_EQ(error("id,a\nW1,1\n\n"), "f: line 3: column 1: the line is empty; remove it");
  EXPECT_EQ(error("id,a\nW1,1\n", {.max_content_bytes = 5}),
            "f: the content is longer than the limit of 5 bytes; if this is the right file, raise "
            "the limit");
}

TEST(M4, RefusesAnotherNumberOfCells) {
  EXPECT_EQ(
      row_error("W1,1,2\n"),
      "f: line 2: column 4: the line has 3 cells and the header 4; each line needs as many as "
      "the header");
  EXPECT_EQ(
      row_error("W1,1,2,3,\n"),
      "f: line 2: column 5: the line has 5 cells and the header 4; each line needs as many as "
      "the header");
}

TEST(M4, RefusesQuotesThatAreNotAroundACell) {
  EXPECT_EQ(row_error("W1,\"1,2,3\n"),
            "f: line 2: column 2: the quote is not closed in its line; close it");
  EXPECT_EQ(row_error("W1,\"1\"2,2,3\n"),
            "f: line 2: column 2: the closing quote is followed by '2' instead of a comma");
  EXPECT_EQ(
      row_error("W1,1\"2\",2,3\n"),
      "f: line 2: column 2: a quote within the cell '1\"2\"'; quote all of a cell or nothing");
}

TEST(M4, RefusesIdsThatAreMissingOrOccurTwice) {
  EXPECT_EQ(row_error(",1,2,3\n"),
            "f: line 2: column 1: the id of the series is empty; give it one");
  EXPECT_EQ(row_error("W1,1,2,3\nW2,1,2,3\nW1,1,2,3\n"),
            "f: line 4: column 1: the series 'W1' is in line 2 already; remove one");
}

TEST(M4, RefusesValuesThatAreMissingOrNoNumbers) {
  const std::string range = "' is not a number in [-1e+30, 1e+30]";
  EXPECT_EQ(row_error("W1,,,\n"), "f: line 2: column 2: the series 'W1' has no values; remove it");
  EXPECT_EQ(row_error("W1,1,,3\n"),
            "f: line 2: column 3: the cell is empty, but values follow; a series has no gaps");
  EXPECT_EQ(row_error("W1,1,NA,3\n"), "f: line 2: column 3: 'NA" + range);
  EXPECT_EQ(row_error("W1,1,nan,3\n"), "f: line 2: column 3: 'nan" + range);
  EXPECT_EQ(row_error("W1,1,2e30,3\n"), "f: line 2: column 3: '2e30" + range);
  EXPECT_EQ(row_error("W1,1, 2,3\n"), "f: line 2: column 3: ' 2" + range);
  EXPECT_EQ(row_error("W1,1,2x,3\n"), "f: line 2: column 3: '2x" + range);
}

Series ramp(std::size_t length) {
  Series out{.id = "S"};
  for (std::size_t i = 0; i < length; ++i) out.values.push_back(static_cast<double>(i));
  return out;
}

std::vector<Series> one(Series series) {
  std::vector<Series> out;
  out.push_back(std::move(series));
  return out;
}

// The value that stands at a place of a row, as it was in the series.
std::vector<double> original(std::span<const float> row) {
  const double mean = row[row.size() - 2];
  const double deviation = row[row.size() - 1];
  std::vector<double> out;
  for (const float z : row.first(row.size() - 2))
    out.push_back(std::round(static_cast<double>(z) * deviation + mean));
  return out;
}

TEST(Windows, HoldInputsTargetsMeanAndDeviation) {
  const WindowOptions options{.lags = 2, .horizon = 1, .stride = 2, .held_out = 0};
  const SeriesWindows windows = cut_windows(one(ramp(6)), "f", options);
  const auto& rows = std::get<DenseRows>(windows.train.rows);
  ASSERT_EQ(windows.train.size(), 2U);  // 0 1 2 and 2 3 4
  EXPECT_EQ(windows.test.size(), 0U);
  ASSERT_EQ(rows.features, 5U);
  // 0 ... 5 have mean 2.5 and variance 35/12.
  const double deviation = std::sqrt(35.0 / 12);
  const auto z = [&](double value) { return static_cast<float>((value - 2.5) / deviation); };
  const std::vector<float> expected = {z(0), z(1), z(2), 2.5F, static_cast<float>(deviation),
                                       z(2), z(3), z(4), 2.5F, static_cast<float>(deviation)};
  EXPECT_EQ(rows.values, expected);
  EXPECT_TRUE(windows.train.signs.empty());
  EXPECT_TRUE(windows.train.classes.empty());
}

TEST(Windows, NoTrainingRowHoldsATargetOfATestRow) {
  const WindowOptions options{.lags = 5, .horizon = 4, .stride = 3, .held_out = 0.3};
  const SeriesWindows windows = cut_windows(one(ramp(60)), "f", options);
  // 18 windows start at 0, 3, ..., 51, of which 5 are test rows, from 39 on: targets from 44 on.
  ASSERT_EQ(windows.test.size(), 5U);
  // Starts up to 35 do not reach 44.
  ASSERT_EQ(windows.train.size(), 12U);
  const auto& test = std::get<DenseRows>(windows.test.rows);
  const auto& train = std::get<DenseRows>(windows.train.rows);
  EXPECT_EQ(original(test.row(0)), (Values{39, 40, 41, 42, 43, 44, 45, 46, 47}));
  EXPECT_EQ(original(train.row(11)), (Values{33, 34, 35, 36, 37, 38, 39, 40, 41}));
  // Mean and deviation of 0 ... 43 for both.
  EXPECT_EQ(test.row(0)[9], 21.5F);
  EXPECT_EQ(train.row(0)[9], 21.5F);
  EXPECT_EQ(test.row(4)[10], static_cast<float>(std::sqrt((44.0 * 44 - 1) / 12)));
}

TEST(Windows, LeaveOutShortAndConstantSeries) {
  std::vector<Series> series = {ramp(4), ramp(2), {.id = "C", .values = Values(9, 0.1)}};
  const WindowOptions options{.lags = 2, .horizon = 1, .stride = 1, .held_out = 0};
  const SeriesWindows windows = cut_windows(series, "f", options);
  EXPECT_EQ(windows.train.size(), 2U);
  EXPECT_EQ(windows.skipped_short, 1U);
  EXPECT_EQ(windows.skipped_constant, 1U);
  // Constant but for the test part: there is nothing to scale by.
  Series late{.id = "L", .values = Values(20, 3)};
  late.values.back() = 4;
  series.push_back(late);
  EXPECT_EQ(cut_windows(series, "f", {.lags = 2, .horizon = 1, .stride = 1, .held_out = 0.1})
                .skipped_constant,
            2U);
  series.erase(series.begin());
  EXPECT_EQ(error_of<ConfigError>([&] {
              (void)cut_windows(series, "f",
                                {.lags = 2, .horizon = 1, .stride = 1, .held_out = 0.1});
            }),
            "f: none of the 3 series gives a training row: 1 are too short for lags=2 and "
            "horizon=1, 2 are constant; take smaller windows or another file");
}

TEST(Windows, LeaveOutSeriesThatVaryByLessThanTheirRounding) {
  std::vector<Series> series = {ramp(20), ramp(20)};
  series[1].values.back() = 1e30;  // a test target that no float could hold in units of the ramp
  const WindowOptions options{.lags = 2, .horizon = 1, .stride = 1, .held_out = 0.1};
  EXPECT_EQ(cut_windows(series, "f", options).skipped_constant, 1U);
}

TEST(Windows, ASeriesWhoseTestRowsLeaveNoTrainingRowIsShort) {
  const WindowOptions options{.lags = 2, .horizon = 3, .stride = 1, .held_out = 0.5};
  std::vector<Series> series = {ramp(6), ramp(40)};
  const SeriesWindows windows = cut_windows(series, "f", options);
  EXPECT_EQ(windows.skipped_short, 1U);
  EXPECT_EQ(windows.test.size(), 18U);
  EXPECT_EQ(windows.train.size(), 16U);
}

}  // namespace
}  // namespace laconic::data
