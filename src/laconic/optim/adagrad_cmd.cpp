// SPDX-License-Identifier: Apache-2.0
// adagrad-cmd: composite mirror descent with AdaGrad's diagonal metric and an l1 term
// (quantized-adagrad.md 2.2, line 9a). The metric is built from the direction that all ranks are
// given, that is, from the quantized aggregate.
#include "laconic/optim/adagrad.hpp"
#include "laconic/optim/decay.hpp"
#include "laconic/optim/methods.hpp"

namespace laconic::optimizer_methods {
namespace {

const Card kAdagradCmdCard{
    .kind = "optimizer",
    .name = "adagrad-cmd",
    .summary = "AdaGrad with an l1 term by composite mirror descent: sparse models",
    .formula =
        "H = delta + sqrt(sum of u^2 up to this round)\n"
        "x <- soft(x - eta u / H, eta l1 / H); soft(z, a) = sign(z) max(|z| - a, 0)",
    .paper =
        "Duchi, Hazan, Singer: Adaptive Subgradient Methods, JMLR 12, 2011; Xu et al.: "
        "Quantized Adaptive Subgradient Algorithms, arXiv 2208.05631",
    .params = with_decay_params(with_adagrad_params("1e-4", {})),
    .promises =
        "a coordinate at 0 stays there, exactly, while |q| <= l1; with delta=0 one without a "
        "direction so far does not move"};

template <Real T>
class AdagradCmd final : public Optimizer<T> {
 public:
  AdagradCmd(const Args& args, const OptimizerSetup& setup)
      : decay_(args),
        options_(adagrad_options(args)),
        layout_(*setup.layout),
        method_(options_, layout_) {}
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
  [[nodiscard]] std::vector<std::span<const double>> sums() const override {
    return {method_.squares()};
  }
  void state(wire::StateArchive& archive) override { method_.state(archive); }
  [[nodiscard]] bool steps_sparsely() const override { return decay_.none(); }
  std::span<const std::uint32_t> step_sparse(std::span<T> x, const SparseView<T>& direction,
                                             double step_size) override {
    LACONIC_EXPECTS(steps_sparsely());
    return method_.step_sparse(x, direction, step_size);
  }
  [[nodiscard]] std::optional<double> penalty(std::span<const T> x) const override {
    return adagrad_penalty<T>(options_, layout_, x);
  }

 private:
  Decay decay_;
  AdagradOptions options_;
  const Layout& layout_;
  MirrorDescent<T> method_;
};

}  // namespace

template <Real T>
Method<Optimizer<T>, OptimizerSetup> adagrad_cmd() {
  return {&kAdagradCmdCard,
          [](const Args& args, const OptimizerSetup& setup) -> std::unique_ptr<Optimizer<T>> {
            return std::make_unique<AdagradCmd<T>>(args, setup);
          }};
}
template Method<Optimizer<float>, OptimizerSetup> adagrad_cmd();
template Method<Optimizer<double>, OptimizerSetup> adagrad_cmd();

void adagrad_cmd_problems(const Args& args, std::vector<std::string>& problems) {
  decay_problems(args, problems);
}

}  // namespace laconic::optimizer_methods
