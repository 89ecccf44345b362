// SPDX-License-Identifier: Apache-2.0
// Experiment files: whatever is in them, the outcome is a list of diagnostics or a plan.
#include <string>

#include "fuzz/fuzz.hpp"
#include "laconic/experiment/config.hpp"
#include "laconic/experiment/plan.hpp"

namespace laconic::experiment {
namespace {

using fuzz::require;

void check(std::string_view text) {
  const ParsedConfig parsed = parse_config(text, "fuzz.toml");
  for (const Diagnostic& d : parsed.diagnostics) {
    require(!d.place.empty() && !d.message.empty(), "a diagnostic has a place and a message");
  }
  require(parse_config(text, "fuzz.toml").diagnostics == parsed.diagnostics,
          "the same text has the same diagnostics");
  const Diagnostics problems = validate(parsed.config);
  require(validate(parsed.config) == problems, "validation is pure");
  if (has_errors(parsed.diagnostics) || has_errors(problems)) return;
  const Plan plan = make_plan(parsed.config);
  require(!plan.methods.empty(), "a plan has methods");
  for (const MethodPlan& method : plan.methods) {
    require(method.workers >= 1, "a method has workers");
    require(method.rounds.has_value() != method.epochs.has_value(), "rounds or epochs");
    require(!spec_text(method).empty(), "a method has a text");
  }
}

}  // namespace
}  // namespace laconic::experiment

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  laconic::experiment::check(laconic::fuzz::text_of(data, size));
  return 0;
}
