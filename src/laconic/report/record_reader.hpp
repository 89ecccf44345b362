// SPDX-License-Identifier: Apache-2.0
// Reads records.jsonl back, strictly: a line that is not as docs/configuration.md describes it is
// left out, and a problem says which line and why. What can be read is always returned. Numbers
// become columns; those of nested objects have the name of the object in front
// (uplink.payload_bits is uplink_payload_bits), so a quantity that a later version records appears
// here without a change.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <istream>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

namespace laconic::report {

inline constexpr double kAbsent = std::numeric_limits<double>::quiet_NaN();

// One method of one repeat.
struct Series {
  std::string method = {};
  std::string spec = {};
  std::uint32_t repeat = 0;
  std::size_t rows = 0;
  // By column of the file and row; kAbsent where a row has none. Columns that no row of this series
  // has are empty.
  std::vector<std::vector<double>> values = {};
  std::string stopped = {};   // why it ended; empty if it did not, or diverged
  std::string diverged = {};  // the JSON object that says where; empty if it did not
};

struct Problem {
  std::size_t line = 0;  // counted from 1; 0: the file as a whole
  std::string text = {};
  [[nodiscard]] std::string message(std::string_view file) const;  // "FILE: line 7: TEXT"
};

struct RecordTable {
  std::string header = {};  // the first line, a JSON object; empty if it is none of ours
  std::vector<std::string> columns = {};  // in order of appearance; the first one is "round"
  std::vector<Series> series = {};        // likewise
  std::vector<Problem> problems = {};     // the first ones
  std::size_t more_problems = 0;          // that are not listed
  std::size_t cut_off = 0;  // the line that ends without a line feed and is no JSON; 0: none

  [[nodiscard]] bool empty() const { return header.empty() && series.empty(); }
  // Index in `columns`, or their number.
  [[nodiscard]] std::size_t column(std::string_view name) const;
};

inline constexpr std::size_t kMostProblems = 20;
inline constexpr std::size_t kLongestLine = std::size_t{1} << 26;

[[nodiscard]] RecordTable read_records(std::istream& in);
// ConfigError if the file cannot be opened.
[[nodiscard]] RecordTable read_records(const std::filesystem::path& file);

}  // namespace laconic::report
