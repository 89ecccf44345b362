// SPDX-License-Identifier: Apache-2.0
// Problems on which stepping by the sign of the gradient does not find the minimum, whatever the
// step sizes, while error feedback does (signsgd.md 4.7, after Karimireddy et al. 2019, arXiv
// 1901.09847):
//   i    f(x) = x/4 on [-1, 1]; the stochastic gradient is 4 with probability 1/4, else -1. Its
//   sign
//        is negative most of the time, so sign steps walk to +1; the minimum is at -1.
//   ii   f(x) = eps |x_1 + x_2| + |x_1 - x_2| with sgn(0) = +1 in the subgradient: its sign is
//   always
//        +-(1, -1), so x_1 + x_2 stays 2 from the start (1, 1).
//   iii  f(x) = (<a,x>^2 + <b,x>^2) / 2 with a = (1,-1) + eps (1,1), b = -(1,-1) + eps (1,1), one
//   of the
//        two rows drawn per gradient: the smooth version of ii.
// The domain of i is kept by project(): gradients are those of x/4 everywhere.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <memory>

#include "laconic/problem/methods.hpp"
#include "laconic/problem/synthetic_problem.hpp"
#include "laconic/rng/stream.hpp"

namespace laconic::problem {
namespace {

double sign_or_plus(double value) { return value < 0 ? -1.0 : 1.0; }

template <class T>
class Counterexample final : public SyntheticProblem<T> {
 public:
  Counterexample(const Args& args, const ProblemSetup& setup)
      : SyntheticProblem<T>(args.text("variant") == "i" ? 1 : 2, setup.workers),
        variant_(args.text("variant") == "i"    ? Variant::kSkewedNoise
                 : args.text("variant") == "ii" ? Variant::kKinks
                                                : Variant::kTwoRows),
        eps_(args.real("eps")),
        batch_(args.integer("batch")) {
    Constants& constants = this->constants_;
    double smoothness = 0;
    if (variant_ == Variant::kSkewedNoise) constants.f_star = -0.25;
    if (variant_ != Variant::kSkewedNoise) constants.f_star = 0.0;
    if (variant_ == Variant::kTwoRows) {
      smoothness = 4;
      constants.mu = 4 * eps_ * eps_;
    }
    if (variant_ != Variant::kKinks) {
      constants.l_minus = smoothness;
      constants.l_plus = smoothness;
      constants.l_plus_minus = 0.0;
      constants.l_worker.assign(setup.workers, smoothness);
      constants.l_coordinate.assign(this->layout().size(), smoothness);
    }
    this->description_ = fmt::format("counter-example {} to sign descent, {} workers",
                                     args.text("variant"), setup.workers);
  }

  void initial_point(std::uint64_t /*seed*/, std::span<T> x) const override {
    LACONIC_EXPECTS(x.size() == this->layout().size());
    std::fill(x.begin(), x.end(), variant_ == Variant::kSkewedNoise ? T{0} : T{1});
  }

  void full_gradient(std::uint32_t worker, std::span<const T> x, std::span<T> g,
                     ProblemScratch<T>& /*scratch*/) const override {
    this->check(worker, x, g);
    if (variant_ == Variant::kSkewedNoise) {
      g[0] = T{0.25};
      return;
    }
    const auto [sum, difference] = sum_and_difference(x);
    if (variant_ == Variant::kKinks) {
      const double common = eps_ * sign_or_plus(sum);
      const double opposite = sign_or_plus(difference);
      g[0] = static_cast<T>(common + opposite);
      g[1] = static_cast<T>(common - opposite);
      return;
    }
    set_rows_gradient({1, 1}, x, g);
  }

  void noisy_gradient(std::uint64_t seed, std::uint32_t round, std::uint32_t worker,
                      std::span<const T> x, std::span<T> g,
                      ProblemScratch<T>& scratch) const override {
    if (variant_ == Variant::kKinks) return full_gradient(worker, x, g, scratch);
    this->check(worker, x, g);
    rng::Reader reader(
        rng::Stream(seed, {.purpose = rng::Purpose::kNoise, .worker = worker, .round = round}));
    const bool skewed = variant_ == Variant::kSkewedNoise;
    std::int64_t rare = 0;  // draws of the gradient 4, or of the row a
    for (std::int64_t k = 0; k < batch_; ++k) rare += reader.below(skewed ? 4 : 2) == 0 ? 1 : 0;
    const double share = static_cast<double>(rare) / static_cast<double>(batch_);
    if (skewed) {
      g[0] = static_cast<T>(5 * share - 1);  // 4 share - (1 - share)
    } else {
      set_rows_gradient({2 * share, 2 * (1 - share)}, x, g);
    }
  }

  void project(std::span<T> x) const override {
    LACONIC_EXPECTS(x.size() == this->layout().size());
    if (variant_ == Variant::kSkewedNoise) x[0] = std::clamp(x[0], T{-1}, T{1});
  }

  [[nodiscard]] double loss(std::uint32_t worker, std::span<const T> x,
                            ProblemScratch<T>& /*scratch*/) const override {
    this->check(worker, x);
    if (variant_ == Variant::kSkewedNoise) return 0.25 * static_cast<double>(x[0]);
    const auto [sum, difference] = sum_and_difference(x);
    if (variant_ == Variant::kKinks) return eps_ * std::fabs(sum) + std::fabs(difference);
    const double along_a = difference + eps_ * sum;
    const double along_b = -difference + eps_ * sum;
    return 0.5 * (along_a * along_a + along_b * along_b);
  }

 private:
  enum class Variant : std::uint8_t { kSkewedNoise, kKinks, kTwoRows };

  static std::array<double, 2> sum_and_difference(std::span<const T> x) {
    const auto first = static_cast<double>(x[0]);
    const auto second = static_cast<double>(x[1]);
    return {first + second, first - second};
  }

  // g = weights[0] <a,x> a + weights[1] <b,x> b.
  void set_rows_gradient(std::array<double, 2> weights, std::span<const T> x,
                         std::span<T> g) const {
    const auto [sum, difference] = sum_and_difference(x);
    const double along_a = weights[0] * (difference + eps_ * sum);
    const double along_b = weights[1] * (-difference + eps_ * sum);
    const double common = eps_ * (along_a + along_b);
    const double opposite = along_a - along_b;
    g[0] = static_cast<T>(common + opposite);
    g[1] = static_cast<T>(common - opposite);
  }

  Variant variant_;
  double eps_;
  std::int64_t batch_;
};

const Card kCard = {
    .kind = "problem",
    .name = "counterexample",
    .summary = "one or two coordinates on which sign descent fails",
    .paper = "Karimireddy et al. 2019, EF-signSGD (arXiv 1901.09847), counter-examples",
    .params =
        {
            {.key = "variant",
             .type = ParamType::kChoice,
             .default_text = "i",
             .help = "i: skewed noise on an interval; ii: non-smooth; iii: two rows",
             .choices = {"i", "ii", "iii"}},
            {.key = "eps",
             .type = ParamType::kReal,
             .default_text = "0.5",
             .help = "weight of the sum of the coordinates in variants ii and iii",
             .min = 0,
             .max = 1,
             .min_open = true,
             .max_open = true},
            {.key = "batch",
             .type = ParamType::kInteger,
             .default_text = "1",
             .help = "gradients averaged per draw in variants i and iii",
             .min = 1,
             .max = 1000000},
        },
    .promises = "minimum known; in exact arithmetic sign steps never reach it",
};

}  // namespace

ProblemMethod counterexample_method() {
  return method_of<Counterexample>(kCard, {.synthetic_noise = true});
}

}  // namespace laconic::problem
