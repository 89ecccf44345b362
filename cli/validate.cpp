// SPDX-License-Identifier: Apache-2.0
// laconic validate: everything that is wrong with a configuration, or what it means.
#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "cli/commands.hpp"
#include "cli/output.hpp"
#include "cli/session.hpp"
#include "laconic/data/catalog.hpp"
#include "laconic/optim/optimizer.hpp"

namespace laconic::cli {
namespace {

using experiment::Experiment;
using experiment::MethodPlan;
using experiment::Plan;
using experiment::Precision;

// A known data set that has not been downloaded yet.
const data::KnownDataset* missing_dataset(const Plan& plan) {
  const data::KnownDataset* known = plan.data ? data::find_known(plan.data->name) : nullptr;
  if (known == nullptr) return nullptr;
  const data::Places places = data::places_from_environment();
  const bool complete =
      std::all_of(known->files.begin(), known->files.end(), [&](const data::KnownFile& file) {
        return data::find_file(*known, file, places).has_value();
      });
  return complete ? nullptr : known;
}

template <Real T>
std::string facts_of(const Experiment& experiment) {
  const Plan& plan = experiment.plan();
  std::string out;
  for (const MethodPlan& method : plan.methods) {
    const auto problem = experiment.problem<T>(method.workers, plan.seed);
    if (&method == &plan.methods.front()) {
      out += fmt::format("problem: {}\n", problem->description());
      const auto& l_minus = problem->constants().l_minus;
      out += l_minus ? fmt::format("L = {:.6g}, step 1/L = {:.6g}\n", *l_minus, 1 / *l_minus)
                     : std::string("L is not known; step = 'theory' cannot be used\n");
    }
    out += fmt::format("{}: {} rounds, first step {:.6g}, {} parameters\n", method.name,
                       experiment::rounds_of(method, *problem),
                       experiment::base_step(method.step, *problem) *
                           schedules()
                               .make(method.schedule, {})
                               ->factor(0, experiment::rounds_of(method, *problem)),
                       problem->layout().size());
  }
  return out;
}

int validate(const Source& source) {
  const Checked checked = check(source);
  print_diagnostics(checked.diagnostics);
  if (experiment::has_errors(checked.diagnostics)) return kBadInput;
  std::string facts;
  if (const data::KnownDataset* missing = missing_dataset(checked.plan)) {
    facts = fmt::format(
        "data: {} is not here yet, so nothing was checked against it; {}\n", missing->name,
        missing->by_hand.empty() ? fmt::format("laconic data fetch {}", missing->name)
                                 : std::string(missing->by_hand));
  } else {
    const Experiment experiment(checked.plan);
    facts = checked.plan.precision == Precision::kFloat ? facts_of<float>(experiment)
                                                        : facts_of<double>(experiment);
  }
  std::string out = "ok\n";
  for (const MethodPlan& method : checked.plan.methods) {
    out += fmt::format("{}: {}\n", method.name, experiment::spec_text(method));
  }
  print_out(out + facts);
  return kDone;
}

}  // namespace

void add_validate(CLI::App& app, Action& chosen) {
  auto source = std::make_shared<Source>();  // lives as long as the application's callbacks
  CLI::App* command =
      app.add_subcommand("validate", "Say everything that is wrong with a configuration, or ok");
  command->add_option("FILE", source->file, "Configuration (docs/configuration.md)")->required();
  command->add_option("--set", source->settings, "Change a setting, as in laconic run")
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false)
      ->take_all();
  command->callback([source, &chosen] { chosen = [source] { return validate(*source); }; });
}

}  // namespace laconic::cli
