// SPDX-License-Identifier: Apache-2.0
// Multiplies the step size by a factor at given fractions of the run.
#include <fmt/format.h>

#include <cmath>

#include "laconic/optim/methods.hpp"

namespace laconic::schedule_methods {
namespace {

const Card kStepDecayCard{
    .kind = "schedule",
    .name = "step-decay",
    .summary = "multiplied by a factor at fractions of the run",
    .formula = "factor = product of `factor` over the fractions a in `at` with t >= round(a T)",
    .params = {{.key = "at",
                .type = ParamType::kText,
                .default_text = "0.5/0.75",
                .help = "the fractions of the run at which it falls, rising, joined by '/'"},
               {.key = "factor",
                .type = ParamType::kReal,
                .default_text = "0.1",
                .help = "what it is multiplied by at each of them",
                .min = 0,
                .min_open = true}},
    .promises = "falls at the rounds nearest to the fractions, exact products of the factor"};

// The fractions between the slashes, or the first thing that is wrong with them.
Result<std::vector<double>> parse_fractions(std::string_view text) {
  std::vector<double> fractions;
  while (true) {
    const std::size_t slash = text.find('/');
    const auto fraction = parse_real(text.substr(0, slash));
    if (!fraction) return Failure{fraction.error()};
    if (!(*fraction > 0 && *fraction < 1))
      return Failure{fmt::format("{} is not in (0, 1)", shortest(*fraction))};
    if (!fractions.empty() && *fraction <= fractions.back()) {
      return Failure{fmt::format("{} does not lie behind {}", shortest(*fraction),
                                 shortest(fractions.back()))};
    }
    fractions.push_back(*fraction);
    if (slash == std::string_view::npos) return fractions;
    text.remove_prefix(slash + 1);
  }
}

class StepDecay final : public Schedule {
 public:
  explicit StepDecay(const Args& args)
      : at_(parse_fractions(args.text("at")).value_or_throw()), factor_(args.real("factor")) {}
  [[nodiscard]] double factor(std::uint32_t t, std::uint32_t rounds) const override {
    double product = 1;
    for (const double fraction : at_) {
      const double milestone = std::floor(fraction * static_cast<double>(rounds) + 0.5);
      if (static_cast<double>(t) >= milestone) product *= factor_;
    }
    return product;
  }

 private:
  std::vector<double> at_;
  double factor_;
};

}  // namespace

Method<Schedule, ScheduleSetup> step_decay() {
  return {&kStepDecayCard, [](const Args& args, const ScheduleSetup&) -> std::unique_ptr<Schedule> {
            return std::make_unique<StepDecay>(args);
          }};
}

void step_decay_problems(const Args& args, std::vector<std::string>& problems) {
  const auto fractions = parse_fractions(args.text("at"));
  if (!fractions) {
    problems.push_back(fmt::format(
        "step-decay: at={}: {}; it is a rising list of fractions of the run, e.g. at=0.5/0.75",
        args.text("at"), fractions.error()));
  }
}

}  // namespace laconic::schedule_methods
