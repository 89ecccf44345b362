// SPDX-License-Identifier: Apache-2.0
// Rounding at random to a few levels, and the scan that decides about a threshold. Random words are
// made piece by piece by random_words and stay in the first cache level. Sixteen bits decide nearly
// always; what they do not decide, once in 65536 numbers, is done again with more bits by scalar
// code, so that 48 bits are drawn at the price of sixteen.
#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstddef>

#include "laconic/base/assert.hpp"
#include "laconic/kernels/simd_tables.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "laconic/kernels/simd_quantize.cpp"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
#include "laconic/kernels/simd-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace laconic::kernels::HWY_NAMESPACE {
namespace {

constexpr std::size_t kGroup = 32;  // coordinates that share 16 words

// The draws of the coordinates k .. k + lanes - 1, 0 <= k < 64, as numbers.
template <class D, class T = hn::TFromD<D>>
HWY_INLINE hn::Vec<D> draws(D d, const std::uint32_t* words, std::size_t k) {
  const hn::Rebind<std::uint32_t, D> du;
  const hn::Rebind<std::int32_t, D> di;
  const auto both = hn::LoadU(du, words + k / kGroup * 16 + k % 16);
  const auto half =
      k % kGroup < 16 ? hn::And(both, hn::Set(du, 0xffffU)) : hn::ShiftRight<16>(both);
  if constexpr (sizeof(T) == 4) {
    return hn::ConvertTo(d, hn::BitCast(di, half));
  } else {
    return hn::PromoteTo(d, hn::BitCast(di, half));
  }
}

template <class D>
struct Rounded {
  hn::Vec<D> level;
  hn::Mask<D> up;
  hn::Mask<D> undecided;
};

template <class D, class T = hn::TFromD<D>>
HWY_INLINE Rounded<D> round(D d, const detail::Rounding<T>& rounding, hn::Vec<D> x,
                            hn::Vec<D> draw) {
  const auto a = hn::Abs(x);
  const auto levels = hn::Set(d, rounding.levels);
  const auto inside = hn::Min(hn::Mul(a, hn::Set(d, rounding.factor)), levels);
  const auto y = hn::IfThenElse(hn::Ge(a, hn::Set(d, rounding.scale)), levels, inside);
  const auto level = hn::Floor(y);
  const auto bar = hn::Floor(hn::Mul(hn::Sub(y, level), hn::Set(d, static_cast<T>(65536))));
  return {level, hn::Lt(draw, bar), hn::Eq(draw, bar)};
}

HWY_INLINE std::size_t append_bits(std::uint64_t word, std::size_t begin, std::size_t size,
                                   std::uint32_t* out, std::size_t count) {
  for (; word != 0; word &= word - 1) {
    const std::size_t at = begin + hwy::Num0BitsBelowLS1Bit_Nonzero64(word);
    if (at < size) out[count++] = static_cast<std::uint32_t>(at);
  }
  return count;
}

// The last, incomplete block of 64 numbers, filled up with zeros.
template <class T>
struct PaddedBlock {
  HWY_ALIGN T values[kWordBits] = {};
  HWY_INLINE PaddedBlock(const T* x, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) values[i] = x[i];
  }
};

struct Planes {
  std::uint64_t signs = 0;
  std::uint64_t mask = 0;
  std::uint64_t undecided = 0;
};

template <class T>
HWY_INLINE Planes round_block(const detail::Rounding<T>& rounding, const T* x,
                              const std::uint32_t* words) {
  const hn::ScalableTag<T> d;
  constexpr std::size_t kLanes = hn::MaxLanes(hn::ScalableTag<T>());
  Planes out;
  for (std::size_t k = 0; k < kWordBits; k += kLanes) {
    const auto v = hn::LoadU(d, x + k);
    const auto r = round(d, rounding, v, draws(d, words, k));
    const auto kept = hn::Or(r.up, hn::Ge(r.level, hn::Set(d, T{1})));
    out.mask |= bits_of_mask(d, kept) << k;
    out.signs |= bits_of_mask(d, hn::Lt(v, hn::Zero(d))) << k;
    out.undecided |= bits_of_mask(d, r.undecided) << k;
  }
  out.signs &= out.mask;
  return out;
}

