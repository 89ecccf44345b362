// SPDX-License-Identifier: Apache-2.0
// What theory says about a method of a plan on its problem.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "laconic/experiment/plan.hpp"
#include "laconic/experiment/step_theory.hpp"
#include "laconic/problem/problem.hpp"

namespace laconic::experiment {

// L_i of the problem for methods that compare with them, else empty: power iterations may be behind
// them.
template <Real T>
[[nodiscard]] std::vector<double> worker_smoothness(const Spec& aggregator,
                                                    const Problem<T>& problem);

// A, B and what the step depends on; absent where the method has no such theory.
template <Real T>
[[nodiscard]] std::optional<StepTheory> theory_of(const MethodPlan& method,
                                                  const Problem<T>& problem, std::uint64_t seed);

// eta before the schedule. ConfigError when the step needs a constant that the problem does not
// know, or a theory that the method does not have.
template <Real T>
[[nodiscard]] double base_step(const MethodPlan& method, const Problem<T>& problem,
                               std::uint64_t seed);

// Rounds after which theory promises the method's target; absent where it promises nothing (no
// target for gradients or the gap to f*, larger steps than its own, unknown constants). Takes a
// pass over the data.
template <Real T>
[[nodiscard]] std::optional<double> predicted_rounds(const MethodPlan& method,
                                                     const Problem<T>& problem, std::uint64_t seed);

}  // namespace laconic::experiment
