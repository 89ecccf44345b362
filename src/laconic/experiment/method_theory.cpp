// SPDX-License-Identifier: Apache-2.0
#include "laconic/experiment/method_theory.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "laconic/base/error.hpp"
#include "laconic/kernels/kernels.hpp"

namespace laconic::experiment {
namespace {

// The text of a parameter of this name, of the method or of one inside it.
std::optional<std::string_view> parameter(const Spec& spec, std::string_view key) {
  for (const Spec::Param& param : spec.params) {
    if (param.key == key) return param.text;
    for (const Spec& nested : param.nested) {
      if (const auto found = parameter(nested, key)) return found;
    }
  }
  return spec.inner.empty() ? std::nullopt : parameter(spec.inner[0], key);
}

bool names(const Spec& spec, std::string_view method) {
  if (spec.name == method) return true;
  const auto inside = [&](const Spec& inner) { return names(inner, method); };
  return std::any_of(spec.inner.begin(), spec.inner.end(), inside) ||
         std::any_of(spec.params.begin(), spec.params.end(), [&](const Spec::Param& param) {
           return std::any_of(param.nested.begin(), param.nested.end(), inside);
         });
}

[[noreturn]] void refuse(const MethodPlan& method, std::string_view need, std::string_view why) {
  throw ConfigError(
      fmt::format("method '{}': step = '{}' needs {}, which {}; give a number, e.g. "
                  "step = 0.1",
                  method.name, text_of(method.step), need, why));
}

// f(x^0) - f^inf and the error of the first estimates. Losses of examples are not negative, so
// f^inf is at least 0 where f* is not known. An estimate that starts from nothing, or from a
// compressed gradient, is at most as wrong as zero.
template <Real T>
std::optional<Start> start_of(const MethodPlan& method, const Problem<T>& problem,
                              std::uint64_t seed) {
  const auto& f_star = problem.constants().f_star;
  if (!f_star && problem.units(0) == 0) return std::nullopt;
  AlignedVector<T> x(problem.layout().size());
  AlignedVector<T> g(problem.layout().size());
  ProblemScratch<T> scratch;
  problem.initial_point(seed, x);
  Start start;
  for (std::uint32_t w = 0; w < problem.workers(); ++w) {
    start.gap += problem.loss(w, x, scratch) / problem.workers();
  }
  start.gap -= f_star.value_or(0);
  if (parameter(method.aggregator, "init").value_or("full") != "full") {
    for (std::uint32_t w = 0; w < problem.workers(); ++w) {
      problem.full_gradient(w, x, g, scratch);
      start.error += kernels::squared_norm<T>(g) / problem.workers();
    }
  }
  return start;
}

}  // namespace

template <Real T>
std::vector<double> worker_smoothness(const Spec& aggregator, const Problem<T>& problem) {
  // The one method whose trigger compares with L_i.
  if (!names(aggregator, "lag-ps")) return {};
  return problem.constants().l_worker;
}

template <Real T>
std::optional<StepTheory> theory_of(const MethodPlan& method, const Problem<T>& problem,
                                    std::uint64_t seed) {
  return aggregator_theory(method.aggregator,
                           {.layout = &problem.layout(),
                            .workers = method.workers,
                            .mine = {0, method.workers},
                            .seed = seed,
                            .l_worker = worker_smoothness(method.aggregator, problem)});
}

template <Real T>
double base_step(const MethodPlan& method, const Problem<T>& problem, std::uint64_t seed) {
  if (method.step.kind == StepSize::Kind::kNumber) return method.step.factor;
  const auto known = theory_of(method, problem, seed);
  const std::string unknown =
      fmt::format("is not known for this problem ({})", problem.description());
  if (method.step.kind == StepSize::Kind::kPl) {
    if (!known) {
      refuse(method, "the constants A and B of a three-point inequality",
             fmt::format("'{}' does not have", method.aggregator.name));
    }
    const std::string_view missing = missing_for_pl(*known, problem.constants());
    if (!missing.empty()) refuse(method, missing, unknown);
    return method.step.factor * pl_step(*known, problem.constants());
  }
  // Without a theory of its own a method gets the step of gradient descent, 1 / L_-.
  const StepTheory theory = known.value_or(StepTheory{});
  const std::string_view missing = missing_for_theory(theory, problem.constants());
  if (!missing.empty()) refuse(method, missing, unknown);
  return method.step.factor * theory_step(theory, problem.constants());
}

template <Real T>
std::optional<double> predicted_rounds(const MethodPlan& method, const Problem<T>& problem,
                                       std::uint64_t seed) {
  const bool by_theory = method.step.kind != StepSize::Kind::kNumber && method.step.factor <= 1;
  const bool plain = method.optimizer.name == "sgd" && method.schedule.name == "constant" &&
                     !method.adversary && !method.estimator &&
                     method.batch.kind == Batch::Kind::kFull;
  const auto theory = theory_of(method, problem, seed);
  if (!by_theory || !plain || !theory || !method.until || method.until->at_most <= 0) {
    return std::nullopt;
  }
  const auto start = start_of(method, problem, seed);
  if (!start) return std::nullopt;
  const Constants& constants = problem.constants();
  const double gamma = base_step(method, problem, seed);
  const Until& until = *method.until;
  const double square =
      until.quantity == Until::Quantity::kGradNorm ? until.at_most * until.at_most : until.at_most;
  if (method.step.kind == StepSize::Kind::kTheory) {
    if (!is_gradient(until.quantity)) return std::nullopt;
    return rounds_by_theory(*theory, gamma, *start, square);
  }
  if (!constants.f_star || until.quantity == Until::Quantity::kLoss) return std::nullopt;
  // |grad f|^2 <= 2 L_- (f - f*).
  const double gap = is_gradient(until.quantity) ? square / (2 * *constants.l_minus) : square;
  return rounds_by_pl(*theory, {.gamma = gamma, .mu = *constants.mu}, *start, gap);
}

#define LACONIC_INSTANTIATE(T)                                                             \
  template std::vector<double> worker_smoothness<T>(const Spec&, const Problem<T>&);       \
  template std::optional<StepTheory> theory_of<T>(const MethodPlan&, const Problem<T>&,    \
                                                  std::uint64_t);                          \
  template double base_step<T>(const MethodPlan&, const Problem<T>&, std::uint64_t);       \
  template std::optional<double> predicted_rounds<T>(const MethodPlan&, const Problem<T>&, \
                                                     std::uint64_t);
LACONIC_INSTANTIATE(float)
LACONIC_INSTANTIATE(double)
#undef LACONIC_INSTANTIATE

}  // namespace laconic::experiment
