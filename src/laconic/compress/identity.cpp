// SPDX-License-Identifier: Apache-2.0
// identity: the vector itself. The yardstick: error feedback around it is plain SGD, bit for bit.
#include <array>
#include <cmath>

#include "laconic/compress/methods.hpp"
#include "laconic/kernels/kernels.hpp"
#include "laconic/wire/values.hpp"

namespace laconic::compress {
namespace {

template <Real T>
class Identity final : public Compressor<T> {
 public:
  [[nodiscard]] Traits traits(Shape) const override {
    return {.unbiased = true,
            .omega = 0.0,
            .alpha = 1.0,
            .joint = Joint{},
            .combine = Combine::kSumPayloads,
            .selects = true};
  }
  [[nodiscard]] std::size_t max_bytes(Shape shape) const override {
    return shape.size() * sizeof(T);
  }

  void encode(TensorView<T> x, const CompressContext&, wire::Message& out) const override {
    wire::write_values<T>(wire::native_format<T>(), x.values, out.bytes);
    out.payload_bits += x.values.size_bytes() * 8;
  }

  Status decode_add(wire::WireReader& in, const CompressContext&, T scale,
                    TensorSpan<T> y) const override {
    // Two passes in chunks: all numbers are looked at before the first is added.
    const std::size_t start = in.position();
    const wire::Bytes body = in.bytes(y.values.size_bytes());
    if (!in.ok()) return in.status();
    wire::WireReader check(body);
    for_chunks(check, y.values, [](std::span<const T>, std::span<T>) {});
    if (!check.ok()) {
      in.fail_at(start + check.status().position(), check.status().fault());
      return in.status();
    }
    wire::WireReader values(body);
    for_chunks(values, y.values, [scale](std::span<const T> x, std::span<T> part) {
      kernels::axpy<T>(scale, x, part);
    });
    return {};
  }

 private:
  template <class Use>
  static void for_chunks(wire::WireReader& reader, std::span<T> y, Use use) {
    std::array<T, 1024> chunk;
    for (std::size_t begin = 0; begin < y.size() && reader.ok(); begin += chunk.size()) {
      const std::span<T> part = y.subspan(begin, std::min(chunk.size(), y.size() - begin));
      const std::span<T> x = std::span<T>(chunk).first(part.size());
      wire::read_values<T>(wire::native_format<T>(), reader, x);
      if (reader.ok()) use(x, part);
    }
  }
};

}  // namespace

const Card& identity_card() {
  static const Card card = {
      .kind = "compressor",
      .name = "identity",
      .summary = "the vector itself, uncompressed",
      .formula = "C(v) = v",
      .promises = "unbiased with omega = 0; contractive with alpha = 1",
  };
  return card;
}

template <Real T>
std::unique_ptr<Compressor<T>> make_identity(const Args&, const CompressorSetup&) {
  return std::make_unique<Identity<T>>();
}
template std::unique_ptr<Compressor<float>> make_identity(const Args&, const CompressorSetup&);
template std::unique_ptr<Compressor<double>> make_identity(const Args&, const CompressorSetup&);

std::vector<std::string> identity_problems(const Args&, std::uint32_t) { return {}; }

}  // namespace laconic::compress
