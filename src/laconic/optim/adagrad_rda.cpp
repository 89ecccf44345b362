// SPDX-License-Identifier: Apache-2.0
// adagrad-rda: regularized dual averaging with AdaGrad's diagonal metric and an l1 term
// (quantized-adagrad.md 2.2, line 9b), around the starting point: 0 for linear models, where this
// is the classical form, and the random one for networks, for which 0 is a saddle. x follows from
// the sum of all directions; what else changes x is forgotten by the next step, and decoupled
// weight decay acts on the centre.
#include <fmt/format.h>

#include "laconic/optim/adagrad.hpp"
#include "laconic/optim/decay.hpp"
#include "laconic/optim/methods.hpp"

namespace laconic::optimizer_methods {
namespace {

const Card kAdagradRdaCard{
    .kind = "optimizer",
    .name = "adagrad-rda",
    .summary = "AdaGrad with an l1 term by regularized dual averaging: sparser models",
    .formula =
        "s <- s + u; H = delta + sqrt(sum of u^2 up to this round)\n"
        "x <- soft(x0 - eta s / H, eta t l1 / H), t the number of rounds with this one\n"
        "soft(z, a) = sign(z) max(|z| - a, 0)",
    .paper =
        "Duchi, Hazan, Singer: Adaptive Subgradient Methods, JMLR 12, 2011; Xu et al.: "
        "Quantized Adaptive Subgradient Algorithms, arXiv 2208.05631",
    .params = with_decay_params(with_adagrad_params(
        "0.05", {{.key = "centre",
                  .type = ParamType::kChoice,
                  .default_text = "start",
                  .help = "the point around which it averages: the start of the run, or 0",
                  .choices = {"start", "zero"}}})),
    .promises =
        "around 0 a coordinate is 0, exactly, if |mean of q| <= l1; the regret bound needs "
        "delta of at least the largest |q|"};

template <Real T>
class AdagradRda final : public Optimizer<T> {
 public:
  AdagradRda(const Args& args, const OptimizerSetup& setup)
      : decay_(args),
        options_(adagrad_options(args)),
        layout_(*setup.layout),
        method_(options_, args.text("centre") == "zero", layout_) {}
  void couple_decay(std::span<const T> x, std::span<T> gradient) const override {
    decay_.couple(x, gradient);
  }
  void step(std::span<T> x, std::span<const T> direction, double step_size) override {
    step_with_matrix_of(direction, x, direction, step_size);
  }
  void step_with_matrix_of(std::span<const T> raw, std::span<T> x, std::span<const T> direction,
                           double step_size) override {
    if (const T factor = decay_.factor<T>(step_size); factor != 1) method_.shrink(x, factor);
    method_.step(x, direction, raw, step_size);
  }
  void state(wire::StateArchive& archive) override { method_.state(archive); }
  [[nodiscard]] bool steps_sparsely() const override { return decay_.none(); }
  std::span<const std::uint32_t> step_sparse(std::span<T> x, const SparseView<T>& direction,
                                             double step_size) override {
    LACONIC_EXPECTS(steps_sparsely());
    return method_.step_sparse(x, direction, step_size);
  }
  [[nodiscard]] std::string remark() const override {
    if (options_.delta >= method_.largest()) return {};
    return fmt::format(
        "adagrad-rda: delta={} is below the largest |q| so far, {:.4g}; the regret bound needs "
        "delta >= {:.4g}",
        shortest(options_.delta), method_.largest(), method_.largest());
  }
  [[nodiscard]] std::vector<std::span<const double>> sums() const override {
    return {method_.squares(), method_.sums()};
  }
  [[nodiscard]] std::optional<double> penalty(std::span<const T> x) const override {
    return adagrad_penalty<T>(options_, layout_, x);
  }

 private:
  Decay decay_;
  AdagradOptions options_;
  const Layout& layout_;
  DualAveraging<T> method_;
};

}  // namespace

template <Real T>
Method<Optimizer<T>, OptimizerSetup> adagrad_rda() {
  return {&kAdagradRdaCard,
          [](const Args& args, const OptimizerSetup& setup) -> std::unique_ptr<Optimizer<T>> {
            return std::make_unique<AdagradRda<T>>(args, setup);
          }};
}
template Method<Optimizer<float>, OptimizerSetup> adagrad_rda();
template Method<Optimizer<double>, OptimizerSetup> adagrad_rda();

void adagrad_rda_problems(const Args& args, std::vector<std::string>& problems) {
  decay_problems(args, problems);
}

}  // namespace laconic::optimizer_methods
