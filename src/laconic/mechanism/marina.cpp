// SPDX-License-Identifier: Apache-2.0
// marina: x with probability p, else h + Q(x - y), Q unbiased; one coin for all workers
// (3pc.md 2.4). Keeping every h, or only their mean, gives the same iterates. With E|mean Q_i(a_i)
// - mean a|^2 <= a mean|a_i|^2 - b |mean a|^2 over the workers: gamma = 1 / (L_- + sqrt((1 - p) / p
// ((a - b) L_+^2 + b L_+-^2))).
#include "laconic/mechanism/methods.hpp"
#include "laconic/mechanism/refresh.hpp"

namespace laconic::mechanism {
namespace {

template <Real T>
class Marina final : public Refresh<T> {
 public:
  using Refresh<T>::Refresh;
  [[nodiscard]] std::optional<StepTheory> theory(Shape shape) const override {
    const double p = this->probability(shape);
    const Traits traits = this->compressor().traits(shape);
    if (!traits.joint) return std::nullopt;
    const double odds = (1 - p) / p;
    return StepTheory{.a = p,
                      .b = (1 - p) * traits.joint->a,
                      .plus = odds * (traits.joint->a - traits.joint->b),
                      .plus_minus = odds * traits.joint->b};
  }
};

}  // namespace

ParamCard refresh_param() {
  return {.key = "p",
          .type = ParamType::kReal,
          .default_text = "0",
          .help =
              "the probability of sending everything; 0 for as often as makes both branches "
              "cost the same (K/d of randk, topk; 1/n of permk)",
          .min = 0,
          .max = 1};
}

const Card& marina_card() {
  static const Card card = {
      .kind = "mechanism",
      .name = "marina",
      .summary = "now and then the whole gradient, else its change, compressed without bias",
      .formula = "h' = x with probability p (one coin for all workers), else h + Q(x - y)",
      .paper =
          "Gorbunov, Burlachenko, Li, Richtarik: MARINA, ICML 2021, arXiv 2102.07845; Szlendak, "
          "Tyurin, Richtarik: permutation compressors, 2021, arXiv 2110.03300",
      .params = {refresh_param()},
      .inner_kind = "compressor",
      .promises =
          "A = p, B = (1 - p) a of all workers together (a = omega/n when they are "
          "independent); permk needs L_+- instead of L_+",
  };
  return card;
}

template <Real T>
std::unique_ptr<Mechanism<T>> make_marina(const Args& args, const MechanismSetup& setup) {
  return std::make_unique<Marina<T>>(make_compressor<T>(args.inner(), setup), args.real("p"),
                                     Coin::kShared);
}
template std::unique_ptr<Mechanism<float>> make_marina(const Args&, const MechanismSetup&);
template std::unique_ptr<Mechanism<double>> make_marina(const Args&, const MechanismSetup&);

std::vector<std::string> marina_problems(const Args& args, std::uint32_t workers) {
  return unmet(Need::kUnbiased, args.spec(), args.inner(), workers);
}

}  // namespace laconic::mechanism
