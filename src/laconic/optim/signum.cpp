// SPDX-License-Identifier: Apache-2.0
// signSGD and Signum (signsgd.md 2.2): x <- x - eta sgn(u), or v <- beta v + (1 - beta) u and
// x <- x - eta sgn(v), with sgn(0) = 0. There is no bias correction: it cannot change a sign.
#include "laconic/kernels/kernels.hpp"
#include "laconic/optim/decay.hpp"
#include "laconic/optim/methods.hpp"
#include "laconic/optim/warmup.hpp"
#include "laconic/tensor/workspace.hpp"

namespace laconic::optimizer_methods {
namespace {

const Card kSignumCard{
    .kind = "optimizer",
    .name = "signum",
    .summary = "steps of length eta along the signs of the direction or of its momentum",
    .formula =
        "v <- beta v + (1 - beta) u; x <- x - eta sign(v), sign(0) = 0\n"
        "warmup=true: x <- x - eta sign(u) in the first rounds",
    .paper = "Bernstein et al., arXiv 1802.04434",
    .params = with_decay_params(
        {{.key = "beta",
          .type = ParamType::kReal,
          .default_text = "0",
          .help = "the share of v that is kept; 0 is signSGD",
          .min = 0,
          .max = 1,
          .max_open = true},
         {.key = "warmup",
          .type = ParamType::kFlag,
          .default_text = "false",
          .help =
              "step along sgn(u) for the first C(beta) rounds, as the theorem for Signum does"}}),
    .promises = "without decay a coordinate moves by exactly eta or not at all"};

// x_i += a sgn(s_i); a coordinate of sign 0 keeps its bits.
template <Real T>
void add_signs_of(std::span<const T> s, T a, std::span<T> x) {
  LACONIC_EXPECTS(s.size() == x.size());
  for (std::size_t i = 0; i < x.size(); ++i)
    x[i] = s[i] > 0 ? x[i] + a : s[i] < 0 ? x[i] - a : x[i];
}

template <Real T>
class Signum final : public Optimizer<T> {
 public:
  Signum(const Args& args, const OptimizerSetup& setup)
      : decay_(args),
        beta_(static_cast<T>(args.real("beta"))),
        gain_(static_cast<T>(1 - args.real("beta"))),
        warmup_left_(args.flag("warmup") ? signum_warmup_rounds(args.real("beta")) : 0),
        v_(args.real("beta") > 0 ? setup.layout->size() : 0, T{0}) {}
  void couple_decay(std::span<const T> x, std::span<T> gradient) const override {
    decay_.couple(x, gradient);
  }
  void step(std::span<T> x, std::span<const T> direction, double step_size) override {
    std::span<const T> signed_vector = direction;
    if (!v_.empty()) {
      kernels::axpby(gain_, direction, beta_, std::span<T>(v_));
      if (warmup_left_ > 0) {
        --warmup_left_;
      } else {
        signed_vector = v_;
      }
    }
    decay_.shrink(step_size, x);
    add_signs_of(signed_vector, static_cast<T>(-step_size), x);
  }
  void state(wire::StateArchive& archive) override {
    archive.number("warmup_left", warmup_left_);
    archive.numbers("momentum", std::span<T>(v_));
  }

 private:
  Decay decay_;
  T beta_;
  T gain_;
  std::uint64_t warmup_left_;
  AlignedVector<T> v_;  // empty for beta = 0
};

}  // namespace

template <Real T>
Method<Optimizer<T>, OptimizerSetup> signum() {
  return {&kSignumCard,
          [](const Args& args, const OptimizerSetup& setup) -> std::unique_ptr<Optimizer<T>> {
            return std::make_unique<Signum<T>>(args, setup);
          }};
}
template Method<Optimizer<float>, OptimizerSetup> signum();
template Method<Optimizer<double>, OptimizerSetup> signum();

void signum_problems(const Args& args, std::vector<std::string>& problems) {
  decay_problems(args, problems);
  if (!args.flag("warmup")) return;
  if (args.real("beta") == 0) {
    problems.push_back(
        "signum: warmup=true needs beta > 0; with beta=0 every step is along sgn(u) already");
  }
  if (args.real("beta") > kMaxWarmupBeta) {
    problems.push_back(
        "signum: warmup=true needs beta <= 0.999999; above that it outlasts every run");
  }
}

}  // namespace laconic::optimizer_methods
