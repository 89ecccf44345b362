// SPDX-License-Identifier: Apache-2.0
// lag-wk: LAG of 2018 with the workers' trigger (3pc.md 4): a worker sends when its gradient has
// changed by more than the model's recent steps would explain.
//
// Body: flag 1 and x - h as plain numbers, or flag 0.
#include "laconic/kernels/kernels.hpp"
#include "laconic/mechanism/lag_trigger.hpp"
#include "laconic/mechanism/methods.hpp"

namespace laconic::mechanism {
namespace {

template <Real T>
class LagWk final : public Mechanism<T> {
 public:
  explicit LagWk(LagTrigger trigger) : trigger_(trigger) {}
  [[nodiscard]] MechanismNeeds needs(Shape) const override {
    return {.step_history = trigger_.memory};
  }
  // As gradient descent's in the published code.
  [[nodiscard]] std::optional<StepTheory> theory(Shape) const override { return StepTheory{}; }
  [[nodiscard]] std::string misfit(Shape) const override { return {}; }
  [[nodiscard]] const Compressor<T>* initial_compressor() const override { return nullptr; }
  bool encode(TensorView<T> x, const WorkerMemory<T>& memory, const Movement<T>& movement,
              const CompressContext&, wire::Message& out) const override {
    const Temporary<T> step(x.values.size());
    const double lag = difference<T>(x.values, memory.h, step.span());
    const bool sends = !trigger_.is_warm(movement) || lag > trigger_.threshold(movement);
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
  LagTrigger trigger_;
};

}  // namespace

std::vector<ParamCard> lag_trigger_params(std::string_view xi_help) {
  return {{.key = "memory",
           .type = ParamType::kInteger,
           .default_text = "10",
           .help = "D: how many steps of the model the trigger looks back",
           .min = 1,
           .max = 1000},
          {.key = "xi", .type = ParamType::kReal, .default_text = "0", .help = xi_help, .min = 0}};
}

LagTrigger lag_trigger(const Args& args, double factor) {
  LagTrigger out{.memory = static_cast<std::uint32_t>(args.integer("memory")),
                 .weight = args.real("xi")};
  if (out.weight == 0) out.weight = factor / out.memory;
  return out;
}

const Card& lag_wk_card() {
  static const Card card = {
      .kind = "mechanism",
      .name = "lag-wk",
      .summary = "LAG of 2018, the worker decides: silence while the gradient has hardly changed",
      .formula =
          "h' = x if |x - h|^2 > (1 / gamma^2) sum_{j=1..D} xi |dw_j|^2, else h\n"
          "gamma = the step size, dw_j = the model's step j rounds ago, D = memory\n"
          "before D steps were made h' = x",
      .paper = "Chen, Giannakis, Sun, Yin: LAG, NeurIPS 2018, arXiv 1805.09965",
      .params = lag_trigger_params("the weight of each of them; 0 for 1 / memory"),
      .promises = "linear convergence for strongly convex functions; gamma = 1 / L_-",
  };
  return card;
}

template <Real T>
std::unique_ptr<Mechanism<T>> make_lag_wk(const Args& args, const MechanismSetup& setup) {
  static_cast<void>(setup);
  return std::make_unique<LagWk<T>>(lag_trigger(args, 1));
}
template std::unique_ptr<Mechanism<float>> make_lag_wk(const Args&, const MechanismSetup&);
template std::unique_ptr<Mechanism<double>> make_lag_wk(const Args&, const MechanismSetup&);

std::vector<std::string> lag_wk_problems(const Args& args, std::uint32_t workers) {
  static_cast<void>(args);
  static_cast<void>(workers);
  return {};
}

}  // namespace laconic::mechanism
