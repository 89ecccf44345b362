// SPDX-License-Identifier: Apache-2.0
// What a worker hands to the aggregator instead of a gradient: an estimate with a memory of its
// own.
//
// page (3pc.md 4, EF21-PAGE): v^0 = grad f_i(x^0), then with probability p
//   v^{t+1} = grad f_i(x^{t+1}),  else  v^{t+1} = v^t + (1/b) sum_j (grad l_j(x^{t+1}) - grad
//   l_j(x^t))
// over b of the worker's examples, drawn with replacement, the same at both points.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "laconic/base/args.hpp"
#include "laconic/comm/communicator.hpp"
#include "laconic/problem/problem.hpp"
#include "laconic/tensor/workspace.hpp"

namespace laconic::experiment {

void add_estimator_cards(Catalog& catalog);

// State of the hosted workers. Allocates when it is made and in its first round. One thread.
template <Real T>
class PageEstimator {
 public:
  struct Setup {
    const Problem<T>* problem = nullptr;  // outlives the estimator; has examples
    WorkerBlock mine = {0, 1};
    std::uint64_t seed = 0;
  };
  // Precondition: args are those of a canonical spec of page.
  PageEstimator(const Args& args, const Setup& setup);

  // estimate = v of the i-th hosted worker at x in round t. Rounds are 0, 1, 2, ...; in each of
  // them every hosted worker once, then keep(x). Returns how many gradients of examples that took.
  std::uint64_t estimate(std::uint32_t t, std::uint32_t i, std::span<const T> x,
                         std::span<T> estimate, ProblemScratch<T>& scratch);
  // x was the point of this round.
  void keep(std::span<const T> x);

 private:
  [[nodiscard]] bool takes_full_gradient(std::uint32_t t, std::uint32_t worker) const;

  Setup setup_;
  double probability_;
  bool shared_coin_;
  std::vector<std::uint32_t> batch_;           // examples of the round
  AlignedVector<T> point_ = {};                // x of the last round
  std::vector<AlignedVector<T>> values_ = {};  // v of the hosted workers
  Scratch<T> at_new_ = {};
  Scratch<T> at_old_ = {};
};

}  // namespace laconic::experiment
