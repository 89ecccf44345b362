// SPDX-License-Identifier: Apache-2.0
// lag: lazily aggregated gradients: x if |x - h|^2 > zeta |x - y|^2, else silence (3pc.md 2.1). A
// skip means |h - x|^2 <= zeta |x - y|^2 by the rule itself, hence A = 1 and B = zeta.
//
// Body: flag 1 and x - h as plain numbers, or flag 0.
#include <algorithm>

#include "laconic/kernels/kernels.hpp"
#include "laconic/mechanism/methods.hpp"
#include "laconic/mechanism/support.hpp"

namespace laconic::mechanism {
namespace {

template <Real T>
class Lag final : public Mechanism<T> {
 public:
  explicit Lag(double zeta) : zeta_(zeta) {}
  [[nodiscard]] MechanismNeeds needs(Shape) const override { return {.previous = true}; }
  [[nodiscard]] std::optional<StepTheory> theory(Shape) const override {
    return theory_of({.a = 1, .b = zeta_});
  }
  [[nodiscard]] std::string misfit(Shape) const override { return {}; }
  [[nodiscard]] const Compressor<T>* initial_compressor() const override { return nullptr; }
  bool encode(TensorView<T> x, const WorkerMemory<T>& memory, const Movement<T>&,
              const CompressContext&, wire::Message& out) const override {
    const Temporary<T> step(x.values.size());
    const double lag = difference<T>(x.values, memory.h, step.span());
    const double drift = kernels::squared_distance<T>(x.values, memory.y);
    std::copy(x.values.begin(), x.values.end(), memory.y.begin());
    const bool sends = lag > zeta_ * drift;
    write_flag(sends, out);
    if (sends) send_plain<T>(step.span(), memory.h, out);
    return sends;
  }
  Status decode_add(wire::WireReader& in, const CompressContext&, double scale,
                    TensorSpan<double> g) const override {
    const bool sends = read_flag(in);
    if (!sends || !in.ok()) return in.status();
    return add_plain<T>(in, scale, g.values);
  }

 private:
  double zeta_;
};

}  // namespace

const Card& lag_card() {
  static const Card card = {
      .kind = "mechanism",
      .name = "lag",
      .summary = "lazy aggregation: the whole gradient, or silence while it has hardly changed",
      .formula = "h' = x if |x - h|^2 > zeta |x - y|^2, else h",
      .paper =
          "Richtarik, Sokolov, Fatkhullin, Gasanov, Li, Gorbunov: 3PC, ICML 2022, arXiv 2202.00998",
      .params = {zeta_param()},
      .promises = "A = 1, B = zeta",
  };
  return card;
}

template <Real T>
std::unique_ptr<Mechanism<T>> make_lag(const Args& args, const MechanismSetup& setup) {
  static_cast<void>(setup);
  return std::make_unique<Lag<T>>(args.real("zeta"));
}
template std::unique_ptr<Mechanism<float>> make_lag(const Args&, const MechanismSetup&);
template std::unique_ptr<Mechanism<double>> make_lag(const Args&, const MechanismSetup&);

std::vector<std::string> lag_problems(const Args& args, std::uint32_t workers) {
  static_cast<void>(args);
  static_cast<void>(workers);
  return {};
}

}  // namespace laconic::mechanism
