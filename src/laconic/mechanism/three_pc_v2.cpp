// SPDX-License-Identifier: Apache-2.0
// 3pcv2: h' = b + C(x - b) with b = h + Q(x - y), Q unbiased (3pc.md 2.1).
//
// Body: Q's, then C's.
#include <algorithm>

#include "laconic/mechanism/methods.hpp"
#include "laconic/mechanism/support.hpp"

namespace laconic::mechanism {
namespace {

template <Real T>
class ThreePcV2 final : public WithCompressor<T> {
 public:
  ThreePcV2(std::unique_ptr<Compressor<T>> q, std::unique_ptr<Compressor<T>> compressor)
      : WithCompressor<T>(std::move(compressor)), q_(std::move(q)) {}
  [[nodiscard]] MechanismNeeds needs(Shape) const override { return {.previous = true}; }
  [[nodiscard]] std::optional<StepTheory> theory(Shape shape) const override {
    const double alpha = alpha_of(this->compressor(), shape);
    return theory_of({.a = alpha, .b = (1 - alpha) * omega_of(*q_, shape)});
  }
  [[nodiscard]] std::string misfit(Shape shape) const override {
    std::string out = q_->misfit(shape);
    return out.empty() ? WithCompressor<T>::misfit(shape) : out;
  }
  bool encode(TensorView<T> x, const WorkerMemory<T>& memory, const Movement<T>&,
              const CompressContext& context, wire::Message& out) const override {
    const std::size_t size = x.values.size();
    const Temporary<T> step(size);
    for (std::size_t i = 0; i < size; ++i) step.span()[i] = x.values[i] - memory.y[i];
    std::copy(x.values.begin(), x.values.end(), memory.y.begin());
    send<T>(*q_, {step.span(), x.shape}, child(context, 0), memory.h, out);
    difference<T>(x.values, memory.h, step.span());
    send<T>(this->compressor(), {step.span(), x.shape}, child(context, 1), memory.h, out);
    return true;
  }
  Status decode_add(wire::WireReader& in, const CompressContext& context, double scale,
                    TensorSpan<double> g) const override {
    if (Status status = q_->decode_add_wide(in, child(context, 0), scale, g); !status)
      return status;
    return this->compressor().decode_add_wide(in, child(context, 1), scale, g);
  }

 private:
  std::unique_ptr<Compressor<T>> q_;
};

}  // namespace

const Card& three_pc_v2_card() {
  static const Card card = {
      .kind = "mechanism",
      .name = "3pcv2",
      .summary = "an unbiased step along the gradient's change, then a contractive correction",
      .formula =
          "b = h + Q(x - y), Q the unbiased compressor `q`\n"
          "h' = b + C(x - b)",
      .paper =
          "Richtarik, Sokolov, Fatkhullin, Gasanov, Li, Gorbunov: 3PC, ICML 2022, arXiv 2202.00998",
      .params = {{.key = "q",
                  .type = ParamType::kSpec,
                  .default_text = "randk:k=0.01",
                  .help = "the unbiased compressor of x - y",
                  .spec_kind = "compressor"}},
      .inner_kind = "compressor",
      .promises = "A = alpha, B = (1 - alpha) omega",
  };
  return card;
}

template <Real T>
std::unique_ptr<Mechanism<T>> make_three_pc_v2(const Args& args, const MechanismSetup& setup) {
  return std::make_unique<ThreePcV2<T>>(make_compressor<T>(args.nested("q"), setup),
                                        make_compressor<T>(args.inner(), setup));
}
template std::unique_ptr<Mechanism<float>> make_three_pc_v2(const Args&, const MechanismSetup&);
template std::unique_ptr<Mechanism<double>> make_three_pc_v2(const Args&, const MechanismSetup&);

std::vector<std::string> three_pc_v2_problems(const Args& args, std::uint32_t workers) {
  std::vector<std::string> out = unmet(Need::kUnbiased, args.spec(), args.nested("q"), workers);
  append(out, unmet(Need::kContractive, args.spec(), args.inner(), workers));
  return out;
}

}  // namespace laconic::mechanism
