// SPDX-License-Identifier: Apache-2.0
// Sign planes from numbers and back. A word of 64 signs is built from comparison masks in a
// register and written once. The sign is that of the comparison x < 0, not the sign bit, so -0.0 is
// positive.
#include <bit>
#include <cstddef>
#include <cstdint>

#include "laconic/base/assert.hpp"
#include "laconic/kernels/simd_tables.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "laconic/kernels/simd_signs.cpp"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
#include "laconic/kernels/simd-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace laconic::kernels::HWY_NAMESPACE {
namespace {

// Mask bits are stored byte by byte and read as words.
static_assert(std::endian::native == std::endian::little);

template <class T>
constexpr std::size_t kLanesOf = hn::MaxLanes(hn::ScalableTag<T>());

// One bit: x < 0.
template <class T>
HWY_INLINE std::uint64_t is_negative(T x) {
  return x < 0 ? 1U : 0U;
}

template <class T>
void pack(const T* x, std::size_t size, std::uint64_t* signs) {
  const hn::ScalableTag<T> d;
  const auto zero = hn::Zero(d);
  std::size_t i = 0;
  for (; i + kWordBits <= size; i += kWordBits) {
    prefetch(x + i, kWordBits * sizeof(T));
    std::uint64_t word = 0;
    for (std::size_t k = 0; k < kWordBits; k += kLanesOf<T>) {
      word |= bits_of_mask(d, hn::Lt(hn::LoadU(d, x + i + k), zero)) << k;
    }
    signs[i / kWordBits] = word;
  }
  if (i == size) return;
  std::uint64_t word = 0;
  for (std::size_t k = 0; i + k < size; ++k) word |= is_negative(x[i + k]) << k;
  signs[i / kWordBits] = word;
}

template <class T>
void pack_with_mask(const T* x, std::size_t size, std::uint64_t* signs, std::uint64_t* mask) {
  const hn::ScalableTag<T> d;
  const auto zero = hn::Zero(d);
  std::size_t i = 0;
  for (; i + kWordBits <= size; i += kWordBits) {
    prefetch(x + i, kWordBits * sizeof(T));
    std::uint64_t negative = 0;
    std::uint64_t zeros = 0;
    for (std::size_t k = 0; k < kWordBits; k += kLanesOf<T>) {
      const auto v = hn::LoadU(d, x + i + k);
      negative |= bits_of_mask(d, hn::Lt(v, zero)) << k;
      zeros |= bits_of_mask(d, hn::Eq(v, zero)) << k;
    }
    signs[i / kWordBits] = negative;
    mask[i / kWordBits] = ~zeros;
  }
  if (i == size) return;
  std::uint64_t negative = 0;
  std::uint64_t nonzero = 0;
  for (std::size_t k = 0; i + k < size; ++k) {
    negative |= is_negative(x[i + k]) << k;
    nonzero |= std::uint64_t{x[i + k] == 0 ? 0U : 1U} << k;
  }
  signs[i / kWordBits] = negative;
  mask[i / kWordBits] = nonzero;
}

template <class T>
void unpack(const std::uint64_t* signs, T magnitude, T* y, std::size_t size) {
  const hn::ScalableTag<T> d;
  const auto positive = hn::Set(d, magnitude);
  const auto negative = hn::Set(d, -magnitude);
  std::size_t i = 0;
  for (; i + kWordBits <= size; i += kWordBits) {
    prefetch(y + i, kWordBits * sizeof(T));
    const std::uint64_t word = signs[i / kWordBits];
    for (std::size_t k = 0; k < kWordBits; k += kLanesOf<T>) {
      hn::StoreU(hn::IfThenElse(mask_of_bits(d, word >> k), negative, positive), d, y + i + k);
    }
  }
  for (; i < size; ++i) {
    y[i] = ((signs[i / kWordBits] >> (i % kWordBits)) & 1) != 0 ? -magnitude : magnitude;
  }
}

template <class T>
void unpack_masked(const std::uint64_t* signs, const std::uint64_t* mask, T magnitude, T* y,
                   std::size_t size) {
  const hn::ScalableTag<T> d;
  const auto positive = hn::Set(d, magnitude);
  const auto negative = hn::Set(d, -magnitude);
  std::size_t i = 0;
  for (; i + kWordBits <= size; i += kWordBits) {
    prefetch(y + i, kWordBits * sizeof(T));
    const std::uint64_t word = signs[i / kWordBits];
    const std::uint64_t present = mask[i / kWordBits];
    for (std::size_t k = 0; k < kWordBits; k += kLanesOf<T>) {
      const auto value = hn::IfThenElse(mask_of_bits(d, word >> k), negative, positive);
      hn::StoreU(hn::IfThenElseZero(mask_of_bits(d, present >> k), value), d, y + i + k);
    }
  }
  for (; i < size; ++i) {
    const T value = ((signs[i / kWordBits] >> (i % kWordBits)) & 1) != 0 ? -magnitude : magnitude;
    y[i] = ((mask[i / kWordBits] >> (i % kWordBits)) & 1) != 0 ? value : T{0};
  }
}

template <class T>
void add_signs(const std::uint64_t* signs, T magnitude, T* y, std::size_t size) {
  const hn::ScalableTag<T> d;
  const auto positive = hn::Set(d, magnitude);
  const auto negative = hn::Set(d, -magnitude);
  std::size_t i = 0;
  for (; i + kWordBits <= size; i += kWordBits) {
    prefetch(y + i, kWordBits * sizeof(T));
    const std::uint64_t word = signs[i / kWordBits];
    for (std::size_t k = 0; k < kWordBits; k += kLanesOf<T>) {
      const auto value = hn::IfThenElse(mask_of_bits(d, word >> k), negative, positive);
      hn::StoreU(hn::Add(hn::LoadU(d, y + i + k), value), d, y + i + k);
    }
  }
  for (; i < size; ++i) {
    const bool bit = ((signs[i / kWordBits] >> (i % kWordBits)) & 1) != 0;
    y[i] = y[i] + (bit ? -magnitude : magnitude);
  }
}

template <class T>
void momentum_pack(T beta, T one_minus_beta, const T* g, T* v, std::size_t size,
                   std::uint64_t* signs) {
  const hn::ScalableTag<T> d;
  const auto zero = hn::Zero(d);
  const auto keep = hn::Set(d, beta);
  const auto take = hn::Set(d, one_minus_beta);
  std::size_t i = 0;
  for (; i + kWordBits <= size; i += kWordBits) {
    prefetch(g + i, kWordBits * sizeof(T));
    prefetch(v + i, kWordBits * sizeof(T));
    std::uint64_t word = 0;
    for (std::size_t k = 0; k < kWordBits; k += kLanesOf<T>) {
      const auto kept = hn::Mul(keep, hn::LoadU(d, v + i + k));
      const auto updated = hn::Add(kept, hn::Mul(take, hn::LoadU(d, g + i + k)));
      hn::StoreU(updated, d, v + i + k);
      word |= bits_of_mask(d, hn::Lt(updated, zero)) << k;
    }
    signs[i / kWordBits] = word;
  }
  if (i == size) return;
  std::uint64_t word = 0;
  for (std::size_t k = 0; i + k < size; ++k) {
    v[i + k] = beta * v[i + k] + one_minus_beta * g[i + k];
    word |= is_negative(v[i + k]) << k;
  }
  signs[i / kWordBits] = word;
}

// p = g + r e, formed in each of the two passes of error feedback: reading g a second time moves as
// many bytes as writing p and reading it back, and writes half as many.
template <class T>
struct Corrected {
  const T* g;
  const T* e;
  T r;
  HWY_INLINE hn::Vec<hn::ScalableTag<T>> vector(std::size_t i) const {
    const hn::ScalableTag<T> d;
    return hn::Add(hn::LoadU(d, g + i), hn::Mul(hn::Set(d, r), hn::LoadU(d, e + i)));
  }
  HWY_INLINE T scalar(std::size_t i) const { return g[i] + r * e[i]; }
};

// |p| in double, for the canonical sum.
template <class T>
struct CorrectedMagnitude {
  Corrected<T> p;
  HWY_INLINE void prefetch_block(std::size_t i) const {
    prefetch(p.g + i, kSumLanes * sizeof(T));
    prefetch(p.e + i, kSumLanes * sizeof(T));
  }
  HWY_INLINE Wide vector(std::size_t i) const {
    const hn::Rebind<T, WideTag> d;
    const auto v = hn::Add(hn::LoadU(d, p.g + i), hn::Mul(hn::Set(d, p.r), hn::LoadU(d, p.e + i)));
    if constexpr (sizeof(T) == sizeof(float)) {
      return hn::Abs(hn::PromoteTo(WideTag(), v));
    } else {
      return hn::Abs(v);
    }
  }
  HWY_INLINE double scalar(std::size_t i) const {
    const T value = p.scalar(i);
    return static_cast<double>(value < 0 ? -value : value);
  }
};

template <class T>
float error_feedback_pack(const T* g, T r, T* e, std::size_t size, std::uint64_t* signs) {
  const hn::ScalableTag<T> d;
  const auto zero = hn::Zero(d);
  const Corrected<T> p{g, e, r};
  const double norm = canonical_sum(CorrectedMagnitude<T>{p}, size);
  const auto scale = static_cast<float>(norm / static_cast<double>(size));
  const T step = static_cast<T>(scale);
  const auto positive = hn::Set(d, step);
  const auto negative = hn::Set(d, -step);
  std::size_t i = 0;
  for (; i + kWordBits <= size; i += kWordBits) {
    prefetch(g + i, kWordBits * sizeof(T));
    prefetch(e + i, kWordBits * sizeof(T));
    std::uint64_t word = 0;
    for (std::size_t k = 0; k < kWordBits; k += kLanesOf<T>) {
      const auto value = p.vector(i + k);
      const auto below = hn::Lt(value, zero);
      hn::StoreU(hn::Sub(value, hn::IfThenElse(below, negative, positive)), d, e + i + k);
      word |= bits_of_mask(d, below) << k;
    }
    signs[i / kWordBits] = word;
  }
  if (i == size) return scale;
  std::uint64_t word = 0;
  for (std::size_t k = 0; i + k < size; ++k) {
    const T value = p.scalar(i + k);
    e[i + k] = value - (value < 0 ? -step : step);
    word |= is_negative(value) << k;
  }
  signs[i / kWordBits] = word;
  return scale;
}

template <class T>
constexpr detail::SignTable<T> make_sign_table() {
  return {.pack = pack<T>,
          .pack_with_mask = pack_with_mask<T>,
          .unpack = unpack<T>,
          .unpack_masked = unpack_masked<T>,
          .add = add_signs<T>,
          .momentum_pack = momentum_pack<T>,
          .error_feedback_pack = error_feedback_pack<T>};
}

detail::SignTable<float> signs_f32() { return make_sign_table<float>(); }
detail::SignTable<double> signs_f64() { return make_sign_table<double>(); }

}  // namespace
}  // namespace laconic::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace laconic::kernels {
namespace {

HWY_EXPORT(signs_f32);
HWY_EXPORT(signs_f64);

template <Real T>
detail::SignTable<T> table() {
  if constexpr (std::same_as<T, float>) {
    return HWY_DYNAMIC_DISPATCH(signs_f32)();
  } else {
    return HWY_DYNAMIC_DISPATCH(signs_f64)();
  }
}

}  // namespace

