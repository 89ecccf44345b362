// SPDX-License-Identifier: Apache-2.0
// f(x) = 1/2 sum_i L_i x_i^2 on every worker, with Gaussian gradient noise of its own deviation
// sigma_i per coordinate: the toy problems on which sign methods are compared with averaging
// (signsgd.md check 16 and experiments E1, E4, E8). Everything about them is known in closed form.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "laconic/base/exact_math.hpp"
#include "laconic/problem/methods.hpp"
#include "laconic/problem/synthetic_problem.hpp"
#include "laconic/rng/stream.hpp"

namespace laconic::problem {
namespace {

std::vector<double> curvature_of(const Args& args) {
  const std::string& profile = args.text("curvature");
  std::vector<double> curvature(static_cast<std::size_t>(args.integer("d")), 1.0);
  const auto last = static_cast<double>(curvature.size() - 1);
  const double log_min = exact::log(args.real("min"));
  for (std::size_t i = 1; i < curvature.size() && profile == "geometric"; ++i) {
    curvature[i] = exact::exp(log_min * (static_cast<double>(i) / last));
  }
  for (std::size_t i = 0; i < curvature.size() && profile == "check16"; ++i) {
    curvature[i] = 0.1 + 0.2 * static_cast<double>(i % 10);
  }
  return curvature;
}

// Deviation of the noise of one gradient, averaged over a batch.
std::vector<double> deviation_of(const Args& args) {
  const std::string& profile = args.text("noise");
  const double sigma = args.real("sigma");
  const double shrink = 1 / std::sqrt(static_cast<double>(args.integer("batch")));
  std::vector<double> deviation(static_cast<std::size_t>(args.integer("d")));
  for (std::size_t i = 0; i < deviation.size(); ++i) {
    double value = sigma;
    if (profile == "first") value = i == 0 ? sigma : 0.0;
    if (profile == "every10th") value = i % 10 == 0 ? sigma : 0.01;
    if (profile == "check16") value = 0.5 + 0.3 * static_cast<double>(i % 7);
    deviation[i] = value * shrink;
  }
  return deviation;
}

template <class T>
class NoisyQuadratic final : public SyntheticProblem<T> {
 public:
  NoisyQuadratic(const Args& args, const ProblemSetup& setup)
      : SyntheticProblem<T>(static_cast<std::uint32_t>(args.integer("d")), setup.workers),
        curvature_(curvature_of(args)),
        deviation_(deviation_of(args)) {
    const auto after_last =
        std::find_if(deviation_.rbegin(), deviation_.rend(), [](double s) { return s > 0; });
    noisy_coordinates_ = static_cast<std::size_t>(deviation_.rend() - after_last);
    const auto [min, max] = std::minmax_element(curvature_.begin(), curvature_.end());
    this->constants_ = {.l_minus = *max,
                        .l_plus = *max,
                        .l_plus_minus = 0.0,
                        .l_worker = std::vector<double>(setup.workers, *max),
                        .l_coordinate = curvature_,
                        .mu = *min,
                        .f_star = 0.0};
    this->description_ =
        fmt::format("separable quadratic, {} coordinates, {} workers, curvature {}, noise {}",
                    curvature_.size(), setup.workers, args.text("curvature"), args.text("noise"));
  }

  void initial_point(std::uint64_t seed, std::span<T> x) const override {
    LACONIC_EXPECTS(x.size() == curvature_.size());
    rng::fill_normal(rng::Stream(seed, {.purpose = rng::Purpose::kInitial}), {}, x);
  }

  void full_gradient(std::uint32_t worker, std::span<const T> x, std::span<T> g,
                     ProblemScratch<T>& /*scratch*/) const override {
    this->check(worker, x, g);
    for (std::size_t i = 0; i < x.size(); ++i) {
      g[i] = static_cast<T>(curvature_[i] * static_cast<double>(x[i]));
    }
  }

  // Coordinate i uses the i-th normal number of the stream.
  void noisy_gradient(std::uint64_t seed, std::uint32_t round, std::uint32_t worker,
                      std::span<const T> x, std::span<T> g,
                      ProblemScratch<T>& scratch) const override {
    full_gradient(worker, x, g, scratch);
    rng::Reader reader(
        rng::Stream(seed, {.purpose = rng::Purpose::kNoise, .worker = worker, .round = round}));
    for (std::size_t i = 0; i < noisy_coordinates_; ++i) {
      const double exact = curvature_[i] * static_cast<double>(x[i]);
      g[i] = static_cast<T>(exact + deviation_[i] * reader.normal());
    }
  }

  [[nodiscard]] double loss(std::uint32_t worker, std::span<const T> x,
                            ProblemScratch<T>& /*scratch*/) const override {
    this->check(worker, x);
    double sum = 0;
    for (std::size_t i = 0; i < x.size(); ++i) {
      const auto value = static_cast<double>(x[i]);
      sum += curvature_[i] * (value * value);
    }
    return 0.5 * sum;
  }

 private:
  std::vector<double> curvature_;
  std::vector<double> deviation_;
  std::size_t noisy_coordinates_ = 0;  // one more than the last with positive deviation
};

const Card kNoisyQuadraticCard = {
    .kind = "problem",
    .name = "noisy-quadratic",
    .summary = "separable quadratic with Gaussian gradient noise, a deviation per coordinate",
    .formula =
        "f(x) = sum of L_i x_i^2 / 2\n"
        "gradients have noise of N(0, sigma_i^2) per coordinate and worker",
    .paper = "Bernstein et al. 2018, signSGD (arXiv 1802.04434), toy problems",
    .params =
        {
            {.key = "d",
             .type = ParamType::kInteger,
             .default_text = "1000",
             .help = "number of coordinates",
             .min = 1,
             .max = 16777216},
            {.key = "curvature",
             .type = ParamType::kChoice,
             .default_text = "uniform",
             .help = "uniform: 1; geometric: from 1 down to min; check16: 0.1 + 0.2 (i mod 10)",
             .choices = {"uniform", "geometric", "check16"}},
            {.key = "min",
             .type = ParamType::kReal,
             .default_text = "0.01",
             .help = "smallest curvature of the geometric profile",
             .min = 1e-12,
             .max = 1},
            {.key = "noise",
             .type = ParamType::kChoice,
             .default_text = "uniform",
             .help =
                 "uniform: sigma; first: sigma on coordinate 0 alone; every10th: sigma on every "
                 "10th coordinate, 0.01 elsewhere; check16: 0.5 + 0.3 (i mod 7)",
             .choices = {"uniform", "first", "every10th", "check16"}},
            {.key = "sigma",
             .type = ParamType::kReal,
             .default_text = "1",
             .help = "deviation of the noise",
             .min = 0,
             .max = 1e9},
            {.key = "batch",
             .type = ParamType::kInteger,
             .default_text = "1",
             .help = "gradients averaged per draw: divides the deviation by its square root",
             .min = 1,
             .max = 1e9},
        },
    .promises = "coordinate-wise smoothness, minimum 0, unbiased unimodal symmetric noise",
};

}  // namespace

ProblemMethod noisy_quadratic_method() {
  return method_of<NoisyQuadratic>(kNoisyQuadraticCard, {.synthetic_noise = true});
}

}  // namespace laconic::problem
