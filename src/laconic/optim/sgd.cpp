// SPDX-License-Identifier: Apache-2.0
// (Stochastic) gradient descent: x <- x - eta u.
#include "laconic/kernels/kernels.hpp"
#include "laconic/optim/active.hpp"
#include "laconic/optim/decay.hpp"
#include "laconic/optim/methods.hpp"

namespace laconic::optimizer_methods {
namespace {

const Card kSgdCard{
    .kind = "optimizer",
    .name = "sgd",
    .summary = "gradient descent: x <- x - eta u",
    .formula = "x <- x - eta u",
    .params = with_decay_params({}),
    .promises = "without decay x becomes x + (-eta) u, each operation rounded once"};

template <Real T>
class Sgd final : public Optimizer<T> {
 public:
  Sgd(const Args& args, const OptimizerSetup&) : decay_(args) {}
  void couple_decay(std::span<const T> x, std::span<T> gradient) const override {
    decay_.couple(x, gradient);
  }
  void step(std::span<T> x, std::span<const T> direction, double step_size) override {
    decay_.shrink(step_size, x);
    kernels::axpy(static_cast<T>(-step_size), direction, x);
  }
  void state(wire::StateArchive& /*archive*/) override {}  // active_ follows from x
  [[nodiscard]] bool steps_sparsely() const override { return decay_.none(); }
  std::span<const std::uint32_t> step_sparse(std::span<T> x, const SparseView<T>& direction,
                                             double step_size) override {
    LACONIC_EXPECTS(steps_sparsely());
    if (!started_) active_.start(x.size(), [&](std::size_t i) { return x[i] != 0; });
    started_ = true;
    const T a = static_cast<T>(-step_size);
    return active_.update(direction, [&](std::uint32_t i, T u) {
      if (u != 0) x[i] = x[i] + a * u;
      return x[i] != 0;
    });
  }

 private:
  Decay decay_;
  ActiveSet active_;  // of step_sparse: where x is not 0
  bool started_ = false;
};

}  // namespace

template <Real T>
Method<Optimizer<T>, OptimizerSetup> sgd() {
  return {&kSgdCard,
          [](const Args& args, const OptimizerSetup& setup) -> std::unique_ptr<Optimizer<T>> {
            return std::make_unique<Sgd<T>>(args, setup);
          }};
}
template Method<Optimizer<float>, OptimizerSetup> sgd();
template Method<Optimizer<double>, OptimizerSetup> sgd();

void sgd_problems(const Args& args, std::vector<std::string>& problems) {
  decay_problems(args, problems);
}

}  // namespace laconic::optimizer_methods
