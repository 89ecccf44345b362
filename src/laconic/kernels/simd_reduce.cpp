// SPDX-License-Identifier: Apache-2.0
// Sums in the canonical order of kernels.hpp (16 double lanes, fixed combining tree), the largest
// magnitude, and the search for values that are not finite.
#include <cstddef>
#include <limits>

#include "laconic/base/assert.hpp"
#include "laconic/kernels/simd_tables.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "laconic/kernels/simd_reduce.cpp"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
#include "laconic/kernels/simd-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace laconic::kernels::HWY_NAMESPACE {
namespace {

template <class T>
HWY_INLINE T magnitude_of(T value) {
  return value < 0 ? -value : value;
}

template <class T>
struct Value {
  const T* x;
  HWY_INLINE void prefetch_block(std::size_t i) const { prefetch(x + i, kSumLanes * sizeof(T)); }
  HWY_INLINE Wide vector(std::size_t i) const { return load_wide(x + i); }
  HWY_INLINE double scalar(std::size_t i) const { return static_cast<double>(x[i]); }
};

template <class T>
struct Magnitude {
  const T* x;
  HWY_INLINE void prefetch_block(std::size_t i) const { prefetch(x + i, kSumLanes * sizeof(T)); }
  HWY_INLINE Wide vector(std::size_t i) const { return hn::Abs(load_wide(x + i)); }
  HWY_INLINE double scalar(std::size_t i) const { return magnitude_of(static_cast<double>(x[i])); }
};

template <class T>
struct Product {
  const T* x;
  const T* y;
  HWY_INLINE void prefetch_block(std::size_t i) const {
    prefetch(x + i, kSumLanes * sizeof(T));
    prefetch(y + i, kSumLanes * sizeof(T));
  }
  HWY_INLINE Wide vector(std::size_t i) const {
    return hn::Mul(load_wide(x + i), load_wide(y + i));
  }
  HWY_INLINE double scalar(std::size_t i) const {
    return static_cast<double>(x[i]) * static_cast<double>(y[i]);
  }
};

template <class T>
struct Square {
  const T* x;
  HWY_INLINE void prefetch_block(std::size_t i) const { prefetch(x + i, kSumLanes * sizeof(T)); }
  HWY_INLINE Wide vector(std::size_t i) const {
    const Wide v = load_wide(x + i);
    return hn::Mul(v, v);
  }
  HWY_INLINE double scalar(std::size_t i) const {
    return static_cast<double>(x[i]) * static_cast<double>(x[i]);
  }
};

template <class T>
struct SquaredDifference {
  const T* x;
  const T* y;
  HWY_INLINE void prefetch_block(std::size_t i) const {
    prefetch(x + i, kSumLanes * sizeof(T));
    prefetch(y + i, kSumLanes * sizeof(T));
  }
  HWY_INLINE Wide vector(std::size_t i) const {
    const Wide v = hn::Sub(load_wide(x + i), load_wide(y + i));
    return hn::Mul(v, v);
  }
  HWY_INLINE double scalar(std::size_t i) const {
    const double v = static_cast<double>(x[i]) - static_cast<double>(y[i]);
    return v * v;
  }
};

// Writes the difference, rounded to T, and yields its square.
template <class T>
struct StoredResidual {
  const T* x;
  const double* h;
  T* out;
  HWY_INLINE void prefetch_block(std::size_t i) const {
    prefetch(x + i, kSumLanes * sizeof(T));
    prefetch(h + i, kSumLanes * sizeof(double));
  }
  HWY_INLINE Wide vector(std::size_t i) const {
    store_narrow(hn::Sub(load_wide(x + i), load_wide(h + i)), out + i);
    const Wide rounded = load_wide(out + i);
    return hn::Mul(rounded, rounded);
  }
  HWY_INLINE double scalar(std::size_t i) const {
    out[i] = static_cast<T>(static_cast<double>(x[i]) - h[i]);
    return static_cast<double>(out[i]) * static_cast<double>(out[i]);
  }
};

template <class T>
double sum(const T* x, std::size_t size) {
  return canonical_sum(Value<T>{x}, size);
}
template <class T>
double dot(const T* x, const T* y, std::size_t size) {
  return canonical_sum(Product<T>{x, y}, size);
}
template <class T>
double squared_norm(const T* x, std::size_t size) {
  return canonical_sum(Square<T>{x}, size);
}
template <class T>
double squared_distance(const T* x, const T* y, std::size_t size) {
  return canonical_sum(SquaredDifference<T>{x, y}, size);
}
template <class T>
double residual(const T* x, const double* h, T* out, std::size_t size) {
  return canonical_sum(StoredResidual<T>{x, h, out}, size);
}
template <class T>
double l1_norm(const T* x, std::size_t size) {
  return canonical_sum(Magnitude<T>{x}, size);
}

template <class T>
T absmax(const T* x, std::size_t size) {
  const hn::ScalableTag<T> d;
  constexpr std::size_t kLanes = hn::MaxLanes(hn::ScalableTag<T>());
  auto largest0 = hn::Zero(d);
  auto largest1 = hn::Zero(d);
  std::size_t i = 0;
  for (; i + 2 * kLanes <= size; i += 2 * kLanes) {
    prefetch(x + i, 2 * kLanes * sizeof(T));
    largest0 = hn::Max(largest0, hn::Abs(hn::LoadU(d, x + i)));
    largest1 = hn::Max(largest1, hn::Abs(hn::LoadU(d, x + i + kLanes)));
  }
  HWY_ALIGN T lanes[kLanes];
  hn::Store(hn::Max(largest0, largest1), d, lanes);
  T largest = 0;
  for (std::size_t k = 0; k < kLanes; ++k) largest = lanes[k] > largest ? lanes[k] : largest;
  for (; i < size; ++i) {
    const T magnitude = magnitude_of(x[i]);
    largest = magnitude > largest ? magnitude : largest;
  }
  return largest;
}

// Stops at the first block that holds a NaN or an infinity.
template <class T>
bool all_finite(const T* x, std::size_t size) {
  const hn::ScalableTag<T> d;
  constexpr std::size_t kLanes = hn::MaxLanes(hn::ScalableTag<T>());
  constexpr std::size_t kBlock = 8 * kLanes;
  constexpr T kInfinity = std::numeric_limits<T>::infinity();
  const auto limit = hn::Set(d, kInfinity);
  std::size_t i = 0;
  for (; i + kBlock <= size; i += kBlock) {
    prefetch(x + i, kBlock * sizeof(T));
    auto finite = hn::Lt(hn::Abs(hn::LoadU(d, x + i)), limit);
    for (std::size_t k = 1; k < 8; ++k) {
      finite = hn::And(finite, hn::Lt(hn::Abs(hn::LoadU(d, x + i + k * kLanes)), limit));
    }
    if (!hn::AllTrue(d, finite)) return false;
  }
  for (; i < size; ++i) {
    if (!(magnitude_of(x[i]) < kInfinity)) return false;
  }
  return true;
}

template <class T>
constexpr detail::ReduceTable<T> make_reduce_table() {
  return {.sum = sum<T>,
          .dot = dot<T>,
          .squared_norm = squared_norm<T>,
          .squared_distance = squared_distance<T>,
          .residual = residual<T>,
          .l1_norm = l1_norm<T>,
          .absmax = absmax<T>,
          .all_finite = all_finite<T>};
}

detail::ReduceTable<float> reduce_f32() { return make_reduce_table<float>(); }
detail::ReduceTable<double> reduce_f64() { return make_reduce_table<double>(); }

}  // namespace
}  // namespace laconic::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace laconic::kernels {
namespace {

HWY_EXPORT(reduce_f32);
HWY_EXPORT(reduce_f64);

template <Real T>
detail::ReduceTable<T> table() {
  if constexpr (std::same_as<T, float>) {
    return HWY_DYNAMIC_DISPATCH(reduce_f32)();
  } else {
    return HWY_DYNAMIC_DISPATCH(reduce_f64)();
  }
}

}  // namespace

