// SPDX-License-Identifier: Apache-2.0
#include "laconic/compress/dither.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>

#include "laconic/compress/support.hpp"
#include "laconic/kernels/kernels.hpp"
#include "laconic/kernels/sparse_vectors.hpp"
#include "laconic/wire/bits.hpp"
#include "laconic/wire/values.hpp"

namespace laconic::compress {
namespace {

constexpr std::size_t kChunk = 512;
constexpr std::uint32_t kWordsOf8Bytes = 2;
template <Real T>
constexpr std::size_t kWords = sizeof(T) == 4 ? 1 : kWordsOf8Bytes;

// The unit float or unit double that starts at this word.
float unit(const std::uint32_t* words, float) {
  return static_cast<float>(static_cast<std::int32_t>(words[0] >> 8)) * 0x1p-24F;
}
double unit(const std::uint32_t* words, double) {
  const std::uint64_t both = (std::uint64_t{words[1]} << 32) | words[0];
  return static_cast<double>(static_cast<std::int64_t>(both >> 11)) * 0x1p-53;
}

// One signed level per number. t = |x| s / norm, up with probability t - floor(t).
template <Real T>
void even_levels(std::span<const T> x, T norm, std::uint32_t s, const std::uint32_t* words,
                 std::int16_t* codes) {
  const T factor = static_cast<T>(s) / norm;
  const bool divide = !std::isfinite(factor);
  const auto top = static_cast<std::int32_t>(s);
  for (std::size_t i = 0; i < x.size(); ++i) {
    const T magnitude = std::abs(x[i]);
    const T t = divide ? magnitude / norm * static_cast<T>(s) : magnitude * factor;
    auto level = static_cast<std::int32_t>(t);
    level += unit(words + i * kWords<T>, T{}) < t - static_cast<T>(level) ? 1 : 0;
    level = level < top ? level : top;
    codes[i] = static_cast<std::int16_t>(x[i] < 0 ? -level : level);
  }
}

// t = |x| / norm between neighbouring powers of two, or between 0 and 2^(1-s). Adding the random
// bits below the mantissa's top carries into the exponent with the right probability.
template <Real T>
std::int32_t binary_level(T t, std::int32_t s, const std::uint32_t* words) {
  T lowest = 1;
  if constexpr (sizeof(T) == 4) {
    lowest = std::bit_cast<float>(static_cast<std::uint32_t>(128 - s) << 23);
  } else {
    lowest = std::bit_cast<double>(static_cast<std::uint64_t>(1024 - s) << 52);
  }
  if (t < lowest) return unit(words, T{}) < t / lowest ? 1 : 0;
  if constexpr (sizeof(T) == 4) {
    const std::uint32_t carried = std::bit_cast<std::uint32_t>(t) + (words[0] >> 9);
    return static_cast<std::int32_t>(carried >> 23) - 127 + s;
  } else {
    const std::uint64_t both = (std::uint64_t{words[1]} << 32) | words[0];
    const std::uint64_t carried = std::bit_cast<std::uint64_t>(t) + (both >> 12);
    return static_cast<std::int32_t>(carried >> 52) - 1023 + s;
  }
}

template <Real T>
void binary_levels(std::span<const T> x, T norm, std::uint32_t s, const std::uint32_t* words,
                   std::int16_t* codes) {
  for (std::size_t i = 0; i < x.size(); ++i) {
    const std::int32_t level =
        binary_level<T>(std::abs(x[i]) / norm, static_cast<std::int32_t>(s), words + i * kWords<T>);
    codes[i] = static_cast<std::int16_t>(x[i] < 0 ? -level : level);
  }
}

void put_gamma(wire::BitWriter& out, std::uint64_t n) {
  const auto width = static_cast<std::uint32_t>(std::bit_width(n)) - 1;
  out.unary(width);
  out.put(n & ((std::uint64_t{1} << width) - 1), width);
}
std::uint64_t gamma_bits(std::uint64_t n) {
  return 2 * static_cast<std::uint64_t>(std::bit_width(n)) - 1;
}
// 0 for what is no number below 2^40.
std::uint64_t take_gamma(wire::BitReader& in) {
  const std::uint64_t width = in.unary();
  if (width >= 40) return 0;
  return (std::uint64_t{1} << width) | in.take(static_cast<std::uint32_t>(width));
}

// Calls use(gap to the level before, level) for all levels above 0 and returns their number.
template <class Use>
std::uint64_t for_levels(std::span<const std::int16_t> codes, Use use) {
  std::uint64_t count = 0;
  std::size_t next = 0;
  for (std::size_t i = 0; i < codes.size(); ++i) {
    if (codes[i] == 0) continue;
    use(i - next, codes[i]);
    next = i + 1;
    ++count;
  }
  return count;
}

std::uint64_t elias_bits(std::span<const std::int16_t> codes) {
  std::uint64_t bits = 0;
  const std::uint64_t count = for_levels(codes, [&](std::size_t gap, std::int16_t code) {
    bits += gamma_bits(gap + 1) + 1 + gamma_bits(static_cast<std::uint64_t>(std::abs(code)));
  });
  return bits + gamma_bits(count + 1);
}

template <Real T>
class Dither final : public Compressor<T> {
 public:
  explicit Dither(const DitherOptions& options) : options_(options) {}

