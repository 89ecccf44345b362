// SPDX-License-Identifier: Apache-2.0
// dcgd: C(x), without any memory (3pc.md 4). The baseline that the others repair: not a three-point
// map, and with a biased C it can diverge.
//
// Body: C's.
#include "laconic/mechanism/methods.hpp"
#include "laconic/mechanism/support.hpp"

namespace laconic::mechanism {
namespace {

template <Real T>
class Dcgd final : public WithCompressor<T> {
 public:
  using WithCompressor<T>::WithCompressor;
  [[nodiscard]] MechanismNeeds needs(Shape) const override {
    return {.belief = false, .initial = false, .carry = 0};
  }
  [[nodiscard]] std::optional<StepTheory> theory(Shape) const override { return std::nullopt; }
  bool encode(TensorView<T> x, const WorkerMemory<T>&, const Movement<T>&,
              const CompressContext& context, wire::Message& out) const override {
    this->compressor().encode(x, context, out);
    return true;
  }
  Status decode_add(wire::WireReader& in, const CompressContext& context, double scale,
                    TensorSpan<double> g) const override {
    return this->compressor().decode_add_wide(in, context, scale, g);
  }
};

}  // namespace

const Card& dcgd_card() {
  static const Card card = {
      .kind = "mechanism",
      .name = "dcgd",
      .summary = "distributed compressed gradient descent: C(x) and no memory",
      .formula = "message C(x); direction = mean of C(x_i)",
      .paper =
          "Khirirat, Feyzmahdavian, Johansson: Distributed learning with compressed gradients, "
          "2018, arXiv 1806.06573",
      .inner_kind = "compressor",
      .promises = "none: with several workers and a biased compressor it can diverge",
  };
  return card;
}

template <Real T>
std::unique_ptr<Mechanism<T>> make_dcgd(const Args& args, const MechanismSetup& setup) {
  return std::make_unique<Dcgd<T>>(make_compressor<T>(args.inner(), setup));
}
template std::unique_ptr<Mechanism<float>> make_dcgd(const Args&, const MechanismSetup&);
template std::unique_ptr<Mechanism<double>> make_dcgd(const Args&, const MechanismSetup&);

std::vector<std::string> dcgd_problems(const Args& args, std::uint32_t workers) {
  static_cast<void>(args);
  static_cast<void>(workers);
  return {};
}

}  // namespace laconic::mechanism
