// SPDX-License-Identifier: Apache-2.0
// lag-ps: LAG of 2018 with the server's trigger (3pc.md 4): worker i is asked when the model has
// moved since its last message so far that its gradient may have changed, L_i^2 |x_hat_i - x|^2.
// All of that is known to every rank, so nothing is asked on the wire. y holds x_hat_i - x.
//
// Body: flag 1 and x - h as plain numbers, or flag 0.
#include <algorithm>

#include "laconic/kernels/kernels.hpp"
#include "laconic/mechanism/lag_trigger.hpp"
#include "laconic/mechanism/methods.hpp"

namespace laconic::mechanism {
namespace {

template <Real T>
class LagPs final : public Mechanism<T> {
 public:
  LagPs(LagTrigger trigger, std::vector<double> l_worker)
      : trigger_(trigger), l_worker_(std::move(l_worker)) {}
  [[nodiscard]] MechanismNeeds needs(Shape) const override {
    return {.previous = true,
            .previous_is_gradient = false,
            .step_history = trigger_.memory,
            .displacement = true,
            .worker_smoothness = true};
  }
  // As gradient descent's in the published code.
  [[nodiscard]] std::optional<StepTheory> theory(Shape) const override { return StepTheory{}; }
  [[nodiscard]] std::string misfit(Shape) const override { return {}; }
  [[nodiscard]] const Compressor<T>* initial_compressor() const override { return nullptr; }
  bool encode(TensorView<T> x, const WorkerMemory<T>& memory, const Movement<T>& movement,
              const CompressContext& context, wire::Message& out) const override {
    if (!movement.last_direction.empty()) {
      kernels::axpy<T>(static_cast<T>(movement.last_step_size), movement.last_direction, memory.y);
    }
    const double l = l_worker_[context.worker];
    const double change = l * l * kernels::squared_norm<T>(std::span<const T>(memory.y));
    const bool sends = !trigger_.is_warm(movement) || change > trigger_.threshold(movement);
    write_flag(sends, out);
    if (!sends) return false;
    const Temporary<T> step(x.values.size());
    difference<T>(x.values, memory.h, step.span());
    send_plain<T>(step.span(), memory.h, out);
    std::fill(memory.y.begin(), memory.y.end(), T{0});
    return true;
  }
  Status decode_add(wire::WireReader& in, const CompressContext&, double scale,
                    TensorSpan<double> g) const override {
    const bool sends = read_flag(in);
    if (!sends || !in.ok()) return in.status();
    return add_plain<T>(in, scale, g.values);
  }

 private:
  LagTrigger trigger_;
  std::vector<double> l_worker_;
};

}  // namespace

const Card& lag_ps_card() {
  static const Card card = {
      .kind = "mechanism",
      .name = "lag-ps",
      .summary = "LAG of 2018, the server decides: who may have changed since his last message",
      .formula =
          "h' = x if L_i^2 |w - w_i|^2 > (1 / gamma^2) sum_{j=1..D} xi |dw_j|^2, else h\n"
          "w = the model, w_i = the model when worker i last sent, gamma = the step size\n"
          "dw_j = the model's step j rounds ago, D = memory\n"
          "before D steps were made h' = x",
      .paper = "Chen, Giannakis, Sun, Yin: LAG, NeurIPS 2018, arXiv 1805.09965",
      .params = lag_trigger_params("the weight of each of them; 0 for 10 / memory"),
      .promises = "linear convergence for strongly convex functions; gamma = 1 / L_-",
  };
  return card;
}

template <Real T>
std::unique_ptr<Mechanism<T>> make_lag_ps(const Args& args, const MechanismSetup& setup) {
  return std::make_unique<LagPs<T>>(lag_trigger(args, 10), setup.l_worker);
}
template std::unique_ptr<Mechanism<float>> make_lag_ps(const Args&, const MechanismSetup&);
template std::unique_ptr<Mechanism<double>> make_lag_ps(const Args&, const MechanismSetup&);

std::vector<std::string> lag_ps_problems(const Args& args, std::uint32_t workers) {
  static_cast<void>(args);
  static_cast<void>(workers);
  return {};
}

}  // namespace laconic::mechanism
