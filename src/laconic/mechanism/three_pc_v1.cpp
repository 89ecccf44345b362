// SPDX-License-Identifier: Apache-2.0
// 3pcv1: h' = y + C(x - y) (3pc.md 2.1). An idealised yardstick: the server does not know y, so
// what travels is y + C(x - y) - h, dense. payload_bits counts C's numbers only, as the published
// code does; wire_bits and frame_bytes count what was sent.
//
// Body: y + C(x - y) - h as plain numbers.
#include <algorithm>

#include "laconic/kernels/kernels.hpp"
#include "laconic/mechanism/methods.hpp"
#include "laconic/mechanism/support.hpp"

namespace laconic::mechanism {
namespace {

template <Real T>
class ThreePcV1 final : public WithCompressor<T> {
 public:
  using WithCompressor<T>::WithCompressor;
  [[nodiscard]] MechanismNeeds needs(Shape) const override { return {.previous = true}; }
  [[nodiscard]] std::optional<StepTheory> theory(Shape shape) const override {
    return theory_of({.a = 1, .b = 1 - alpha_of(this->compressor(), shape)});
  }
  bool encode(TensorView<T> x, const WorkerMemory<T>& memory, const Movement<T>&,
              const CompressContext& context, wire::Message& out) const override {
    const std::size_t size = x.values.size();
    const Temporary<double> target(size);
    const Temporary<T> step(size);
    for (std::size_t i = 0; i < size; ++i) target.span()[i] = static_cast<double>(memory.y[i]);
    difference<T>(x.values, target.span(), step.span());
    const TemporaryMessage ideal;
    send<T>(this->compressor(), {step.span(), x.shape}, context, target.span(), ideal.message());
    for (std::size_t i = 0; i < size; ++i) {
      step.span()[i] = static_cast<T>(target.span()[i] - memory.h[i]);
    }
    expect_finite<T>(step.span());
    const std::uint64_t before = out.payload_bits;
    send_plain<T>(step.span(), memory.h, out);
    out.payload_bits = before + ideal.message().payload_bits;
    std::copy(x.values.begin(), x.values.end(), memory.y.begin());
    return true;
  }
  Status decode_add(wire::WireReader& in, const CompressContext&, double scale,
                    TensorSpan<double> g) const override {
    return add_plain<T>(in, scale, g.values);
  }
};

}  // namespace

const Card& three_pc_v1_card() {
  static const Card card = {
      .kind = "mechanism",
      .name = "3pcv1",
      .summary = "y + C(x - y): an idealised yardstick, sent densely but counted as C",
      .formula = "h' = y + C(x - y)",
      .paper =
          "Richtarik, Sokolov, Fatkhullin, Gasanov, Li, Gorbunov: 3PC, ICML 2022, arXiv 2202.00998",
      .inner_kind = "compressor",
      .promises = "A = 1, B = 1 - alpha; idealised: its message is as long as the gradient",
  };
  return card;
}

template <Real T>
std::unique_ptr<Mechanism<T>> make_three_pc_v1(const Args& args, const MechanismSetup& setup) {
  return std::make_unique<ThreePcV1<T>>(make_compressor<T>(args.inner(), setup));
}
template std::unique_ptr<Mechanism<float>> make_three_pc_v1(const Args&, const MechanismSetup&);
template std::unique_ptr<Mechanism<double>> make_three_pc_v1(const Args&, const MechanismSetup&);

std::vector<std::string> three_pc_v1_problems(const Args& args, std::uint32_t workers) {
  return unmet(Need::kContractive, args.spec(), args.inner(), workers);
}

}  // namespace laconic::mechanism
