// SPDX-License-Identifier: Apache-2.0
// 3pcv5: x with probability p, else h + C(x - y), C contractive (3pc.md 2.1).
#include <cmath>

#include "laconic/mechanism/methods.hpp"
#include "laconic/mechanism/refresh.hpp"

namespace laconic::mechanism {
namespace {

template <Real T>
class ThreePcV5 final : public Refresh<T> {
 public:
  using Refresh<T>::Refresh;
  [[nodiscard]] std::optional<StepTheory> theory(Shape shape) const override {
    const double p = this->probability(shape);
    const double a = 1 - std::sqrt(1 - p);
    return theory_of({.a = a, .b = (1 - p) * (1 - alpha_of(this->compressor(), shape)) / a});
  }
};

}  // namespace

const Card& three_pc_v5_card() {
  static const Card card = {
      .kind = "mechanism",
      .name = "3pcv5",
      .summary = "now and then the whole gradient, else its compressed change",
      .formula = "h' = x with probability p, else h + C(x - y)",
      .paper =
          "Richtarik, Sokolov, Fatkhullin, Gasanov, Li, Gorbunov: 3PC, ICML 2022, arXiv 2202.00998",
      .params = {refresh_param(),
                 {.key = "coin",
                  .type = ParamType::kChoice,
                  .default_text = "shared",
                  .help = "who throws the coin: all workers together, or each its own",
                  .choices = {"shared", "worker"}}},
      .inner_kind = "compressor",
      .promises = "A = 1 - sqrt(1 - p), B = (1 - p)(1 - alpha) / A",
  };
  return card;
}

template <Real T>
std::unique_ptr<Mechanism<T>> make_three_pc_v5(const Args& args, const MechanismSetup& setup) {
  return std::make_unique<ThreePcV5<T>>(
      make_compressor<T>(args.inner(), setup), args.real("p"),
      args.text("coin") == "shared" ? Coin::kShared : Coin::kWorker);
}
template std::unique_ptr<Mechanism<float>> make_three_pc_v5(const Args&, const MechanismSetup&);
template std::unique_ptr<Mechanism<double>> make_three_pc_v5(const Args&, const MechanismSetup&);

std::vector<std::string> three_pc_v5_problems(const Args& args, std::uint32_t workers) {
  return unmet(Need::kContractive, args.spec(), args.inner(), workers);
}

}  // namespace laconic::mechanism
