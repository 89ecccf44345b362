// SPDX-License-Identifier: Apache-2.0
// What several simd_*.cpp share, compiled once per SIMD target: sums in the canonical order of
// kernels.hpp, and conversions between comparison masks and bits.
//
// Everything here has internal linkage or is a template in the target's namespace. Code for a
// target calls no inline function of the standard library: the linker could keep the copy compiled
// for a wider target than the CPU has.
#if defined(LACONIC_KERNELS_SIMD_INL_HPP) == defined(HWY_TARGET_TOGGLE)
#ifdef LACONIC_KERNELS_SIMD_INL_HPP
#undef LACONIC_KERNELS_SIMD_INL_HPP
#else
#define LACONIC_KERNELS_SIMD_INL_HPP
#endif

#include <cstddef>
#include <cstdint>

#include "hwy/cache_control.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace laconic::kernels::HWY_NAMESPACE {
namespace {
namespace hn = hwy::HWY_NAMESPACE;

constexpr std::size_t kWordBits = 64;

// Streams are asked for one page ahead: hardware prefetching stops at the end of a page, which
// costs up to a third of the bandwidth of main memory (docs/benchmarks.md). Never faults, also
// behind the end.
constexpr std::size_t kPrefetchBytes = 4096;
constexpr std::size_t kLineBytes = 64;
template <class T>
HWY_INLINE void prefetch(const T* p, std::size_t bytes) {
  for (std::size_t line = 0; line < bytes; line += kLineBytes) {
    hwy::Prefetch(
        reinterpret_cast<const char*>(reinterpret_cast<std::uintptr_t>(p) + kPrefetchBytes + line));
  }
}

// Doubles, and as many floats as there are doubles in a vector.
using WideTag = hn::ScalableTag<double>;
using NarrowTag = hn::Rebind<float, WideTag>;
using Wide = hn::Vec<WideTag>;
constexpr std::size_t kWideLanes = hn::MaxLanes(WideTag());

HWY_INLINE Wide load_wide(const float* p) {
  return hn::PromoteTo(WideTag(), hn::LoadU(NarrowTag(), p));
}
HWY_INLINE Wide load_wide(const double* p) { return hn::LoadU(WideTag(), p); }
HWY_INLINE void store_narrow(Wide v, float* p) {
  if constexpr (HWY_TARGET == HWY_SCALAR || HWY_TARGET == HWY_EMU128) {
    // DemoteTo of the targets without vectors has no infinities.
    HWY_ALIGN double lanes[kWideLanes];
    hn::Store(v, WideTag(), lanes);
    for (std::size_t k = 0; k < kWideLanes; ++k) p[k] = static_cast<float>(lanes[k]);
  } else {
    hn::StoreU(hn::DemoteTo(NarrowTag(), v), NarrowTag(), p);
  }
}
HWY_INLINE void store_narrow(Wide v, double* p) { hn::StoreU(v, WideTag(), p); }

// The 16 accumulators of the canonical order. add_block takes elements i .. i+15 with i mod 16 ==
// 0; afterwards add_one takes the remaining elements, total() combines.
constexpr std::size_t kSumLanes = 16;
class CanonicalSum {
 public:
  HWY_INLINE CanonicalSum() {
    for (std::size_t k = 0; k < kVectors; ++k) vectors_[k] = hn::Zero(WideTag());
  }
  template <class Term>
  HWY_INLINE void add_block(const Term& term, std::size_t i) {
    for (std::size_t k = 0; k < kVectors; ++k) {
      vectors_[k] = hn::Add(vectors_[k], term.vector(i + k * kWideLanes));
    }
  }
  // Elements `begin` (a multiple of 16) to `size`, then the sum of everything.
  template <class Term>
  HWY_INLINE double finish(const Term& term, std::size_t begin, std::size_t size) const {
    HWY_ALIGN double lanes[kSumLanes];
    for (std::size_t k = 0; k < kVectors; ++k)
      hn::Store(vectors_[k], WideTag(), lanes + k * kWideLanes);
    for (std::size_t i = begin; i < size; ++i) lanes[i % kSumLanes] += term.scalar(i);
    for (std::size_t half = kSumLanes / 2; half > 0; half /= 2) {
      for (std::size_t j = 0; j < half; ++j) lanes[j] += lanes[j + half];
    }
    return lanes[0];
  }

 private:
  static constexpr std::size_t kVectors = kSumLanes / kWideLanes;
  static_assert(kVectors * kWideLanes == kSumLanes);
  Wide vectors_[kVectors];
};

template <class Term>
HWY_INLINE double canonical_sum(const Term& term, std::size_t size) {
  CanonicalSum sum;
  std::size_t i = 0;
  for (; i + kSumLanes <= size; i += kSumLanes) {
    term.prefetch_block(i);
    sum.add_block(term, i);
  }
  return sum.finish(term, i, size);
}

// One bit per lane, lane 0 in bit 0.
template <class D>
HWY_INLINE std::uint64_t bits_of_mask(D d, hn::Mask<D> mask) {
  std::uint8_t bytes[8] = {};
  hn::StoreMaskBits(d, mask, bytes);
  if constexpr (hn::MaxLanes(D()) <= 8) {
    return bytes[0];
  } else {
    static_assert(hn::MaxLanes(D()) == 16);
    std::uint16_t bits;
    hwy::CopyBytes<2>(bytes, &bits);
    return bits;
  }
}

template <class D>
HWY_INLINE hn::Mask<D> mask_of_bits(D d, std::uint64_t bits) {
  static_assert(hn::MaxLanes(D()) <= 16);
  std::uint8_t bytes[8];
  hwy::CopyBytes<8>(&bits, bytes);
  return hn::LoadMaskBits(d, bytes);
}

}  // namespace
}  // namespace laconic::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per target
