// SPDX-License-Identifier: Apache-2.0
// What a sweep leaves behind besides records and summary: DIR/cells.jsonl, one JSON object per cell
// in the order of the cells, written as they are completed, and DIR/heatmap.csv for methods of
// which two keys remain. docs/configuration.md describes both. Neither holds wall-clock times.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "laconic/experiment/run_sweep.hpp"

namespace laconic::experiment {

// One line, without the line feed.
[[nodiscard]] std::string cell_json(const Plan& plan, const CellResult& result);

// The best values of one method over its two remaining keys.
struct HeatMap {
  std::string title = {};
  std::string row_key = {};
  std::string column_key = {};
  std::vector<std::string> rows = {};  // values of the keys
  std::vector<std::string> columns = {};
  std::vector<std::optional<double>> values = {};  // row by row; absent where all cells lose
};
// Of every method of which exactly two keys remain, in order. Cells that were not done are absent.
[[nodiscard]] std::vector<HeatMap> heat_maps(const SweepPlan& plan,
                                             const std::vector<BestCell>& best);
// "method,row_key,row,column_key,column,CRITERION" and a line per value, none for absent ones'
// value.
[[nodiscard]] std::string heat_map_csv(const std::vector<HeatMap>& maps, Criterion criterion);

class CellFile final {
 public:
  // Makes the folder and cells.jsonl with its first line, the header of records.jsonl, and removes
  // heatmap.csv, records and summary of an earlier run, which would be taken for this one's while
  // it goes on. `plan` must outlive the object.
  CellFile(const std::filesystem::path& folder, const Plan& plan, const std::string& header);
  ~CellFile();
  CellFile(const CellFile&) = delete;
  CellFile& operator=(const CellFile&) = delete;
  void write(const CellResult& result);
  // Nothing when there is no map.
  void write_heat_maps(const std::vector<HeatMap>& maps);

 private:
  struct Files;
  std::filesystem::path folder_;
  const Plan& plan_;
  std::unique_ptr<Files> files_;
};

}  // namespace laconic::experiment