template <class T>
std::size_t planes(const detail::Rounding<T>& rounding, const T* x, const std::uint32_t* words,
                   std::size_t size, std::uint64_t* signs, std::uint64_t* mask,
                   std::uint32_t* undecided) {
  std::size_t count = 0;
  for (std::size_t i = 0; i < size; i += kWordBits) {
    Planes out;
    if (size - i >= kWordBits) {
      prefetch(x + i, kWordBits * sizeof(T));
      out = round_block(rounding, x + i, words + i / 2);
    } else {
      out = round_block(rounding, PaddedBlock<T>(x + i, size - i).values, words + i / 2);
      out.mask &= (std::uint64_t{1} << (size - i)) - 1;
      out.signs &= out.mask;
    }
    signs[i / kWordBits] = out.signs;
    mask[i / kWordBits] = out.mask;
    count = append_bits(out.undecided, i, size, undecided, count);
  }
  return count;
}

template <class D>
HWY_INLINE void store_codes(D /*d*/, hn::Vec<D> codes, std::uint16_t* out) {
  const hn::Rebind<std::int32_t, D> di;
  const hn::Rebind<std::uint16_t, D> du;
  if constexpr (sizeof(hn::TFromD<D>) == 4) {
    hn::StoreU(hn::DemoteTo(du, hn::ConvertTo(di, codes)), du, out);
  } else {
    hn::StoreU(hn::DemoteTo(du, hn::DemoteTo(di, codes)), du, out);
  }
}

template <class T>
HWY_INLINE std::uint64_t code_block(const detail::Rounding<T>& rounding, const T* x,
                                    const std::uint32_t* words, std::uint16_t* out) {
  const hn::ScalableTag<T> d;
  constexpr std::size_t kLanes = hn::MaxLanes(hn::ScalableTag<T>());
  const auto one = hn::Set(d, T{1});
  std::uint64_t undecided = 0;
  for (std::size_t k = 0; k < kWordBits; k += kLanes) {
    const auto v = hn::LoadU(d, x + k);
    const auto r = round(d, rounding, v, draws(d, words, k));
    const auto level = hn::Add(r.level, hn::IfThenElseZero(r.up, one));
    const auto negative = hn::And(hn::Lt(v, hn::Zero(d)), hn::Ge(level, one));
    const auto sign = hn::IfThenElseZero(negative, hn::Set(d, rounding.sign));
    store_codes(d, hn::Add(level, sign), out + k);
    undecided |= bits_of_mask(d, r.undecided) << k;
  }
  return undecided;
}

template <class T>
std::size_t codes(const detail::Rounding<T>& rounding, const T* x, const std::uint32_t* words,
                  std::size_t size, std::uint16_t* codes, std::uint32_t* undecided) {
  std::size_t count = 0;
  for (std::size_t i = 0; i < size; i += kWordBits) {
    std::uint64_t word = 0;
    if (size - i >= kWordBits) {
      prefetch(x + i, kWordBits * sizeof(T));
      word = code_block(rounding, x + i, words + i / 2, codes + i);
    } else {
      HWY_ALIGN std::uint16_t padded[kWordBits];
      word = code_block(rounding, PaddedBlock<T>(x + i, size - i).values, words + i / 2, padded);
      for (std::size_t j = i; j < size; ++j) codes[j] = padded[j - i];
    }
    count = append_bits(word, i, size, undecided, count);
  }
  return count;
}

template <class T>
HWY_INLINE Planes threshold_block(T threshold, const T* x) {
  const hn::ScalableTag<T> d;
  constexpr std::size_t kLanes = hn::MaxLanes(hn::ScalableTag<T>());
  const auto bar = hn::Set(d, threshold);
  Planes out;
  for (std::size_t k = 0; k < kWordBits; k += kLanes) {
    const auto v = hn::LoadU(d, x + k);
    const auto a = hn::Abs(v);
    const auto kept = hn::And(hn::Ge(a, bar), hn::Gt(a, hn::Zero(d)));
    out.mask |= bits_of_mask(d, kept) << k;
    out.signs |= bits_of_mask(d, hn::Lt(v, hn::Zero(d))) << k;
  }
  out.signs &= out.mask;
  return out;
}

