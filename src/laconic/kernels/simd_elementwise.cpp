// SPDX-License-Identifier: Apache-2.0
// Kernels in which output i depends on inputs i only: the order of operations within an element is
// that of reference.cpp, so the width of the vectors does not show in the result.
#include <cstddef>

#include "laconic/base/assert.hpp"
#include "laconic/kernels/simd_tables.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "laconic/kernels/simd_elementwise.cpp"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
#include "laconic/kernels/simd-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace laconic::kernels::HWY_NAMESPACE {
namespace {

template <class T>
void axpy(T a, const T* x, T* y, std::size_t size) {
  const hn::ScalableTag<T> d;
  const std::size_t lanes = hn::MaxLanes(d);
  const auto va = hn::Set(d, a);
  std::size_t i = 0;
  for (; i + lanes <= size; i += lanes) {
    prefetch(x + i, lanes * sizeof(T));
    prefetch(y + i, lanes * sizeof(T));
    hn::StoreU(hn::Add(hn::LoadU(d, y + i), hn::Mul(va, hn::LoadU(d, x + i))), d, y + i);
  }
  for (; i < size; ++i) y[i] = y[i] + a * x[i];
}

template <class T>
void scale(T a, T* x, std::size_t size) {
  const hn::ScalableTag<T> d;
  const std::size_t lanes = hn::MaxLanes(d);
  const auto va = hn::Set(d, a);
  std::size_t i = 0;
  for (; i + lanes <= size; i += lanes) {
    prefetch(x + i, lanes * sizeof(T));
    hn::StoreU(hn::Mul(va, hn::LoadU(d, x + i)), d, x + i);
  }
  for (; i < size; ++i) x[i] = a * x[i];
}

template <class T>
void add(const T* x, T* y, std::size_t size) {
  const hn::ScalableTag<T> d;
  const std::size_t lanes = hn::MaxLanes(d);
  std::size_t i = 0;
  for (; i + lanes <= size; i += lanes) {
    prefetch(x + i, lanes * sizeof(T));
    prefetch(y + i, lanes * sizeof(T));
    hn::StoreU(hn::Add(hn::LoadU(d, y + i), hn::LoadU(d, x + i)), d, y + i);
  }
  for (; i < size; ++i) y[i] = y[i] + x[i];
}

template <class T>
void axpby(T a, const T* x, T b, T* y, std::size_t size) {
  const hn::ScalableTag<T> d;
  const std::size_t lanes = hn::MaxLanes(d);
  const auto va = hn::Set(d, a);
  const auto vb = hn::Set(d, b);
  std::size_t i = 0;
  for (; i + lanes <= size; i += lanes) {
    prefetch(x + i, lanes * sizeof(T));
    prefetch(y + i, lanes * sizeof(T));
    const auto kept = hn::Mul(vb, hn::LoadU(d, y + i));
    hn::StoreU(hn::Add(kept, hn::Mul(va, hn::LoadU(d, x + i))), d, y + i);
  }
  for (; i < size; ++i) y[i] = b * y[i] + a * x[i];
}

// total[i] += rows[0][i], then rows[1][i], ... for kRows rows at once: each column still adds in
// the order of the rows, while the accumulators are read and written once per group.
template <std::size_t kRows, class T>
HWY_INLINE void add_rows(const T* const* rows, std::size_t begin, double* total, std::size_t size) {
  const WideTag d;
  std::size_t i = 0;
  for (; i + kWideLanes <= size; i += kWideLanes) {
    Wide sum = hn::Load(d, total + i);
    for (std::size_t r = 0; r < kRows; ++r) sum = hn::Add(sum, load_wide(rows[r] + begin + i));
    hn::Store(sum, d, total + i);
  }
  for (; i < size; ++i) {
    for (std::size_t r = 0; r < kRows; ++r) total[i] += static_cast<double>(rows[r][begin + i]);
  }
}

// By blocks of columns whose accumulators stay in the first cache level, so that any number of rows
// is read once, in long runs.
template <class T>
void mean_rows(const T* const* rows, std::size_t row_count, double scale, T* y, std::size_t size) {
  constexpr std::size_t kBlock = 1024;
  const WideTag d;
  HWY_ALIGN double total[kBlock];
  for (std::size_t begin = 0; begin < size; begin += kBlock) {
    const std::size_t count = size - begin < kBlock ? size - begin : kBlock;
    for (std::size_t i = 0; i < count; ++i) total[i] = 0;
    std::size_t w = 0;
    for (; w + 4 <= row_count; w += 4) add_rows<4>(rows + w, begin, total, count);
    for (; w < row_count; ++w) add_rows<1>(rows + w, begin, total, count);
    const Wide factor = hn::Set(d, scale);
    std::size_t i = 0;
    for (; i + kWideLanes <= count; i += kWideLanes) {
      store_narrow(hn::Mul(hn::Load(d, total + i), factor), y + begin + i);
    }
    for (; i < count; ++i) y[begin + i] = static_cast<T>(total[i] * scale);
  }
}

// Element i at an end of x, where a neighbour is missing.
template <class T>
void tridiagonal_end(double a, double c, const T* x, T* y, std::size_t i, std::size_t size) {
  const double left = i > 0 ? static_cast<double>(x[i - 1]) : 0.0;
  const double right = i + 1 < size ? static_cast<double>(x[i + 1]) : 0.0;
  const double middle = static_cast<double>(x[i]);
  y[i] = static_cast<T>(a * (2 * middle - left - right) + c * middle);
}

template <class T>
void tridiagonal(double a, double c, const T* x, T* y, std::size_t size) {
  const WideTag d;
  const Wide va = hn::Set(d, a);
  const Wide vc = hn::Set(d, c);
  if (size == 0) return;
  tridiagonal_end(a, c, x, y, 0, size);
  std::size_t i = 1;
  for (; i + kWideLanes < size; i += kWideLanes) {  // all of them have a right neighbour
    const Wide middle = load_wide(x + i);
    const Wide bend =
        hn::Sub(hn::Sub(hn::Add(middle, middle), load_wide(x + i - 1)), load_wide(x + i + 1));
    store_narrow(hn::Add(hn::Mul(va, bend), hn::Mul(vc, middle)), y + i);
  }
  for (; i < size; ++i) tridiagonal_end(a, c, x, y, i, size);
}

template <class T>
constexpr detail::ElementwiseTable<T> make_elementwise_table() {
  return {.axpy = axpy<T>,
          .scale = scale<T>,
          .add = add<T>,
          .axpby = axpby<T>,
          .mean_rows = mean_rows<T>,
          .tridiagonal = tridiagonal<T>};
}

detail::ElementwiseTable<float> elementwise_f32() { return make_elementwise_table<float>(); }
detail::ElementwiseTable<double> elementwise_f64() { return make_elementwise_table<double>(); }

}  // namespace
}  // namespace laconic::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace laconic::kernels {
namespace {

HWY_EXPORT(elementwise_f32);
HWY_EXPORT(elementwise_f64);

template <Real T>
detail::ElementwiseTable<T> table() {
  if constexpr (std::same_as<T, float>) {
    return HWY_DYNAMIC_DISPATCH(elementwise_f32)();
  } else {
    return HWY_DYNAMIC_DISPATCH(elementwise_f64)();
  }
}

}  // namespace

