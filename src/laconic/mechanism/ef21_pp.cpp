// SPDX-License-Identifier: Apache-2.0
// ef21-pp: EF21 with partial participation: with probability p a worker sends EF21's message, else
// it keeps h (3pc.md 2.7). The same as EF21 with the compressor Bernoulli(p) C, so alpha' = p
// alpha.
//
// Body: flag 1 and C's, or flag 0. The coin is the worker's own draw in [0, 1), one per round for
// all tensors: a worker takes part as a whole.
#include "laconic/mechanism/methods.hpp"
#include "laconic/mechanism/support.hpp"

namespace laconic::mechanism {
namespace {

template <Real T>
class Ef21Pp final : public WithCompressor<T> {
 public:
  Ef21Pp(std::unique_ptr<Compressor<T>> compressor, double p)
      : WithCompressor<T>(std::move(compressor)), p_(p) {}
  [[nodiscard]] MechanismNeeds needs(Shape) const override { return {}; }
  [[nodiscard]] std::optional<StepTheory> theory(Shape shape) const override {
    return theory_of(young(p_ * alpha_of(this->compressor(), shape)));
  }
  bool encode(TensorView<T> x, const WorkerMemory<T>& memory, const Movement<T>&,
              const CompressContext& context, wire::Message& out) const override {
    CompressContext coin = context;
    coin.tensor = 0;
    const bool takes_part = rng::Reader(own_stream(coin)).unit_double() < p_;
    write_flag(takes_part, out);
    if (!takes_part) return false;
    const Temporary<T> step(x.values.size());
    difference<T>(x.values, memory.h, step.span());
    send<T>(this->compressor(), {step.span(), x.shape}, child(context, 0), memory.h, out);
    return true;
  }
  Status decode_add(wire::WireReader& in, const CompressContext& context, double scale,
                    TensorSpan<double> g) const override {
    const bool takes_part = read_flag(in);
    if (!takes_part || !in.ok()) return in.status();
    return this->compressor().decode_add_wide(in, child(context, 0), scale, g);
  }

 private:
  double p_;
};

}  // namespace

const Card& ef21_pp_card() {
  static const Card card = {
      .kind = "mechanism",
      .name = "ef21-pp",
      .summary = "EF21 in which a worker takes part in a round with probability p",
      .formula = "h' = h + C(x - h) with probability p, else h",
      .paper =
          "Fatkhullin, Sokolov, Gorbunov, Li, Richtarik: EF21 with bells and whistles, 2021, "
          "arXiv 2110.03294",
      .params = {{.key = "p",
                  .type = ParamType::kReal,
                  .default_text = "0.5",
                  .help = "the probability that a worker takes part",
                  .min = 0,
                  .max = 1,
                  .min_open = true}},
      .inner_kind = "compressor",
      .promises = "the A and B of ef21 with p alpha in place of alpha",
  };
  return card;
}

template <Real T>
std::unique_ptr<Mechanism<T>> make_ef21_pp(const Args& args, const MechanismSetup& setup) {
  return std::make_unique<Ef21Pp<T>>(make_compressor<T>(args.inner(), setup), args.real("p"));
}
template std::unique_ptr<Mechanism<float>> make_ef21_pp(const Args&, const MechanismSetup&);
template std::unique_ptr<Mechanism<double>> make_ef21_pp(const Args&, const MechanismSetup&);

std::vector<std::string> ef21_pp_problems(const Args& args, std::uint32_t workers) {
  return unmet(Need::kContractive, args.spec(), args.inner(), workers);
}

}  // namespace laconic::mechanism
