// SPDX-License-Identifier: Apache-2.0
// 3pcv3: h' = b + C(x - b) with b = C'_{h,y}(x), C' any mechanism whose messages are increments
// (3pc.md 2.1).
//
// Body: that of the inner mechanism, then C's.
#include <algorithm>

#include "laconic/mechanism/methods.hpp"
#include "laconic/mechanism/support.hpp"

namespace laconic::mechanism {
namespace {

template <Real T>
class ThreePcV3 final : public WithCompressor<T> {
 public:
  ThreePcV3(std::unique_ptr<Mechanism<T>> first, std::unique_ptr<Compressor<T>> compressor)
      : WithCompressor<T>(std::move(compressor)), first_(std::move(first)) {}
  [[nodiscard]] MechanismNeeds needs(Shape shape) const override { return first_->needs(shape); }
  [[nodiscard]] std::optional<StepTheory> theory(Shape shape) const override {
    const auto first = first_->theory(shape);
    if (!first) return std::nullopt;
    const double alpha = alpha_of(this->compressor(), shape);
    return theory_of({.a = 1 - (1 - alpha) * (1 - first->a), .b = (1 - alpha) * first->b});
  }
  [[nodiscard]] std::string misfit(Shape shape) const override {
    std::string out = first_->misfit(shape);
    return out.empty() ? WithCompressor<T>::misfit(shape) : out;
  }
  bool encode(TensorView<T> x, const WorkerMemory<T>& memory, const Movement<T>& movement,
              const CompressContext& context, wire::Message& out) const override {
    const std::size_t size = x.values.size();
    const Temporary<T> step(size);
    const Temporary<double> sent(size);
    difference<T>(x.values, memory.h, step.span());
    const std::size_t start = out.bytes.size();
    first_->encode(x, memory, movement, child(context, 0), out);
    std::fill(sent.span().begin(), sent.span().end(), 0.0);
    wire::WireReader own(std::span<const std::byte>(out.bytes).subspan(start));
    const Status decoded = first_->decode_add(own, child(context, 0), 1, {sent.span(), x.shape});
    LACONIC_EXPECTS(static_cast<bool>(decoded));
    leave<T>(step.span(), sent.span(), step.span());
    send<T>(this->compressor(), {step.span(), x.shape}, child(context, 1), memory.h, out);
    return true;
  }
  Status decode_add(wire::WireReader& in, const CompressContext& context, double scale,
                    TensorSpan<double> g) const override {
    if (Status status = first_->decode_add(in, child(context, 0), scale, g); !status) return status;
    return this->compressor().decode_add_wide(in, child(context, 1), scale, g);
  }

 private:
  std::unique_ptr<Mechanism<T>> first_;
};

}  // namespace

const Card& three_pc_v3_card() {
  static const Card card = {
      .kind = "mechanism",
      .name = "3pcv3",
      .summary = "any three-point map, then a contractive correction",
      .formula =
          "b = M(h, y, x), M the mechanism `first`\n"
          "h' = b + C(x - b)",
      .paper =
          "Richtarik, Sokolov, Fatkhullin, Gasanov, Li, Gorbunov: 3PC, ICML 2022, arXiv 2202.00998",
      .params = {{.key = "first",
                  .type = ParamType::kSpec,
                  .default_text = "lag",
                  .help = "the mechanism whose result is corrected",
                  .spec_kind = "mechanism"}},
      .inner_kind = "compressor",
      .promises = "A = 1 - (1 - alpha)(1 - A'), B = (1 - alpha) B'",
  };
  return card;
}

template <Real T>
std::unique_ptr<Mechanism<T>> make_three_pc_v3(const Args& args, const MechanismSetup& setup) {
  return std::make_unique<ThreePcV3<T>>(mechanisms<T>().make(args.nested("first"), setup),
                                        make_compressor<T>(args.inner(), setup));
}
template std::unique_ptr<Mechanism<float>> make_three_pc_v3(const Args&, const MechanismSetup&);
template std::unique_ptr<Mechanism<double>> make_three_pc_v3(const Args&, const MechanismSetup&);

std::vector<std::string> three_pc_v3_problems(const Args& args, std::uint32_t workers) {
  std::vector<std::string> out = mechanism_problems(args.nested("first"), workers);
  append(out, unmet_increments(args.spec(), args.nested("first"), workers));
  append(out, unmet(Need::kContractive, args.spec(), args.inner(), workers));
  return out;
}

}  // namespace laconic::mechanism
