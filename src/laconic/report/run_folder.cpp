// SPDX-License-Identifier: Apache-2.0
#include "laconic/report/run_folder.hpp"

#include <fmt/format.h>

#include <fstream>
#include <iterator>
#include <system_error>

#include "laconic/base/error.hpp"
#include "laconic/report/json_text.hpp"
#include "laconic/report/line_reader.hpp"

namespace laconic::report {
namespace {

constexpr std::string_view kCutOff =
    "is cut off; the run was ended in the middle of it, or still writes";

void add_record_problems(RunFolder& run, const FolderReading& reading) {
  const RecordTable& records = run.records;
  for (const Problem& problem : records.problems)
    run.problems.push_back(problem.message("records.jsonl"));
  if (records.more_problems > 0) {
    run.problems.push_back(
        fmt::format("records.jsonl: {} more lines cannot be read", records.more_problems));
  }
  if (records.cut_off > 0 && !reading.live) {
    run.problems.push_back(Problem{records.cut_off, std::string(kCutOff)}.message("records.jsonl"));
  }
}

// What a page shows of a cell: there may be 100,000, and specs are long.
std::string shown_part(const Json& cell) {
  Json out = Json::object();
  for (const char* const key :
       {"cell", "method", "settings", "status", "value", "rounds", "final", "uplink"}) {
    if (cell.contains(key)) out[key] = cell[key];
  }
  return ascii(out);
}

// Of a sweep: the lines behind the header that are cells.
void read_cells(RunFolder& run, const FolderReading& reading) {
  std::ifstream in(run.folder / "cells.jsonl", std::ios::binary);
  if (!in) return;
  LineReader lines(in, kLongestLine);
  std::size_t wrong = 0;
  while (lines.next()) {
    const Json line = parse_json(lines.line());
    const bool cell = line.is_object() && line.contains("cell") && line.contains("method") &&
                      line["method"].is_string() && line.contains("settings") &&
                      line["settings"].is_object();
    if (cell) {
      run.cells.push_back(shown_part(line));
      continue;
    }
    if (lines.number() == 1 && line.is_object() && line.contains("schema")) {
      // The header of the records, which may not be there yet.
      if (run.records.empty()) run.records.header = lines.line();
      continue;
    }
    if (!lines.complete() && reading.live) continue;
    if (wrong++ < kMostProblems) {
      const std::string text =
          lines.complete() ? "is no cell of a sweep; it is left out" : std::string(kCutOff);
      run.problems.push_back(Problem{lines.number(), text}.message("cells.jsonl"));
    }
  }
}

void read_summary(RunFolder& run) {
  std::ifstream in(run.folder / "summary.json", std::ios::binary);
  if (!in) return;
  const std::string text{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  const Json json = parse_json(text);
  if (json.is_object() && json.contains("methods")) {
    run.summary = ascii(json);
  } else {
    run.problems.emplace_back("summary.json: is not a summary of laconic; it is left out");
  }
}

}  // namespace

RunFolder read_folder(const std::filesystem::path& folder, const FolderReading& reading) {
  RunFolder run;
  run.folder = folder;
  std::error_code code;
  const std::filesystem::path records = folder / "records.jsonl";
  if (!reading.live || std::filesystem::exists(records, code)) run.records = read_records(records);
  add_record_problems(run, reading);
  read_cells(run, reading);
  read_summary(run);
  return run;
}

}  // namespace laconic::report
