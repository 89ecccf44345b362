// SPDX-License-Identifier: Apache-2.0
// laq: lazily aggregated quantized gradients (3pc.md 4): q+ = h + Q(x - h) on a uniform grid. A
// worker is silent while |q+ - h|^2 <= (1 / gamma^2) sum xi |dx|^2 + 3 (|e_new|^2 + |e_old|^2), e
// being the quantization errors now and at the last message, for at most `max_age` rounds.
//
// Body: flag 1 and Q's, or flag 0.
#include <algorithm>

#include "laconic/kernels/kernels.hpp"
#include "laconic/mechanism/lag_trigger.hpp"
#include "laconic/mechanism/methods.hpp"

namespace laconic::mechanism {
namespace {

constexpr std::size_t kError = 0;  // the worker's scalars: |e_old|^2
constexpr std::size_t kAge = 1;    // rounds since the last message

template <Real T>
class Laq final : public WithCompressor<T> {
 public:
  Laq(std::unique_ptr<Compressor<T>> compressor, LagTrigger trigger, double max_age)
      : WithCompressor<T>(std::move(compressor)), trigger_(trigger), max_age_(max_age) {}
  [[nodiscard]] MechanismNeeds needs(Shape) const override {
    return {.scalars = 2, .step_history = trigger_.memory};
  }
  // As gradient descent's in the published code.
  [[nodiscard]] std::optional<StepTheory> theory(Shape) const override { return StepTheory{}; }
  bool encode(TensorView<T> x, const WorkerMemory<T>& memory, const Movement<T>& movement,
              const CompressContext& context, wire::Message& out) const override {
    const std::size_t size = x.values.size();
    const Temporary<T> step(size);
    difference<T>(x.values, memory.h, step.span());
    const Temporary<double> moved(size);
    std::copy(memory.h.begin(), memory.h.end(), moved.span().begin());
    const TemporaryMessage message;
    send<T>(this->compressor(), {step.span(), x.shape}, context, moved.span(), message.message());
    const double innovation =
        kernels::squared_distance<double>(std::span<const double>(moved.span()), memory.h);
    const double error = kernels::residual<T>(x.values, moved.span(), step.span());
    double& old_error = memory.scalars[kError];
    double& age = memory.scalars[kAge];
    age += 1;
    const double limit = trigger_.threshold(movement) + 3 * (error + old_error);
    const bool sends = !(innovation <= limit && age <= max_age_);
    write_flag(sends, out);
    if (!sends) return false;
    out.bytes.insert(out.bytes.end(), message.message().bytes.begin(),
                     message.message().bytes.end());
    out.payload_bits += message.message().payload_bits;
    std::copy(moved.span().begin(), moved.span().end(), memory.h.begin());
    old_error = error;
    age = 0;
    return true;
  }
  Status decode_add(wire::WireReader& in, const CompressContext& context, double scale,
                    TensorSpan<double> g) const override {
    const bool sends = read_flag(in);
    if (!sends || !in.ok()) return in.status();
    return this->compressor().decode_add_wide(in, context, scale, g);
  }

 private:
  LagTrigger trigger_;
  double max_age_;
};

std::vector<ParamCard> params() {
  std::vector<ParamCard> out = lag_trigger_params("the weight of each of them; 0 for 0.8 / memory");
  out.push_back({.key = "max_age",
                 .type = ParamType::kInteger,
                 .default_text = "100",
                 .help = "the longest silence of a worker in rounds",
                 .min = 1,
                 .max = 1000000000});
  return out;
}

}  // namespace

const Card& laq_card() {
  static const Card card = {
      .kind = "mechanism",
      .name = "laq",
      .summary = "LAG with a quantized innovation",
      .formula =
          "q = h + Q(x - h)\n"
          "h' = h if |q - h|^2 <= (1 / gamma^2) sum_{j=1..D} xi |dw_j|^2 + 3 (|q - x|^2 + e)\n"
          "and the worker was silent for less than max_age rounds, else q\n"
          "e = |q - x|^2 at the last message, gamma = the step size\n"
          "dw_j = the model's step j rounds ago, D = memory",
      .paper = "Sun, Chen, Giannakis, Yang: LAQ, NeurIPS 2019, arXiv 1909.07588",
      .params = params(),
      .inner_kind = "compressor",
      .default_inner = "uniform:bits=4",
      .promises =
          "linear convergence for strongly convex functions; gamma = 1 / L_-, recollected "
          "from the literature",
  };
  return card;
}

template <Real T>
std::unique_ptr<Mechanism<T>> make_laq(const Args& args, const MechanismSetup& setup) {
  return std::make_unique<Laq<T>>(make_compressor<T>(args.inner(), setup), lag_trigger(args, 0.8),
                                  static_cast<double>(args.integer("max_age")));
}
template std::unique_ptr<Mechanism<float>> make_laq(const Args&, const MechanismSetup&);
template std::unique_ptr<Mechanism<double>> make_laq(const Args&, const MechanismSetup&);

std::vector<std::string> laq_problems(const Args& args, std::uint32_t workers) {
  static_cast<void>(args);
  static_cast<void>(workers);
  return {};
}

}  // namespace laconic::mechanism
