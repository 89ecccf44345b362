// SPDX-License-Identifier: Apache-2.0
// From a file name to an experiment that can run, with everything that is wrong on the way.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "laconic/experiment/config.hpp"
#include "laconic/experiment/experiment.hpp"
#include "laconic/experiment/plan.hpp"

namespace laconic::cli {

// The file and what the command line changes in it.
struct Source {
  std::string file = {};
  std::vector<std::string> settings = {};  // of --set, "PATH=VALUE"
};

struct Checked {
  experiment::Diagnostics diagnostics = {};
  experiment::Plan plan = {};  // only without errors among the diagnostics
};
// Reads, parses and validates. A file that cannot be read is a diagnostic, too.
[[nodiscard]] Checked check(const Source& source);

// One line per diagnostic, to standard error. Warnings are left out with `errors_only`.
void print_diagnostics(const experiment::Diagnostics& diagnostics, bool errors_only = false);

}  // namespace laconic::cli