template <Real T>
double sum(std::span<const T> x) {
  return table<T>().sum(x.data(), x.size());
}

template <Real T>
double dot(std::span<const T> x, std::span<const T> y) {
  LACONIC_EXPECTS(x.size() == y.size());
  return table<T>().dot(x.data(), y.data(), x.size());
}

template <Real T>
double squared_norm(std::span<const T> x) {
  return table<T>().squared_norm(x.data(), x.size());
}

template <Real T>
double squared_distance(std::span<const T> x, std::span<const T> y) {
  LACONIC_EXPECTS(x.size() == y.size());
  return table<T>().squared_distance(x.data(), y.data(), x.size());
}

template <Real T>
double residual(std::span<const T> x, std::span<const double> h, std::span<T> out) {
  LACONIC_EXPECTS(x.size() == h.size() && x.size() == out.size());
  return table<T>().residual(x.data(), h.data(), out.data(), x.size());
}

template <Real T>
double l1_norm(std::span<const T> x) {
  return table<T>().l1_norm(x.data(), x.size());
}

template <Real T>
T absmax(std::span<const T> x) {
  return table<T>().absmax(x.data(), x.size());
}

template <Real T>
bool all_finite(std::span<const T> x) {
  return table<T>().all_finite(x.data(), x.size());
}

#define LACONIC_INSTANTIATE(T)                                                         \
  template double sum(std::span<const T>);                                             \
  template double dot(std::span<const T>, std::span<const T>);                         \
  template double squared_norm(std::span<const T>);                                    \
  template double squared_distance(std::span<const T>, std::span<const T>);            \
  template double residual(std::span<const T>, std::span<const double>, std::span<T>); \
  template double l1_norm(std::span<const T>);                                         \
  template T absmax(std::span<const T>);                                               \
  template bool all_finite(std::span<const T>)
LACONIC_INSTANTIATE(float);
LACONIC_INSTANTIATE(double);
#undef LACONIC_INSTANTIATE

}  // namespace laconic::kernels
#endif  // HWY_ONCE
