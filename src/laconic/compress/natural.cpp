// SPDX-License-Identifier: Apache-2.0
// natural: every number rounded at random to one of the two powers of two around it (3pc.md section
// 3). Unbiased with omega = 1/8, which 4/3 reaches. Below the smallest normal number the neighbours
// are 0 and that number: still unbiased, with an error of at most that number. From 2^127 on
// (2^1023 in double) numbers are rounded down, because the neighbour above does not exist.
//
// Body: exponents (0 for zero), lower 8 bits, a byte per number; then in float a bit per number, 1
// for negative ones, in double four bits per number: the upper 3 of the exponent, then the sign.
#include <algorithm>
#include <array>
#include <bit>

#include "laconic/compress/methods.hpp"
#include "laconic/compress/support.hpp"
#include "laconic/kernels/kernels.hpp"
#include "laconic/wire/bits.hpp"

namespace laconic::compress {
namespace {

constexpr std::size_t kChunk = 512;  // a multiple of 8

template <Real T>
struct Format;
template <>
struct Format<float> {
  using Bits = std::uint32_t;
  static constexpr std::uint32_t kMantissa = 23;
  static constexpr std::uint32_t kInfinite = 255;
  static constexpr std::size_t kWords = 1;
  static constexpr std::uint32_t kUpper = 1;  // bits per number in the second plane
  static Bits noise(const std::uint32_t* words) { return words[0] >> 9; }
};
template <>
struct Format<double> {
  using Bits = std::uint64_t;
  static constexpr std::uint32_t kMantissa = 52;
  static constexpr std::uint32_t kInfinite = 2047;
  static constexpr std::size_t kWords = 2;
  static constexpr std::uint32_t kUpper = 4;
  static Bits noise(const std::uint32_t* words) {
    return ((Bits{words[1]} << 32) | words[0]) >> 12;
  }
};

template <Real T>
class Natural final : public Compressor<T> {
  using F = Format<T>;
  using Bits = typename F::Bits;
  static constexpr std::uint32_t kSignShift = F::kMantissa == 23 ? 31 : 63;

 public:
  explicit Natural(std::uint32_t workers) : workers_(workers) {}

  [[nodiscard]] Traits traits(Shape) const override { return unbiased_traits(0.125, workers_); }
  [[nodiscard]] std::size_t max_bytes(Shape shape) const override {
    return shape.size() + upper_bytes(shape.size());
  }

