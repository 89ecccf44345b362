// SPDX-License-Identifier: Apache-2.0
// Heavy-ball and Nesterov momentum of the common direction: v <- beta v + (1 - dampening) u, then
// x <- x - eta v, or with nesterov=true x <- x - eta (u + beta v).
//
// EF21-HB (3pc.md section 4) is momentum:beta=ETA over the aggregator ef21: its x <- x - gamma v,
// v <- eta v + g with v = g at the start takes the same steps, the new v being formed when g
// arrives and not after the step before.
#include <algorithm>

#include "laconic/kernels/kernels.hpp"
#include "laconic/optim/decay.hpp"
#include "laconic/optim/methods.hpp"
#include "laconic/tensor/workspace.hpp"

namespace laconic::optimizer_methods {
namespace {

const Card kMomentumCard{
    .kind = "optimizer",
    .name = "momentum",
    .summary = "gradient descent with heavy-ball or Nesterov momentum",
    .formula =
        "v <- beta v + (1 - dampening) u; x <- x - eta v\n"
        "nesterov=true: x <- x - eta (u + beta v)",
    .params = with_decay_params({{.key = "beta",
                                  .type = ParamType::kReal,
                                  .default_text = "0.9",
                                  .help = "the share of v that is kept; EF21-HB's eta",
                                  .min = 0,
                                  .max = 1,
                                  .max_open = true},
                                 {.key = "dampening",
                                  .type = ParamType::kReal,
                                  .default_text = "0",
                                  .help = "v gains (1 - dampening) u",
                                  .min = 0,
                                  .max = 1,
                                  .max_open = true},
                                 {.key = "nesterov",
                                  .type = ParamType::kFlag,
                                  .default_text = "false",
                                  .help = "step along u + beta v instead of v"}}),
    .promises = "v starts at 0 and gains the first direction like every other"};

template <Real T>
class Momentum final : public Optimizer<T> {
 public:
  Momentum(const Args& args, const OptimizerSetup& setup)
      : decay_(args),
        beta_(static_cast<T>(args.real("beta"))),
        gain_(static_cast<T>(1 - args.real("dampening"))),
        nesterov_(args.flag("nesterov")),
        v_(setup.layout->size(), T{0}),
        ahead_(nesterov_ ? setup.layout->size() : 0) {}
  void couple_decay(std::span<const T> x, std::span<T> gradient) const override {
    decay_.couple(x, gradient);
  }
  void step(std::span<T> x, std::span<const T> direction, double step_size) override {
    kernels::axpby(gain_, direction, beta_, std::span<T>(v_));
    decay_.shrink(step_size, x);
    const auto a = static_cast<T>(-step_size);
    if (!nesterov_) {
      kernels::axpy(a, std::span<const T>(v_), x);
      return;
    }
    std::copy(direction.begin(), direction.end(), ahead_.begin());
    kernels::axpy(beta_, std::span<const T>(v_), std::span<T>(ahead_));
    kernels::axpy(a, std::span<const T>(ahead_), x);
  }
  void state(wire::StateArchive& archive) override {
    archive.numbers("momentum", std::span<T>(v_));
  }

 private:
  Decay decay_;
  T beta_;
  T gain_;
  bool nesterov_;
  AlignedVector<T> v_;
  AlignedVector<T> ahead_;  // u + beta v
};

}  // namespace

template <Real T>
Method<Optimizer<T>, OptimizerSetup> momentum() {
  return {&kMomentumCard,
          [](const Args& args, const OptimizerSetup& setup) -> std::unique_ptr<Optimizer<T>> {
            return std::make_unique<Momentum<T>>(args, setup);
          }};
}
template Method<Optimizer<float>, OptimizerSetup> momentum();
template Method<Optimizer<double>, OptimizerSetup> momentum();

void momentum_problems(const Args& args, std::vector<std::string>& problems) {
  decay_problems(args, problems);
  if (args.flag("nesterov") && args.real("dampening") != 0) {
    problems.push_back(
        "momentum: nesterov=true is defined for dampening=0 only; leave dampening out");
  }
  if (args.flag("nesterov") && args.real("beta") == 0) {
    problems.push_back("momentum: nesterov=true needs beta > 0; with beta=0 use sgd");
  }
}

}  // namespace laconic::optimizer_methods
