// SPDX-License-Identifier: Apache-2.0
// What the report layer is given: record files, and requests to `laconic watch`. Whatever is in
// them, rows stay together, data for the page is JSON without a character of HTML, and exports have
// a line per record.
#include <algorithm>
#include <sstream>
#include <string>

#include "fuzz/fuzz.hpp"
#include "laconic/report/event_file.hpp"
#include "laconic/report/export_text.hpp"
#include "laconic/report/http.hpp"
#include "laconic/report/page.hpp"

namespace laconic::report {
namespace {

using fuzz::require;

std::size_t lines_of(const std::string& text) {
  return static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
}

void check_records(std::string_view text) {
  std::istringstream in{std::string(text)};
  RunFolder run;
  run.records = read_records(in);
  const RecordTable& table = run.records;
  std::size_t rows = 0;
  for (const Series& series : table.series) {
    rows += series.rows;
    require(series.values.size() == table.columns.size(), "a series has every column");
    for (const std::vector<double>& values : series.values)
      require(values.empty() || values.size() == series.rows, "a column has every row");
    require(series.rows == 0 || !series.values[0].empty(), "every row has a round");
    static_cast<void>(event_file(table, series));
    require(event_folder_name(0, series).find('/') == std::string::npos, "a name is no path");
  }
  require(table.problems.size() <= kMostProblems, "problems are limited");
  require(lines_of(csv(table)) >= rows + 1, "a line per record, and one of names");
  require(lines_of(jsonl(table)) == rows, "an object per record");
  const std::string data = page_data({&run, 1}, {});
  require(data.find_first_of("<>&") == std::string::npos, "nothing of HTML is in the data");
  require(std::all_of(data.begin(), data.end(), [](char c) { return c >= ' ' && c <= '~'; }),
          "the data are ASCII");
}

void check_request(std::string_view text) {
  const auto request = parse_request(text);
  if (!request) return;
  require(!request->target.empty() && request->target.front() == '/', "a target is a path");
}

}  // namespace
}  // namespace laconic::report

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = laconic::fuzz::text_of(data, size);
  laconic::report::check_records(text);
  laconic::report::check_request(text);
  return 0;
}
