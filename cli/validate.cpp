// SPDX-License-Identifier: Apache-2.0
// laconic validate: everything that is wrong with a configuration, or what it means.
#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "cli/commands.hpp"
#include "cli/output.hpp"
#include "cli/session.hpp"
#include "laconic/data/catalog.hpp"
#include "laconic/experiment/method_theory.hpp"
#include "laconic/experiment/run_sweep.hpp"
#include "laconic/optim/optimizer.hpp"

namespace laconic::cli {
namespace {

using experiment::Experiment;
using experiment::MethodPlan;
using experiment::Plan;
using experiment::Precision;

// A known data set that has not been downloaded yet.
const data::KnownDataset* missing_dataset(const Plan& plan) {
  if (!plan.data) return nullptr;
  const Spec* innermost = &*plan.data;
  while (!innermost->inner.empty()) innermost = &innermost->inner.front();
  const data::KnownDataset* known = data::find_known(innermost->name);
  if (known == nullptr) return nullptr;
  const data::Places places = data::places_from_environment();
  const bool complete =
      std::all_of(known->files.begin(), known->files.end(), [&](const data::KnownFile& file) {
        return data::find_file(*known, file, places).has_value();
      });
  return complete ? nullptr : known;
}

std::string constant_text(std::string_view name, const std::optional<double>& value) {
  return value ? fmt::format("{} = {:.9g}, ", name, *value) : fmt::format("{} unknown, ", name);
}

// A and B of the method, its step, and the rounds to its target that theory promises.
template <Real T>
std::string theory_text(const MethodPlan& method, const Problem<T>& problem, std::uint64_t seed) {
  const auto theory = experiment::theory_of(method, problem, seed);
  if (!theory) return "  theory: none for this method\n";
  std::string out = fmt::format("  theory: A = {:.6g}, B = {:.6g}, B/A = {:.6g}", theory->a,
                                theory->b, theory->plus);
  if (theory->plus_minus > 0) out += fmt::format(" (L_+-: {:.6g})", theory->plus_minus);
  if (experiment::missing_for_theory(*theory, problem.constants()).empty()) {
    out += fmt::format(", gamma = {:.8g}", experiment::theory_step(*theory, problem.constants()));
  }
  if (experiment::missing_for_pl(*theory, problem.constants()).empty()) {
    out += fmt::format(", PL gamma = {:.8g}", experiment::pl_step(*theory, problem.constants()));
  }
  if (const auto rounds = experiment::predicted_rounds(method, problem, seed)) {
    out += fmt::format("; at most {:.6g} rounds to {}", *rounds, text_of(*method.until));
  }
  return out + '\n';
}

template <Real T>
std::string facts_of(const Experiment& experiment) {
  const Plan& plan = experiment.plan();
  std::string out;
  for (const MethodPlan& method : plan.methods) {
    const auto problem = experiment.problem<T>(method.workers, plan.seed);
    if (&method == &plan.methods.front()) {
      const Constants& known = problem->constants();
      out += fmt::format("problem: {}\n", problem->description());
      out += known.l_minus ? fmt::format("L = {:.6g}, step 1/L = {:.6g}\n", *known.l_minus,
                                         1 / *known.l_minus)
                           : std::string("L is not known; step = 'theory' cannot be used\n");
      out += constant_text("L_+", known.l_plus) + constant_text("L_+-", known.l_plus_minus) +
             constant_text("mu", known.mu) +
             constant_text("f*", plan.record_excess ? problem->minimum() : known.f_star);
      out.replace(out.size() - 2, 2, "\n");
    }
    const double first =
        schedules().make(method.schedule, {})->factor(0, experiment::rounds_of(method, *problem));
    out += fmt::format("{}: {} rounds, first step {:.6g}, {} parameters\n", method.name,
                       experiment::rounds_of(method, *problem),
                       experiment::base_step(method, *problem, plan.seed) * first,
                       problem->layout().size());
    out += theory_text(method, *problem, plan.seed);
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
    if (checked.plan.sweep) experiment::check_cells(experiment);
    facts = checked.plan.precision == Precision::kFloat ? facts_of<float>(experiment)
                                                        : facts_of<double>(experiment);
  }
  std::string out = "ok\n";
  if (checked.plan.sweep) {
    out += fmt::format("sweep: {} cells, {} keys; shown is the first cell of every method\n",
                       checked.plan.sweep->cells(), checked.plan.sweep->sweep.keys.size());
  }
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
