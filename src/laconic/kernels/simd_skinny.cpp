// SPDX-License-Identifier: Apache-2.0
// Products of a large matrix with factors of few columns. Every output is a chain of its own
// (kernels.hpp), so tiles change the speed and not the bits: a group of rows is read from memory
// once and used for all components while it lies in the first cache level.
#include <cstddef>
#include <cstdint>

#include "laconic/base/assert.hpp"
#include "laconic/kernels/simd_tables.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "laconic/kernels/simd_skinny.cpp"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
#include "laconic/kernels/simd-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace laconic::kernels::HWY_NAMESPACE {
namespace {

template <class T>
using Tag = hn::ScalableTag<T>;
template <class T>
using Vec = hn::Vec<Tag<T>>;
template <class T>
constexpr std::size_t kLanesOf = hn::MaxLanes(Tag<T>());
// Vectors that hold the 16 lanes of one dot product.
template <class T>
constexpr std::size_t kParts = kSumLanes / kLanesOf<T>;
// Dot products in registers at the same time: accumulators take half of the registers.
template <class T>
constexpr std::size_t kChains = HWY_MAX((HWY_CAP_GE512 ? 16 : 8) / kParts<T>, std::size_t{1});
template <class T>
constexpr std::size_t kDotColumns = HWY_MIN(kChains<T>, std::size_t{4});
template <class T>
constexpr std::size_t kDotRows = HWY_MAX(kChains<T> / kDotColumns<T>, std::size_t{1});
// Rows and components of a step of the other two products. Up to four components the factors stay
// in registers; with eight some are read again, which costs less than two passes over the rows.
constexpr std::size_t kStepRows = HWY_CAP_GE512 ? 4 : 2;
constexpr bool kEightComponents = HWY_CAP_GE512;
// Columns of a that are worked on at once, so that what is written stays in the first cache level.
constexpr std::size_t kBlockColumns = 1024;

// The sum over the lanes in the canonical order. Unqualified calls: the scalar target has no
// halves.
template <class D, class V>
HWY_INLINE auto sum_of_lanes(D, V v) {
  if constexpr (hn::MaxLanes(D()) == 1) {
    return hn::GetLane(v);
  } else {
    const hn::Half<D> half;
    return sum_of_lanes(half, hn::Add(LowerHalf(half, v), UpperHalf(half, v)));
  }
}

// p_ji = a_i . q_j for kRows rows and kColumns components.
template <std::size_t kRows, std::size_t kColumns, class T>
HWY_INLINE void dot_tile(SkinnyShape shape, const T* a, const T* q, T* p) {
  constexpr std::size_t kLanes = kLanesOf<T>;
  const Tag<T> d;
  Vec<T> sums[kRows][kColumns][kParts<T>];
  for (std::size_t i = 0; i < kRows; ++i) {
    for (std::size_t j = 0; j < kColumns; ++j) {
      for (std::size_t v = 0; v < kParts<T>; ++v) sums[i][j][v] = hn::Zero(d);
    }
  }
  std::size_t k = 0;
  for (; k + kSumLanes <= shape.n; k += kSumLanes) {
    for (std::size_t i = 0; i < kRows; ++i) prefetch(a + i * shape.n + k, kSumLanes * sizeof(T));
    for (std::size_t v = 0; v < kParts<T>; ++v) {
      Vec<T> right[kColumns];
      for (std::size_t j = 0; j < kColumns; ++j) {
        right[j] = hn::LoadU(d, q + j * shape.n + k + v * kLanes);
      }
      for (std::size_t i = 0; i < kRows; ++i) {
        const auto left = hn::LoadU(d, a + i * shape.n + k + v * kLanes);
        for (std::size_t j = 0; j < kColumns; ++j) {
          sums[i][j][v] = hn::Add(sums[i][j][v], hn::Mul(left, right[j]));
        }
      }
    }
  }
  for (std::size_t i = 0; i < kRows; ++i) {
    for (std::size_t j = 0; j < kColumns; ++j) {
      Vec<T>* const parts = sums[i][j];
      if (k < shape.n) {
        HWY_ALIGN T lanes[kSumLanes];
        for (std::size_t v = 0; v < kParts<T>; ++v) hn::Store(parts[v], d, lanes + v * kLanes);
        for (std::size_t rest = k; rest < shape.n; ++rest) {
          const T product = a[i * shape.n + rest] * q[j * shape.n + rest];
          lanes[rest - k] = lanes[rest - k] + product;
        }
        for (std::size_t v = 0; v < kParts<T>; ++v) parts[v] = hn::Load(d, lanes + v * kLanes);
      }
      for (std::size_t half = kParts<T> / 2; half > 0; half /= 2) {
        for (std::size_t v = 0; v < half; ++v) parts[v] = hn::Add(parts[v], parts[v + half]);
      }
      p[j * shape.m + i] = sum_of_lanes(d, parts[0]);
    }
  }
}

template <std::size_t kRows, class T>
void dot_rows(SkinnyShape shape, const T* a, const T* q, T* p) {
  std::size_t j = 0;
  for (; j + kDotColumns<T> <= shape.r; j += kDotColumns<T>) {
    dot_tile<kRows, kDotColumns<T>>(shape, a, q + j * shape.n, p + j * shape.m);
  }
  if constexpr (kDotColumns < T >> 2) {
    for (; j + 2 <= shape.r; j += 2) {
      dot_tile<kRows, 2>(shape, a, q + j * shape.n, p + j * shape.m);
    }
  }
  for (; j < shape.r; ++j) dot_tile<kRows, 1>(shape, a, q + j * shape.n, p + j * shape.m);
}

template <class T>
void skinny_nn(SkinnyShape shape, const T* a, const T* q, T* p) {
  std::size_t i = 0;
  for (; i + kDotRows<T> <= shape.m; i += kDotRows<T>) {
    dot_rows<kDotRows<T>>(shape, a + i * shape.n, q, p + i);
  }
  for (; i < shape.m; ++i) dot_rows<1>(shape, a + i * shape.n, q, p + i);
}

// Rows come in steps; those of a later step are asked for early. Never faults, also behind the end.
constexpr std::size_t kAheadRows = 2 * kStepRows;
template <class T>
HWY_INLINE void prefetch_ahead(const T* p, std::size_t distance) {
  hwy::Prefetch(
      reinterpret_cast<const char*>(reinterpret_cast<std::uintptr_t>(p) + distance * sizeof(T)));
}

struct Columns {
  std::size_t begin;
  std::size_t end;
};

// q_jk += a_ik p_ji for kRows rows, kColumns components and a block of columns.
template <std::size_t kRows, std::size_t kColumns, class T>
HWY_INLINE void transposed_step(SkinnyShape shape, Columns block, const T* a, const T* p, T* q) {
  const Tag<T> d;
  Vec<T> left[kRows][kColumns];
  for (std::size_t i = 0; i < kRows; ++i) {
    for (std::size_t j = 0; j < kColumns; ++j) left[i][j] = hn::Set(d, p[j * shape.m + i]);
  }
  std::size_t k = block.begin;
  for (; k + kLanesOf<T> <= block.end; k += kLanesOf<T>) {
    if (k % (kLineBytes / sizeof(T)) == 0) {
      for (std::size_t i = 0; i < kRows; ++i)
        prefetch_ahead(a + i * shape.n + k, kAheadRows * shape.n);
    }
    Vec<T> sums[kColumns];
    for (std::size_t j = 0; j < kColumns; ++j) sums[j] = hn::LoadU(d, q + j * shape.n + k);
    for (std::size_t i = 0; i < kRows; ++i) {
      const auto right = hn::LoadU(d, a + i * shape.n + k);
      for (std::size_t j = 0; j < kColumns; ++j) {
        sums[j] = hn::Add(sums[j], hn::Mul(right, left[i][j]));
      }
    }
    for (std::size_t j = 0; j < kColumns; ++j) hn::StoreU(sums[j], d, q + j * shape.n + k);
  }
  for (; k < block.end; ++k) {
    for (std::size_t j = 0; j < kColumns; ++j) {
      for (std::size_t i = 0; i < kRows; ++i) {
        const T product = a[i * shape.n + k] * p[j * shape.m + i];
        q[j * shape.n + k] = q[j * shape.n + k] + product;
      }
    }
  }
}

// a_ik += (factor p_ji) q_jk, likewise.
template <std::size_t kRows, std::size_t kColumns, class T>
HWY_INLINE void update_step(T factor, SkinnyShape shape, Columns block, const T* p, const T* q,
                            T* a) {
  const Tag<T> d;
  Vec<T> left[kRows][kColumns];
  for (std::size_t i = 0; i < kRows; ++i) {
    for (std::size_t j = 0; j < kColumns; ++j) left[i][j] = hn::Set(d, factor * p[j * shape.m + i]);
  }
  std::size_t k = block.begin;
  for (; k + kLanesOf<T> <= block.end; k += kLanesOf<T>) {
    Vec<T> right[kColumns];
    for (std::size_t j = 0; j < kColumns; ++j) right[j] = hn::LoadU(d, q + j * shape.n + k);
    for (std::size_t i = 0; i < kRows; ++i) {
      auto sum = hn::LoadU(d, a + i * shape.n + k);
      for (std::size_t j = 0; j < kColumns; ++j) sum = hn::Add(sum, hn::Mul(left[i][j], right[j]));
      hn::StoreU(sum, d, a + i * shape.n + k);
    }
  }
  for (; k < block.end; ++k) {
    for (std::size_t i = 0; i < kRows; ++i) {
      for (std::size_t j = 0; j < kColumns; ++j) {
        const T scaled = factor * p[j * shape.m + i];
        const T product = scaled * q[j * shape.n + k];
        a[i * shape.n + k] = a[i * shape.n + k] + product;
      }
    }
  }
}

// Calls step<rows, components>(row, component) for all of shape, components innermost.
template <std::size_t kRows, class Step>
HWY_INLINE void for_components(std::size_t r, std::size_t i, const Step& step) {
  std::size_t j = 0;
  if constexpr (kEightComponents) {
    for (; j + 8 <= r; j += 8) step.template run<kRows, 8>(i, j);
  }
  for (; j + 4 <= r; j += 4) step.template run<kRows, 4>(i, j);
  for (; j + 2 <= r; j += 2) step.template run<kRows, 2>(i, j);
  for (; j < r; ++j) step.template run<kRows, 1>(i, j);
}
template <class Step>
HWY_INLINE void for_all(SkinnyShape shape, const Step& step) {
  std::size_t i = 0;
  for (; i + kStepRows <= shape.m; i += kStepRows) for_components<kStepRows>(shape.r, i, step);
  for (; i < shape.m; ++i) for_components<1>(shape.r, i, step);
}

template <class T>
struct TransposedProduct {
  SkinnyShape shape;
  Columns block;
  const T* a;
  const T* p;
  T* q;
  template <std::size_t kRows, std::size_t kColumns>
  HWY_INLINE void run(std::size_t i, std::size_t j) const {
    transposed_step<kRows, kColumns>(shape, block, a + i * shape.n, p + j * shape.m + i,
                                     q + j * shape.n);
  }
};
template <class T>
struct Update {
  T factor;
  SkinnyShape shape;
  Columns block;
  const T* p;
  const T* q;
  T* a;
  template <std::size_t kRows, std::size_t kColumns>
  HWY_INLINE void run(std::size_t i, std::size_t j) const {
    update_step<kRows, kColumns>(factor, shape, block, p + j * shape.m + i, q + j * shape.n,
                                 a + i * shape.n);
  }
};

template <class T>
void skinny_tn(SkinnyShape shape, const T* a, const T* p, T* q) {
  for (std::size_t k = 0; k < shape.r * shape.n; ++k) q[k] = 0;
  for (std::size_t k = 0; k < shape.n; k += kBlockColumns) {
    const Columns block{k, HWY_MIN(k + kBlockColumns, shape.n)};
    for_all(shape, TransposedProduct<T>{shape, block, a, p, q});
  }
}

template <class T>
void add_low_rank(T factor, SkinnyShape shape, const T* p, const T* q, T* a) {
  for (std::size_t k = 0; k < shape.n; k += kBlockColumns) {
    const Columns block{k, HWY_MIN(k + kBlockColumns, shape.n)};
    for_all(shape, Update<T>{factor, shape, block, p, q, a});
  }
}

template <class T>
constexpr detail::SkinnyTable<T> make_skinny_table() {
  return {.nn = skinny_nn<T>, .tn = skinny_tn<T>, .add = add_low_rank<T>};
}
detail::SkinnyTable<float> skinny_f32() { return make_skinny_table<float>(); }
detail::SkinnyTable<double> skinny_f64() { return make_skinny_table<double>(); }

}  // namespace
}  // namespace laconic::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace laconic::kernels {
namespace {

HWY_EXPORT(skinny_f32);
HWY_EXPORT(skinny_f64);

template <Real T>
detail::SkinnyTable<T> table() {
  if constexpr (std::same_as<T, float>) {
    return HWY_DYNAMIC_DISPATCH(skinny_f32)();
  } else {
    return HWY_DYNAMIC_DISPATCH(skinny_f64)();
  }
}

struct Sizes {
  std::size_t a = 0;
  std::size_t p = 0;
  std::size_t q = 0;
};

void check(SkinnyShape shape, Sizes sizes) {
  LACONIC_EXPECTS(sizes.a == shape.m * shape.n);
  LACONIC_EXPECTS(sizes.p == shape.r * shape.m);
  LACONIC_EXPECTS(sizes.q == shape.r * shape.n);
}

}  // namespace

