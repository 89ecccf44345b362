// SPDX-License-Identifier: Apache-2.0
#include "laconic/report/page.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <system_error>

#include "laconic/base/error.hpp"
#include "laconic/experiment/line_file.hpp"
#include "laconic/experiment/version.hpp"
#include "laconic/report/bundle.hpp"
#include "laconic/report/json_text.hpp"

namespace laconic::report {
namespace {

constexpr double kLargestExact = 9007199254740992.0;  // 2^53

// Eight digits are more than a screen shows; counts stay whole.
void append_number(std::string& out, double value) {
  if (!std::isfinite(value)) {
    out += "null";
  } else if (std::floor(value) == value && std::fabs(value) < kLargestExact) {
    fmt::format_to(std::back_inserter(out), "{}", static_cast<std::int64_t>(value));
  } else {
    fmt::format_to(std::back_inserter(out), "{:.8g}", value);
  }
}

// A column whose rows are all alike is one number.
void append_column(std::string& out, const std::vector<double>& values) {
  const bool alike = std::all_of(values.begin(), values.end(),
                                 [&](double value) { return value == values.front(); });
  if (alike) {
    append_number(out, values.front());
    return;
  }
  out += '[';
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (i > 0) out += ',';
    append_number(out, values[i]);
  }
  out += ']';
}

void append_series(std::string& out, const RecordTable& table, const Series& series) {
  fmt::format_to(std::back_inserter(out),
                 R"({{"method":{},"spec":{},"repeat":{},"rows":{},"stopped":{},"diverged":{},)"
                 R"("columns":{{)",
                 json_string(series.method), json_string(series.spec), series.repeat, series.rows,
                 series.stopped.empty() ? "null" : json_string(series.stopped),
                 series.diverged.empty() ? "null" : series.diverged);
  bool first = true;
  for (std::size_t c = 0; c < table.columns.size(); ++c) {
    if (series.values[c].empty()) continue;
    if (!first) out += ',';
    first = false;
    out += json_string(table.columns[c]) + ":";
    append_column(out, series.values[c]);
  }
  out += "}}";
}

void append_list(std::string& out, const std::vector<std::string>& items) {
  out += '[';
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (i > 0) out += ',';
    out += items[i];
  }
  out += ']';
}

// The last part of the path, also of "out/a9a/" and ".".
std::string folder_name(const std::filesystem::path& folder) {
  std::error_code code;  // what is no path has no name
  const auto normal = std::filesystem::absolute(folder, code).lexically_normal();
  return normal.has_filename() ? normal.filename().string()
                               : normal.parent_path().filename().string();
}

void append_run(std::string& out, const RunFolder& run) {
  const RecordTable& table = run.records;
  const auto header = parse_json(table.header);
  fmt::format_to(std::back_inserter(out), R"({{"folder":{},"header":{},"summary":{},"problems":)",
                 json_string(folder_name(run.folder)), header.is_object() ? ascii(header) : "null",
                 run.summary.empty() ? "null" : run.summary);
  std::vector<std::string> problems;
  for (const std::string& problem : run.problems) problems.push_back(json_string(problem));
  append_list(out, problems);
  out += R"(,"cells":)";
  append_list(out, run.cells);
  out += R"(,"series":[)";
  for (std::size_t s = 0; s < table.series.size(); ++s) {
    if (s > 0) out += ',';
    append_series(out, table, table.series[s]);
  }
  out += "]}";
}

// Inside of JSON these characters stand in strings only, where \u means the same.
std::string without_html(const std::string& json) {
  std::string out;
  out.reserve(json.size() + json.size() / 16);
  for (const char c : json) {
    if (c == '<' || c == '>' || c == '&') {
      fmt::format_to(std::back_inserter(out), "\\u{:04x}", static_cast<unsigned>(c));
    } else {
      out += c;
    }
  }
  return out;
}

}  // namespace

std::string page_data(std::span<const RunFolder> runs, const PageOptions& options) {
  std::string out = fmt::format(R"({{"live":{},"version":{},"runs":[)", options.live,
                                json_string(experiment::version()));
  for (std::size_t r = 0; r < runs.size(); ++r) {
    if (r > 0) out += ',';
    append_run(out, runs[r]);
  }
  return without_html(out + "]}");
}

std::string fill_page(std::string_view bundle, std::string_view data) {
  const std::size_t place = bundle.find(kDataMark);
  if (place == std::string_view::npos ||
      bundle.find(kDataMark, place + 1) != std::string_view::npos)
    throw ConfigError(
        fmt::format("the bundle of the report does not say '{}' once; build it again "
                    "(docs/report.md)",
                    kDataMark));
  std::string out;
  out.reserve(bundle.size() + data.size());
  out += bundle.substr(0, place);
  out += data;
  out += bundle.substr(place + kDataMark.size());
  return out;
}

std::string page(std::span<const RunFolder> runs, const PageOptions& options) {
  return fill_page(bundle(), page_data(runs, options));
}

std::vector<std::string> write_report(const std::filesystem::path& folder) {
  const RunFolder run = read_folder(folder);
  experiment::write_whole_file(folder / "report.html", page({&run, 1}));
  return run.problems;
}

}  // namespace laconic::report
