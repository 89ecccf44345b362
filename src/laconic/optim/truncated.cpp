// SPDX-License-Identifier: Apache-2.0
// truncated: truncated gradient (Langford, Li, Zhang 2009). x <- x - eta u; after every `every`
// rounds the coordinates with |x| <= theta move towards 0 by the l1 term of these rounds, l1 times
// the sum of their eta, and stop there. With every=1 and theta=0 (no limit) it is prox with that
// l1.
#include <cmath>
#include <limits>

#include "laconic/kernels/kernels.hpp"
#include "laconic/optim/decay.hpp"
#include "laconic/optim/methods.hpp"

namespace laconic::optimizer_methods {
namespace {

const Card kTruncatedCard{
    .kind = "optimizer",
    .name = "truncated",
    .summary = "truncated gradient: sgd that shrinks small coordinates now and then",
    .formula =
        "x <- x - eta u; a <- a + eta l1\n"
        "every `every` rounds: x <- soft(x, a) where |x| <= theta; a <- 0\n"
        "soft(z, a) = sign(z) max(|z| - a, 0)",
    .paper =
        "Langford, Li, Zhang: Sparse Online Learning via Truncated Gradient, JMLR "
        "10, 2009, arXiv 0806.4686",
    .params = with_decay_params({{.key = "l1",
                                  .type = ParamType::kReal,
                                  .default_text = "0",
                                  .help = "how strongly coordinates are shrunk",
                                  .min = 0,
                                  .max = 1000000},
                                 {.key = "every",
                                  .type = ParamType::kInteger,
                                  .default_text = "10",
                                  .help = "the number of rounds between truncations",
                                  .min = 1,
                                  .max = 1000000000},
                                 {.key = "theta",
                                  .type = ParamType::kReal,
                                  .default_text = "0",
                                  .help = "larger coordinates are left alone; 0 for no "
                                          "limit",
                                  .min = 0}}),
    .promises = "with l1=0 it is sgd bit for bit"};

template <Real T>
class Truncated final : public Optimizer<T> {
 public:
  Truncated(const Args& args, const OptimizerSetup& /*setup*/)
      : decay_(args),
        l1_(args.real("l1")),
        every_(args.integer("every")),
        theta_(args.real("theta") == 0 ? std::numeric_limits<double>::infinity()
                                       : args.real("theta")) {}
  void couple_decay(std::span<const T> x, std::span<T> gradient) const override {
    decay_.couple(x, gradient);
  }
  void step(std::span<T> x, std::span<const T> direction, double step_size) override {
    decay_.shrink(step_size, x);
    kernels::axpy(static_cast<T>(-step_size), direction, x);
    owed_ += step_size;
    if (++rounds_ < every_) return;
    if (l1_ != 0) truncate(static_cast<T>(owed_ * l1_), x);
    rounds_ = 0;
    owed_ = 0;
  }
  void state(wire::StateArchive& archive) override {
    archive.number("rounds", rounds_);
    archive.number("owed", owed_);
  }
  [[nodiscard]] std::optional<double> penalty(std::span<const T> x) const override {
    if (l1_ == 0) return std::nullopt;
    return l1_ * kernels::l1_norm<T>(x);
  }

 private:
  void truncate(T reach, std::span<T> x) const {
    for (T& z : x) {
      const T size = std::fabs(z);
      if (static_cast<double>(size) <= theta_)
        z = size <= reach ? T{0} : std::copysign(size - reach, z);
    }
  }

  Decay decay_;
  double l1_;
  std::int64_t every_;
  double theta_;
  std::int64_t rounds_ = 0;
  double owed_ = 0;  // sum of step sizes since the last truncation
};

}  // namespace

template <Real T>
Method<Optimizer<T>, OptimizerSetup> truncated() {
  return {&kTruncatedCard,
          [](const Args& args, const OptimizerSetup& setup) -> std::unique_ptr<Optimizer<T>> {
            return std::make_unique<Truncated<T>>(args, setup);
          }};
}
template Method<Optimizer<float>, OptimizerSetup> truncated();
template Method<Optimizer<double>, OptimizerSetup> truncated();

void truncated_problems(const Args& args, std::vector<std::string>& problems) {
  decay_problems(args, problems);
}

}  // namespace laconic::optimizer_methods
