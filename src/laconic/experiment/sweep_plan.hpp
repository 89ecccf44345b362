// SPDX-License-Identifier: Apache-2.0
// The cells of a sweep, made when they are asked for: there may be many.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "laconic/experiment/config.hpp"
#include "laconic/experiment/sweep.hpp"

namespace laconic::experiment {

// A method before values are put into its texts.
struct MethodTemplate {
  std::string title = {};              // its name, else its aggregator
  MethodSettings settings = {};        // complete: what it shares is filled in
  std::vector<std::size_t> keys = {};  // of the sweep, those that its texts name
};

// Cells are counted method by method; within a method the last key changes fastest.
struct Cell {
  std::size_t method = 0;
  Assignment values = {};
};

struct SweepPlan {
  Sweep sweep = {};
  std::vector<MethodTemplate> methods = {};

  [[nodiscard]] std::uint64_t cells_of(std::size_t method) const;  // at most kMaxCells + 1
  [[nodiscard]] std::uint64_t cells() const;                       // likewise
  [[nodiscard]] Cell cell(std::uint64_t index) const;              // precondition: index < cells()
  // Of a cell's values those over which nothing is chosen.
  [[nodiscard]] Assignment group_of(const Cell& cell) const;
};

// Precondition: config.sweep.
[[nodiscard]] SweepPlan plan_sweep(const Config& config);

// The settings with the values in place. A text that is none of its kind then (a step of zero)
// leaves its field empty and is a problem: the key, and what is wrong.
struct Instance {
  MethodSettings settings = {};
  std::vector<std::pair<std::string, std::string>> problems = {};
};
[[nodiscard]] Instance instantiate(const MethodTemplate& method, const Assignment& values);

// The texts of a method's settings, by key; what values may be put into.
[[nodiscard]] std::vector<std::pair<std::string, std::string>> texts_of(
    const MethodSettings& settings);

}  // namespace laconic::experiment
