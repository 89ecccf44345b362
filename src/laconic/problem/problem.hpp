// SPDX-License-Identifier: Apache-2.0
// What is minimised: f(x) = (1/n) sum_i f_i(x), worker i holding f_i. For problems with data f_i is the
// mean of the losses of worker i's own examples plus the regulariser.
//
// Thread rule: after construction const methods may run on many threads at once, each with a Scratch of
// its own.
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "laconic/base/registry.hpp"
#include "laconic/tensor/layout.hpp"
#include "laconic/tensor/workspace.hpp"

namespace laconic {

// What is known in closed form or by power iteration; nothing where it is not known.
struct Constants {
  std::optional<double> l_minus = {};     // L_-: Lipschitz constant of grad f
  std::optional<double> l_plus = {};      // L_+: (1/n) sum |grad f_i(x) - grad f_i(y)|^2 <= L_+^2 |x-y|^2
  std::optional<double> l_plus_minus = {};  // L_+-: Hessian variance
  std::vector<double> l_worker = {};      // L_i, empty when unknown
  std::vector<double> l_coordinate = {};  // coordinate-wise smoothness (signsgd.md A2), empty when unknown
  std::optional<double> mu = {};          // PL constant
  std::optional<double> f_star = {};      // min f
};

// Additive over workers: the mean over a group is the sum of the fields divided by the counts.
struct Counts {
  double loss_sum = 0;         // sum of example losses without the regulariser
  std::uint64_t correct = 0;
  std::uint64_t examples = 0;  // 0: the problem has no notion of accuracy
};

template <Real T>
class Problem {
 public:
  virtual ~Problem() = default;
  Problem() = default;
  Problem(const Problem&) = delete;
  Problem& operator=(const Problem&) = delete;

  [[nodiscard]] virtual const Layout& layout() const = 0;
  [[nodiscard]] virtual std::uint32_t workers() const = 0;
  // Examples of a worker; 0 when the problem has no examples (then only full gradients exist).
  [[nodiscard]] virtual std::uint32_t units(std::uint32_t worker) const = 0;
  // Starting point of seed's experiment; the same on every rank.
  virtual void initial_point(std::uint64_t seed, std::span<T> x) const = 0;
  // g = gradient of the mean loss over the given units (indices into the worker's own examples), plus
  // the regulariser's. Cost linear in the batch (and in d where the regulariser is dense).
  // Precondition: units is not empty, every index < units(worker).
  virtual void batch_gradient(std::uint32_t worker, std::span<const std::uint32_t> units, std::span<const T> x,
                              std::span<T> g, Scratch<T>& scratch) const = 0;
  // g = grad f_i(x).
  virtual void full_gradient(std::uint32_t worker, std::span<const T> x, std::span<T> g, Scratch<T>& scratch) const = 0;
  // As batch_gradient or full_gradient for problems whose noise is synthetic: g = grad f_i(x) plus noise
  // drawn for (seed, worker, round). Default: full_gradient.
  virtual void noisy_gradient(std::uint64_t seed, std::uint32_t round, std::uint32_t worker, std::span<const T> x,
                              std::span<T> g, Scratch<T>& scratch) const {
    static_cast<void>(seed);
    static_cast<void>(round);
    full_gradient(worker, x, g, scratch);
  }
  // f_i(x), regulariser included, accumulated in double.
  [[nodiscard]] virtual double loss(std::uint32_t worker, std::span<const T> x, Scratch<T>& scratch) const = 0;
  // Of the worker's own examples, and of its share of the test set (contiguous, near-equal shares).
  [[nodiscard]] virtual Counts train_counts(std::uint32_t worker, std::span<const T> x, Scratch<T>& scratch) const = 0;
  [[nodiscard]] virtual Counts test_counts(std::uint32_t worker, std::span<const T> x, Scratch<T>& scratch) const = 0;
  // Computed at the first call (may take power iterations), then kept. Thread-safe.
  [[nodiscard]] virtual const Constants& constants() const = 0;
  // "logistic regression, 32561 examples, 123 features, 8 workers".
  [[nodiscard]] virtual std::string description() const = 0;
};

}  // namespace laconic
