// SPDX-License-Identifier: Apache-2.0
#include "laconic/report/export_text.hpp"

#include <fmt/format.h>

#include <cmath>
#include <vector>

#include "laconic/base/card.hpp"
#include "laconic/report/json_text.hpp"

namespace laconic::report {
namespace {

std::string csv_field(std::string_view text) {
  if (text.find_first_of(",\"\r\n") == std::string_view::npos) return std::string(text);
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"') out += '"';
    out += c;
  }
  return out + '"';
}

// kAbsent where the series has no such column.
double value_of(const Series& series, std::size_t column, std::size_t row) {
  return series.values[column].empty() ? kAbsent : series.values[column][row];
}

// Why the series has ended stands in its last record.
std::string_view stopped_of(const Series& series, std::size_t row) {
  return row + 1 == series.rows ? std::string_view(series.stopped) : std::string_view();
}

}  // namespace

std::string csv(const RecordTable& table) {
  std::string out = "method,spec,repeat";
  for (const std::string& column : table.columns) out.append(1, ',').append(csv_field(column));
  out += ",stopped\n";
  for (const Series& series : table.series) {
    const std::string names =
        fmt::format("{},{},{}", csv_field(series.method), csv_field(series.spec), series.repeat);
    for (std::size_t row = 0; row < series.rows; ++row) {
      out += names;
      for (std::size_t c = 0; c < table.columns.size(); ++c) {
        const double value = value_of(series, c, row);
        out += ',';
        if (!std::isnan(value)) out += shortest(value);
      }
      out.append(1, ',').append(csv_field(stopped_of(series, row))).append(1, '\n');
    }
  }
  return out;
}

std::string jsonl(const RecordTable& table) {
  std::string out;
  std::vector<std::string> keys;
  for (const std::string& column : table.columns)
    keys.push_back(fmt::format(",{}:", json_string(column)));
  for (const Series& series : table.series) {
    const std::string names =
        fmt::format(R"({{"method":{},"spec":{},"repeat":{})", json_string(series.method),
                    json_string(series.spec), series.repeat);
    for (std::size_t row = 0; row < series.rows; ++row) {
      out += names;
      for (std::size_t c = 0; c < table.columns.size(); ++c) {
        const double value = value_of(series, c, row);
        if (!std::isnan(value)) out.append(keys[c]).append(shortest(value));
      }
      const std::string_view stopped = stopped_of(series, row);
      if (!stopped.empty()) out += fmt::format(R"(,"stopped":{})", json_string(stopped));
      out += "}\n";
    }
  }
  return out;
}

}  // namespace laconic::report