template <class T>
void threshold(T bar, const T* x, std::size_t size, std::uint64_t* signs, std::uint64_t* mask) {
  for (std::size_t i = 0; i < size; i += kWordBits) {
    Planes out;
    if (size - i >= kWordBits) {
      prefetch(x + i, kWordBits * sizeof(T));
      out = threshold_block(bar, x + i);
    } else {
      out = threshold_block(bar, PaddedBlock<T>(x + i, size - i).values);  // zeros are not kept
    }
    signs[i / kWordBits] = out.signs;
    mask[i / kWordBits] = out.mask;
  }
}

// Both sums of one block; element i goes to lane i mod 16.
template <class T>
class BracketScan {
 public:
  HWY_INLINE explicit BracketScan(detail::Bracket<T>& bracket) : bracket_(bracket) {
    for (std::size_t v = 0; v < kVectors; ++v) {
      l1_[v] = hn::LoadU(WideTag(), bracket.l1.lanes + v * kWideLanes);
      above_[v] = hn::LoadU(WideTag(), bracket.l1_above.lanes + v * kWideLanes);
    }
  }
  HWY_INLINE void add_block(const T* x) {
    const Wide high = hn::Set(WideTag(), static_cast<double>(bracket_.high));
    for (std::size_t k = 0; k < kWordBits; k += kSumLanes) {
      for (std::size_t v = 0; v < kVectors; ++v) {
        const Wide a = hn::Abs(load_wide(x + k + v * kWideLanes));
        l1_[v] = hn::Add(l1_[v], a);
        above_[v] = hn::Add(above_[v], hn::IfThenElseZero(hn::Gt(a, high), a));
      }
    }
    count_block(x);
  }
  HWY_INLINE void finish(const T* x, std::size_t size) {
    for (std::size_t v = 0; v < kVectors; ++v) {
      hn::StoreU(l1_[v], WideTag(), bracket_.l1.lanes + v * kWideLanes);
      hn::StoreU(above_[v], WideTag(), bracket_.l1_above.lanes + v * kWideLanes);
    }
    for (std::size_t i = 0; i < size; ++i) {
      const T a = x[i] < 0 ? -x[i] : x[i];
      bracket_.l1.lanes[i % kSumLanes] += static_cast<double>(a);
      bracket_.nonzeros += a > 0 ? 1U : 0U;
      if (a > bracket_.high) {
        bracket_.l1_above.lanes[i % kSumLanes] += static_cast<double>(a);
        ++bracket_.above;
      } else if (a > bracket_.low) {
        bracket_.found[bracket_.count++] = a;
      }
    }
  }

 private:
  static constexpr std::size_t kVectors = kSumLanes / kWideLanes;

  HWY_INLINE void count_block(const T* x) {
    const hn::ScalableTag<T> d;
    constexpr std::size_t kLanes = hn::MaxLanes(hn::ScalableTag<T>());
    const auto low = hn::Set(d, bracket_.low);
    const auto high = hn::Set(d, bracket_.high);
    std::uint64_t nonzero = 0;
    std::uint64_t above = 0;
    std::uint64_t over = 0;
    for (std::size_t k = 0; k < kWordBits; k += kLanes) {
      const auto a = hn::Abs(hn::LoadU(d, x + k));
      nonzero |= bits_of_mask(d, hn::Gt(a, hn::Zero(d))) << k;
      above |= bits_of_mask(d, hn::Gt(a, high)) << k;
      over |= bits_of_mask(d, hn::Gt(a, low)) << k;
    }
    bracket_.nonzeros += hwy::PopCount(nonzero);
    bracket_.above += hwy::PopCount(above);
    std::size_t count = bracket_.count;
    for (std::uint64_t word = over & ~above; word != 0; word &= word - 1) {
      const T value = x[hwy::Num0BitsBelowLS1Bit_Nonzero64(word)];
      bracket_.found[count++] = value < 0 ? -value : value;
    }
    bracket_.count = count;
  }

