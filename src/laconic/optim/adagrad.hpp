// SPDX-License-Identifier: Apache-2.0
// AdaGrad with an l1 term (quantized-adagrad.md section 2), per coordinate, with q the direction
// and H = delta + sqrt(sum of q^2 up to and including this round):
//
// (by default; the squares may be those of another vector, see Optimizer::step_with_matrix_of)
//
//   mirror descent   x <- soft(x - (eta/H) q, eta lambda/H)
//   dual averaging   u <- u + q;  x <- soft(x0 - (eta/H) u, eta t lambda/H)
//
//   soft(z, a) = sign(z) max(|z| - a, 0)
//
// Zeros are decided before anything is divided: with w = H x - eta q (H x0 - eta u) it is +0
// exactly if |w| <= eta lambda (eta t lambda), from x = 0 exactly if |q| <= lambda (from x0 = 0:
// |u| <= t lambda), else sign(w) (|w| - eta lambda)/H, and never 0. Where H is 0 nothing moves.
// State and arithmetic are double; x is rounded once. Private.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "laconic/base/args.hpp"
#include "laconic/optim/active.hpp"
#include "laconic/optim/optimizer.hpp"
#include "laconic/tensor/workspace.hpp"

namespace laconic {

struct AdagradOptions {
  double delta = 1e-4;
  double l1 = 0;
  bool biases = false;  // l1 acts on biases, too
};

// Mirror descent. A coordinate whose direction is 0 is not touched: its H stays as it is, and k
// such rounds shrink it as one does whose eta is the sum of theirs. What has become of it is
// computed when it is looked at, from the value at its last touch, so that a run which only visits
// coordinates with a direction has, bit for bit, the x of one that visits all. Memory: 24 bytes per
// coordinate.
template <Real T>
class MirrorDescent {
 public:
  // Precondition: delta and l1 are not negative.
  MirrorDescent(const AdagradOptions& options, const Layout& layout);

  // One round for all coordinates; x is up to date before and after. What somebody else changed in
  // x since the last round is taken over.
  void step(std::span<T> x, std::span<const T> q, double step_size) { step(x, q, q, step_size); }
  // The same with the squares of r.
  void step(std::span<T> x, std::span<const T> q, std::span<const T> r, double step_size);
  // The same in time linear in the numbers of q and x that are not 0; see Optimizer::step_sparse.
  // What is 0 stays so until it has a direction, so nothing else has to be looked at.
  std::span<const std::uint32_t> step_sparse(std::span<T> x, const SparseView<T>& q,
                                             double step_size);
  // All of x is multiplied by `factor` before the next step. Precondition: x is up to date.
  void shrink(std::span<T> x, T factor);

  void state(wire::StateArchive& archive);
  [[nodiscard]] std::span<const double> squares() const { return squares_; }

 private:
  [[nodiscard]] double lambda(std::size_t i) const;
  [[nodiscard]] double value(std::size_t i, double until) const;
  void touch(std::size_t i, double q, double r, double step_size);

  double delta_;
  double l1_;
  std::vector<std::uint8_t> exempt_;  // by coordinate; empty if there are none
  double travelled_ = 0;              // sum of all step sizes so far
  bool started_ = false;
  AlignedVector<double> x_;        // at the last touch
  AlignedVector<double> touched_;  // what travelled_ was then
  AlignedVector<double> squares_;  // sum of q^2 (or r^2)
  ActiveSet active_;               // of step_sparse: where x is not 0
};

// Dual averaging around x0, the x of the first step (or 0). x follows from u, the squares and t
// alone.
template <Real T>
class DualAveraging {
 public:
  DualAveraging(const AdagradOptions& options, bool around_zero, const Layout& layout);
  void step(std::span<T> x, std::span<const T> q, double step_size) { step(x, q, q, step_size); }
  // The same with the squares of r.
  void step(std::span<T> x, std::span<const T> q, std::span<const T> r, double step_size);
  // The same in time linear in the numbers of q, x and the centre that are not 0; see
  // Optimizer::step_sparse. Around 0 a coordinate with |u| <= t l1 stays 0 until it has a
  // direction.
  std::span<const std::uint32_t> step_sparse(std::span<T> x, const SparseView<T>& q,
                                             double step_size);
  // The centre is multiplied by `factor` before the next step.
  void shrink(std::span<const T> x, T factor);
  void state(wire::StateArchive& archive);
  [[nodiscard]] std::span<const double> squares() const { return squares_; }
  [[nodiscard]] std::span<const double> sums() const { return sums_; }
  // The largest |q_i| so far: what delta has to reach for the regret bound.
  [[nodiscard]] double largest() const { return largest_; }

 private:
  void start(std::span<const T> x);
  [[nodiscard]] double lambda(std::size_t i) const;
  // The value of one coordinate after this round.
  [[nodiscard]] T touch(std::size_t i, T q, T r, double step_size);

  double delta_;
  double l1_;
  bool around_zero_;
  std::vector<std::uint8_t> exempt_;
  double rounds_ = 0;
  double largest_ = 0;
  bool started_ = false;
  AlignedVector<double> centre_;
  AlignedVector<double> sums_;  // u
  AlignedVector<double> squares_;
  ActiveSet active_;  // of step_sparse: where x may become other than 0 by itself
};

// The card parameters of both behind a method's own, and what they say.
[[nodiscard]] std::vector<ParamCard> with_adagrad_params(std::string_view delta,
                                                         std::vector<ParamCard> own);
[[nodiscard]] AdagradOptions adagrad_options(const Args& args);
// l1 times the magnitudes of what it acts on; absent if l1 is 0.
template <Real T>
[[nodiscard]] std::optional<double> adagrad_penalty(const AdagradOptions& options,
                                                    const Layout& layout, std::span<const T> x);

}  // namespace laconic
