// SPDX-License-Identifier: Apache-2.0
// Step sizes from the theory of three-point methods, and the rounds it promises (3pc.md 1.4, 2.4):
//
//   gamma    = 1 / M_1,  M_1 = L_- + sqrt(plus L_+^2 + plus_minus L_+-^2)
//   gamma_PL = min{ 1 / (L_- + sqrt(2 (plus L_+^2 + plus_minus L_+-^2))), A / (2 mu) }
//
// with plus = B/A for the plain inequality. What is passed in comes from the aggregator
// (aggregator_theory) and the problem (Constants).
#pragma once

#include <optional>
#include <string_view>

#include "laconic/aggregate/aggregator.hpp"
#include "laconic/experiment/stopping.hpp"
#include "laconic/problem/problem.hpp"

namespace laconic::experiment {

// The name of a constant that the formula needs and the problem does not know; empty if none.
[[nodiscard]] std::string_view missing_for_theory(const StepTheory& theory,
                                                  const Constants& constants);
[[nodiscard]] std::string_view missing_for_pl(const StepTheory& theory, const Constants& constants);

// Precondition: nothing is missing.
[[nodiscard]] double theory_step(const StepTheory& theory, const Constants& constants);
[[nodiscard]] double pl_step(const StepTheory& theory, const Constants& constants);

// How a run starts: Delta^0 = f(x^0) - f^inf and G^0 = (1/n) sum |g_i^0 - grad f_i(x^0)|^2.
struct Start {
  double gap = 0;
  double error = 0;
};

// T = (2 Delta^0 / gamma + G^0 / A) / eps^2: after so many rounds the mean of |grad f(x^t)|^2 over
// t < T is at most eps^2, for gamma up to theory_step.
[[nodiscard]] double rounds_by_theory(const StepTheory& theory, double gamma, const Start& start,
                                      double grad_norm2);
// T = log((Delta^0 + (gamma / A) G^0) / gap) / -log(1 - gamma mu): after so many rounds
// f(x^T) - f* <= gap, for gamma up to pl_step; 0 if it holds at the start.
struct PlRate {
  double gamma = 0;
  double mu = 0;
};
[[nodiscard]] double rounds_by_pl(const StepTheory& theory, const PlRate& rate, const Start& start,
                                  double gap);

}  // namespace laconic::experiment
