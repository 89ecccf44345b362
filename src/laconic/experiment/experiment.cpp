// SPDX-License-Identifier: Apache-2.0
#include "laconic/experiment/experiment.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <set>
#include <string>
#include <type_traits>

#include "laconic/aggregate/aggregator.hpp"
#include "laconic/base/args.hpp"
#include "laconic/base/assert.hpp"
#include "laconic/base/error.hpp"
#include "laconic/data/load.hpp"
#include "laconic/data/shard.hpp"
#include "laconic/experiment/batches.hpp"
#include "laconic/experiment/method_theory.hpp"

namespace laconic::experiment {
namespace {

data::ShardOptions shard_options(const Spec& shard, std::uint32_t workers, std::uint64_t seed) {
  const Args args(shard);
  data::ShardOptions options;
  options.workers = workers;
  options.seed = seed;
  if (shard.name == "dirichlet") {
    options.sharding = data::Sharding::kDirichlet;
    options.alpha = args.real("alpha");
  } else if (shard.name == "homogeneous") {
    options.sharding = data::Sharding::kHomogeneous;
    options.level = args.real("level");
  } else {
    options.sharding = shard.name == "shuffled"   ? data::Sharding::kShuffled
                       : shard.name == "by-label" ? data::Sharding::kByLabel
                                                  : data::Sharding::kContiguous;
    options.drop_remainder = args.flag("drop_remainder");
    options.rows = static_cast<std::uint32_t>(args.integer("rows"));
    options.multiple = static_cast<std::uint32_t>(args.integer("multiple"));
  }
  return options;
}

std::uint32_t batches_per_epoch(const Batch& batch, std::uint32_t units) {
  if (batch.kind != Batch::Kind::kSize) return 1;
  return units / batch.size + (units % batch.size == 0 ? 0 : 1);
}

// What an aggregator says about the model's tensors: K of more than d coordinates, and the like.
void check_layout(const MethodPlan& method, const Layout& layout) {
  const auto problems = aggregator_problems(method.aggregator, method.workers, &layout);
  if (problems.empty()) return;
  throw ConfigError(fmt::format("method '{}': aggregator = '{}': {}", method.name,
                                print(method.aggregator), fmt::join(problems, "; ")));
}

// Without labels these would silently be another way of sharding.
void check_shard(const Spec& shard, const data::Dataset& dataset) {
  if (dataset.label_kind != data::LabelKind::kNone) return;
  if (shard.name != "dirichlet" && shard.name != "by-label") return;
  throw ConfigError(
      fmt::format("shard = '{}': it goes by labels, which data set {} does not have; use "
                  "contiguous, shuffled or homogeneous",
                  print(shard), dataset.name));
}

}  // namespace

Experiment::Experiment(Plan plan) : plan_(std::move(plan)) {
  if (plan_.sweep) {
    std::set<std::uint32_t> workers;
    for (const MethodPlan& method : plan_.methods) workers.insert(method.workers);
    most_kept_ = std::min(kMaxKept, workers.size() * plan_.repeats);
  }
  if (plan_.data) {
    dataset_ =
        data::load(*plan_.data, {.seed = plan_.seed, .workers = plan_.workers, .places = {}});
    check_suits(plan_.problem.name, problem_traits(plan_.problem.name), dataset_);
    check_shard(plan_.shard, dataset_);
  }
  if (plan_.precision == Precision::kFloat) {
    check_methods<float>();
  } else {
    check_methods<double>();
  }
}

template <Real T>
std::vector<Experiment::Kept<T>>& Experiment::kept() const {
  if constexpr (std::is_same_v<T, float>) {
    return kept_float_;
  } else {
    return kept_double_;
  }
}

template <Real T>
std::shared_ptr<const Problem<T>> Experiment::problem(std::uint32_t workers,
                                                      std::uint64_t seed) const {
  const std::lock_guard lock(mutex_);
  std::vector<Kept<T>>& kept = this->kept<T>();
  const std::pair key(workers, seed);
  for (const Kept<T>& one : kept) {
    if (one.key == key) return one.problem;
  }
  // Before the next one is made: both may be large.
  if (kept.size() == most_kept_) kept.erase(kept.begin());
  ProblemSetup setup;
  setup.workers = workers;
  setup.seed = seed;
  if (plan_.data) {
    setup.dataset = &dataset_;
    setup.shards =
        data::shard_rows(dataset_.train.label_ids(), shard_options(plan_.shard, workers, seed));
  }
  kept.push_back({.key = key, .problem = problems<T>().make(plan_.problem, setup)});
  return kept.back().problem;
}

template <Real T>
void Experiment::check_methods() const {
  std::set<std::string> problems;  // each once, however many methods have it
  for (const MethodPlan& method : plan_.methods) {
    try {
      const auto problem = this->problem<T>(method.workers, plan_.seed);
      check_layout(method, problem->layout());
      static_cast<void>(rounds_of(method, *problem));
      static_cast<void>(base_step(method, *problem, plan_.seed));
      static_cast<void>(minimum_for(method, *problem));
      static_cast<void>(minimum_for(plan_, *problem));
      check_batches(method, *problem);
    } catch (const ConfigError& e) {
      problems.insert(e.what());
    }
  }
  std::string lines;
  for (const std::string& problem : problems) {
    if (!lines.empty()) lines += '\n';
    lines += problem;
  }
  if (!lines.empty()) throw ConfigError(lines);
}

template <Real T>
std::uint32_t rounds_of(const MethodPlan& method, const Problem<T>& problem) {
  if (method.rounds) return *method.rounds;
  const std::uint64_t rounds =
      std::uint64_t{rounds_per_epoch(method, problem)} * method.epochs.value_or(0);
  if (rounds > std::numeric_limits<std::int32_t>::max()) {
    throw ConfigError(fmt::format("epochs = {} are {} rounds; the limit is {}",
                                  method.epochs.value_or(0), rounds,
                                  std::numeric_limits<std::int32_t>::max()));
  }
  return static_cast<std::uint32_t>(rounds);
}

template <Real T>
std::uint32_t rounds_per_epoch(const MethodPlan& method, const Problem<T>& problem) {
  std::uint32_t longest = 1;
  for (std::uint32_t w = 0; w < problem.workers(); ++w) {
    longest = std::max(longest, batches_per_epoch(method.batch, problem.units(w)));
  }
  return longest;
}

template <Real T>
std::optional<double> minimum_for(const MethodPlan& method, const Problem<T>& problem) {
  if (!method.until || method.until->quantity != Until::Quantity::kLossGap) return std::nullopt;
  const std::optional<double> f_star = problem.minimum();
  if (!f_star) {
    throw ConfigError(fmt::format(
        "method '{}': until = '{}' needs the minimum f*, which is not known for this problem ({}); "
        "use grad_norm2 or loss",
        method.name, text_of(*method.until), problem.description()));
  }
  return f_star;
}

template <Real T>
std::optional<double> minimum_for(const Plan& plan, const Problem<T>& problem) {
  if (!plan.record_excess) return std::nullopt;
  const std::optional<double> f_star = problem.minimum();
  if (!f_star) {
    throw ConfigError(fmt::format(
        "record_excess needs the minimum f*, which is not known for this problem ({}); remove it, "
        "or use a problem that knows its minimum, such as logistic:l2=1e-3",
        problem.description()));
  }
  return f_star;
}

template <Real T>
double epochs_after(const MethodPlan& method, const Problem<T>& problem, std::uint32_t rounds) {
  const Batch& batch = method.batch;
  const std::uint32_t longest = rounds_per_epoch(method, problem);
  std::uint64_t visited = 0;
  std::uint64_t all = 0;
  for (std::uint32_t w = 0; w < problem.workers(); ++w) {
    const std::uint64_t units = problem.units(w);
    if (units == 0) continue;
    const std::uint64_t per_epoch =
        visits_in_step(method) ? longest : batches_per_epoch(batch, problem.units(w));
    const std::uint64_t size = batch.kind == Batch::Kind::kSize ? batch.size : units;
    visited += rounds / per_epoch * units + std::min(units, rounds % per_epoch * size);
    all += units;
  }
  if (all == 0) return rounds;
  return static_cast<double>(visited) / static_cast<double>(all);
}

#define LACONIC_INSTANTIATE(T)                                                                    \
  template std::shared_ptr<const Problem<T>> Experiment::problem<T>(std::uint32_t, std::uint64_t) \
      const;                                                                                      \
  template std::uint32_t rounds_of<T>(const MethodPlan&, const Problem<T>&);                      \
  template std::uint32_t rounds_per_epoch<T>(const MethodPlan&, const Problem<T>&);               \
  template std::optional<double> minimum_for<T>(const MethodPlan&, const Problem<T>&);            \
  template std::optional<double> minimum_for<T>(const Plan&, const Problem<T>&);                  \
  template double epochs_after<T>(const MethodPlan&, const Problem<T>&, std::uint32_t);
LACONIC_INSTANTIATE(float)
LACONIC_INSTANTIATE(double)
#undef LACONIC_INSTANTIATE

}  // namespace laconic::experiment
