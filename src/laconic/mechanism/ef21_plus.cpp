// SPDX-License-Identifier: Apache-2.0
// ef21+: the closer to x of C(x) and h + C(x - h) (3pc.md 2.7), so its error is at most EF21's. C
// must not be random. C(x) replaces h, so the server keeps one h per worker.
//
// Body: flag 1 and C(x), or flag 0 and C(x - h).
#include <algorithm>

#include "laconic/kernels/kernels.hpp"
#include "laconic/mechanism/methods.hpp"
#include "laconic/mechanism/support.hpp"

namespace laconic::mechanism {
namespace {

template <Real T>
class Ef21Plus final : public WithCompressor<T> {
 public:
  using WithCompressor<T>::WithCompressor;
  [[nodiscard]] MechanismNeeds needs(Shape) const override { return {.replaces = true}; }
  [[nodiscard]] std::optional<StepTheory> theory(Shape shape) const override {
    return theory_of(young(alpha_of(this->compressor(), shape)));
  }
  bool encode(TensorView<T> x, const WorkerMemory<T>& memory, const Movement<T>&,
              const CompressContext& context, wire::Message& out) const override {
    const std::size_t size = x.values.size();
    const Temporary<T> step(size);
    difference<T>(x.values, memory.h, step.span());
    const Temporary<double> moved(size);
    const Temporary<double> fresh(size);
    std::copy(memory.h.begin(), memory.h.end(), moved.span().begin());
    std::fill(fresh.span().begin(), fresh.span().end(), 0.0);
    const TemporaryMessage moved_message;
    const TemporaryMessage fresh_message;
    send<T>(this->compressor(), {step.span(), x.shape}, context, moved.span(),
            moved_message.message());
    send<T>(this->compressor(), x, context, fresh.span(), fresh_message.message());
    const double moved_error = kernels::residual<T>(x.values, moved.span(), step.span());
    const bool replaces = kernels::residual<T>(x.values, fresh.span(), step.span()) < moved_error;
    write_flag(replaces, out);
    const wire::Message& body = replaces ? fresh_message.message() : moved_message.message();
    out.bytes.insert(out.bytes.end(), body.bytes.begin(), body.bytes.end());
    out.payload_bits += body.payload_bits;
    const std::span<const double> chosen = replaces ? fresh.span() : moved.span();
    std::copy(chosen.begin(), chosen.end(), memory.h.begin());
    return true;
  }
  Status decode_add(wire::WireReader& in, const CompressContext& context, double scale,
                    TensorSpan<double> g) const override {
    LACONIC_EXPECTS(scale == 1);
    if (read_flag(in)) std::fill(g.values.begin(), g.values.end(), 0.0);
    if (!in.ok()) return in.status();
    return this->compressor().decode_add_wide(in, context, scale, g);
  }
};

}  // namespace

const Card& ef21_plus_card() {
  static const Card card = {
      .kind = "mechanism",
      .name = "ef21+",
      .summary = "EF21, or the compressed gradient itself where that is closer",
      .formula = "h' = h + C(x - h) or C(x), whichever is closer to x",
      .paper = "Richtarik, Sokolov, Fatkhullin: EF21, NeurIPS 2021, arXiv 2106.05203",
      .inner_kind = "compressor",
      .promises = "the A and B of ef21; its error is never larger",
  };
  return card;
}

template <Real T>
std::unique_ptr<Mechanism<T>> make_ef21_plus(const Args& args, const MechanismSetup& setup) {
  return std::make_unique<Ef21Plus<T>>(make_compressor<T>(args.inner(), setup));
}
template std::unique_ptr<Mechanism<float>> make_ef21_plus(const Args&, const MechanismSetup&);
template std::unique_ptr<Mechanism<double>> make_ef21_plus(const Args&, const MechanismSetup&);

std::vector<std::string> ef21_plus_problems(const Args& args, std::uint32_t workers) {
  return unmet(Need::kDeterministicContractive, args.spec(), args.inner(), workers);
}

}  // namespace laconic::mechanism
