// SPDX-License-Identifier: Apache-2.0
// ef21: h' = h + C(x - h), error feedback that compresses the difference to what the server
// believes (3pc.md 2.1). E|h' - x|^2 <= (1 - alpha)|(h - y) - (x - y)|^2, then Young's inequality.
//
// Body: C's.
#include "laconic/mechanism/methods.hpp"
#include "laconic/mechanism/support.hpp"

namespace laconic::mechanism {
namespace {

template <Real T>
class Ef21 final : public WithCompressor<T> {
 public:
  using WithCompressor<T>::WithCompressor;
  [[nodiscard]] MechanismNeeds needs(Shape) const override { return {}; }
  [[nodiscard]] std::optional<StepTheory> theory(Shape shape) const override {
    return theory_of(young(alpha_of(this->compressor(), shape)));
  }
  bool encode(TensorView<T> x, const WorkerMemory<T>& memory, const Movement<T>&,
              const CompressContext& context, wire::Message& out) const override {
    const Temporary<T> step(x.values.size());
    difference<T>(x.values, memory.h, step.span());
    send<T>(this->compressor(), {step.span(), x.shape}, context, memory.h, out);
    return true;
  }
  Status decode_add(wire::WireReader& in, const CompressContext& context, double scale,
                    TensorSpan<double> g) const override {
    return this->compressor().decode_add_wide(in, context, scale, g);
  }
};

}  // namespace

const Card& ef21_card() {
  static const Card card = {
      .kind = "mechanism",
      .name = "ef21",
      .summary = "error feedback of 2021: the compressed difference to what the server believes",
      .formula = "h' = h + C(x - h)",
      .paper = "Richtarik, Sokolov, Fatkhullin: EF21, NeurIPS 2021, arXiv 2106.05203",
      .inner_kind = "compressor",
      .promises = "A = 1 - u, B = u^2 / (1 - u), u = sqrt(1 - alpha)",
  };
  return card;
}

template <Real T>
std::unique_ptr<Mechanism<T>> make_ef21(const Args& args, const MechanismSetup& setup) {
  return std::make_unique<Ef21<T>>(make_compressor<T>(args.inner(), setup));
}
template std::unique_ptr<Mechanism<float>> make_ef21(const Args&, const MechanismSetup&);
template std::unique_ptr<Mechanism<double>> make_ef21(const Args&, const MechanismSetup&);

std::vector<std::string> ef21_problems(const Args& args, std::uint32_t workers) {
  return unmet(Need::kContractive, args.spec(), args.inner(), workers);
}

}  // namespace laconic::mechanism
