// SPDX-License-Identifier: Apache-2.0
// laconic herding: how well orders herd fixed random vectors, round by round (Figure 10 of CD-GraB;
// cd-grab.md 4.3).
#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "cli/commands.hpp"
#include "cli/output.hpp"
#include "laconic/base/card.hpp"
#include "laconic/base/error.hpp"
#include "laconic/experiment/catalog.hpp"
#include "laconic/order/order_policy.hpp"
#include "laconic/order/random_vectors.hpp"

namespace laconic::cli {
namespace {

struct HerdingQuestion {
  std::vector<std::string> orders = {"reshuffle", "cd-grab", "pair-grab", "grab"};
  std::vector<std::uint32_t> workers = {4, 8, 16, 32, 64};
  std::uint32_t vectors = 64'000;
  std::uint32_t dim = 16;
  std::uint32_t rounds = 12;
  std::uint32_t repeats = 3;
  std::uint64_t seed = 1;
  bool csv = false;
};

constexpr std::uint64_t kMaxNumbers = std::uint64_t{1} << 28;  // 2 GiB of doubles

Spec canonical_order(const std::string& text) {
  const Spec parsed = parse_spec(text).value_or_throw();
  const std::vector<std::string> problems = experiment::all_cards().problems(parsed, "order");
  if (!problems.empty()) throw ConfigError(fmt::format("order {}: {}", text, problems.front()));
  Spec canonical = experiment::all_cards().canonical(parsed, "order");
  const std::vector<std::string> beyond = order_problems(canonical);
  if (!beyond.empty()) throw ConfigError(fmt::format("order {}: {}", text, beyond.front()));
  return canonical;
}

void check(const HerdingQuestion& question) {
  if (std::uint64_t{question.vectors} * question.dim > kMaxNumbers) {
    throw ConfigError(fmt::format("--vectors {} of --dim {} are more than {} numbers; use fewer",
                                  question.vectors, question.dim, kMaxNumbers));
  }
  for (const std::uint32_t workers : question.workers) {
    if (question.vectors % workers == 0) continue;
    throw ConfigError(
        fmt::format("--vectors {} is not a multiple of --workers {}; all workers have as many, use "
                    "{}",
                    question.vectors, workers, (question.vectors / workers + 1) * workers));
  }
}

// By round: the median over the repeats of the bound in the largest-magnitude norm.
struct Medians {
  std::vector<double> bounds = {};
  double seconds = 0;  // of ordering, per repeat
};

Medians medians_of(const Spec& order, const HerdingQuestion& question, std::uint32_t workers) {
  std::vector<std::vector<double>> by_round(question.rounds + 1);
  Medians out;
  for (std::uint32_t repeat = 0; repeat < question.repeats; ++repeat) {
    const RandomVectorRounds rounds = random_vector_bounds(order,
                                                           {.vectors = question.vectors,
                                                            .dim = question.dim,
                                                            .workers = workers,
                                                            .seed = question.seed + repeat},
                                                           question.rounds);
    for (std::size_t r = 0; r < by_round.size(); ++r) {
      by_round[r].push_back(rounds.bounds[r].infinity);
    }
    out.seconds += rounds.ordering_seconds / question.repeats;
  }
  for (std::vector<double>& values : by_round) {
    std::sort(values.begin(), values.end());
    const std::size_t middle = values.size() / 2;
    out.bounds.push_back(values.size() % 2 == 1 ? values[middle]
                                                : (values[middle - 1] + values[middle]) / 2);
  }
  return out;
}

std::string heading(const HerdingQuestion& question) {
  std::string out = "order                       workers";
  for (std::uint32_t r = 0; r <= question.rounds; ++r) {
    out += ' ' + right(fmt::format("H_{}", r), 7);
  }
  return out + ' ' + right("order s", 8) + '\n';
}

int herding(const HerdingQuestion& question) {
  check(question);
  std::vector<Spec> orders;
  for (const std::string& text : question.orders) orders.push_back(canonical_order(text));
  if (question.csv) {
    print_out("order,workers,round,bound,ordering_seconds\n");
  } else {
    print_out(heading(question));
  }
  for (std::size_t i = 0; i < orders.size(); ++i) {
    for (const std::uint32_t workers : question.workers) {
      const Medians medians = medians_of(orders[i], question, workers);
      std::string line = left(question.orders[i], 27) + ' ' + right(fmt::format("{}", workers), 7);
      std::string rows;
      for (std::size_t r = 0; r < medians.bounds.size(); ++r) {
        line += ' ' + right(short_number(medians.bounds[r]), 7);
        rows += fmt::format("\"{}\",{},{},{},{}\n", question.orders[i], workers, r,
                            shortest(medians.bounds[r]), shortest(medians.seconds));
      }
      print_out(question.csv ? rows : line + ' ' + right(short_number(medians.seconds), 8) + '\n');
    }
  }
  return kDone;
}

}  // namespace

void add_herding(CLI::App& app, Action& chosen) {
  auto question =
      std::make_shared<HerdingQuestion>();  // lives as long as the application's callbacks
  CLI::App* command = app.add_subcommand(
      "herding", "Measure how far prefix sums of random vectors stray under example orders");
  command->add_option("ORDER", question->orders, "Orders, as in a configuration")
      ->type_name("SPEC")
      ->capture_default_str();
  command->add_option("--workers", question->workers, "Numbers of workers, e.g. 4,16,64")
      ->type_name("N,...")
      ->delimiter(',')
      ->check(CLI::Range(1U, 100000U))
      ->capture_default_str();
  command->add_option("--vectors", question->vectors, "Vectors of all workers together")
      ->type_name("N")
      ->check(CLI::Range(1U, 1U << 28))
      ->capture_default_str();
  command->add_option("--dim", question->dim, "Numbers of a vector")
      ->type_name("N")
      ->check(CLI::Range(1U, 1U << 20))
      ->capture_default_str();
  command->add_option("--rounds", question->rounds, "Epochs, each reordering once")
      ->type_name("N")
      ->check(CLI::Range(1U, 1000U))
      ->capture_default_str();
  command->add_option("--repeats", question->repeats, "Seeds, of which the median is shown")
      ->type_name("N")
      ->check(CLI::Range(1U, 1000U))
      ->capture_default_str();
  command->add_option("--seed", question->seed, "The first seed")
      ->type_name("N")
      ->check(CLI::Range(std::uint64_t{0}, std::uint64_t{INT64_MAX}))
      ->capture_default_str();
  command->add_flag("--csv", question->csv, "Lines order,workers,round,bound,ordering_seconds");
  command->callback([question, &chosen] { chosen = [question] { return herding(*question); }; });
}

}  // namespace laconic::cli