  detail::Bracket<T>& bracket_;
  Wide l1_[kVectors];
  Wide above_[kVectors];
};

template <class T>
void bracket(detail::Bracket<T>& bracket, const T* x, std::size_t size) {
  BracketScan<T> scan(bracket);
  std::size_t i = 0;
  for (; i + kWordBits <= size; i += kWordBits) {
    prefetch(x + i, kWordBits * sizeof(T));
    scan.add_block(x + i);
  }
  scan.finish(x + i, size - i);
}

template <class T>
constexpr detail::QuantizeTable<T> make_quantize_table() {
  return {.planes = planes<T>, .codes = codes<T>, .threshold = threshold<T>, .bracket = bracket<T>};
}

detail::QuantizeTable<float> quantize_f32() { return make_quantize_table<float>(); }
detail::QuantizeTable<double> quantize_f64() { return make_quantize_table<double>(); }

}  // namespace
}  // namespace laconic::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace laconic::kernels {
namespace {

HWY_EXPORT(quantize_f32);
HWY_EXPORT(quantize_f64);

template <Real T>
detail::QuantizeTable<T> table() {
  if constexpr (std::same_as<T, float>) {
    return HWY_DYNAMIC_DISPATCH(quantize_f32)();
  } else {
    return HWY_DYNAMIC_DISPATCH(quantize_f64)();
  }
}

constexpr std::size_t kPiece = detail::kRoundingPiece;

// Calls use(piece of x, where it begins, its words), with numbers and scale multiplied by a power
// of two where levels / scale is not a normal number.
template <Real T, class Use>
void for_pieces(const RandomRounding<T>& rounding, std::span<const T> x, const rng::Stream& stream,
                std::uint64_t first, Use use) {
  LACONIC_EXPECTS(first % 32 == 0 && rounding.levels > 0 && rounding.levels <= 32767);
  LACONIC_EXPECTS(std::isfinite(rounding.scale) && rounding.scale > 0);
  const T shift = detail::rounding_shift(rounding);
  const T scale = rounding.scale * shift;
  const detail::Rounding<T> scaled = {
      .scale = scale,
      .factor = static_cast<T>(rounding.levels) / scale,
      .levels = static_cast<T>(rounding.levels),
      .sign = static_cast<T>(std::uint32_t{1} << std::bit_width(rounding.levels))};
  std::array<std::uint32_t, kPiece / 2> words;
  std::array<T, kPiece> shifted;
  for (std::size_t i = 0; i < x.size(); i += kPiece) {
    const auto part = x.subspan(i, std::min(kPiece, x.size() - i));
    const std::size_t needed = (part.size() + 63) / 64 * 32;  // the kernels read whole blocks
    random_words(stream, (first + i) / 2, std::span(words).first(needed));
    const T* numbers = part.data();
    if (shift != 1) {
      for (std::size_t j = 0; j < part.size(); ++j) shifted[j] = part[j] * shift;
      numbers = shifted.data();
    }
    use(scaled, numbers, words.data(), i, part.size());
  }
}

double combine(const detail::LaneSums& sums) {
  detail::LaneSums out = sums;
  for (std::size_t half = std::size(out.lanes) / 2; half > 0; half /= 2) {
    for (std::size_t j = 0; j < half; ++j) out.lanes[j] += out.lanes[j + half];
  }
  return out.lanes[0];
}

}  // namespace

