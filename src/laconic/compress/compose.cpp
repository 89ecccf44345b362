// SPDX-License-Identifier: Apache-2.0
// compose: a compressor of what another one leaves, C2(C1(v)) (3pc.md section 3). Both draw
// independently. With u = C1(v):
//
//   both unbiased:         1 + omega = (1 + omega1)(1 + omega2). Jointly, by E|mean u|^2 >=
//   |mean|^2
//                          and E|u|^2 <= (1 + omega1)|v|^2: a = a1 + a2 (1 + omega1), b = b1 + b2.
//   C1 and C2 select:      |C2(u) - v|^2 = |C2(u) - u|^2 + |u - v|^2, as u - v is 0 where u is not;
//                          with E|u|^2 >= alpha1 |v|^2: alpha = alpha1 alpha2.
//   C1 selects, C2 is unbiased with omega2 < 1: E|C2(u) - v|^2 <= omega2 |u|^2 + |u - v|^2, so
//                          alpha = alpha1 (1 - omega2).
//
// For other pairs no promise is known to us, and they are refused.
//
// Body: that of C2.
#include <fmt/format.h>

#include <algorithm>

#include "laconic/base/assert.hpp"
#include "laconic/compress/methods.hpp"
#include "laconic/compress/support.hpp"

namespace laconic::compress {
namespace {

Traits composed(const Traits& first, const Traits& outer) {
  if (first.omega == 0.0) return outer;
  if (outer.omega == 0.0) return first;
  Traits out;
  if (first.unbiased && outer.unbiased) {
    const double omega1 = first.omega.value_or(0);
    out = correlated_traits((1 + omega1) * (1 + outer.omega.value_or(0)) - 1);
    if (first.joint && outer.joint) {
      out.joint = Joint{.a = first.joint->a + outer.joint->a * (1 + omega1),
                        .b = first.joint->b + outer.joint->b};
    }
  }
  if (first.selects && first.alpha) {
    double alpha2 = outer.selects ? outer.alpha.value_or(0) : 0;
    if (outer.unbiased) alpha2 = std::max(alpha2, 1 - outer.omega.value_or(1));
    if (alpha2 > 0) out.alpha = std::max(out.alpha.value_or(0), *first.alpha * alpha2);
  }
  out.randomized = first.randomized || outer.randomized;
  out.selects = first.selects && outer.selects;
  return out;
}

template <Real T>
class Compose final : public Compressor<T> {
 public:
  Compose(std::unique_ptr<Compressor<T>> first, std::unique_ptr<Compressor<T>> outer)
      : first_(std::move(first)), outer_(std::move(outer)) {}

  [[nodiscard]] Traits traits(Shape shape) const override {
    return composed(first_->traits(shape), outer_->traits(shape));
  }
  [[nodiscard]] std::string misfit(Shape shape) const override {
    const std::string out = first_->misfit(shape);
    return out.empty() ? outer_->misfit(shape) : out;
  }
  [[nodiscard]] std::size_t max_bytes(Shape shape) const override {
    return outer_->max_bytes(shape);
  }
  void encode(TensorView<T> x, const CompressContext& context, wire::Message& out) const override {
    Nested<Scratch<T>> dense;
    Nested<wire::Message> message;
    const std::span<T> u = dense.get().take(x.values.size());
    std::fill(u.begin(), u.end(), T{0});
    message.get().clear();
    first_->encode(x, child(context, 0), message.get());
    wire::WireReader own(message.get().bytes);
    const Status decoded = first_->decode_add(own, child(context, 0), T{1}, {u, x.shape});
    LACONIC_EXPECTS(static_cast<bool>(decoded));
    outer_->encode({u, x.shape}, child(context, 1), out);
  }
  Status decode_add(wire::WireReader& in, const CompressContext& context, T scale,
                    TensorSpan<T> y) const override {
    return outer_->decode_add(in, child(context, 1), scale, y);
  }
  Status decode_add_wide(wire::WireReader& in, const CompressContext& context, double scale,
                         TensorSpan<double> y) const override {
    return outer_->decode_add_wide(in, child(context, 1), scale, y);
  }

 private:
  std::unique_ptr<Compressor<T>> first_;
  std::unique_ptr<Compressor<T>> outer_;
};

}  // namespace

const Card& compose_card() {
  static const Card card = {
      .kind = "compressor",
      .name = "compose",
      .summary = "a compressor of what another one leaves",
      .formula = "C(v) = C2(C1(v)), C1 = `first`, C2 the inner compressor",
      .paper = "Richtarik et al.: 3PC, ICML 2022, arXiv 2202.00998",
      .params = {{.key = "first",
                  .type = ParamType::kSpec,
                  .default_text = "randk:k=0.5",
                  .help = "the compressor that is applied first",
                  .spec_kind = "compressor"}},
      .inner_kind = "compressor",
      .default_inner = "natural",
      .promises =
          "unbiased ones: 1 + omega = (1 + omega1)(1 + omega2); after topk, crandk or "
          "cpermk: contractive with alpha1 alpha2, or alpha1 (1 - omega2)",
  };
  return card;
}

template <Real T>
std::unique_ptr<Compressor<T>> make_compose(const Args& args, const CompressorSetup& setup) {
  return std::make_unique<Compose<T>>(compressors<T>().make(args.nested("first"), setup),
                                      compressors<T>().make(args.inner(), setup));
}
template std::unique_ptr<Compressor<float>> make_compose(const Args&, const CompressorSetup&);
template std::unique_ptr<Compressor<double>> make_compose(const Args&, const CompressorSetup&);

std::vector<std::string> compose_problems(const Args& args, std::uint32_t workers) {
  auto out = compressor_problems(args.nested("first"), workers);
  const auto of_outer = compressor_problems(args.inner(), workers);
  out.insert(out.end(), of_outer.begin(), of_outer.end());
  if (!out.empty()) return out;
  const Traits traits = composed(example_traits(args.nested("first"), workers),
                                 example_traits(args.inner(), workers));
  if (traits.unbiased || traits.alpha) return out;
  return {fmt::format(
      "compose: nothing is known about {} of {}; use two unbiased compressors, or topk, crandk or "
      "cpermk first and one of these or an unbiased one with omega < 1 behind",
      compressor_text(args.inner()), compressor_text(args.nested("first")))};
}

}  // namespace laconic::compress
