// SPDX-License-Identifier: Apache-2.0
// What is done with the direction. Every rank holds the same model and the same optimizer state,
// because every rank is given the same direction.
//
// Weight decay has three treatments in the literature (signsgd.md 2.4); every optimizer knows all:
//   decoupled  x <- (1 - eta lambda) x - eta u       (with the old x)
//   coupled    g <- g + lambda x on every worker, before anything else is done with g
//   both       coupled with lambda, and decoupled with wd_lh
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "laconic/base/assert.hpp"
#include "laconic/base/registry.hpp"
#include "laconic/tensor/layout.hpp"
#include "laconic/tensor/sparse.hpp"
#include "laconic/wire/state.hpp"

namespace laconic {

template <Real T>
class Optimizer {
 public:
  virtual ~Optimizer() = default;
  Optimizer() = default;
  Optimizer(const Optimizer&) = delete;
  Optimizer& operator=(const Optimizer&) = delete;

  // Adds the coupled weight decay to one worker's gradient; called before aggregation.
  virtual void couple_decay(std::span<const T> x, std::span<T> gradient) const = 0;
  // x moves downhill along the direction. Does not allocate after the first call. The step size is
  // rounded to T before it is used: a = T(-eta), x <- x + a u, product and sum rounded to T.
  // adagrad-cmd and adagrad-rda compute in double instead and round x once.
  virtual void step(std::span<T> x, std::span<const T> direction, double step_size) = 0;
  // Whether step_sparse may be called: all that moves x lies where the direction is not 0, or
  // shrinks what is not 0 already. Without weight decay only.
  [[nodiscard]] virtual bool steps_sparsely() const { return false; }
  // The bits of step with the direction's zeros, in time linear in the numbers of the direction and
  // of x that are not 0 (the first call: in x). Returns where x may be other than 0, in increasing
  // order; valid until the next call. Preconditions: steps_sparsely(); x is as the last step left
  // it, and step is never called.
  virtual std::span<const std::uint32_t> step_sparse(std::span<T> x, const SparseView<T>& direction,
                                                     double step_size) {
    static_cast<void>(x);
    static_cast<void>(direction);
    static_cast<void>(step_size);
    LACONIC_EXPECTS(steps_sparsely());
    return {};
  }
  // As step, for an AdaGrad whose sums of squares are those of `raw` in place of the direction
  // (quantized-adagrad.md section 7, E4): what the matrix is built from. Precondition:
  // builds_matrix() of its spec.
  virtual void step_with_matrix_of(std::span<const T> raw, std::span<T> x,
                                   std::span<const T> direction, double step_size) {
    static_cast<void>(raw);
    static_cast<void>(x);
    static_cast<void>(direction);
    static_cast<void>(step_size);
    constexpr bool kHasMatrix = false;
    LACONIC_EXPECTS(kHasMatrix);
  }
  // What AdaGrad remembers, by coordinate: the sums of squares and, where it averages duals, the
  // sums of directions. None for others.
  [[nodiscard]] virtual std::vector<std::span<const double>> sums() const { return {}; }
  // What it remembers from step to step, for saving and for loading into one that was made alike.
  // One that was loaded takes the same steps, bit for bit, as the one that was saved.
  virtual void state(wire::StateArchive& archive) = 0;
  // What the user should know about the steps so far, in one line: a condition of the theory that
  // the run does not meet. Empty if there is nothing to say.
  [[nodiscard]] virtual std::string remark() const { return {}; }
  // What the optimizer adds to the function that the gradients are of, at x: the l1 term (and l2/2
  // |x|^2 of prox). Absent where it adds nothing. Weight decay is no part of it.
  [[nodiscard]] virtual std::optional<double> penalty(std::span<const T> x) const {
    static_cast<void>(x);
    return std::nullopt;
  }
};

struct OptimizerSetup {
  const Layout* layout = nullptr;  // outlives the optimizer
};
template <Real T>
using OptimizerRegistry = Registry<Optimizer<T>, OptimizerSetup>;
template <Real T>
[[nodiscard]] const OptimizerRegistry<T>& optimizers();
void add_optimizer_cards(Catalog& catalog);
// Whether Optimizer::step_with_matrix_of may be called. Precondition: canonical, as below.
[[nodiscard]] bool builds_matrix(const Spec& canonical);
// What is wrong between the parameters of one optimizer, which its card cannot see; none if all is
// well. Precondition: canonical was returned by Catalog::canonical for the kind "optimizer".
[[nodiscard]] std::vector<std::string> optimizer_problems(const Spec& canonical);

// eta_t / eta as a function of the round: constant, inverse square root, steps, cosine, warm-up.
class Schedule {
 public:
  virtual ~Schedule() = default;
  Schedule() = default;
  Schedule(const Schedule&) = delete;
  Schedule& operator=(const Schedule&) = delete;
  // The factor for round t of `rounds` (t < rounds).
  [[nodiscard]] virtual double factor(std::uint32_t t, std::uint32_t rounds) const = 0;
};
struct ScheduleSetup {};
using ScheduleRegistry = Registry<Schedule, ScheduleSetup>;
[[nodiscard]] const ScheduleRegistry& schedules();
void add_schedule_cards(Catalog& catalog);
// As optimizer_problems, for the kind "schedule" and the schedules inside.
[[nodiscard]] std::vector<std::string> schedule_problems(const Spec& canonical);

}  // namespace laconic