template <Real T>
void pack_signs(std::span<const T> x, std::span<std::uint64_t> signs) {
  LACONIC_EXPECTS(signs.size() == words_for(x.size()));
  table<T>().pack(x.data(), x.size(), signs.data());
}

template <Real T>
void pack_signs_and_mask(std::span<const T> x, std::span<std::uint64_t> signs,
                         std::span<std::uint64_t> mask) {
  LACONIC_EXPECTS(signs.size() == words_for(x.size()));
  LACONIC_EXPECTS(mask.size() == words_for(x.size()));
  table<T>().pack_with_mask(x.data(), x.size(), signs.data(), mask.data());
}

template <Real T>
void unpack_signs(std::span<const std::uint64_t> signs, T magnitude, std::span<T> y) {
  LACONIC_EXPECTS(signs.size() == words_for(y.size()));
  table<T>().unpack(signs.data(), magnitude, y.data(), y.size());
}

template <Real T>
void unpack_masked_signs(std::span<const std::uint64_t> signs, std::span<const std::uint64_t> mask,
                         T magnitude, std::span<T> y) {
  LACONIC_EXPECTS(signs.size() == words_for(y.size()));
  LACONIC_EXPECTS(mask.size() == words_for(y.size()));
  table<T>().unpack_masked(signs.data(), mask.data(), magnitude, y.data(), y.size());
}

