// SPDX-License-Identifier: Apache-2.0
// What one run has left in its folder: records, and where they are there the summary and the cells
// of a sweep. Nothing but these files is looked at.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "laconic/report/record_reader.hpp"

namespace laconic::report {

struct RunFolder {
  std::filesystem::path folder = {};
  RecordTable records = {};
  std::string summary = {};                // a JSON object; empty if there is none
  std::vector<std::string> cells = {};     // of a sweep, a JSON object each, without specs
  std::vector<std::string> problems = {};  // of all files, with their names; what is left is shown
  [[nodiscard]] bool finished() const { return !summary.empty(); }
};

struct FolderReading {
  // The run goes on: a last line that is cut off is no problem, nor that a sweep has no records
  // yet.
  bool live = false;
};

// ConfigError if there are no records at all, unless they may still come.
[[nodiscard]] RunFolder read_folder(const std::filesystem::path& folder,
                                    const FolderReading& reading = {});

}  // namespace laconic::report
