// SPDX-License-Identifier: Apache-2.0
#include "laconic/report/record_reader.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <fstream>
#include <optional>
#include <system_error>

#include "laconic/base/error.hpp"
#include "laconic/experiment/records.hpp"
#include "laconic/report/json_text.hpp"
#include "laconic/report/line_reader.hpp"

namespace laconic::report {
namespace {

// Keys that are no numbers, or name the series.
bool names_series(const std::string& key) {
  return key == "method" || key == "spec" || key == "repeat" || key == "stopped";
}

// A whole number that a 32-bit count can hold.
std::optional<std::uint32_t> count_of(const Json& line, const char* key) {
  const auto found = line.find(key);
  if (found == line.end() || !found->is_number_unsigned()) return std::nullopt;
  const auto value = found->get<std::uint64_t>();
  if (value > std::numeric_limits<std::uint32_t>::max()) return std::nullopt;
  return static_cast<std::uint32_t>(value);
}

std::string text_of(const Json& line, const char* key) {
  const auto found = line.find(key);
  return found != line.end() && found->is_string() ? found->get<std::string>() : std::string();
}

class Reader {
 public:
  explicit Reader(std::istream& in) : lines_(in, kLongestLine) { table_.columns = {"round"}; }

  RecordTable read() {
    while (lines_.next()) {
      if (lines_.too_long()) {
        problem(fmt::format("is longer than {} MiB; reading ends here", kLongestLine >> 20U));
      } else {
        take_line();
      }
    }
    if (lines_.number() == 0) problem_of_file("is empty; the run has not started to write");
    for (Series& one : table_.series) fill(one);
    return std::move(table_);
  }

 private:
  void take_line() {
    const Json line = parse_json(lines_.line());
    if (line.is_discarded()) {
      if (lines_.complete()) {
        problem("is not JSON; it is left out");
      } else {
        table_.cut_off = lines_.number();
      }
    } else if (!line.is_object()) {
      problem("is not a JSON object; it is left out");
    } else if (lines_.number() == 1) {
      take_header(line);
    } else {
      take_record(line);
    }
  }

  void take_header(const Json& line) {
    const auto schema = count_of(line, "schema");
    const auto config = line.find("config");
    if (!schema || config == line.end() || !config->is_object()) {
      problem(
          "is not the first line of a record file of laconic: 'schema' and 'config' are missing");
      if (count_of(line, "round")) take_record(line);
      return;
    }
    table_.header = lines_.line();
    newer_ = *schema > experiment::kRecordSchema;
    if (newer_) {
      problem(
          fmt::format("schema {} is newer than {}, which this program knows; what it knows is "
                      "shown, a newer laconic shows all",
                      *schema, experiment::kRecordSchema));
    }
  }

  void take_record(const Json& line) {
    const auto repeat = count_of(line, "repeat");
    const auto round = count_of(line, "round");
    const std::string method = text_of(line, "method");
    if (!repeat || !round || method.empty()) {
      problem("is no record: 'method', 'repeat' and 'round' are expected; it is left out");
      return;
    }
    const auto diverged = line.find("diverged");
    if (diverged != line.end()) {
      Series& series = series_of(method, *repeat, line);
      series.diverged = ascii(*diverged);
      return;
    }
    if (!flatten(line)) return;
    Series& series = series_of(method, *repeat, line);
    if (series.rows > 0 && series.values[0].back() > *round) {
      problem(fmt::format("round {} of '{}' comes after round {}; it is left out", *round, method,
                          series.values[0].back()));
      return;
    }
    for (const auto& [column, value] : row_) put(series, column, value);
    ++series.rows;
    series.stopped = text_of(line, "stopped");
  }

  // Numbers of the line to row_. False, with a problem, if there is something else.
  bool flatten(const Json& line) {
    row_.clear();
    for (const auto& item : line.items()) {
      if (names_series(item.key())) continue;
      if (!item.value().is_object()) {
        if (!take_number(item.key(), item.value())) return false;
        continue;
      }
      for (const auto& inner : item.value().items()) {
        if (!take_number(fmt::format("{}_{}", item.key(), inner.key()), inner.value()))
          return false;
      }
    }
    return true;
  }

  bool take_number(const std::string& name, const Json& value) {
    if (value.is_null()) return true;
    if (!value.is_number()) {
      if (newer_) return true;  // its version has been reported
      problem(fmt::format("'{}' is {}; a number or null is expected; the line is left out", name,
                          value.type_name()));
      return false;
    }
    row_.emplace_back(column_of(name), value.get<double>());
    return true;
  }

  std::size_t column_of(const std::string& name) {
    const std::size_t found = table_.column(name);
    if (found == table_.columns.size()) table_.columns.push_back(name);
    return found;
  }

  Series& series_of(const std::string& method, std::uint32_t repeat, const Json& line) {
    const auto same = [&](const Series& one) {
      return one.repeat == repeat && one.method == method;
    };
    // Records of a series stand together: the last one is nearly always meant.
    const auto found = std::find_if(table_.series.rbegin(), table_.series.rend(), same);
    if (found != table_.series.rend()) return *found;
    table_.series.push_back({.method = method, .spec = text_of(line, "spec"), .repeat = repeat});
    return table_.series.back();
  }

  static void put(Series& series, std::size_t column, double value) {
    if (series.values.size() <= column) series.values.resize(column + 1);
    std::vector<double>& values = series.values[column];
    values.resize(series.rows, kAbsent);
    values.push_back(value);
  }

  // Columns that ended early, or that the series lacks.
  void fill(Series& series) const {
    series.values.resize(table_.columns.size());
    for (std::vector<double>& values : series.values) {
      if (!values.empty()) values.resize(series.rows, kAbsent);
    }
  }

  void problem(std::string text) { add({lines_.number(), std::move(text)}); }
  void problem_of_file(std::string text) { add({0, std::move(text)}); }
  void add(Problem problem) {
    if (table_.problems.size() < kMostProblems) {
      table_.problems.push_back(std::move(problem));
    } else {
      ++table_.more_problems;
    }
  }

  LineReader lines_;
  RecordTable table_ = {};
  bool newer_ = false;
  std::vector<std::pair<std::size_t, double>> row_ = {};
};

}  // namespace

std::string Problem::message(std::string_view file) const {
  return line == 0 ? fmt::format("{}: {}", file, text)
                   : fmt::format("{}: line {}: {}", file, line, text);
}

std::size_t RecordTable::column(std::string_view name) const {
  return static_cast<std::size_t>(std::find(columns.begin(), columns.end(), name) -
                                  columns.begin());
}

RecordTable read_records(std::istream& in) { return Reader(in).read(); }

RecordTable read_records(const std::filesystem::path& file) {
  errno = 0;
  std::ifstream in(file, std::ios::binary);
  std::error_code code;
  if (!in || std::filesystem::is_directory(file, code)) {
    throw ConfigError(fmt::format(
        "'{}' cannot be read: {}; name a folder that laconic run has written", file.string(),
        in ? "it is a folder" : std::error_code(errno, std::generic_category()).message()));
  }
  return read_records(in);
}

}  // namespace laconic::report
