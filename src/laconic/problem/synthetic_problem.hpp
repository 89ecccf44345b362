// SPDX-License-Identifier: Apache-2.0
// What problems without examples have in common. Private to this layer.
#pragma once

#include <utility>

#include "laconic/problem/problem.hpp"

namespace laconic::problem {

// Derived constructors fill in constants_ and description_.
template <Real T>
class SyntheticProblem : public Problem<T> {
 public:
  SyntheticProblem(std::uint32_t coordinates, std::uint32_t workers)
      : SyntheticProblem(Layout({Tensor{.name = "x", .shape = {coordinates, 1}}}), workers) {}
  SyntheticProblem(Layout layout, std::uint32_t workers)
      : layout_(std::move(layout)), workers_(workers) {
    LACONIC_EXPECTS(workers > 0);
  }
  [[nodiscard]] const Layout& layout() const final { return layout_; }
  [[nodiscard]] std::uint32_t workers() const final { return workers_; }
  [[nodiscard]] std::uint32_t units(std::uint32_t /*worker*/) const final { return 0; }
  void batch_gradient(std::uint32_t worker, std::span<const std::uint32_t> /*units*/,
                      std::span<const T> /*x*/, std::span<T> /*g*/,
                      ProblemScratch<T>& /*scratch*/) const final {
    LACONIC_EXPECTS(units(worker) > 0);  // never: there are no examples
  }
  void unit_gradients(std::uint32_t worker, std::span<const std::uint32_t> /*units*/,
                      std::span<const T> /*x*/, std::span<T> /*g*/, UnitSink<T>& /*sink*/,
                      ProblemScratch<T>& /*scratch*/) const final {
    LACONIC_EXPECTS(units(worker) > 0);  // never: there are no examples
  }
  [[nodiscard]] Counts train_counts(std::uint32_t /*worker*/, std::span<const T> /*x*/,
                                    ProblemScratch<T>& /*scratch*/) const final {
    return {};
  }
  [[nodiscard]] Counts test_counts(std::uint32_t /*worker*/, std::span<const T> /*x*/,
                                   ProblemScratch<T>& /*scratch*/) const final {
    return {};
  }
  [[nodiscard]] const Constants& constants() const final { return constants_; }
  [[nodiscard]] std::string description() const final { return description_; }

 protected:
  // Every call of a derived class goes through this before it looks at x and g.
  void check(std::uint32_t worker, std::span<const T> x) const {
    LACONIC_EXPECTS(worker < workers_);
    LACONIC_EXPECTS(x.size() == layout_.size());
  }
  void check(std::uint32_t worker, std::span<const T> x, std::span<const T> g) const {
    check(worker, x);
    LACONIC_EXPECTS(g.size() == x.size());
  }
  Constants constants_ = {};
  std::string description_ = {};

 private:
  Layout layout_;
  std::uint32_t workers_;
};

}  // namespace laconic::problem
