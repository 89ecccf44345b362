// SPDX-License-Identifier: Apache-2.0
// sign: scaled sign, C(v) = (||v||_1 / d) sgn(v), the projection of v on the line through its signs
// (signsgd.md section 3). Contractive with alpha = phi(v) = ||v||_1^2 / (d ||v||_2^2) >= 1/d. With
// blocks each block of coordinates has its own scale, which never compresses worse.
//
// Body: f32 scale per block, then one sign plane of ceil(d/64) words. A zero counts as positive.
#include <algorithm>
#include <array>
#include <bit>
#include <cmath>

#include "laconic/compress/methods.hpp"
#include "laconic/kernels/kernels.hpp"
#include "laconic/wire/values.hpp"

namespace laconic::compress {
namespace {

constexpr std::size_t kChunkWords = 64;
constexpr std::size_t kChunkBits = kChunkWords * 64;

template <Real T>
class Sign final : public Compressor<T> {
 public:
  explicit Sign(std::size_t block) : block_(block) {}

  [[nodiscard]] Traits traits(Shape shape) const override {
    return {.alpha = 1.0 / static_cast<double>(block_size(shape.size()))};
  }
  [[nodiscard]] std::size_t max_bytes(Shape shape) const override {
    return blocks(shape.size()) * sizeof(float) +
           kernels::words_for(shape.size()) * sizeof(std::uint64_t);
  }

  void encode(TensorView<T> x, const CompressContext&, wire::Message& out) const override {
    const std::size_t size = x.values.size();
    const std::size_t block = block_size(size);
    wire::WireWriter writer(out.bytes);
    for (std::size_t begin = 0; begin < size; begin += block) {
      const auto part = x.values.subspan(begin, std::min(block, size - begin));
      writer.f32(static_cast<float>(kernels::l1_norm<T>(part) / static_cast<double>(part.size())));
    }
    std::array<std::uint64_t, kChunkWords> words;
    for (std::size_t begin = 0; begin < size; begin += kChunkBits) {
      const auto part = x.values.subspan(begin, std::min(kChunkBits, size - begin));
      const auto plane = std::span(words).first(kernels::words_for(part.size()));
      kernels::pack_signs<T>(part, plane);
      writer.words(plane);
    }
    out.payload_bits += size + 32 * blocks(size);
  }

  void encode_with_feedback(TensorView<T> g, T r, TensorSpan<T> e, const CompressContext&,
                            wire::Message& out) const override {
    const std::size_t size = g.values.size();
    const std::size_t block = block_size(size);
    const std::size_t scales_at = out.bytes.size();
    out.bytes.resize(scales_at + max_bytes(g.shape));
    std::byte* scale_out = out.bytes.data() + scales_at;
    std::byte* plane_out = scale_out + blocks(size) * sizeof(float);
    thread_local std::vector<std::uint64_t> words;  // grows to the largest block, then stays
    words.resize(std::max(words.size(), kernels::words_for(block)));
    for (std::size_t begin = 0; begin < size; begin += block) {
      const std::size_t count = std::min(block, size - begin);
      const auto plane = std::span(words).first(kernels::words_for(count));
      const float scale = kernels::error_feedback_pack_signs<T>(
          g.values.subspan(begin, count), r, e.values.subspan(begin, count), plane);
      std::copy_n(std::as_bytes(std::span(&scale, 1)).data(), sizeof(scale), scale_out);
      scale_out += sizeof(scale);
      std::copy_n(std::as_bytes(plane).data(), plane.size_bytes(), plane_out);
      plane_out += plane.size_bytes();
    }
    out.payload_bits += size + 32 * blocks(size);
  }

  Status decode_add(wire::WireReader& in, const CompressContext&, T scale,
                    TensorSpan<T> y) const override {
    const std::size_t size = y.values.size();
    const std::size_t start = in.position();
    const wire::Bytes scales = in.bytes(blocks(size) * sizeof(float));
    const wire::Bytes plane = in.bytes(kernels::words_for(size) * sizeof(std::uint64_t));
    if (!in.ok()) return in.status();
    if (Status bad = check(scales, plane, size); !bad) {
      in.fail_at(start + bad.position(), bad.fault());
      return in.status();
    }
    wire::WireReader scale_reader(scales);
    wire::WireReader plane_reader(plane);
    const std::size_t block = block_size(size);
    std::array<std::uint64_t, kChunkWords> words;
    for (std::size_t begin = 0; begin < size; begin += block) {
      const T magnitude = scale * static_cast<T>(scale_reader.f32());
      const std::size_t end = std::min(size, begin + block);
      for (std::size_t from = begin; from < end; from += kChunkBits) {
        const std::size_t count = std::min(kChunkBits, end - from);
        const auto part = std::span(words).first(kernels::words_for(count));
        plane_reader.words(part);
        kernels::add_signs<T>(part, magnitude, y.values.subspan(from, count));
      }
    }
    return {};
  }

 private:
  [[nodiscard]] std::size_t block_size(std::size_t size) const {
    return block_ == 0 ? size : std::min(block_, size);
  }
  [[nodiscard]] std::size_t blocks(std::size_t size) const {
    const std::size_t block = block_size(size);
    return block == 0 ? 0 : (size + block - 1) / block;
  }
  static Status check(wire::Bytes scales, wire::Bytes plane, std::size_t size) {
    wire::WireReader reader(scales);
    while (reader.remaining() > 0) {
      const std::size_t position = reader.position();
      const float scale = reader.f32();
      if (!std::isfinite(scale)) return {Fault::kNonFinite, position};
      if (std::signbit(scale) && scale != 0) return {Fault::kNegativeScale, position};
    }
    if (size % 64 == 0) return {};
    wire::WireReader last(plane.last(sizeof(std::uint64_t)));
    if (last.u64() >> (size % 64) != 0)
      return {Fault::kNonZeroPadding, scales.size() + plane.size() - sizeof(std::uint64_t)};
    return {};
  }

  std::size_t block_;  // 0: one block per tensor; else a multiple of 64
};

}  // namespace

const Card& sign_card() {
  static const Card card = {
      .kind = "compressor",
      .name = "sign",
      .summary = "scaled sign: one bit per coordinate and one scale (mean magnitude) per block",
      .formula = "C(v)_j = (|v|_1 / d) sign(v_j), sign(0) = 1; with `block` per block",
      .paper =
          "Karimireddy, Rebjock, Stich, Jaggi: Error Feedback Fixes SignSGD, ICML 2019, arXiv "
          "1901.09847",
      .params =
          {{.key = "block",
            .type = ParamType::kInteger,
            .default_text = "0",
            .help = "the number of coordinates that share a scale, rounded up to a multiple of 64; "
                    "0 for one scale per tensor",
            .min = 0,
            .max = 1073741824}},
      .promises = "contractive with alpha = 1/block (its phi(v) is far larger on dense vectors)",
  };
  return card;
}

template <Real T>
std::unique_ptr<Compressor<T>> make_sign(const Args& args, const CompressorSetup&) {
  const auto block = static_cast<std::size_t>(args.integer("block"));
  return std::make_unique<Sign<T>>((block + 63) / 64 * 64);
}
template std::unique_ptr<Compressor<float>> make_sign(const Args&, const CompressorSetup&);
template std::unique_ptr<Compressor<double>> make_sign(const Args&, const CompressorSetup&);

std::vector<std::string> sign_problems(const Args&, std::uint32_t) { return {}; }

}  // namespace laconic::compress