template <Real T>
void axpy(T a, std::span<const T> x, std::span<T> y) {
  LACONIC_EXPECTS(x.size() == y.size());
  table<T>().axpy(a, x.data(), y.data(), y.size());
}

template <Real T>
void scale(T a, std::span<T> x) {
  table<T>().scale(a, x.data(), x.size());
}

template <Real T>
void add(std::span<const T> x, std::span<T> y) {
  LACONIC_EXPECTS(x.size() == y.size());
  table<T>().add(x.data(), y.data(), y.size());
}

template <Real T>
void axpby(T a, std::span<const T> x, T b, std::span<T> y) {
  LACONIC_EXPECTS(x.size() == y.size());
  table<T>().axpby(a, x.data(), b, y.data(), y.size());
}

template <Real T>
void mean_rows(std::span<const T* const> rows, double scale, std::span<T> y) {
  table<T>().mean_rows(rows.data(), rows.size(), scale, y.data(), y.size());
}

template <Real T>
void tridiagonal(double a, double c, std::span<const T> x, std::span<T> y) {
  LACONIC_EXPECTS(x.size() == y.size());
  table<T>().tridiagonal(a, c, x.data(), y.data(), y.size());
}

#define LACONIC_INSTANTIATE(T)                                              \
  template void axpy(T, std::span<const T>, std::span<T>);                  \
  template void scale(T, std::span<T>);                                     \
  template void add(std::span<const T>, std::span<T>);                      \
  template void axpby(T, std::span<const T>, T, std::span<T>);              \
  template void mean_rows(std::span<const T* const>, double, std::span<T>); \
  template void tridiagonal(double, double, std::span<const T>, std::span<T>)
LACONIC_INSTANTIATE(float);
LACONIC_INSTANTIATE(double);
#undef LACONIC_INSTANTIATE

}  // namespace laconic::kernels
#endif  // HWY_ONCE
