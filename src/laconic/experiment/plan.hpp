// SPDX-License-Identifier: Apache-2.0
// From a Config to what is run: validate finds everything that is wrong, make_plan fills in the
// defaults and puts every spec into canonical form.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "laconic/base/spec.hpp"
#include "laconic/experiment/config.hpp"
#include "laconic/experiment/sweep_plan.hpp"

namespace laconic::experiment {

// One method of the comparison with nothing left open.
struct MethodPlan {
  std::string name = {};
  Spec aggregator = {};
  Spec optimizer = {};
  Spec schedule = {};
  Spec order = {};
  OrderFrom order_from = OrderFrom::kGradients;  // of an order that observes
  std::optional<Spec> adversary = {};
  std::optional<Spec> estimator = {};  // absent: the gradient of the batch
  std::optional<Spec> link = {};       // absent: frames arrive as they were sent
  StepSize step = {};
  Batch batch = {};
  std::uint32_t unit = 1;  // examples that the order moves together; divides the batch
  std::uint32_t workers = 1;
  std::optional<std::uint32_t> rounds = {};  // exactly one of these two
  std::optional<std::uint32_t> epochs = {};
  std::optional<Until> until = {};
  std::optional<Budget> budget = {};
  bool allow_divergence = false;
};

struct Plan {
  std::string name = {};
  std::uint64_t seed = 1;
  std::uint32_t repeats = 1;
  Precision precision = Precision::kFloat;
  std::uint32_t workers = 1;  // shared; the generators' heterogeneity is between this many blocks
  Spec problem = {};
  std::optional<Spec> data = {};
  Spec shard = {};
  std::optional<std::uint32_t> record_every = {};
  bool record_each_epoch = false;  // then there is no record_every
  bool record_gradient = true;
  bool record_excess = false;  // f - f*, of a problem whose minimum is known
  Sparse sparse = Sparse::kAuto;
  std::optional<Network> network = {};
  // With a sweep: the first cell of every method, until its best cells are known.
  std::vector<MethodPlan> methods = {};
  std::optional<SweepPlan> sweep = {};
};

// Everything that can be known to be wrong without reading data, at once; warnings for what runs
// but is hardly meant. Pure.
[[nodiscard]] Diagnostics validate(const Config& config);

// Precondition: neither parse_config nor validate found errors.
[[nodiscard]] Plan make_plan(const Config& config);

// A cell of a sweep as a method, named by its title and its values. Precondition: as for make_plan.
[[nodiscard]] MethodPlan plan_cell(const SweepPlan& sweep, const Cell& cell);

[[nodiscard]] std::string text_of(const StepSize& step);  // what parse_step reads
[[nodiscard]] std::string text_of(const Batch& batch);    // "64", "full", "noisy"
[[nodiscard]] std::string text_of(OrderFrom from);        // "gradients", "messages"
// "vote:beta=0.9 | sgd | constant | reshuffle | step=0.1 | batch=64 | workers=8 | rounds=2000": two
// methods that mean the same have the same text.
[[nodiscard]] std::string spec_text(const MethodPlan& method);
// Smallest number of workers of any method.
[[nodiscard]] std::uint32_t fewest_workers(const Plan& plan);

}  // namespace laconic::experiment