  void encode(TensorView<T> x, const CompressContext& context, wire::Message& out) const override {
    const std::size_t size = x.values.size();
    const std::size_t start = out.bytes.size();
    out.bytes.resize(start + size + upper_bytes(size));
    std::byte* const lower = out.bytes.data() + start;
    std::byte* const upper = lower + size;
    const rng::Stream stream = own_stream(context);
    std::array<std::uint32_t, kChunk * F::kWords> words;
    std::array<std::uint16_t, kChunk> codes;
    for (std::size_t begin = 0; begin < size; begin += kChunk) {
      const std::size_t count = std::min(kChunk, size - begin);
      kernels::random_words(stream, begin * F::kWords, std::span(words).first(count * F::kWords));
      for (std::size_t i = 0; i < count; ++i) {
        codes[i] = code_of(x.values[begin + i], F::noise(words.data() + i * F::kWords));
      }
      for (std::size_t i = 0; i < count; ++i) {
        lower[begin + i] = static_cast<std::byte>(codes[i]);
      }
      pack_upper(std::span<const std::uint16_t>(codes).first(count), upper + begin * F::kUpper / 8);
    }
    out.payload_bits += size * (8 + F::kUpper);
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
  static std::size_t upper_bytes(std::size_t size) {
    return wire::bytes_for_bits(std::uint64_t{size} * F::kUpper);
  }

  // The exponent, above it the sign: bit 8 in float, bit 11 in double. Noise below the mantissa's
  // top carries into the exponent with the right probability, also from exponent 0.
  static std::uint16_t code_of(T value, Bits noise) {
    const Bits bits = std::bit_cast<Bits>(value);
    const Bits magnitude = bits & ~(Bits{1} << kSignShift);
    const Bits carried = (magnitude + noise) >> F::kMantissa;
    const Bits exponent = carried < F::kInfinite ? carried : F::kInfinite - 1;
    const Bits sign = exponent == 0 ? 0 : bits >> kSignShift;
    return static_cast<std::uint16_t>(exponent | (sign << (7 + F::kUpper)));
  }
  static void pack_upper(std::span<const std::uint16_t> codes, std::byte* out) {
    constexpr std::size_t kPerByte = 8 / F::kUpper;
    for (std::size_t i = 0; i < codes.size(); i += kPerByte) {
      unsigned byte = 0;
      for (std::size_t j = i; j < std::min(codes.size(), i + kPerByte); ++j)
        byte |= static_cast<unsigned>(codes[j] >> 8) << ((j - i) * F::kUpper);
      out[i / kPerByte] = static_cast<std::byte>(byte);
    }
  }
  static std::uint32_t code_at(wire::Bytes lower, wire::Bytes upper, std::size_t i) {
    constexpr std::size_t kPerByte = 8 / F::kUpper;
    const auto high =
        std::to_integer<std::uint32_t>(upper[i / kPerByte]) >> (i % kPerByte * F::kUpper);
    return std::to_integer<std::uint32_t>(lower[i]) | ((high & ((1U << F::kUpper) - 1)) << 8);
  }

  // No infinite number, no sign of a zero.
  static Status check(wire::Bytes lower, wire::Bytes upper) {
    for (std::size_t i = 0; i < lower.size(); ++i) {
      const std::uint32_t code = code_at(lower, upper, i);
      const std::uint32_t exponent = code & F::kInfinite;
      if (exponent == F::kInfinite || (exponent == 0 && code != 0))
        return {Fault::kBadValue, i, code};
    }
    const std::size_t used = lower.size() * F::kUpper % 8;
    if (used != 0 && std::to_integer<unsigned>(upper.back()) >> used != 0)
      return {Fault::kNonZeroPadding, lower.size() + upper.size() - 1};
    return {};
  }

  template <class Sum>
  static Status add(wire::WireReader& in, Sum scale, std::span<Sum> y) {
    const std::size_t start = in.position();
    const wire::Bytes lower = in.bytes(y.size());
    const wire::Bytes upper = in.bytes(upper_bytes(y.size()));
    if (!in.ok()) return in.status();
    if (const Status bad = check(lower, upper); !bad) {
      in.fail_at(start + bad.position(), bad.fault(), 0);
      return in.status();
    }
    for (std::size_t i = 0; i < y.size(); ++i) {
      const Bits code = code_at(lower, upper, i);
      const Bits bits =
          ((code & F::kInfinite) << F::kMantissa) | ((code >> (7 + F::kUpper)) << kSignShift);
      y[i] += scale * static_cast<Sum>(std::bit_cast<T>(bits));
    }
    return {};
  }

  std::uint32_t workers_;
};

}  // namespace

const Card& natural_card() {
  static const Card card = {
      .kind = "compressor",
      .name = "natural",
      .summary = "rounding at random to powers of two: 9 bits per number (12 in double)",
      .formula =
          "C(v)_j = sign(v_j) 2^(a+1) with probability |v_j| / 2^a - 1, else sign(v_j) 2^a\n"
          "a = floor(log2 |v_j|); 0 stays 0",
      .paper =
          "Horvath et al.: Natural Compression for Distributed Deep Learning, arXiv 1905.10988",
      .promises = "unbiased with omega = 1/8",
  };
  return card;
}

template <Real T>
std::unique_ptr<Compressor<T>> make_natural(const Args&, const CompressorSetup& setup) {
  return std::make_unique<Natural<T>>(setup.workers);
}
template std::unique_ptr<Compressor<float>> make_natural(const Args&, const CompressorSetup&);
template std::unique_ptr<Compressor<double>> make_natural(const Args&, const CompressorSetup&);

std::vector<std::string> natural_problems(const Args&, std::uint32_t) { return {}; }

}  // namespace laconic::compress
