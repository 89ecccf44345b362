// SPDX-License-Identifier: Apache-2.0
// diana: m = Q(x - h) is sent, h <- h + a m, and the direction is the mean of h + m (3pc.md 4).
//
// Body: Q's.
#include <algorithm>

#include "laconic/mechanism/methods.hpp"
#include "laconic/mechanism/support.hpp"

namespace laconic::mechanism {
namespace {

template <Real T>
class Diana final : public WithCompressor<T> {
 public:
  // alpha = 0: 1 / (1 + omega).
  Diana(std::unique_ptr<Compressor<T>> compressor, double alpha, std::uint32_t workers)
      : WithCompressor<T>(std::move(compressor)), alpha_(alpha), workers_(workers) {}
  [[nodiscard]] MechanismNeeds needs(Shape shape) const override {
    return {.initial = false, .carry = memory_step(shape)};
  }
  // gamma = 1 / (L (1 + 6 omega / n)), a constant that 3pc.md marks as not verified.
  [[nodiscard]] std::optional<StepTheory> theory(Shape shape) const override {
    const double noise = 6 * omega_of(this->compressor(), shape) / workers_;
    return StepTheory{.a = memory_step(shape), .b = noise * noise, .plus = noise * noise};
  }
  bool encode(TensorView<T> x, const WorkerMemory<T>& memory, const Movement<T>&,
              const CompressContext& context, wire::Message& out) const override {
    const Temporary<T> step(x.values.size());
    difference<T>(x.values, memory.h, step.span());
    send<T>(this->compressor(), {step.span(), x.shape}, context, memory.h, out,
            memory_step(x.shape));
    return true;
  }
  Status decode_add(wire::WireReader& in, const CompressContext& context, double scale,
                    TensorSpan<double> g) const override {
    return this->compressor().decode_add_wide(in, context, scale, g);
  }

 private:
  [[nodiscard]] double memory_step(Shape shape) const {
    return alpha_ > 0 ? alpha_ : 1 / (1 + omega_of(this->compressor(), shape));
  }
  double alpha_;
  std::uint32_t workers_;
};

}  // namespace

const Card& diana_card() {
  static const Card card = {
      .kind = "mechanism",
      .name = "diana",
      .summary = "unbiased compression of the difference to a memory that follows the gradient",
      .formula =
          "m = Q(x - h) is the message; h' = h + a m\n"
          "direction = mean of h_i + m_i; a = alpha, or 1 / (1 + omega) with alpha=0",
      .paper = "Mishchenko, Gorbunov, Takac, Richtarik: DIANA, 2019, arXiv 1901.09269",
      .params = {{.key = "alpha",
                  .type = ParamType::kReal,
                  .default_text = "0",
                  .help = "the step of the memory; 0 for the largest safe one, 1 / (1 + omega)",
                  .min = 0,
                  .max = 1}},
      .inner_kind = "compressor",
      .promises = "gamma = 1 / (L_- + 6 omega L_+ / n), recollected from the literature",
  };
  return card;
}

template <Real T>
std::unique_ptr<Mechanism<T>> make_diana(const Args& args, const MechanismSetup& setup) {
  return std::make_unique<Diana<T>>(make_compressor<T>(args.inner(), setup), args.real("alpha"),
                                    setup.workers);
}
template std::unique_ptr<Mechanism<float>> make_diana(const Args&, const MechanismSetup&);
template std::unique_ptr<Mechanism<double>> make_diana(const Args&, const MechanismSetup&);

std::vector<std::string> diana_problems(const Args& args, std::uint32_t workers) {
  return unmet(Need::kUnbiased, args.spec(), args.inner(), workers);
}

}  // namespace laconic::mechanism
