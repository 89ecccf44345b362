// SPDX-License-Identifier: Apache-2.0
// The methods of a step plan side by side, best first, and the same as JSON.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "laconic/experiment/step_measure.hpp"
#include "laconic/experiment/step_plan.hpp"

namespace laconic::experiment {

struct PlannedMethod {
  std::string aggregator = {};  // the spec to paste
  StepLoad load = {};
  StepSeconds seconds = {};
  BreakEven faster_than_dense = {};
  std::optional<TimedSteps> measured = {};
};

struct RefusedMethod {
  std::string aggregator = {};
  std::string why = {};
};

struct StepReport {
  std::uint32_t workers = 1;
  std::size_t tensors = 0;
  std::size_t numbers = 0;
  std::size_t number_bytes = 4;
  StepConditions conditions = {};
  bool network_measured = false;
  std::vector<PlannedMethod> methods = {};
  std::vector<RefusedMethod> refused = {};
};

// Fills in seconds and faster_than_dense of all methods from their loads, and sorts them: the
// shortest step first. `dense` is what uncompressed steps cost.
void predict(StepReport& report, const StepLoad& dense);

// docs/plan.md describes the keys.
[[nodiscard]] std::string step_json(const StepReport& report);

}  // namespace laconic::experiment
