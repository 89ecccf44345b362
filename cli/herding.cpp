// SPDX-License-Identifier: Apache-2.0
// laconic herding: the herding bound of example orders on random vectors, round by round (Figure 10
// of CD-GraB). No training: vectors stand for gradients.
#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "cli/commands.hpp"
#include "cli/output.hpp"
#include "laconic/experiment/catalog.hpp"
#include "laconic/order/order_policy.hpp"
#include "laconic/order/random_vectors.hpp"

namespace laconic::cli {
namespace {

struct Question {
  std::vector<std::string> specs = {};
  RandomVectors vectors = {.seed = 1};
  std::uint32_t rounds = 12;
  std::uint32_t seeds = 1;
};

// What one order reached: by round, the median over the seeds.
struct Column {
  std::string name = {};
  std::vector<double> bounds = {};
  double seconds = 0;  // of ordering, all seeds
};

double median(std::vector<double> values) {
  std::ranges::sort(values);
  const std::size_t half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
}

// Prints what is wrong with the specs; empty if anything is.
std::vector<Spec> canonical_specs(const Question& question) {
  const Catalog& catalog = experiment::all_cards();
  std::vector<Spec> specs;
  bool is_bad = false;
  for (const std::string& text : question.specs) {
    const auto spec = parse_spec(text);
    std::vector<std::string> problems;
    if (!spec) {
      problems.push_back(spec.error());
    } else {
      problems = catalog.problems(*spec, "order");
    }
    if (problems.empty()) {
      specs.push_back(catalog.canonical(*spec, "order"));
      problems = order_problems(specs.back());
    }
    for (const std::string& problem : problems) print_errors(problem);
    is_bad = is_bad || !problems.empty();
  }
  if (is_bad) specs.clear();
  return specs;
}

Column measure(const Question& question, const std::string& name, const Spec& spec) {
  std::vector<RandomVectorRounds> runs;
  Column column{.name = name};
  for (std::uint32_t s = 0; s < question.seeds; ++s) {
    RandomVectors vectors = question.vectors;
    vectors.seed += s;
    runs.push_back(random_vector_bounds(spec, vectors, question.rounds));
    column.seconds += runs.back().ordering_seconds;
  }
  for (std::uint32_t r = 0; r <= question.rounds; ++r) {
    std::vector<double> bounds;
    for (const RandomVectorRounds& run : runs) bounds.push_back(run.bounds[r].infinity);
    column.bounds.push_back(median(bounds));
  }
  return column;
}

int herding(const Question& question) {
  const std::vector<Spec> specs = canonical_specs(question);
  if (specs.empty()) return kBadInput;
  std::vector<Column> table;
  for (std::size_t i = 0; i < specs.size(); ++i) {
    table.push_back(measure(question, question.specs[i], specs[i]));
  }
  std::string out = fmt::format(
      "{} vectors of {} numbers, {} workers; largest entry of a prefix sum, median of {} seed(s)\n"
      "round",
      question.vectors.vectors, question.vectors.dim, question.vectors.workers, question.seeds);
  const auto width = [](const Column& column) {
    return std::max<std::size_t>(8, column.name.size());
  };
  for (const Column& column : table) out += "  " + right(column.name, width(column));
  for (std::uint32_t r = 0; r <= question.rounds; ++r) {
    out += fmt::format("\n{:5}", r);
    for (const Column& column : table) {
      out += fmt::format("  {:>{}.3f}", column.bounds[r], width(column));
    }
  }
  out += "\n time";
  for (const Column& column : table)
    out += "  " + right(seconds_text(column.seconds), width(column));
  print_out(out + "\n");
  return kDone;
}

}  // namespace

void add_herding(CLI::App& app, Action& chosen) {
  auto question = std::make_shared<Question>();  // lives as long as the application's callbacks
  CLI::App* command = app.add_subcommand(
      "herding", "Measure how well example orders herd random vectors, round by round");
  command->add_option("SPEC", question->specs, "Orders, e.g. cd-grab pair-grab reshuffle")
      ->required();
  const auto count = [command](const char* name, std::uint32_t& value, const char* what) {
    command->add_option(name, value, fmt::format("{}; default {}", what, value))
        ->type_name("N")
        ->check(CLI::Range(1U, 100'000'000U));
  };
  count("--vectors", question->vectors.vectors,
        "Vectors of all workers, a multiple of the workers");
  count("--dim", question->vectors.dim, "Numbers of a vector");
  count("--workers", question->vectors.workers, "Workers");
  count("--rounds", question->rounds, "Epochs");
  count("--seeds", question->seeds, "Seeds, from --seed on; the median is shown");
  command->add_option("--seed", question->vectors.seed, "First seed; default 1")
      ->type_name("N")
      ->check(CLI::Range(std::uint64_t{0}, std::uint64_t{INT64_MAX}));
  command->callback([question, &chosen] { chosen = [question] { return herding(*question); }; });
}

}  // namespace laconic::cli
