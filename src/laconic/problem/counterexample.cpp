// SPDX-License-Identifier: Apache-2.0
// Problems on which stepping by the sign of the gradient does not find the minimum, whatever the
// step sizes, while error feedback does (signsgd.md 4.7, after Karimireddy et al. 2019, arXiv
// 1901.09847):
//   i    f(x) = x/4 on [-1, 1]; the stochastic gradient is 4 with probability 1/4, else -1. Its
//        sign is negative most of the time, so sign steps walk to +1; the minimum is at -1.
//   ii   f(x) = eps |x_1 + x_2| + |x_1 - x_2| with sgn(0) = +1 in the subgradient: its sign is
//        always +-(1, -1), so x_1 + x_2 stays 2 from the start (1, 1).
//   iii  f(x) = (<a,x>^2 + <b,x>^2) / 2 with a = (1,-1) + eps (1,1), b = -(1,-1) + eps (1,1), one
//        of the two rows drawn per gradient: the smooth version of ii.
// And one on which every worker sending its largest coordinate alone walks away from the minimum,
// whatever the step size (3pc.md T14, after Beznosikov et al. 2020, arXiv 2002.12410):
//   iv   f_i(x) = <a_i,x>^2 + |x|^2 / 4 with a_i = (2,2,2) but -3 at i mod 3. From the start
//   (1,1,1)
//        top-1 keeps the coordinate of -3, so that x grows by 1 + 11/6 eta in every round.
// The domain of i is kept by project(): gradients are those of x/4 everywhere.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <memory>
#include <string>

#include "laconic/base/error.hpp"
#include "laconic/problem/methods.hpp"
#include "laconic/problem/synthetic_problem.hpp"
#include "laconic/rng/stream.hpp"