template <Real T>
void add_signs(std::span<const std::uint64_t> signs, T magnitude, std::span<T> y) {
  LACONIC_EXPECTS(signs.size() == words_for(y.size()));
  table<T>().add(signs.data(), magnitude, y.data(), y.size());
}

template <Real T>
void momentum_pack_signs(double beta, std::span<const T> g, std::span<T> v,
                         std::span<std::uint64_t> signs) {
  LACONIC_EXPECTS(g.size() == v.size());
  LACONIC_EXPECTS(signs.size() == words_for(g.size()));
  table<T>().momentum_pack(static_cast<T>(beta), static_cast<T>(1 - beta), g.data(), v.data(),
                           v.size(), signs.data());
}

template <Real T>
float error_feedback_pack_signs(std::span<const T> g, T r, std::span<T> e,
                                std::span<std::uint64_t> signs) {
  LACONIC_EXPECTS(g.size() == e.size());
  LACONIC_EXPECTS(signs.size() == words_for(g.size()));
  if (g.empty()) return 0;
  return table<T>().error_feedback_pack(g.data(), r, e.data(), e.size(), signs.data());
}

#define LACONIC_INSTANTIATE(T)                                                        \
  template void pack_signs(std::span<const T>, std::span<std::uint64_t>);             \
  template void pack_signs_and_mask(std::span<const T>, std::span<std::uint64_t>,     \
                                    std::span<std::uint64_t>);                        \
  template void unpack_signs(std::span<const std::uint64_t>, T, std::span<T>);        \
  template void unpack_masked_signs(std::span<const std::uint64_t>,                   \
                                    std::span<const std::uint64_t>, T, std::span<T>); \
  template void add_signs(std::span<const std::uint64_t>, T, std::span<T>);           \
  template void momentum_pack_signs(double, std::span<const T>, std::span<T>,         \
                                    std::span<std::uint64_t>);                        \
  template float error_feedback_pack_signs(std::span<const T>, T, std::span<T>,       \
                                           std::span<std::uint64_t>)
LACONIC_INSTANTIATE(float);
LACONIC_INSTANTIATE(double);
#undef LACONIC_INSTANTIATE

}  // namespace laconic::kernels
#endif  // HWY_ONCE
