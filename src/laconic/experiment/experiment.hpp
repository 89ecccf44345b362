// SPDX-License-Identifier: Apache-2.0
// A plan with its data: everything that the ranks of one process share, read only.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "laconic/data/dataset.hpp"
#include "laconic/experiment/plan.hpp"
#include "laconic/problem/problem.hpp"

namespace laconic::experiment {

// Thread-safe after construction.
class Experiment {
 public:
  // Loads or generates the data and makes the first problem of every method. ConfigError, one line
  // per problem, when a file is missing, the data do not suit the problem, or a step size asks for
  // a constant that the problem does not know.
  explicit Experiment(Plan plan);

  [[nodiscard]] const Plan& plan() const { return plan_; }
  // Without rows where the problem needs no data.
  [[nodiscard]] const data::Dataset& dataset() const { return dataset_; }

  // Other methods from here on: the best cells of a sweep. Not while ranks run.
  void replace_methods(std::vector<MethodPlan> methods) { plan_.methods = std::move(methods); }

  // The problem for this many workers and seed. The most recent ones are kept (one, or with a sweep
  // as many as its cells alternate between, up to kMaxKept), so that methods and ranks share them;
  // shared ownership, because ranks are done with them at different times.
  // Precondition: T is the plan's precision.
  template <Real T>
  [[nodiscard]] std::shared_ptr<const Problem<T>> problem(std::uint32_t workers,
                                                          std::uint64_t seed) const;

 private:
  template <Real T>
  struct Kept {
    std::pair<std::uint32_t, std::uint64_t> key = {};
    std::shared_ptr<const Problem<T>> problem = {};
  };
  template <Real T>
  [[nodiscard]] std::vector<Kept<T>>& kept() const;
  template <Real T>
  void check_methods() const;

  static constexpr std::size_t kMaxKept = 16;

  Plan plan_;
  std::size_t most_kept_ = 1;
  data::Dataset dataset_ = {};
  mutable std::mutex mutex_ = {};  // guards the two below
  mutable std::vector<Kept<float>> kept_float_ = {};
  mutable std::vector<Kept<double>> kept_double_ = {};
};

// How many rounds the method takes at most.
template <Real T>
[[nodiscard]] std::uint32_t rounds_of(const MethodPlan& method, const Problem<T>& problem);
// Rounds of a pass over the longest shard; 1 where a round takes whole shards.
template <Real T>
[[nodiscard]] std::uint32_t rounds_per_epoch(const MethodPlan& method, const Problem<T>& problem);
// f*, if the method's target needs it. ConfigError when it does and the problem does not know it.
template <Real T>
[[nodiscard]] std::optional<double> minimum_for(const MethodPlan& method,
                                                const Problem<T>& problem);
// f*, if the plan wants f - f* recorded. ConfigError when it does and the problem does not know it.
template <Real T>
[[nodiscard]] std::optional<double> minimum_for(const Plan& plan, const Problem<T>& problem);
// Passes over the data after `rounds` rounds: examples visited by all workers over all examples.
// For problems without examples the number of rounds.
template <Real T>
[[nodiscard]] double epochs_after(const MethodPlan& method, const Problem<T>& problem,
                                  std::uint32_t rounds);

}  // namespace laconic::experiment
