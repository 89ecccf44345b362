// SPDX-License-Identifier: Apache-2.0
// Gradient descent with an aggregator on a registered problem, as in the algorithm box of
// 3pc.md 1.3: one rank, full gradients, plain steps. The run ends at the first x_t with |grad
// f(x_t)|^2 <= until, after the messages about x_t were sent, so that after T rounds T messages
// follow the initial one.
#pragma once

#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include "laconic/comm/transports.hpp"
#include "laconic/kernels/kernels.hpp"
#include "laconic/problem/problem.hpp"
#include "tests/support/aggregate_loop.hpp"

namespace laconic::test {

inline const Catalog& problem_catalog() {
  static const Catalog catalog = [] {
    Catalog c;
    add_problem_cards(c);
    return c;
  }();
  return catalog;
}

template <Real T>
std::unique_ptr<Problem<T>> make_problem(const std::string& spec, const ProblemSetup& setup) {
  return problems<T>().make(
      problem_catalog().canonical(parse_spec(spec).value_or_throw(), "problem"), setup);
}

inline std::string golden_quadratic(const std::string& s) {
  return "quadratic:d=100,golden=true,lambda=0.01,s=" + s;
}

template <Real T>
struct RoundView {
  std::uint32_t round = 0;
  std::span<const T> x = {};
  std::span<const WorkerGradient<T>> gradients = {};  // at x
  std::span<const T> direction = {};
  double norm2 = 0;  // of the mean gradient at x
  const RoundReport& report;
};

struct Descent {
  std::string aggregator = {};
  double step = 0;
  std::uint32_t rounds = 1;  // at most
  double until = -1;
  std::uint64_t seed = 1;
};

template <Real T>
struct DescentResult {
  std::uint32_t rounds = 0;
  bool reached = false;
  std::vector<T> x = {};
  Meter uplink = {};  // of all rounds, the initial one included
  Meter initial = {};
  std::uint64_t silent_workers = 0;
  double norm2 = 0;
};

// gamma of the theory; `pl` for that of functions with a PL constant.
inline double theory_step(const StepTheory& theory, const Constants& constants, bool pl = false) {
  const double l_plus = constants.l_plus.value_or(0);
  const double l_plus_minus = constants.l_plus_minus.value_or(0);
  const double rest =
      theory.plus * l_plus * l_plus + theory.plus_minus * l_plus_minus * l_plus_minus;
  const double gamma = 1 / (*constants.l_minus + std::sqrt((pl ? 2 : 1) * rest));
  return pl ? std::min(gamma, theory.a / (2 * *constants.mu)) : gamma;
}

template <Real T>
double theory_step(const std::string& aggregator, const Problem<T>& problem, bool pl = false) {
  const auto theory =
      aggregator_theory(canonical_aggregator(aggregator),
                        {.layout = &problem.layout(), .workers = problem.workers()});
  return theory_step(*theory, problem.constants(), pl);
}

template <Real T>
DescentResult<T> descend(
    const Problem<T>& problem, const Descent& run,
    const std::function<void(const RoundView<T>&)>& see = [](const RoundView<T>&) {},
    std::vector<T> x0 = {}) {
  const std::size_t dim = problem.layout().size();
  const std::uint32_t workers = problem.workers();
  DescentResult<T> result;
  const auto comm = make_self_communicator();
  const auto aggregator = aggregators<T>().make(canonical_aggregator(run.aggregator),
                                                {.layout = &problem.layout(),
                                                 .workers = workers,
                                                 .mine = {0, workers},
                                                 .seed = run.seed,
                                                 .l_worker = problem.constants().l_worker});
  result.x = x0;
  if (x0.empty()) {
    result.x.resize(dim);
    problem.initial_point(run.seed, result.x);
  }
  ProblemScratch<T> scratch;
  std::vector<std::vector<T>> gradients(workers, std::vector<T>(dim));
  std::vector<WorkerGradient<T>> views;
  std::vector<const T*> rows;
  for (std::uint32_t w = 0; w < workers; ++w) {
    views.push_back({.worker = w, .values = gradients[w]});
    rows.push_back(gradients[w].data());
  }
  std::vector<T> direction(dim);
  std::vector<T> mean(dim);
  for (std::uint32_t round = 0;; ++round) {
    for (std::uint32_t w = 0; w < workers; ++w) {
      problem.full_gradient(w, result.x, gradients[w], scratch);
    }
    const RoundReport& report = aggregator->aggregate(
        {.index = round, .step_size = run.step, .previous_step_size = run.step}, views, direction,
        *comm);
    result.uplink += report.uplink;
    if (round == 0) result.initial = report.uplink;
    result.silent_workers += report.silent_workers;
    kernels::mean_rows<T>(rows, 1.0 / workers, std::span<T>(mean));
    result.norm2 = kernels::squared_norm<T>(std::span<const T>(mean));
    result.rounds = round;
    see({.round = round,
         .x = result.x,
         .gradients = views,
         .direction = direction,
         .norm2 = result.norm2,
         .report = report});
    result.reached = result.norm2 <= run.until;
    if (result.reached || round == run.rounds) return result;
    kernels::axpy<T>(static_cast<T>(-run.step), std::span<const T>(direction),
                     std::span<T>(result.x));
  }
}

// Floats per worker behind the initial upload.
template <Real T>
double floats_per_worker(const DescentResult<T>& result, std::uint32_t workers) {
  return static_cast<double>(result.uplink.payload_bits - result.initial.payload_bits) /
         (8.0 * sizeof(T)) / workers;
}

}  // namespace laconic::test
