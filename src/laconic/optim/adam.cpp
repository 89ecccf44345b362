// SPDX-License-Identifier: Apache-2.0
// Adam (Kingma and Ba) of the common direction, with bias correction:
//   m <- beta1 m + (1 - beta1) u ;   v <- beta2 v + (1 - beta2) u^2
//   x <- x - eta mhat / (sqrt(vhat) + eps) ;   mhat = m / (1 - beta1^t) ;   vhat = v / (1 -
//   beta2^t)
// With beta1 = beta2 = eps = 0 this is signSGD, exactly. For that s = sqrt(v) is kept instead of v:
// the square of a small float is not a float, its root would not be |u|.
#include <cmath>

#include "laconic/kernels/kernels.hpp"
#include "laconic/optim/decay.hpp"
#include "laconic/optim/methods.hpp"
#include "laconic/tensor/workspace.hpp"

namespace laconic::optimizer_methods {
namespace {

const Card kAdamCard{
    .kind = "optimizer",
    .name = "adam",
    .summary = "steps scaled by running first and second moments of the direction",
    .formula =
        "m <- beta1 m + (1 - beta1) u; v <- beta2 v + (1 - beta2) u^2\n"
        "x <- x - eta (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + eps), t from 1",
    .paper = "Kingma, Ba, arXiv 1412.6980",
    .params = with_decay_params({{.key = "beta1",
                                  .type = ParamType::kReal,
                                  .default_text = "0.9",
                                  .help = "the share of the first moment that is kept",
                                  .min = 0,
                                  .max = 1,
                                  .max_open = true},
                                 {.key = "beta2",
                                  .type = ParamType::kReal,
                                  .default_text = "0.999",
                                  .help = "the share of the second moment that is kept",
                                  .min = 0,
                                  .max = 1,
                                  .max_open = true},
                                 {.key = "eps",
                                  .type = ParamType::kReal,
                                  .default_text = "1e-8",
                                  .help = "added to the root of the second moment",
                                  .min = 0}}),
    .promises = "0/0 counts as 0; with beta1=beta2=eps=0 it is signSGD bit for bit"};

template <Real T>
class Adam final : public Optimizer<T> {
 public:
  Adam(const Args& args, const OptimizerSetup& setup)
      : decay_(args),
        beta1_(args.real("beta1")),
        beta2_(args.real("beta2")),
        eps_(args.real("eps")),
        m_(setup.layout->size(), T{0}),
        s_(setup.layout->size(), T{0}) {}
  void couple_decay(std::span<const T> x, std::span<T> gradient) const override {
    decay_.couple(x, gradient);
  }
  void step(std::span<T> x, std::span<const T> direction, double step_size) override {
    LACONIC_EXPECTS(x.size() == m_.size());
    power1_ *= beta1_;
    power2_ *= beta2_;
    kernels::axpby(static_cast<T>(1 - beta1_), direction, static_cast<T>(beta1_), std::span<T>(m_));
    decay_.shrink(step_size, x);
    const double m_correction = 1 - power1_;
    const double s_correction = std::sqrt(1 - power2_);
    const auto a = static_cast<T>(-step_size);
    for (std::size_t i = 0; i < x.size(); ++i) {
      const auto u = static_cast<double>(direction[i]);
      const auto s = static_cast<double>(s_[i]);
      s_[i] = static_cast<T>(std::sqrt(beta2_ * (s * s) + (1 - beta2_) * (u * u)));
      const double denominator = static_cast<double>(s_[i]) / s_correction + eps_;
      const double numerator = static_cast<double>(m_[i]) / m_correction;
      x[i] += a * static_cast<T>(denominator == 0 ? 0 : numerator / denominator);
    }
  }
  void state(wire::StateArchive& archive) override {
    archive.number("beta1^t", power1_);
    archive.number("beta2^t", power2_);
    archive.numbers("m", std::span<T>(m_));
    archive.numbers("root of s", std::span<T>(s_));
  }

 private:
  Decay decay_;
  double beta1_;
  double beta2_;
  double eps_;
  double power1_ = 1;  // beta1^t
  double power2_ = 1;
  AlignedVector<T> m_;
  AlignedVector<T> s_;
};

}  // namespace

template <Real T>
Method<Optimizer<T>, OptimizerSetup> adam() {
  return {&kAdamCard,
          [](const Args& args, const OptimizerSetup& setup) -> std::unique_ptr<Optimizer<T>> {
            return std::make_unique<Adam<T>>(args, setup);
          }};
}
template Method<Optimizer<float>, OptimizerSetup> adam();
template Method<Optimizer<double>, OptimizerSetup> adam();

void adam_problems(const Args& args, std::vector<std::string>& problems) {
  decay_problems(args, problems);
}

}  // namespace laconic::optimizer_methods
