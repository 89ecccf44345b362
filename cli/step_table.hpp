// SPDX-License-Identifier: Apache-2.0
// What laconic plan prints for people.
#pragma once

#include <string>

#include "laconic/experiment/step_report.hpp"

namespace laconic::cli {

// A line of conditions, the table, and what its columns mean. Ends with a line break.
[[nodiscard]] std::string step_table(const experiment::StepReport& report);

}  // namespace laconic::cli
