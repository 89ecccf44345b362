// SPDX-License-Identifier: Apache-2.0
// uniform: the grid of LAQ (3pc.md section 4). With R = max |v_j| as f32 and tau = 1/(2^bits - 1),
// code_j = floor((v_j + R)/(2 tau R) + 1/2), decoded 2 tau R code - R: the nearest of 2^bits
// numbers from -R to R. The error is at most tau R per number, which promises nothing in terms of
// |v|.
//
// Body: f32 R, then, unless R is 0, the codes of `bits` bits each.
#include <algorithm>
#include <cmath>
#include <limits>

#include "laconic/compress/methods.hpp"
#include "laconic/compress/support.hpp"
#include "laconic/kernels/kernels.hpp"
#include "laconic/wire/bits.hpp"

namespace laconic::compress {
namespace {

template <Real T>
class Uniform final : public Compressor<T> {
 public:
  explicit Uniform(std::uint32_t bits) : bits_(bits) {}

  [[nodiscard]] Traits traits(Shape) const override { return {}; }
  [[nodiscard]] std::size_t max_bytes(Shape shape) const override {
    return sizeof(float) + code_bytes(shape.size());
  }

  void encode(TensorView<T> x, const CompressContext&, wire::Message& out) const override {
    wire::make_room(out.bytes, max_bytes(x.shape));
    const auto largest = static_cast<double>(kernels::absmax<T>(x.values));
    const auto range = static_cast<float>(
        std::min(largest, static_cast<double>(std::numeric_limits<float>::max())));
    wire::WireWriter(out.bytes).f32(range);
    out.payload_bits += 32;
    if (range == 0) return;
    const double r = static_cast<double>(range);
    const double step = 2 * r / steps();
    const std::size_t start = out.bytes.size();
    out.bytes.resize(start + code_bytes(x.values.size()));
    wire::BitWriter writer(std::span<std::byte>(out.bytes).subspan(start));
    for (const T value : x.values) {
      const double code = std::floor((static_cast<double>(value) + r) / step + 0.5);
      writer.put(static_cast<std::uint64_t>(std::clamp(code, 0.0, steps())), bits_);
    }
    writer.finish();
    out.payload_bits += std::uint64_t{x.values.size()} * bits_;
  }

  Status decode_add(wire::WireReader& in, const CompressContext&, T scale,
                    TensorSpan<T> y) const override {
    return add<T>(in, scale, y.values);
  }
  Status decode_add_wide(wire::WireReader& in, const CompressContext&, double scale,
                         TensorSpan<double> y) const override {
    return add<double>(in, scale, y.values);
  }

 private:
  [[nodiscard]] double steps() const {
    return static_cast<double>((std::uint64_t{1} << bits_) - 1);
  }
  [[nodiscard]] std::size_t code_bytes(std::size_t size) const {
    return wire::bytes_for_bits(std::uint64_t{size} * bits_);
  }

  template <class Sum>
  Status add(wire::WireReader& in, Sum scale, std::span<Sum> y) const {
    const std::size_t start = in.position();
    const float range = in.f32();
    if (!std::isfinite(range)) in.fail_at(start, Fault::kNonFinite);
    if (std::signbit(range)) in.fail_at(start, Fault::kNegativeScale);
    if (!in.ok() || range == 0) return in.status();
    const std::size_t codes_at = in.position();
    const wire::Bytes bytes = in.bytes(code_bytes(y.size()));
    if (!in.ok()) return in.status();
    wire::BitReader reader(bytes);
    const std::size_t used = y.size() * bits_ % 8;
    if (used != 0 && std::to_integer<unsigned>(bytes.back()) >> used != 0) {
      in.fail_at(codes_at + bytes.size() - 1, Fault::kNonZeroPadding);
      return in.status();
    }
    const double r = static_cast<double>(range);
    const double step = 2 * r / steps();
    for (Sum& sum : y) {
      const double value = step * static_cast<double>(reader.take(bits_)) - r;
      sum += scale * static_cast<Sum>(static_cast<T>(value));
    }
    return {};
  }

  std::uint32_t bits_;
};

}  // namespace

const Card& uniform_card() {
  static const Card card = {
      .kind = "compressor",
      .name = "uniform",
      .summary = "the nearest of 2^bits numbers from -max to max, as in LAQ",
      .formula =
          "R = |v|_inf; C(v)_j = the nearest to v_j of 2^bits numbers from -R to R,\n"
          "-R + 2 R i / (2^bits - 1)",
      .paper =
          "Sun et al.: Communication-Efficient Distributed Learning via Lazily Aggregated "
          "Quantized Gradients, NeurIPS 2019, arXiv 1909.07588",
      .params = {{.key = "bits",
                  .type = ParamType::kInteger,
                  .default_text = "4",
                  .help = "the number of bits per number",
                  .min = 1,
                  .max = 32}},
      .promises =
          "promises nothing in terms of the norm; every number is off by at most "
          "max/(2^bits - 1)",
  };
  return card;
}

template <Real T>
std::unique_ptr<Compressor<T>> make_uniform(const Args& args, const CompressorSetup&) {
  return std::make_unique<Uniform<T>>(static_cast<std::uint32_t>(args.integer("bits")));
}
template std::unique_ptr<Compressor<float>> make_uniform(const Args&, const CompressorSetup&);
template std::unique_ptr<Compressor<double>> make_uniform(const Args&, const CompressorSetup&);

std::vector<std::string> uniform_problems(const Args&, std::uint32_t) { return {}; }

}  // namespace laconic::compress
