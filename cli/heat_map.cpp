// SPDX-License-Identifier: Apache-2.0
#include "cli/heat_map.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <vector>

#include "cli/output.hpp"

namespace laconic::cli {
namespace {

using experiment::Criterion;
using experiment::HeatMap;

constexpr std::size_t kMapWidth = 80;

std::string value_text(double value, Criterion criterion) {
  if (criterion == Criterion::kTestAccuracy) return fmt::format("{:.2f}%", value * 100);
  const bool counted = experiment::counts_to_target(criterion);
  if (counted && value < 99999.5) return fmt::format("{:.0f}", value);
  return counted ? fmt::format("{:.2e}", value) : fmt::format("{:.3g}", value);
}

// The place of the best value, or nothing.
std::optional<std::size_t> best_place(const HeatMap& map, Criterion criterion) {
  std::optional<std::size_t> best;
  for (std::size_t i = 0; i < map.values.size(); ++i) {
    if (!map.values[i]) continue;
    const bool improves =
        !best || (criterion == Criterion::kTestAccuracy ? *map.values[i] > *map.values[*best]
                                                        : *map.values[i] < *map.values[*best]);
    if (improves) best = i;
  }
  return best;
}

std::size_t widest(const std::vector<std::string>& texts) {
  std::size_t width = 0;
  for (const std::string& text : texts) width = std::max(width, columns(text));
  return width;
}

}  // namespace

std::string heat_map_text(const HeatMap& map, Criterion criterion) {
  const auto best = best_place(map, criterion);
  std::vector<std::string> cells;
  for (std::size_t i = 0; i < map.values.size(); ++i) {
    cells.push_back(map.values[i] ? value_text(*map.values[i], criterion) : "-");
    if (best == i) cells.back() += '*';
  }
  const std::string corner = map.row_key + "\\" + map.column_key;
  const std::size_t label = std::min<std::size_t>(std::max(widest(map.rows), columns(corner)), 20);
  const std::size_t width = std::min<std::size_t>(std::max(widest(cells), widest(map.columns)), 20);
  const std::size_t fitting = std::max<std::size_t>(1, (kMapWidth - label) / (width + 1));
  std::string out =
      fmt::format("{}: {}\n", left(map.title, std::min(columns(map.title), kMapWidth / 2)),
                  experiment::criterion_name(criterion));
  for (std::size_t begin = 0; begin < map.columns.size(); begin += fitting) {
    const std::size_t end = std::min(map.columns.size(), begin + fitting);
    out += left(corner, label);
    for (std::size_t c = begin; c < end; ++c) out += ' ' + right(map.columns[c], width);
    out += '\n';
    for (std::size_t r = 0; r < map.rows.size(); ++r) {
      out += right(map.rows[r], label);
      for (std::size_t c = begin; c < end; ++c) {
        out += ' ' + right(cells[r * map.columns.size() + c], width);
      }
      out += '\n';
    }
  }
  return out;
}

}  // namespace laconic::cli
