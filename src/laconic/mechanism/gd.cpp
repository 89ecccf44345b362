// SPDX-License-Identifier: Apache-2.0
// gd: h' = x, gradient descent: every worker sends all of x - h. The yardstick of this layer.
//
// Body: x - h as plain numbers.
#include "laconic/mechanism/methods.hpp"
#include "laconic/mechanism/support.hpp"

namespace laconic::mechanism {
namespace {

template <Real T>
class Gd final : public Mechanism<T> {
 public:
  [[nodiscard]] MechanismNeeds needs(Shape) const override { return {}; }
  [[nodiscard]] std::optional<StepTheory> theory(Shape) const override { return StepTheory{}; }
  [[nodiscard]] std::string misfit(Shape) const override { return {}; }
  [[nodiscard]] const Compressor<T>* initial_compressor() const override { return nullptr; }
  bool encode(TensorView<T> x, const WorkerMemory<T>& memory, const Movement<T>&,
              const CompressContext&, wire::Message& out) const override {
    const Temporary<T> step(x.values.size());
    difference<T>(x.values, memory.h, step.span());
    send_plain<T>(step.span(), memory.h, out);
    return true;
  }
  Status decode_add(wire::WireReader& in, const CompressContext&, double scale,
                    TensorSpan<double> g) const override {
    return add_plain<T>(in, scale, g.values);
  }
};

}  // namespace

const Card& gd_card() {
  static const Card card = {
      .kind = "mechanism",
      .name = "gd",
      .summary = "gradient descent: everything is sent",
      .formula = "h' = x",
      .paper =
          "Richtarik, Sokolov, Fatkhullin, Gasanov, Li, Gorbunov: 3PC, ICML 2022, arXiv 2202.00998",
      .promises = "A = 1, B = 0",
  };
  return card;
}

template <Real T>
std::unique_ptr<Mechanism<T>> make_gd(const Args& args, const MechanismSetup& setup) {
  static_cast<void>(args);
  static_cast<void>(setup);
  return std::make_unique<Gd<T>>();
}
template std::unique_ptr<Mechanism<float>> make_gd(const Args&, const MechanismSetup&);
template std::unique_ptr<Mechanism<double>> make_gd(const Args&, const MechanismSetup&);

std::vector<std::string> gd_problems(const Args& args, std::uint32_t workers) {
  static_cast<void>(args);
  static_cast<void>(workers);
  return {};
}

}  // namespace laconic::mechanism
