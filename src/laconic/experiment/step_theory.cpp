// SPDX-License-Identifier: Apache-2.0
#include "laconic/experiment/step_theory.hpp"

#include <algorithm>
#include <cmath>

#include "laconic/base/assert.hpp"

namespace laconic::experiment {
namespace {

// plus L_+^2 + plus_minus L_+-^2.
double drift(const StepTheory& theory, const Constants& constants) {
  const double plus = constants.l_plus.value_or(0);
  const double plus_minus = constants.l_plus_minus.value_or(0);
  double sum = 0;
  if (theory.plus > 0) sum += theory.plus * plus * plus;
  if (theory.plus_minus > 0) sum += theory.plus_minus * plus_minus * plus_minus;
  return sum;
}

}  // namespace

std::string_view missing_for_theory(const StepTheory& theory, const Constants& constants) {
  if (!constants.l_minus || *constants.l_minus <= 0) return "L_- (the smoothness of f)";
  if (theory.plus > 0 && !constants.l_plus) return "L_+ (the smoothness of the workers' functions)";
  if (theory.plus_minus > 0 && !constants.l_plus_minus) return "L_+- (the Hessian variance)";
  return {};
}

std::string_view missing_for_pl(const StepTheory& theory, const Constants& constants) {
  if (!constants.mu || *constants.mu <= 0) return "mu (the PL constant)";
  return missing_for_theory(theory, constants);
}

double theory_step(const StepTheory& theory, const Constants& constants) {
  LACONIC_EXPECTS(missing_for_theory(theory, constants).empty());
  return 1 / (*constants.l_minus + std::sqrt(drift(theory, constants)));
}

double pl_step(const StepTheory& theory, const Constants& constants) {
  LACONIC_EXPECTS(missing_for_pl(theory, constants).empty());
  return std::min(1 / (*constants.l_minus + std::sqrt(2 * drift(theory, constants))),
                  theory.a / (2 * *constants.mu));
}

double rounds_by_theory(const StepTheory& theory, double gamma, const Start& start,
                        double grad_norm2) {
  return std::ceil((2 * start.gap / gamma + start.error / theory.a) / grad_norm2);
}

double rounds_by_pl(const StepTheory& theory, const PlRate& rate, const Start& start, double gap) {
  const double potential = start.gap + rate.gamma / theory.a * start.error;
  if (potential <= gap) return 0;
  return std::ceil(std::log(potential / gap) / -std::log1p(-rate.gamma * rate.mu));
}

}  // namespace laconic::experiment
