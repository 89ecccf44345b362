// SPDX-License-Identifier: Apache-2.0
// ef14: error feedback of 2014 (3pc.md 4): w = C(e + gamma x), e <- e + gamma x - w. Memories are
// kept in units of the gradient, so with r = gamma_{t-1} / gamma_t: p = x + r e, C(p) is sent,
// e <- p - C(p). h holds e.
//
// Body: C's.
#include "laconic/mechanism/methods.hpp"
#include "laconic/mechanism/support.hpp"

namespace laconic::mechanism {
namespace {

template <Real T>
class Ef14 final : public WithCompressor<T> {
 public:
  using WithCompressor<T>::WithCompressor;
  [[nodiscard]] MechanismNeeds needs(Shape) const override {
    return {.initial = false, .carry = 0};
  }
  [[nodiscard]] std::optional<StepTheory> theory(Shape) const override { return std::nullopt; }
  bool encode(TensorView<T> x, const WorkerMemory<T>& memory, const Movement<T>& movement,
              const CompressContext& context, wire::Message& out) const override {
    const bool rescales = movement.step_size > 0 && movement.last_step_size > 0;
    const double r = rescales ? movement.last_step_size / movement.step_size : 1;
    const Temporary<T> sum(x.values.size());
    for (std::size_t i = 0; i < x.values.size(); ++i) {
      memory.h[i] = static_cast<double>(x.values[i]) + r * memory.h[i];
      sum.span()[i] = static_cast<T>(memory.h[i]);
    }
    send<T>(this->compressor(), {sum.span(), x.shape}, context, memory.h, out, -1);
    return true;
  }
  Status decode_add(wire::WireReader& in, const CompressContext& context, double scale,
                    TensorSpan<double> g) const override {
    return this->compressor().decode_add_wide(in, context, scale, g);
  }
};

}  // namespace

const Card& ef14_card() {
  static const Card card = {
      .kind = "mechanism",
      .name = "ef14",
      .summary = "error feedback of 2014: what was not sent is added to the next gradient",
      .formula =
          "p = x + r e; message C(p); e <- p - C(p)\n"
          "direction = mean of C(p_i); r = the last step size over this one",
      .paper = "Seide, Fu, Droppo, Li, Yu: 1-bit SGD, Interspeech 2014",
      .inner_kind = "compressor",
      .promises = "none that gives a step size without a bound on the gradients",
  };
  return card;
}

template <Real T>
std::unique_ptr<Mechanism<T>> make_ef14(const Args& args, const MechanismSetup& setup) {
  return std::make_unique<Ef14<T>>(make_compressor<T>(args.inner(), setup));
}
template std::unique_ptr<Mechanism<float>> make_ef14(const Args&, const MechanismSetup&);
template std::unique_ptr<Mechanism<double>> make_ef14(const Args&, const MechanismSetup&);

std::vector<std::string> ef14_problems(const Args& args, std::uint32_t workers) {
  return unmet(Need::kContractive, args.spec(), args.inner(), workers);
}

}  // namespace laconic::mechanism
