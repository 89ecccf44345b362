// SPDX-License-Identifier: Apache-2.0
// shrink: an unbiased compressor divided by 1 + omega (3pc.md section 3). Contractive with alpha =
// 1/(1 + omega): E|Q/(1+w) - v|^2 = (|v|^2 (1 + w) at most)/(1+w)^2 - 2 |v|^2/(1+w) + |v|^2 =
// (1 - 1/(1+w)) |v|^2.
//
// Body: that of the inner compressor; the factor is not sent.
#include <fmt/format.h>

#include "laconic/compress/methods.hpp"
#include "laconic/compress/support.hpp"

namespace laconic::compress {
namespace {

template <Real T>
class Shrink final : public Compressor<T> {
 public:
  explicit Shrink(std::unique_ptr<Compressor<T>> inner) : inner_(std::move(inner)) {}

  [[nodiscard]] Traits traits(Shape shape) const override {
    const Traits inner = inner_->traits(shape);
    if (!inner.unbiased) return {.randomized = inner.randomized};
    return {.alpha = 1 / (1 + inner.omega.value_or(0)),
            .combine = inner.combine,
            .randomized = inner.randomized};
  }
  [[nodiscard]] std::string misfit(Shape shape) const override { return inner_->misfit(shape); }
  [[nodiscard]] std::size_t max_bytes(Shape shape) const override {
    return inner_->max_bytes(shape);
  }
  void encode(TensorView<T> x, const CompressContext& context, wire::Message& out) const override {
    inner_->encode(x, context, out);
  }
  Status decode_add(wire::WireReader& in, const CompressContext& context, T scale,
                    TensorSpan<T> y) const override {
    return inner_->decode_add(in, context, scale * static_cast<T>(factor(y.shape)), y);
  }
  Status decode_add_wide(wire::WireReader& in, const CompressContext& context, double scale,
                         TensorSpan<double> y) const override {
    return inner_->decode_add_wide(in, context, scale * factor(y.shape), y);
  }

 private:
  [[nodiscard]] double factor(Shape shape) const {
    return 1 / (1 + inner_->traits(shape).omega.value_or(0));
  }

  std::unique_ptr<Compressor<T>> inner_;
};

}  // namespace

const Card& shrink_card() {
  static const Card card = {
      .kind = "compressor",
      .name = "shrink",
      .summary = "an unbiased compressor divided by 1 + omega, which makes it contractive",
      .formula = "C(v) = Q(v) / (1 + omega)",
      .paper = "Richtarik et al.: 3PC, ICML 2022, arXiv 2202.00998",
      .inner_kind = "compressor",
      .default_inner = "randk",
      .promises = "contractive with alpha = 1/(1 + omega)",
  };
  return card;
}

template <Real T>
std::unique_ptr<Compressor<T>> make_shrink(const Args& args, const CompressorSetup& setup) {
  return std::make_unique<Shrink<T>>(compressors<T>().make(args.inner(), setup));
}
template std::unique_ptr<Compressor<float>> make_shrink(const Args&, const CompressorSetup&);
template std::unique_ptr<Compressor<double>> make_shrink(const Args&, const CompressorSetup&);

std::vector<std::string> shrink_problems(const Args& args, std::uint32_t workers) {
  auto out = compressor_problems(args.inner(), workers);
  if (!out.empty() || example_traits(args.inner(), workers).unbiased) return out;
  return {fmt::format("shrink needs an unbiased compressor; {} is {}",
                      compressor_text(args.inner()),
                      compressor_promise_text(args.inner(), workers, kExampleShape))};
}

}  // namespace laconic::compress
