// SPDX-License-Identifier: Apache-2.0
// clag: compressed lazy aggregation: h + C(x - h) if |x - h|^2 > zeta |x - y|^2, else silence
// (3pc.md 2.1). For zeta <= u^2 / (1 - u) it has EF21's constants and skips messages for free.
//
// Body: flag 1 and C's, or flag 0.
#include <algorithm>
#include <cmath>

#include "laconic/kernels/kernels.hpp"
#include "laconic/mechanism/methods.hpp"
#include "laconic/mechanism/support.hpp"

namespace laconic::mechanism {
namespace {

// 3pc.md 2.2: with zeta above u^2 / (1 - u) a larger A is possible at the same B.
Contraction clag_constants(double alpha, double zeta, bool improved) {
  Contraction out = young(alpha);
  if (improved && alpha < 1 && zeta > out.b) {
    const double s = (1 - alpha) / (zeta - (1 - alpha));
    out.a = 1 - (1 - alpha) * (1 + s);
  }
  out.b = std::max(out.b, zeta);
  return out;
}

template <Real T>
class Clag final : public WithCompressor<T> {
 public:
  Clag(std::unique_ptr<Compressor<T>> compressor, double zeta, bool improved)
      : WithCompressor<T>(std::move(compressor)), zeta_(zeta), improved_(improved) {}
  [[nodiscard]] MechanismNeeds needs(Shape) const override { return {.previous = true}; }
  [[nodiscard]] std::optional<StepTheory> theory(Shape shape) const override {
    return theory_of(clag_constants(alpha_of(this->compressor(), shape), zeta_, improved_));
  }
  bool encode(TensorView<T> x, const WorkerMemory<T>& memory, const Movement<T>&,
              const CompressContext& context, wire::Message& out) const override {
    const Temporary<T> step(x.values.size());
    const double lag = difference<T>(x.values, memory.h, step.span());
    const double drift = kernels::squared_distance<T>(x.values, memory.y);
    std::copy(x.values.begin(), x.values.end(), memory.y.begin());
    const bool sends = lag > zeta_ * drift;
    write_flag(sends, out);
    if (sends) send<T>(this->compressor(), {step.span(), x.shape}, context, memory.h, out);
    return sends;
  }
  Status decode_add(wire::WireReader& in, const CompressContext& context, double scale,
                    TensorSpan<double> g) const override {
    const bool sends = read_flag(in);
    if (!sends || !in.ok()) return in.status();
    return this->compressor().decode_add_wide(in, context, scale, g);
  }

 private:
  double zeta_;
  bool improved_;
};

}  // namespace

const Card& clag_card() {
  static const Card card = {
      .kind = "mechanism",
      .name = "clag",
      .summary = "compressed lazy aggregation: EF21's message, or silence",
      .formula = "h' = h + C(x - h) if |x - h|^2 > zeta |x - y|^2, else h",
      .paper =
          "Richtarik, Sokolov, Fatkhullin, Gasanov, Li, Gorbunov: 3PC, ICML 2022, arXiv 2202.00998",
      .params = {zeta_param(),
                 {.key = "improved",
                  .type = ParamType::kFlag,
                  .default_text = "false",
                  .help = "the larger A that a zeta above u^2 / (1 - u) allows; not in the paper"}},
      .inner_kind = "compressor",
      .promises = "A = 1 - u, B = max{u^2 / (1 - u), zeta}, u = sqrt(1 - alpha)",
  };
  return card;
}

template <Real T>
std::unique_ptr<Mechanism<T>> make_clag(const Args& args, const MechanismSetup& setup) {
  return std::make_unique<Clag<T>>(make_compressor<T>(args.inner(), setup), args.real("zeta"),
                                   args.flag("improved"));
}
template std::unique_ptr<Mechanism<float>> make_clag(const Args&, const MechanismSetup&);
template std::unique_ptr<Mechanism<double>> make_clag(const Args&, const MechanismSetup&);

std::vector<std::string> clag_problems(const Args& args, std::uint32_t workers) {
  return unmet(Need::kContractive, args.spec(), args.inner(), workers);
}

}  // namespace laconic::mechanism