template <Real T>
void round_to_planes(const RandomRounding<T>& rounding, std::span<const T> x,
                     const rng::Stream& stream, std::uint64_t first, std::span<std::uint64_t> signs,
                     std::span<std::uint64_t> mask) {
  LACONIC_EXPECTS(rounding.levels == 1);
  LACONIC_EXPECTS(signs.size() == words_for(x.size()) && mask.size() == signs.size());
  const auto kernel = table<T>().planes;
  std::array<std::uint32_t, kPiece> undecided;
  for_pieces(rounding, x, stream, first,
             [&](const detail::Rounding<T>& scaled, const T* numbers, const std::uint32_t* words,
                 std::size_t begin, std::size_t size) {
               const std::size_t count = kernel(scaled, numbers, words, size, &signs[begin / 64],
                                                &mask[begin / 64], undecided.data());
               for (std::size_t j = 0; j < count; ++j) {
                 const std::size_t i = begin + undecided[j];
                 const std::uint64_t bit = std::uint64_t{1} << (i % 64);
                 if (detail::random_level(rounding, x[i], stream, first + i) == 0) continue;
                 mask[i / 64] |= bit;
                 if (x[i] < 0) signs[i / 64] |= bit;
               }
             });
}

template <Real T>
void round_to_codes(const RandomRounding<T>& rounding, std::span<const T> x,
                    const rng::Stream& stream, std::uint64_t first,
                    std::span<std::uint16_t> codes) {
  LACONIC_EXPECTS(codes.size() == x.size());
  const auto kernel = table<T>().codes;
  std::array<std::uint32_t, kPiece> undecided;
  for_pieces(
      rounding, x, stream, first,
      [&](const detail::Rounding<T>& scaled, const T* numbers, const std::uint32_t* words,
          std::size_t begin, std::size_t size) {
        const std::size_t count =
            kernel(scaled, numbers, words, size, codes.data() + begin, undecided.data());
        for (std::size_t j = 0; j < count; ++j) {
          const std::size_t i = begin + undecided[j];
          const std::uint32_t level = detail::random_level(rounding, x[i], stream, first + i);
          const std::uint32_t sign =
              x[i] < 0 && level > 0 ? std::uint32_t{1} << std::bit_width(rounding.levels) : 0;
          codes[i] = static_cast<std::uint16_t>(level + sign);
        }
      });
}

template <Real T>
void threshold_to_planes(T threshold, std::span<const T> x, std::span<std::uint64_t> signs,
                         std::span<std::uint64_t> mask) {
  LACONIC_EXPECTS(threshold >= 0);
  LACONIC_EXPECTS(signs.size() == words_for(x.size()) && mask.size() == signs.size());
  table<T>().threshold(threshold, x.data(), x.size(), signs.data(), mask.data());
}

template <Real T>
MagnitudeSums bracket_magnitudes(T low, T high, std::span<const T> x, std::vector<T>& bracketed) {
  LACONIC_EXPECTS(0 <= low && low <= high);
  const auto kernel = table<T>().bracket;
  detail::Bracket<T> state = {.low = low, .high = high, .count = bracketed.size()};
  constexpr std::size_t kScanned = 8 * kPiece;
  for (std::size_t i = 0; i < x.size(); i += kScanned) {
    const auto part = x.subspan(i, std::min(kScanned, x.size() - i));
    // Twice what is needed, so that it grows seldom and not for every piece.
    if (bracketed.size() < state.count + part.size())
      bracketed.resize(2 * (state.count + part.size()));
    state.found = bracketed.data();
    kernel(state, part.data(), part.size());
  }
  bracketed.resize(state.count);
  return {.nonzeros = state.nonzeros,
          .above = state.above,
          .l1 = combine(state.l1),
          .l1_above = combine(state.l1_above)};
}

#define LACONIC_INSTANTIATE(T)                                                                    \
  template void round_to_planes(const RandomRounding<T>&, std::span<const T>, const rng::Stream&, \
                                std::uint64_t, std::span<std::uint64_t>,                          \
                                std::span<std::uint64_t>);                                        \
  template void round_to_codes(const RandomRounding<T>&, std::span<const T>, const rng::Stream&,  \
                               std::uint64_t, std::span<std::uint16_t>);                          \
  template void threshold_to_planes(T, std::span<const T>, std::span<std::uint64_t>,              \
                                    std::span<std::uint64_t>);                                    \
  template MagnitudeSums bracket_magnitudes(T, T, std::span<const T>, std::vector<T>&)
LACONIC_INSTANTIATE(float);
LACONIC_INSTANTIATE(double);
#undef LACONIC_INSTANTIATE

}  // namespace laconic::kernels
#endif  // HWY_ONCE
