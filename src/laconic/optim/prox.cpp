// SPDX-License-Identifier: Apache-2.0
// Proximal gradient step (3pc.md section 4, EF21-Prox): with r(x) = l1 |x|_1 + l2/2 |x|^2 it is
// x <- prox_{eta r}(x - eta u), the minimum of |y - (x - eta u)|^2 / 2 + eta r(y) over y. In closed
// form, per coordinate z of x - eta u: z moves towards 0 by eta l1 and stops there, then it is
// divided by 1 + eta l2. r is no part of the problem: losses and gradients leave it out.
#include <cmath>

#include "laconic/base/assert.hpp"
#include "laconic/kernels/kernels.hpp"
#include "laconic/optim/decay.hpp"
#include "laconic/optim/methods.hpp"

namespace laconic::optimizer_methods {
namespace {

const Card kProxCard{
    .kind = "optimizer",
    .name = "prox",
    .summary = "proximal gradient descent: x <- prox(x - eta u) of l1 |x|_1 + l2/2 |x|^2",
    .formula =
        "x <- soft(x - eta u, eta l1) / (1 + eta l2)\n"
        "soft(z, a) = sign(z) max(|z| - a, 0)",
    .paper = "Fatkhullin et al. 2021, EF21 with Bells and Whistles (arXiv 2110.03294), EF21-Prox",
    .params = with_decay_params({{.key = "l1",
                                  .type = ParamType::kReal,
                                  .default_text = "0",
                                  .help = "weight of |x|_1",
                                  .min = 0,
                                  .max = 1000000},
                                 {.key = "l2",
                                  .type = ParamType::kReal,
                                  .default_text = "0",
                                  .help = "weight of |x|^2 / 2",
                                  .min = 0,
                                  .max = 1000000}}),
    .promises = "with l1=l2=0 it is sgd bit for bit; coordinates within eta l1 of 0 become 0"};

template <Real T>
class Prox final : public Optimizer<T> {
 public:
  Prox(const Args& args, const OptimizerSetup& /*setup*/)
      : decay_(args), l1_(args.real("l1")), l2_(args.real("l2")) {}
  void couple_decay(std::span<const T> x, std::span<T> gradient) const override {
    decay_.couple(x, gradient);
  }
  void step(std::span<T> x, std::span<const T> direction, double step_size) override {
    decay_.shrink(step_size, x);
    kernels::axpy(static_cast<T>(-step_size), direction, x);
    if (l1_ != 0) soften(static_cast<T>(step_size * l1_), x);
    if (l2_ != 0) kernels::scale(static_cast<T>(1 / (1 + step_size * l2_)), x);
  }
  void state(wire::StateArchive& /*archive*/) override {}  // nothing
  [[nodiscard]] std::optional<double> penalty(std::span<const T> x) const override {
    if (l1_ == 0 && l2_ == 0) return std::nullopt;
    return l1_ * kernels::l1_norm<T>(x) + l2_ / 2 * kernels::squared_norm<T>(x);
  }

 private:
  // Every coordinate moves towards 0 by at most `reach`; NaN stays NaN.
  static void soften(T reach, std::span<T> x) {
    for (T& z : x) {
      const T beyond = std::fabs(z) - reach;
      z = beyond <= 0 ? T{0} : std::copysign(beyond, z);
    }
  }

  Decay decay_;
  double l1_;
  double l2_;
};

}  // namespace

template <Real T>
Method<Optimizer<T>, OptimizerSetup> prox() {
  return {&kProxCard,
          [](const Args& args, const OptimizerSetup& setup) -> std::unique_ptr<Optimizer<T>> {
            return std::make_unique<Prox<T>>(args, setup);
          }};
}
template Method<Optimizer<float>, OptimizerSetup> prox();
template Method<Optimizer<double>, OptimizerSetup> prox();

void prox_problems(const Args& args, std::vector<std::string>& problems) {
  decay_problems(args, problems);
}

}  // namespace laconic::optimizer_methods
