// SPDX-License-Identifier: Apache-2.0
// The weight decay that every optimizer takes (signsgd.md 2.4): the parameters, and what they do to
// a gradient and to x. Private.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "laconic/base/args.hpp"
#include "laconic/tensor/layout.hpp"

namespace laconic {

// The card parameters decay, lambda and wd_lh behind a method's own.
[[nodiscard]] std::vector<ParamCard> with_decay_params(std::vector<ParamCard> own);
// wd_lh belongs to decay=both alone.
void decay_problems(const Args& args, std::vector<std::string>& problems);

class Decay {
 public:
  explicit Decay(const Args& args);

  // gradient += coupled lambda * x. Leaves the gradient alone when lambda is 0.
  template <Real T>
  void couple(std::span<const T> x, std::span<T> gradient) const;
  // x *= 1 - step_size * decoupled lambda, rounded to T. Called before the step, so that the decay
  // sees the old x. Leaves x alone when lambda is 0.
  template <Real T>
  void shrink(double step_size, std::span<T> x) const;
  [[nodiscard]] bool none() const { return coupled_ == 0 && decoupled_ == 0; }
  // By which shrink multiplies; 1 when lambda is 0.
  template <Real T>
  [[nodiscard]] T factor(double step_size) const {
    return decoupled_ == 0 ? T{1} : static_cast<T>(1 - step_size * decoupled_);
  }

 private:
  double coupled_ = 0;
  double decoupled_ = 0;
};

}  // namespace laconic
