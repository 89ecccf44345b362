// SPDX-License-Identifier: Apache-2.0
// laconic list and laconic describe: what can be named in a configuration, from the cards.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cli/card_text.hpp"
#include "cli/commands.hpp"
#include "cli/output.hpp"
#include "laconic/aggregate/aggregator.hpp"
#include "laconic/base/card.hpp"
#include "laconic/experiment/catalog.hpp"
#include "laconic/experiment/experiment.hpp"
#include "laconic/experiment/method_theory.hpp"

namespace laconic::cli {
namespace {

constexpr std::size_t kWidth = 80;

std::string card_text(const Card& card) {
  std::string out = fmt::format("{} ({})\n", card.name, card.kind);
  out += wrapped(card.summary, 2, kWidth);
  if (!card.inner_kind.empty()) {
    out += wrapped(fmt::format("Around a {}: {}:NAME{}", card.inner_kind, card.name,
                               card.default_inner.empty()
                                   ? std::string()
                                   : fmt::format("; without one {}", card.default_inner)),
                   2, kWidth);
  }
  if (!card.formula.empty()) out += '\n';
  for (const std::string_view line : lines_of(card.formula)) {
    out += fmt::format("    {}\n", line);
  }
  for (const ParamCard& param : card.params) {
    out += fmt::format("\n  {}: {}; {}\n", param.key, range_text(param), default_text(param));
    if (!param.help.empty()) out += wrapped(param.help, 4, kWidth);
  }
  if (!card.promises.empty()) {
    out += '\n' + wrapped(fmt::format("Promises: {}", card.promises), 2, kWidth);
  }
  if (!card.paper.empty()) out += '\n' + wrapped(fmt::format("Paper: {}", card.paper), 2, kWidth);
  return out;
}

int list(const std::string& wanted) {
  const Catalog& catalog = experiment::all_cards();
  const std::vector<std::string_view> kinds = catalog.kinds();
  // "channels" as well as "channel".
  const auto found = std::find_if(kinds.begin(), kinds.end(), [&](std::string_view kind) {
    return wanted == kind || wanted == std::string(kind) + 's';
  });
  if (!wanted.empty() && found == kinds.end()) {
    print_errors(fmt::format("'{}' is not a kind of method; use {}", wanted, join_or(kinds)));
    return kBadInput;
  }
  std::string out;
  for (const std::string_view one : kinds) {
    if (!wanted.empty() && one != *found) continue;
    if (!out.empty()) out += '\n';
    out += fmt::format("{}\n", one);
    for (const Card* card : catalog.of_kind(one)) {
      out += fmt::format("  {:<18} {}\n", card->name, card->summary);
    }
  }
  print_out(out);
  return kDone;
}

struct Question {
  std::string name = {};  // a method, or the spec of an aggregator
  std::optional<std::uint32_t> dim = {};
  std::optional<std::uint32_t> workers = {};
  std::string problem = {};
  std::string data = {};
  std::uint64_t seed = 1;
  [[nodiscard]] bool about_theory() const {
    return name.find_first_of(":=") != std::string::npos || dim || workers || !problem.empty() ||
           !data.empty();
  }
};

std::string constants_text(const StepTheory& theory) {
  std::string out = fmt::format("A = {:.9g}\nB = {:.9g}\nsqrt(B/A) = {:.9g}\n", theory.a, theory.b,
                                std::sqrt(theory.b / theory.a));
  if (theory.plus != theory.b / theory.a || theory.plus_minus > 0) {
    out += fmt::format("all workers together: {:.9g} L_+^2 + {:.9g} L_+-^2\n", theory.plus,
                       theory.plus_minus);
  }
  return out;
}

std::string steps_text(const StepTheory& theory, const Constants& constants) {
  const std::string_view missing = experiment::missing_for_theory(theory, constants);
  if (!missing.empty()) return fmt::format("gamma: not without {}\n", missing);
  std::string out = fmt::format("gamma = {:.9g}\n", experiment::theory_step(theory, constants));
  const std::string_view missing_pl = experiment::missing_for_pl(theory, constants);
  if (!missing_pl.empty()) return out + fmt::format("PL gamma: not without {}\n", missing_pl);
  return out + fmt::format("PL gamma = {:.9g}\n", experiment::pl_step(theory, constants));
}

// A configuration with this one method, so that everything is checked as for a run.
std::string configuration_of(const Question& question) {
  std::string out = fmt::format(
      "name = 'describe'\nprecision = 'double'\nseed = {}\nworkers = {}\nrounds = 1\nstep = 1\n"
      "problem = '{}'\n",
      question.seed, question.workers.value_or(1), question.problem);
  if (!question.data.empty()) out += fmt::format("data = '{}'\n", question.data);
  return out + fmt::format("[[method]]\naggregator = '{}'\n", question.name);
}

int describe_on_problem(const Question& question) {
  experiment::ParsedConfig parsed =
      experiment::parse_config(configuration_of(question), "describe");
  experiment::Diagnostics found = parsed.diagnostics;
  for (auto& diagnostic : experiment::validate(parsed.config)) {
    if (diagnostic.severity == experiment::Severity::kError) found.push_back(diagnostic);
  }
  for (const auto& diagnostic : found) print_errors(diagnostic.message);
  if (!found.empty()) return kBadInput;
  const experiment::Experiment experiment(experiment::make_plan(parsed.config));
  const experiment::MethodPlan& method = experiment.plan().methods[0];
  const auto problem = experiment.problem<double>(method.workers, question.seed);
  std::string out = fmt::format("{}\n{}\n", print(method.aggregator), problem->description());
  const auto theory = experiment::theory_of(method, *problem, question.seed);
  out += theory ? constants_text(*theory) + steps_text(*theory, problem->constants())
                : std::string("no theory of its step size\n");
  for (const std::string& note : aggregator_notes(method.aggregator, {.layout = &problem->layout(),
                                                                     .workers = method.workers,
                                                                     .mine = {0, method.workers},
                                                                     .seed = question.seed})) {
    out += note + "\n";
  }
  print_out(out);
  return kDone;
}

int describe_constants(const Question& question) {
  const Catalog& catalog = experiment::all_cards();
  const auto spec = parse_spec(question.name);
  std::vector<std::string> problems;
  if (!spec) {
    problems.push_back(spec.error());
  } else {
    problems = catalog.problems(*spec, "aggregator");
  }
  const std::uint32_t workers = question.workers.value_or(1);
  if (problems.empty()) {
    problems = aggregator_problems(catalog.canonical(*spec, "aggregator"), workers);
  }
  if (problems.empty() && !question.dim) {
    problems.emplace_back(
        "--dim is missing; A and B depend on the number of coordinates (or give --problem)");
  }
  for (const std::string& problem : problems) print_errors(problem);
  if (!problems.empty()) return kBadInput;
  const Spec canonical = catalog.canonical(*spec, "aggregator");
  const Layout layout({Tensor{.name = "x", .shape = {*question.dim, 1}}});
  const auto theory = aggregator_theory(canonical, {.layout = &layout,
                                                    .workers = workers,
                                                    .mine = {0, workers},
                                                    .seed = question.seed,
                                                    .l_worker = {}});
  print_out(
      fmt::format("{}\n{} coordinates, {} workers\n{}", print(canonical), *question.dim, workers,
                  theory ? constants_text(*theory) : std::string("no theory of its step size\n")));
  return kDone;
}

int describe(const Question& question) {
  if (!question.problem.empty()) return describe_on_problem(question);
  if (question.about_theory()) return describe_constants(question);
  const std::string& name = question.name;
  const Catalog& catalog = experiment::all_cards();
  std::string out;
  for (const std::string_view kind : catalog.kinds()) {
    const Card* card = catalog.find(kind, name);
    if (card == nullptr) continue;
    if (!out.empty()) out += '\n';
    out += card_text(*card);
  }
  if (out.empty()) {
    print_errors(fmt::format("'{}' is not a known method; laconic list shows all of them", name));
    return kBadInput;
  }
  print_out(out);
  return kDone;
}

}  // namespace

void add_list(CLI::App& app, Action& chosen) {
  auto kind = std::make_shared<std::string>();  // lives as long as the application's callbacks
  CLI::App* command = app.add_subcommand("list", "List the methods that a configuration can name");
  command->add_option("KIND", *kind, "Only this kind, e.g. aggregator");
  command->callback([kind, &chosen] { chosen = [kind] { return list(*kind); }; });
}

void add_describe(CLI::App& app, Action& chosen) {
  auto question = std::make_shared<Question>();  // likewise
  CLI::App* command =
      app.add_subcommand("describe",
                         "Show a method's formula, parameters, promises and paper; of an "
                         "aggregator's spec A, B and the step of its theory");
  command
      ->add_option("NAME", question->name, "As laconic list shows it, or the spec of an aggregator")
      ->required();
  command->add_option("--dim", question->dim, "Coordinates of the model, for A and B")
      ->type_name("N")
      ->check(CLI::Range(1U, 1U << 30));
  command->add_option("--workers", question->workers, "Workers; default 1")
      ->type_name("N")
      ->check(CLI::Range(1U, 100000U));
  command->add_option("--problem", question->problem, "A problem, for the step size")
      ->type_name("SPEC");
  command->add_option("--data", question->data, "Data of the problem")->type_name("SPEC");
  command->add_option("--seed", question->seed, "Seed of the problem; default 1")
      ->type_name("N")
      ->check(CLI::Range(std::uint64_t{0}, std::uint64_t{INT64_MAX}));
  command->callback([question, &chosen] { chosen = [question] { return describe(*question); }; });
}

}  // namespace laconic::cli