template <Real T>
void skinny_nn(SkinnyShape shape, std::span<const T> a, std::span<const T> q, std::span<T> p) {
  check(shape, {.a = a.size(), .p = p.size(), .q = q.size()});
  table<T>().nn(shape, a.data(), q.data(), p.data());
}

template <Real T>
void skinny_tn(SkinnyShape shape, std::span<const T> a, std::span<const T> p, std::span<T> q) {
  check(shape, {.a = a.size(), .p = p.size(), .q = q.size()});
  table<T>().tn(shape, a.data(), p.data(), q.data());
}

template <Real T>
void add_low_rank(T factor, SkinnyShape shape, std::span<const T> p, std::span<const T> q,
                  std::span<T> a) {
  check(shape, {.a = a.size(), .p = p.size(), .q = q.size()});
  table<T>().add(factor, shape, p.data(), q.data(), a.data());
}

#define LACONIC_INSTANTIATE(T)                                                                \
  template void skinny_nn(SkinnyShape, std::span<const T>, std::span<const T>, std::span<T>); \
  template void skinny_tn(SkinnyShape, std::span<const T>, std::span<const T>, std::span<T>); \
  template void add_low_rank(T, SkinnyShape, std::span<const T>, std::span<const T>, std::span<T>)
LACONIC_INSTANTIATE(float);
LACONIC_INSTANTIATE(double);
#undef LACONIC_INSTANTIATE

}  // namespace laconic::kernels
#endif  // HWY_ONCE
