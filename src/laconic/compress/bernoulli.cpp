// SPDX-License-Identifier: Apache-2.0
// bernoulli: with probability p what the inner compressor sends, else nothing (3pc.md sections 2.7
// and 3). Scaled by 1/p around an unbiased compressor it is unbiased with 1 + omega' = (1 +
// omega)/p; unscaled around a contractive one, contractive with alpha' = p alpha: EF21-PP is ef21
// around it. The worker's coin is heads when the first unit double of its stream is below p.
//
// Body: that of the inner compressor, or nothing at all: the receiver knows the coin.
#include <fmt/format.h>

#include <algorithm>

#include "laconic/compress/methods.hpp"
#include "laconic/compress/support.hpp"
#include "laconic/kernels/kernels.hpp"

namespace laconic::compress {
namespace {

template <Real T>
class Bernoulli final : public Compressor<T> {
 public:
  Bernoulli(double p, bool scaled, std::uint32_t workers, std::unique_ptr<Compressor<T>> inner)
      : p_(p), scaled_(scaled), workers_(workers), inner_(std::move(inner)) {}

  [[nodiscard]] Traits traits(Shape shape) const override {
    const Traits inner = inner_->traits(shape);
    if (!scaled_) {
      Traits out = {.randomized = true, .selects = inner.selects};
      if (inner.alpha) out.alpha = p_ * *inner.alpha;
      return out;
    }
    if (!inner.unbiased) return {.randomized = true};
    const double omega = inner.omega.value_or(0);
    Traits out = unbiased_traits((1 + omega) / p_ - 1, workers_);
    // To the inner compressors' error of the mean, independent coins add (1/p - 1) |Q_i(a_i)|^2/n^2
    // each.
    if (inner.joint) {
      out.joint = inner.joint;
      out.joint->a += (1 / p_ - 1) * (1 + omega) / static_cast<double>(workers_);
    }
    return out;
  }
  [[nodiscard]] std::string misfit(Shape shape) const override { return inner_->misfit(shape); }
  [[nodiscard]] std::size_t max_bytes(Shape shape) const override {
    return inner_->max_bytes(shape);
  }
  void encode(TensorView<T> x, const CompressContext& context, wire::Message& out) const override {
    wire::make_room(out.bytes, max_bytes(x.shape));
    if (heads(context)) inner_->encode(x, child(context, 0), out);
  }
  Status decode_add(wire::WireReader& in, const CompressContext& context, T scale,
                    TensorSpan<T> y) const override {
    return add<T>(in, context, scale, y, [&](T factor, TensorSpan<T> out) {
      return inner_->decode_add(in, child(context, 0), factor, out);
    });
  }
  Status decode_add_wide(wire::WireReader& in, const CompressContext& context, double scale,
                         TensorSpan<double> y) const override {
    return add<double>(in, context, scale, y, [&](double factor, TensorSpan<double> out) {
      return inner_->decode_add_wide(in, child(context, 0), factor, out);
    });
  }

 private:
  // 1/p times what the inner compressor takes for finite may overflow: y changes when it does not.
  template <class Sum, class Decode>
  Status add(wire::WireReader& in, const CompressContext& context, Sum scale, TensorSpan<Sum> y,
             const Decode& decode) const {
    if (!heads(context)) return in.status();
    const Sum factor = scale * static_cast<Sum>(this->factor());
    if (!scaled_) return decode(factor, y);
    Nested<Scratch<Sum>> memory;
    const std::span<Sum> values = memory.get().take(y.values.size());
    std::fill(values.begin(), values.end(), Sum{0});
    const std::size_t start = in.position();
    if (Status status = decode(factor, TensorSpan<Sum>{values, y.shape}); !status) return status;
    if (!kernels::all_finite<Sum>(values)) {
      in.fail_at(start, Fault::kNonFinite);
      return in.status();
    }
    kernels::add<Sum>(values, y.values);
    return {};
  }
  [[nodiscard]] bool heads(const CompressContext& context) const {
    return rng::Reader(own_stream(context)).unit_double() < p_;
  }
  [[nodiscard]] double factor() const { return scaled_ ? 1 / p_ : 1; }

  double p_;
  bool scaled_;
  std::uint32_t workers_;
  std::unique_ptr<Compressor<T>> inner_;
};

}  // namespace

const Card& bernoulli_card() {
  static const Card card = {
      .kind = "compressor",
      .name = "bernoulli",
      .summary = "what the inner compressor sends with probability p, else nothing",
      .formula = "C(v) = C'(v) / p with probability p, else 0; scale=false: not divided",
      .paper =
          "Fatkhullin, Sokolov, Gorbunov, Li, Richtarik: EF21 with Bells & Whistles, arXiv "
          "2110.03294; Richtarik et al.: 3PC, ICML 2022, arXiv 2202.00998",
      .params = {{.key = "p",
                  .default_text = "0.5",
                  .help = "the probability of sending",
                  .min = 0,
                  .max = 1,
                  .min_open = true},
                 {.key = "scale",
                  .type = ParamType::kFlag,
                  .default_text = "true",
                  .help = "divide what is sent by p, which keeps an unbiased compressor unbiased"}},
      .inner_kind = "compressor",
      .default_inner = "identity",
      .promises =
          "unbiased with omega' = (1 + omega)/p - 1; with scale=false contractive with "
          "alpha' = p alpha",
  };
  return card;
}

template <Real T>
std::unique_ptr<Compressor<T>> make_bernoulli(const Args& args, const CompressorSetup& setup) {
  return std::make_unique<Bernoulli<T>>(args.real("p"), args.flag("scale"), setup.workers,
                                        compressors<T>().make(args.inner(), setup));
}
template std::unique_ptr<Compressor<float>> make_bernoulli(const Args&, const CompressorSetup&);
template std::unique_ptr<Compressor<double>> make_bernoulli(const Args&, const CompressorSetup&);

std::vector<std::string> bernoulli_problems(const Args& args, std::uint32_t workers) {
  auto out = compressor_problems(args.inner(), workers);
  if (!out.empty()) return out;
  const Traits inner = example_traits(args.inner(), workers);
  const bool scaled = args.flag("scale");
  if (scaled ? inner.unbiased : inner.alpha.has_value()) return out;
  return {fmt::format("bernoulli: scale={} needs {} compressor; {} is {}", args.text("scale"),
                      scaled ? "an unbiased" : "a contractive", compressor_text(args.inner()),
                      compressor_promise_text(args.inner(), workers, kExampleShape)) +
          (scaled && inner.alpha ? ", or scale=false" : "")};
}

}  // namespace laconic::compress