namespace laconic::problem {
namespace {

constexpr std::uint32_t kWays = 3;  // coordinates and kinds of workers of variant iv

enum class Variant : std::uint8_t { kSkewedNoise, kKinks, kTwoRows, kThreeWays };

Variant variant_of(const std::string& text) {
  if (text == "i") return Variant::kSkewedNoise;
  if (text == "ii") return Variant::kKinks;
  return text == "iii" ? Variant::kTwoRows : Variant::kThreeWays;
}

std::uint32_t coordinates_of(Variant variant) {
  if (variant == Variant::kSkewedNoise) return 1;
  return variant == Variant::kThreeWays ? kWays : 2;
}

double sign_or_plus(double value) { return value < 0 ? -1.0 : 1.0; }

template <class T>
class Counterexample final : public SyntheticProblem<T> {
 public:
  Counterexample(const Args& args, const ProblemSetup& setup)
      : SyntheticProblem<T>(coordinates_of(variant_of(args.text("variant"))), setup.workers),
        variant_(variant_of(args.text("variant"))),
        eps_(args.real("eps")),
        batch_(args.integer("batch")) {
    this->description_ =
        fmt::format("counter-example {} to {} descent, {} workers", args.text("variant"),
                    variant_ == Variant::kThreeWays ? "top-1" : "sign", setup.workers);
    if (variant_ == Variant::kThreeWays) {
      if (setup.workers % kWays != 0) {
        throw ConfigError(
            fmt::format("counterexample: variant=iv has three kinds of workers, as many of each; "
                        "{} workers are "
                        "not a multiple of 3",
                        setup.workers));
      }
      set_three_ways_constants(args.text("l_plus") == "bound");
    } else {
      set_sign_constants();
    }
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
    if (variant_ == Variant::kThreeWays) {
      const double slope = 2 * along_three_ways(worker, x);
      for (std::uint32_t j = 0; j < kWays; ++j) {
        g[j] = static_cast<T>(slope * three_ways(worker, j) + 0.5 * static_cast<double>(x[j]));
      }
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
    if (variant_ == Variant::kKinks || variant_ == Variant::kThreeWays) {
      return full_gradient(worker, x, g, scratch);
    }
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
    if (variant_ == Variant::kThreeWays) {
      const double along = along_three_ways(worker, x);
      double norm2 = 0;
      for (const T value : x) norm2 += static_cast<double>(value) * static_cast<double>(value);
      return along * along + 0.25 * norm2;
    }
    const auto [sum, difference] = sum_and_difference(x);
    if (variant_ == Variant::kKinks) return eps_ * std::fabs(sum) + std::fabs(difference);
    const double along_a = difference + eps_ * sum;
    const double along_b = -difference + eps_ * sum;
    return 0.5 * (along_a * along_a + along_b * along_b);
  }

 private:
  void set_sign_constants() {
    Constants& constants = this->constants_;
    double smoothness = 0;
    constants.f_star = variant_ == Variant::kSkewedNoise ? -0.25 : 0.0;
    if (variant_ == Variant::kTwoRows) {
      smoothness = 4;
      constants.mu = 4 * eps_ * eps_;
    }
    if (variant_ == Variant::kKinks) return;
    constants.l_minus = smoothness;
    constants.l_plus = smoothness;
    constants.l_plus_minus = 0.0;
    constants.l_worker.assign(this->workers(), smoothness);
    constants.l_coordinate.assign(this->layout().size(), smoothness);
  }

  // The Hessians are H_i = 2 a_i a_i^T + I/2 with |a_i|^2 = 17, and the mean of a_i a_i^T is
  // (25 I - 8 J) / 3, J all ones: eigenvalues 25/3 (twice) and 1/3. So those of the mean Hessian
  // are 103/6 and 7/6, those of the mean of H_i^2 = 70 a_i a_i^T + I/4 are 7003/12 and 283/12.
  void set_three_ways_constants(bool l_plus_is_bound) {
    Constants& constants = this->constants_;
    const double l_worker = 34.5;
    constants.l_minus = 103.0 / 6;
    constants.l_plus = l_plus_is_bound ? l_worker : std::sqrt(7003.0 / 12);
    constants.l_plus_minus = std::sqrt(2600.0 / 9);
    constants.l_worker.assign(this->workers(), l_worker);
    constants.l_coordinate.assign(kWays, 22.5);  // rows of |mean Hessian|
    constants.mu = 7.0 / 6;
    constants.f_star = 0.0;
  }

  static double three_ways(std::uint32_t worker, std::uint32_t j) {
    return j == worker % kWays ? -3 : 2;
  }
  // <a_i, x>
  static double along_three_ways(std::uint32_t worker, std::span<const T> x) {
    double sum = 0;
    for (std::uint32_t j = 0; j < kWays; ++j) {
      sum += three_ways(worker, j) * static_cast<double>(x[j]);
    }
    return sum;
  }

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

const Card kCounterexampleCard = {
    .kind = "problem",
    .name = "counterexample",
    .summary = "one to three coordinates on which sign descent, or top-1 descent, fails",
    .paper =
        "Karimireddy et al. 2019, EF-signSGD (arXiv 1901.09847), counter-examples; iv: "
        "Beznosikov et al. 2020, On Biased Compression (arXiv 2002.12410)",
    .params =
        {
            {.key = "variant",
             .type = ParamType::kChoice,
             .default_text = "i",
             .help =
                 "i: skewed noise on an interval; ii: non-smooth; iii: two rows; iv: three workers",
             .choices = {"i", "ii", "iii", "iv"}},
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
            {.key = "l_plus",
             .type = ParamType::kChoice,
             .default_text = "exact",
             .help = "L_+ of variant iv: exact, or its bound sqrt(mean L_i^2) = 34.5",
             .choices = {"exact", "bound"}},
        },
    .promises = "minimum known; in exact arithmetic sign steps (iv: top-1 steps) never reach it",
};

}  // namespace

ProblemMethod counterexample_method() {
  return method_of<Counterexample>(kCounterexampleCard, {.synthetic_noise = true});
}

}  // namespace laconic::problem
