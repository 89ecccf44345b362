// SPDX-License-Identifier: Apache-2.0
// 3pcv4: h' = b + C1(x - b) with b = h + C2(x - h) (3pc.md 2.1): two contractions of the same
// difference. With two Top-K maps it is EF21 with Top-(K1 + K2), bit for bit.
//
// Body: C2's (`first`), then C1's.
#include <algorithm>

#include "laconic/kernels/kernels.hpp"
#include "laconic/mechanism/methods.hpp"
#include "laconic/mechanism/support.hpp"

namespace laconic::mechanism {
namespace {

template <Real T>
class ThreePcV4 final : public WithCompressor<T> {
 public:
  ThreePcV4(std::unique_ptr<Compressor<T>> first, std::unique_ptr<Compressor<T>> compressor)
      : WithCompressor<T>(std::move(compressor)), first_(std::move(first)) {}
  [[nodiscard]] MechanismNeeds needs(Shape) const override { return {}; }
  [[nodiscard]] std::optional<StepTheory> theory(Shape shape) const override {
    const double left = (1 - alpha_of(this->compressor(), shape)) * (1 - alpha_of(*first_, shape));
    return theory_of(young(1 - left));
  }
  [[nodiscard]] std::string misfit(Shape shape) const override {
    std::string out = first_->misfit(shape);
    return out.empty() ? WithCompressor<T>::misfit(shape) : out;
  }
  bool encode(TensorView<T> x, const WorkerMemory<T>& memory, const Movement<T>&,
              const CompressContext& context, wire::Message& out) const override {
    const std::size_t size = x.values.size();
    const Temporary<T> step(size);
    const Temporary<double> sent(size);
    difference<T>(x.values, memory.h, step.span());
    std::fill(sent.span().begin(), sent.span().end(), 0.0);
    send<T>(*first_, {step.span(), x.shape}, child(context, 0), sent.span(), out);
    leave<T>(step.span(), sent.span(), step.span());
    kernels::axpy<double>(1, sent.span(), memory.h);
    send<T>(this->compressor(), {step.span(), x.shape}, child(context, 1), memory.h, out);
    return true;
  }
  Status decode_add(wire::WireReader& in, const CompressContext& context, double scale,
                    TensorSpan<double> g) const override {
    if (Status status = first_->decode_add_wide(in, child(context, 0), scale, g); !status) {
      return status;
    }
    return this->compressor().decode_add_wide(in, child(context, 1), scale, g);
  }

 private:
  std::unique_ptr<Compressor<T>> first_;
};

}  // namespace

const Card& three_pc_v4_card() {
  static const Card card = {
      .kind = "mechanism",
      .name = "3pcv4",
      .summary = "two contractive compressors one after the other",
      .formula =
          "b = h + C2(x - h), C2 the compressor `first`\n"
          "h' = b + C(x - b)",
      .paper =
          "Richtarik, Sokolov, Fatkhullin, Gasanov, Li, Gorbunov: 3PC, ICML 2022, arXiv 2202.00998",
      .params = {{.key = "first",
                  .type = ParamType::kSpec,
                  .default_text = "topk:k=0.01",
                  .help = "the contractive compressor of x - h",
                  .spec_kind = "compressor"}},
      .inner_kind = "compressor",
      .promises = "A = 1 - u, B = u^2 / (1 - u), u = sqrt((1 - alpha1)(1 - alpha2))",
  };
  return card;
}

template <Real T>
std::unique_ptr<Mechanism<T>> make_three_pc_v4(const Args& args, const MechanismSetup& setup) {
  return std::make_unique<ThreePcV4<T>>(make_compressor<T>(args.nested("first"), setup),
                                        make_compressor<T>(args.inner(), setup));
}
template std::unique_ptr<Mechanism<float>> make_three_pc_v4(const Args&, const MechanismSetup&);
template std::unique_ptr<Mechanism<double>> make_three_pc_v4(const Args&, const MechanismSetup&);

std::vector<std::string> three_pc_v4_problems(const Args& args, std::uint32_t workers) {
  std::vector<std::string> out =
      unmet(Need::kContractive, args.spec(), args.nested("first"), workers);
  append(out, unmet(Need::kContractive, args.spec(), args.inner(), workers));
  return out;
}

}  // namespace laconic::mechanism
