// SPDX-License-Identifier: Apache-2.0
#include "laconic/experiment/sweep_records.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "laconic/base/card.hpp"
#include "laconic/experiment/line_file.hpp"
#include "laconic/experiment/records_json.hpp"

namespace laconic::experiment {
namespace {

// A field of a CSV line.
std::string csv_field(std::string_view text) {
  if (text.find_first_of(",\"\r\n") == std::string_view::npos) return std::string(text);
  std::string out = "\"";
  for (const char c : text) out += c == '"' ? std::string("\"\"") : std::string(1, c);
  return out + '"';
}

std::size_t place_of(const std::vector<std::string>& values, const std::string& value) {
  return static_cast<std::size_t>(std::find(values.begin(), values.end(), value) - values.begin());
}

}  // namespace

std::string cell_json(const Plan& plan, const CellResult& result) {
  const Cell cell = plan.sweep->cell(result.index);
  return json::dump(
      {{"cell", result.index},
       {"method", plan.sweep->methods[cell.method].title},
       {"settings", json::assignment(cell.values)},
       {"spec", spec_text(plan_cell(*plan.sweep, cell))},
       {"status", json::status_name(result.status)},
       {"stopped",
        result.stopped ? json::Json(stopped_name(*result.stopped)) : json::Json(nullptr)},
       {"reached", result.reached ? json::Json(*result.reached) : json::Json(nullptr)},
       {"rounds", json::count(result.rounds)},
       {"value", json::number(result.value)},
       {"final", json::metrics(result.final)},
       {"uplink", json::traffic(result.uplink)},
       {"downlink", json::traffic(result.downlink)}});
}

std::vector<HeatMap> heat_maps(const SweepPlan& plan, const std::vector<BestCell>& best) {
  std::vector<HeatMap> out;
  for (std::size_t m = 0; m < plan.methods.size(); ++m) {
    std::vector<const SweepKey*> keys;
    for (const std::size_t k : plan.methods[m].keys) {
      if (!plan.sweep.selects(plan.sweep.keys[k].name)) keys.push_back(&plan.sweep.keys[k]);
    }
    if (keys.size() != 2) continue;
    HeatMap map = {.title = plan.methods[m].title,
                   .row_key = keys[0]->name,
                   .column_key = keys[1]->name,
                   .rows = keys[0]->values,
                   .columns = keys[1]->values,
                   .values = {}};
    map.values.resize(map.rows.size() * map.columns.size());
    for (const BestCell& one : best) {
      if (one.method != m || !one.cell) continue;
      const std::size_t row = place_of(map.rows, one.group[0].second);
      const std::size_t column = place_of(map.columns, one.group[1].second);
      map.values[row * map.columns.size() + column] = one.cell->value;
    }
    out.push_back(std::move(map));
  }
  return out;
}

std::string heat_map_csv(const std::vector<HeatMap>& maps, Criterion criterion) {
  std::string out =
      fmt::format("method,row_key,row,column_key,column,{}\n", criterion_name(criterion));
  for (const HeatMap& map : maps) {
    for (std::size_t i = 0; i < map.values.size(); ++i) {
      const std::string& row = map.rows[i / map.columns.size()];
      const std::string& column = map.columns[i % map.columns.size()];
      out += fmt::format("{},{},{},{},{},{}\n", csv_field(map.title), map.row_key, csv_field(row),
                         map.column_key, csv_field(column),
                         map.values[i] ? shortest(*map.values[i]) : std::string());
    }
  }
  return out;
}

struct CellFile::Files {
  explicit Files(const std::filesystem::path& folder) : cells(folder / "cells.jsonl") {}
  LineFile cells;
};

CellFile::CellFile(const std::filesystem::path& folder, const Plan& plan, const std::string& header)
    : folder_(folder), plan_(plan) {
  make_output_folder(folder_);
  for (const char* const old : {"heatmap.csv", "records.jsonl", "summary.json"}) {
    std::error_code code;
    std::filesystem::remove(folder_ / old, code);
  }
  files_ = std::make_unique<Files>(folder_);
  files_->cells.write(header);
}

CellFile::~CellFile() = default;

void CellFile::write(const CellResult& result) { files_->cells.write(cell_json(plan_, result)); }

void CellFile::write_heat_maps(const std::vector<HeatMap>& maps) {
  if (maps.empty()) return;
  LineFile file(folder_ / "heatmap.csv");
  std::string text = heat_map_csv(maps, plan_.sweep->sweep.criterion);
  text.pop_back();  // the line feed that write adds
  file.write(text);
}

}  // namespace laconic::experiment
