// SPDX-License-Identifier: Apache-2.0
// adacgd: adaptive compression (3pc.md 2.7). Silence if |x - h|^2 <= zeta |x - y|^2; else EF21's
// message with the `cheap` compressor if its result is within zeta |x - y|^2 of x; else what the
// inner mechanism says. Levels are nested: adacgd:cheap=(topk:k=1):adacgd:cheap=(topk:k=5):ef21:...
//
// Body: u8 level: 0 for silence; 1 and the cheap compressor's body; 2 and the inner mechanism's.
#include <algorithm>

#include "laconic/kernels/kernels.hpp"
#include "laconic/mechanism/methods.hpp"
#include "laconic/mechanism/support.hpp"

namespace laconic::mechanism {
namespace {

enum class Level : std::uint8_t { kSilent = 0, kCheap = 1, kInner = 2 };

template <Real T>
class AdaCgd final : public Mechanism<T> {
 public:
  AdaCgd(double zeta, std::unique_ptr<Compressor<T>> cheap, std::unique_ptr<Mechanism<T>> inner)
      : zeta_(zeta), cheap_(std::move(cheap)), inner_(std::move(inner)) {}
  [[nodiscard]] MechanismNeeds needs(Shape shape) const override {
    MechanismNeeds needs = inner_->needs(shape);
    needs.previous = true;
    return needs;
  }
  [[nodiscard]] std::optional<StepTheory> theory(Shape shape) const override {
    const auto inner = inner_->theory(shape);
    if (!inner) return std::nullopt;
    return theory_of({.a = inner->a, .b = std::max(inner->b, zeta_)});
  }
  [[nodiscard]] std::string misfit(Shape shape) const override {
    std::string out = cheap_->misfit(shape);
    return out.empty() ? inner_->misfit(shape) : out;
  }
  [[nodiscard]] const Compressor<T>* initial_compressor() const override {
    return inner_->initial_compressor();
  }
  bool encode(TensorView<T> x, const WorkerMemory<T>& memory, const Movement<T>& movement,
              const CompressContext& context, wire::Message& out) const override {
    const std::size_t size = x.values.size();
    const Temporary<T> step(size);
    const double lag = difference<T>(x.values, memory.h, step.span());
    const double allowed = zeta_ * kernels::squared_distance<T>(x.values, memory.y);
    if (lag <= allowed) {
      write_level(Level::kSilent, out);
      std::copy(x.values.begin(), x.values.end(), memory.y.begin());
      return false;
    }
    const Temporary<double> moved(size);
    std::copy(memory.h.begin(), memory.h.end(), moved.span().begin());
    const TemporaryMessage cheap;
    send<T>(*cheap_, {step.span(), x.shape}, child(context, 0), moved.span(), cheap.message());
    if (kernels::residual<T>(x.values, moved.span(), step.span()) <= allowed) {
      write_level(Level::kCheap, out);
      out.bytes.insert(out.bytes.end(), cheap.message().bytes.begin(), cheap.message().bytes.end());
      out.payload_bits += cheap.message().payload_bits;
      std::copy(moved.span().begin(), moved.span().end(), memory.h.begin());
    } else {
      write_level(Level::kInner, out);
      inner_->encode(x, memory, movement, child(context, 1), out);
    }
    std::copy(x.values.begin(), x.values.end(), memory.y.begin());
    return true;
  }
  Status decode_add(wire::WireReader& in, const CompressContext& context, double scale,
                    TensorSpan<double> g) const override {
    const std::size_t position = in.position();
    const std::uint8_t level = in.u8();
    if (level > static_cast<std::uint8_t>(Level::kInner)) {
      in.fail_at(position, Fault::kBadValue, level, static_cast<std::uint8_t>(Level::kInner));
    }
    if (!in.ok() || level == static_cast<std::uint8_t>(Level::kSilent)) return in.status();
    if (level == static_cast<std::uint8_t>(Level::kCheap)) {
      return cheap_->decode_add_wide(in, child(context, 0), scale, g);
    }
    return inner_->decode_add(in, child(context, 1), scale, g);
  }

 private:
  static void write_level(Level level, wire::Message& out) {
    wire::WireWriter(out.bytes).u8(static_cast<std::uint8_t>(level));
  }
  double zeta_;
  std::unique_ptr<Compressor<T>> cheap_;
  std::unique_ptr<Mechanism<T>> inner_;
};

}  // namespace

const Card& adacgd_card() {
  static const Card card = {
      .kind = "mechanism",
      .name = "adacgd",
      .summary =
          "silence, a cheap message, or the inner mechanism's: the least that is accurate enough",
      .formula =
          "h' = h if |x - h|^2 <= zeta |x - y|^2\n"
          "else b = h + C(x - h), C = `cheap`, if |x - b|^2 <= zeta |x - y|^2\n"
          "else M(h, y, x), M the inner mechanism",
      .paper =
          "Makarenko, Gasanov, Islamov, Sadiev, Richtarik: Adaptive compression for "
          "communication-efficient distributed training, 2022, arXiv 2211.00188",
      .params = {zeta_param(),
                 {.key = "cheap",
                  .type = ParamType::kSpec,
                  .default_text = "topk:k=0.001",
                  .help = "the compressor that is tried first",
                  .spec_kind = "compressor"}},
      .inner_kind = "mechanism",
      .promises = "A of the inner mechanism, B = max{B of the inner mechanism, zeta}",
  };
  return card;
}

template <Real T>
std::unique_ptr<Mechanism<T>> make_adacgd(const Args& args, const MechanismSetup& setup) {
  return std::make_unique<AdaCgd<T>>(args.real("zeta"),
                                     make_compressor<T>(args.nested("cheap"), setup),
                                     mechanisms<T>().make(args.inner(), setup));
}
template std::unique_ptr<Mechanism<float>> make_adacgd(const Args&, const MechanismSetup&);
template std::unique_ptr<Mechanism<double>> make_adacgd(const Args&, const MechanismSetup&);

std::vector<std::string> adacgd_problems(const Args& args, std::uint32_t workers) {
  std::vector<std::string> out = mechanism_problems(args.inner(), workers);
  append(out, unmet_increments(args.spec(), args.inner(), workers));
  return out;
}

}  // namespace laconic::mechanism