  [[nodiscard]] Traits traits(Shape shape) const override {
    if (options_.clip > 0) return {.randomized = true};
    return unbiased_traits(omega(static_cast<double>(bucket(shape.size()))), options_.workers);
  }
  [[nodiscard]] std::size_t max_bytes(Shape shape) const override {
    const std::size_t size = shape.size();
    return (options_.choose ? 1 : 0) + buckets(size) * sizeof(T) + code_bytes(size);
  }

  void encode(TensorView<T> x, const CompressContext& context, wire::Message& out) const override {
    thread_local Scratch<T> clipped_memory;  // these grow to the largest tensor, then stay
    thread_local Scratch<T> norm_memory;
    thread_local Scratch<std::int16_t> code_memory;
    std::span<const T> values = x.values;
    if (options_.clip > 0) values = clipped(values, clipped_memory.take(values.size()));
    const std::size_t size = values.size();
    const std::span<T> norms = norm_memory.take(buckets(size));
    const std::span<std::int16_t> codes = code_memory.take(size);
    bool all_zero = true;
    for (std::size_t b = 0; b < norms.size(); ++b) {
      const std::size_t begin = b * bucket(size);
      const std::size_t count = std::min(bucket(size), size - begin);
      norms[b] = norm_of_bucket<T>(options_.norm, values.subspan(begin, count));
      quantize(values.subspan(begin, count), norms[b], begin, own_stream(context),
               codes.subspan(begin, count));
      all_zero = all_zero && norms[b] == 0;
    }
    wire::make_room(out.bytes, max_bytes(x.shape));
    const LevelCoding coding = all_zero ? LevelCoding::kFixed : coding_of(codes);
    if (options_.choose) out.bytes.push_back(static_cast<std::byte>(coding));
    wire::write_values<T>(wire::native_format<T>(), norms, out.bytes);
    if (!all_zero) write_codes(coding, codes, out.bytes);
    out.payload_bits += norms.size() * sizeof(T) * 8;
    if (!all_zero) {
      out.payload_bits += coding == LevelCoding::kElias   ? elias_bits(codes)
                          : coding == LevelCoding::kTrits ? (size * 8 + 4) / 5
                                                          : size * width();
    }
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
  [[nodiscard]] std::size_t bucket(std::size_t size) const {
    return options_.bucket == 0 ? size : std::min(options_.bucket, size);
  }
  [[nodiscard]] std::size_t buckets(std::size_t size) const {
    return (size + bucket(size) - 1) / bucket(size);
  }
  // Of the fixed coding, in bits.
  [[nodiscard]] std::uint32_t width() const { return 1 + level_width(); }
  [[nodiscard]] std::uint32_t level_width() const {
    return static_cast<std::uint32_t>(std::bit_width(options_.levels));
  }
  [[nodiscard]] std::size_t code_bytes(std::size_t size) const {
    return options_.trits ? (size + 4) / 5 : wire::bytes_for_bits(std::uint64_t{size} * width());
  }
  [[nodiscard]] LevelCoding coding_of(std::span<const std::int16_t> codes) const {
    if (options_.trits) return LevelCoding::kTrits;
    const bool shorter =
        options_.choose && elias_bits(codes) < std::uint64_t{codes.size()} * width();
    return shorter ? LevelCoding::kElias : LevelCoding::kFixed;
  }

  // d: the coordinates that share a norm.
  [[nodiscard]] double omega(double d) const {
    const auto s = static_cast<double>(options_.levels);
    const double root = options_.norm == Norm::kOne ? d : std::sqrt(d);
    if (options_.rule == LevelRule::kBinary) {
      const double small = root * std::ldexp(1.0, 1 - static_cast<int>(options_.levels));
      return 1.0 / 8 + small * std::min(1.0, small);
    }
    // One level under the largest magnitude m: the variance is m |v|_1 - |v|^2, whose largest share
    // of |v|^2 belongs to one entry 1 and all others 1/(sqrt(d) + 1).
    if (options_.levels == 1 && options_.norm == Norm::kMax) return (std::sqrt(d) - 1) / 2;
    return std::min(d * (root * root / d) / (s * s), root / s);
  }

  // Clipped to so many standard deviations around 0.
  [[nodiscard]] std::span<const T> clipped(std::span<const T> x, std::span<T> out) const {
    const auto size = static_cast<double>(x.size());
    const double mean = kernels::sum<T>(x) / size;
    const double deviation =
        std::sqrt(std::max(0.0, kernels::squared_norm<T>(x) / size - mean * mean));
    const T limit = static_cast<T>(options_.clip * deviation);
    for (std::size_t i = 0; i < x.size(); ++i) out[i] = std::clamp(x[i], -limit, limit);
    return out;
  }

  // `begin` is the place of the bucket: coordinate i draws word i, or words 2i and 2i + 1.
  void quantize(std::span<const T> x, T norm, std::size_t begin, const rng::Stream& stream,
                std::span<std::int16_t> codes) const {
    if (norm == 0) return std::fill(codes.begin(), codes.end(), std::int16_t{0});
    std::array<std::uint32_t, kChunk * kWords<T>> words;
    for (std::size_t i = 0; i < x.size(); i += kChunk) {
      const std::size_t count = std::min(kChunk, x.size() - i);
      kernels::random_words(stream, (begin + i) * kWords<T>,
                            std::span(words).first(count * kWords<T>));
      const auto part = x.subspan(i, count);
      if (options_.rule == LevelRule::kEven) {
        even_levels<T>(part, norm, options_.levels, words.data(), codes.data() + i);
      } else {
        binary_levels<T>(part, norm, options_.levels, words.data(), codes.data() + i);
      }
    }
  }

  void write_codes(LevelCoding coding, std::span<const std::int16_t> codes,
                   std::vector<std::byte>& out) const {
    const std::size_t start = out.size();
    if (coding == LevelCoding::kTrits) {
      out.resize(start + code_bytes(codes.size()));
      for (std::size_t i = 0; i < codes.size(); i += 5) {
        unsigned byte = 0;
        for (std::size_t j = std::min(codes.size(), i + 5); j > i; --j)
          byte = 3 * byte + (codes[j - 1] < 0 ? 2U : static_cast<unsigned>(codes[j - 1]));
        out[start + i / 5] = static_cast<std::byte>(byte);
      }
      return;
    }
    const bool fixed = coding == LevelCoding::kFixed;
    out.resize(start +
               (fixed ? code_bytes(codes.size()) : wire::bytes_for_bits(elias_bits(codes))));
    wire::BitWriter writer(std::span<std::byte>(out).subspan(start));
    if (fixed) {
      const std::uint32_t shift = level_width();
      for (const std::int16_t code : codes) {
        const auto level = static_cast<std::uint64_t>(std::abs(code));
        writer.put(level | (std::uint64_t{code < 0 ? 1U : 0U} << shift), shift + 1);
      }
    } else {
      put_gamma(writer, for_levels(codes, [](std::size_t, std::int16_t) {}) + 1);
      for_levels(codes, [&](std::size_t gap, std::int16_t code) {
        put_gamma(writer, gap + 1);
        writer.put(code < 0 ? 1 : 0, 1);
        put_gamma(writer, static_cast<std::uint64_t>(std::abs(code)));
      });
    }
    writer.finish();
  }

  void read_trits(wire::WireReader& in, std::span<std::int16_t> codes) const {
    constexpr std::array<std::int16_t, 3> kValues = {0, 1, -1};
    const std::size_t start = in.position();
    const wire::Bytes bytes = in.bytes(code_bytes(codes.size()));
    for (std::size_t b = 0; b < bytes.size(); ++b) {
      auto byte = std::to_integer<unsigned>(bytes[b]);
      if (byte >= 243) return in.fail_at(start + b, Fault::kBadValue, byte, 242);
      for (std::size_t j = 5 * b; j < 5 * b + 5; ++j, byte /= 3) {
        if (j < codes.size()) {
          codes[j] = kValues[byte % 3];
        } else if (byte % 3 != 0) {
          return in.fail_at(start + b, Fault::kNonZeroPadding);
        }
      }
    }
  }

  void read_fixed(wire::WireReader& in, std::span<std::int16_t> codes) const {
    const std::size_t start = in.position();
    const wire::Bytes bytes = in.bytes(code_bytes(codes.size()));
    if (!in.ok()) return;
    wire::BitReader bits(bytes);
    const std::uint64_t mask = (std::uint64_t{1} << level_width()) - 1;
    for (std::int16_t& code : codes) {
      const std::uint64_t taken = bits.take(width());
      const auto level = static_cast<std::int16_t>(taken & mask);
      const bool negative = taken > mask;
      if ((taken & mask) > options_.levels || (negative && level == 0))
        return in.fail_at(start + (bits.position() - 1) / 8, Fault::kBadValue, taken);
      code = static_cast<std::int16_t>(negative ? -level : level);
    }
    if (!bits.padding_is_zero()) in.fail_at(start + bytes.size() - 1, Fault::kNonZeroPadding);
  }

  void read_elias(wire::WireReader& in, std::span<std::int16_t> codes) const {
    const std::size_t start = in.position();
    wire::WireReader rest = in;
    wire::BitReader bits(rest.bytes(rest.remaining()));
    std::fill(codes.begin(), codes.end(), std::int16_t{0});
    const std::uint64_t count = take_gamma(bits);
    std::uint64_t next = 0;
    bool legal = count > 0 && count - 1 <= codes.size();
    for (std::uint64_t j = 1; legal && j < count && !bits.overrun(); ++j) {
      const std::uint64_t gap = take_gamma(bits);
      const bool negative = bits.take(1) != 0;
      const std::uint64_t level = take_gamma(bits);
      const std::uint64_t at = next + gap - 1;
      legal = gap > 0 && at < codes.size() && level > 0 && level <= options_.levels;
      if (!legal) break;
      const auto magnitude = static_cast<std::int16_t>(level);
      codes[at] = static_cast<std::int16_t>(negative ? -magnitude : magnitude);
      next = at + 1;
    }
    if (bits.overrun())
      return in.fail_at(start + in.remaining(), Fault::kTruncated, in.remaining());
    if (!legal) return in.fail_at(start + bits.position() / 8, Fault::kBadValue);
    if (bits.position() >= std::uint64_t{codes.size()} * width())
      return in.fail_at(start, Fault::kBadMode, bits.position());
    if (!bits.padding_is_zero())
      return in.fail_at(start + bits.bytes_used() - 1, Fault::kNonZeroPadding);
    static_cast<void>(in.bytes(bits.bytes_used()));
  }

  // False when there are no codes, because all norms are 0.
  bool read(wire::WireReader& in, std::span<T> norms, std::span<std::int16_t> codes) const {
    const std::size_t start = in.position();
    auto coding = options_.trits ? LevelCoding::kTrits : LevelCoding::kFixed;
    if (options_.choose) {
      const std::uint8_t tag = in.u8();
      coding = static_cast<LevelCoding>(tag);
      if (tag > 1) in.fail_at(start, Fault::kBadMode, tag);
    }
    const std::size_t norms_at = in.position();
    wire::read_values<T>(wire::native_format<T>(), in, norms);
    if (!in.ok()) return false;
    bool all_zero = true;
    for (std::size_t b = 0; b < norms.size(); ++b) {
      if (std::signbit(norms[b])) in.fail_at(norms_at + b * sizeof(T), Fault::kNegativeScale);
      all_zero = all_zero && norms[b] == 0;
    }
    if (all_zero && coding == LevelCoding::kElias) in.fail_at(start, Fault::kBadMode, 1);
    if (all_zero || !in.ok()) return false;
    if (coding == LevelCoding::kTrits) read_trits(in, codes);
    if (coding == LevelCoding::kFixed) read_fixed(in, codes);
    if (coding == LevelCoding::kElias) read_elias(in, codes);
    return in.ok();
  }

  template <class Sum>
  Status add(wire::WireReader& in, Sum scale, std::span<Sum> y) const {
    thread_local Scratch<T> norm_memory;  // these grow to the largest tensor, then stay
    thread_local Scratch<std::int16_t> code_memory;
    thread_local Scratch<Sum> value_memory;
    const std::span<T> norms = norm_memory.take(buckets(y.size()));
    const std::span<std::int16_t> codes = code_memory.take(y.size());
    const std::size_t start = in.position();
    if (!read(in, norms, codes)) return in.status();
    const std::size_t each = bucket(y.size());
    const auto s = static_cast<int>(options_.levels);
    for (const T norm : norms) {  // the largest product of each bucket, before y changes
      const Sum largest =
          options_.rule == LevelRule::kEven
              ? scale * (static_cast<Sum>(norm) / static_cast<Sum>(s)) * static_cast<Sum>(s)
              : scale * static_cast<Sum>(norm);
      if (!std::isfinite(largest)) in.fail_at(start, Fault::kNonFinite);
    }
    if (!in.ok()) return in.status();
    for (std::size_t b = 0; b < norms.size(); ++b) {
      const std::size_t begin = b * each;
      const std::size_t end = std::min(y.size(), begin + each);
      const Sum norm = static_cast<Sum>(norms[b]);
      if (options_.rule == LevelRule::kEven) {
        const Sum step = scale * (norm / static_cast<Sum>(s));
        for (std::size_t i = begin; i < end; ++i) y[i] += step * static_cast<Sum>(codes[i]);
        continue;
      }
      const std::span<Sum> values = value_memory.take(options_.levels + 1);
      values[0] = 0;
      for (int level = 1; level <= s; ++level)
        values[static_cast<std::size_t>(level)] = scale * std::ldexp(norm, level - s);
      for (std::size_t i = begin; i < end; ++i) {
        const Sum value = values[static_cast<std::size_t>(std::abs(codes[i]))];
        y[i] += codes[i] < 0 ? -value : value;
      }
    }
    return {};
  }

  DitherOptions options_;
};

}  // namespace

namespace {

// The norm whose plain value is `value`, rounded up. `values` are all numbers that are not 0.
template <Real T>
T rounded_norm(Norm norm, std::span<const T> values, T largest, double value) {
  const double peak = static_cast<double>(largest);
  constexpr double kSafe = 0x1p-500;  // below, squares may vanish; above 1/kSafe, they may overflow
  if (norm == Norm::kTwo && (peak < kSafe || peak > 1 / kSafe)) {
    double sum = 0;
    for (const T number : values) {
      const double ratio = static_cast<double>(number) / peak;
      sum += ratio * ratio;
    }
    value = peak * std::sqrt(sum);
  }
  constexpr T kLargest = std::numeric_limits<T>::max();
  if (!(value < static_cast<double>(kLargest))) return kLargest;
  T rounded = static_cast<T>(value);
  if (static_cast<double>(rounded) < value)
    rounded = std::nextafter(rounded, std::numeric_limits<T>::infinity());
  return std::max(rounded, largest);
}

}  // namespace

template <Real T>
T norm_of_bucket(Norm norm, std::span<const T> x) {
  const T largest = kernels::absmax<T>(x);
  if (norm == Norm::kMax || largest == 0) return largest;
  const double value =
      norm == Norm::kOne ? kernels::l1_norm<T>(x) : std::sqrt(kernels::squared_norm<T>(x));
  return rounded_norm<T>(norm, x, largest, value);
}
template float norm_of_bucket(Norm, std::span<const float>);
template double norm_of_bucket(Norm, std::span<const double>);

template <Real T>
T two_norm(const SparseView<T>& x) {
  const T largest = kernels::absmax<T>(x.values);
  if (largest == 0) return 0;
  return rounded_norm<T>(Norm::kTwo, x.values, largest, std::sqrt(kernels::squared_norm<T>(x)));
}
template float two_norm(const SparseView<float>&);
template double two_norm(const SparseView<double>&);

template <Real T>
std::unique_ptr<Compressor<T>> make_dither(const DitherOptions& options) {
  return std::make_unique<Dither<T>>(options);
}
template std::unique_ptr<Compressor<float>> make_dither(const DitherOptions&);
template std::unique_ptr<Compressor<double>> make_dither(const DitherOptions&);

ParamCard levels_param(std::string_view help, double max) {
  return {.key = "s",
          .type = ParamType::kInteger,
          .default_text = "7",
          .help = help,
          .min = 1,
          .max = max};
}

ParamCard norm_param(std::string_view default_text) {
  return {.key = "p",
          .type = ParamType::kChoice,
          .default_text = default_text,
          .help = "the norm by which numbers are divided",
          .choices = {"1", "2", "inf"}};
}

Norm norm_of(const Args& args) {
  const std::string& p = args.text("p");
  return p == "1" ? Norm::kOne : p == "2" ? Norm::kTwo : Norm::kMax;
}

}  // namespace laconic::compress
