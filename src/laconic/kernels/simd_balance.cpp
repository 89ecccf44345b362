// SPDX-License-Identifier: Apache-2.0
// Balancing of gradients (cd-grab.md 2): differences, products with the running sum, and updates of
// it, fused so that each vector is read as few times as possible. Sums are canonical (kernels.hpp).
#include <array>
#include <cstddef>
#include <cstdint>

#include "laconic/base/assert.hpp"
#include "laconic/kernels/simd_tables.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "laconic/kernels/simd_balance.cpp"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
#include "laconic/kernels/simd-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace laconic::kernels::HWY_NAMESPACE {
namespace {

// v_i = a_i - b_i, rounded to T and written, for as many elements as there are doubles in a vector.
HWY_INLINE Wide store_difference(const float* a, const float* b, float* v) {
  const NarrowTag d;
  const auto difference = hn::Sub(hn::LoadU(d, a), hn::LoadU(d, b));
  hn::StoreU(difference, d, v);
  return hn::PromoteTo(WideTag(), difference);
}
HWY_INLINE Wide store_difference(const double* a, const double* b, double* v) {
  const WideTag d;
  const Wide difference = hn::Sub(hn::LoadU(d, a), hn::LoadU(d, b));
  hn::StoreU(difference, d, v);
  return difference;
}

template <class T>
void subtract(const T* a, const T* b, T* v, std::size_t size) {
  std::size_t i = 0;
  for (; i + kWideLanes <= size; i += kWideLanes) {
    prefetch(a + i, kWideLanes * sizeof(T));
    prefetch(b + i, kWideLanes * sizeof(T));
    (void)store_difference(a + i, b + i, v + i);
  }
  for (; i < size; ++i) v[i] = a[i] - b[i];
}

template <class T>
struct WideProduct {
  const T* v;
  const double* h;
  HWY_INLINE void prefetch_block(std::size_t i) const {
    prefetch(v + i, kSumLanes * sizeof(T));
    prefetch(h + i, kSumLanes * sizeof(double));
  }
  HWY_INLINE Wide vector(std::size_t i) const {
    return hn::Mul(load_wide(v + i), hn::LoadU(WideTag(), h + i));
  }
  HWY_INLINE double scalar(std::size_t i) const { return static_cast<double>(v[i]) * h[i]; }
};

template <class T>
struct DifferenceProduct {
  const T* a;
  const T* b;
  const double* h;
  T* v;
  HWY_INLINE void prefetch_block(std::size_t i) const {
    prefetch(a + i, kSumLanes * sizeof(T));
    prefetch(b + i, kSumLanes * sizeof(T));
    prefetch(h + i, kSumLanes * sizeof(double));
  }
  HWY_INLINE Wide vector(std::size_t i) const {
    return hn::Mul(store_difference(a + i, b + i, v + i), hn::LoadU(WideTag(), h + i));
  }
  HWY_INLINE double scalar(std::size_t i) const {
    v[i] = a[i] - b[i];
    return static_cast<double>(v[i]) * h[i];
  }
};

// Multiplication by +-1 is exact, so that h + sign * v is h +- v.
template <class T>
struct UpdatedDifferenceProduct {
  double sign;
  const T* previous;
  const T* a;
  const T* b;
  double* h;
  T* v;
  HWY_INLINE void prefetch_block(std::size_t i) const {
    prefetch(previous + i, kSumLanes * sizeof(T));
    prefetch(a + i, kSumLanes * sizeof(T));
    prefetch(b + i, kSumLanes * sizeof(T));
    prefetch(h + i, kSumLanes * sizeof(double));
  }
  HWY_INLINE Wide vector(std::size_t i) const {
    const WideTag d;
    const Wide updated =
        hn::Add(hn::LoadU(d, h + i), hn::Mul(hn::Set(d, sign), load_wide(previous + i)));
    hn::StoreU(updated, d, h + i);
    return hn::Mul(store_difference(a + i, b + i, v + i), updated);
  }
  HWY_INLINE double scalar(std::size_t i) const {
    h[i] += sign * static_cast<double>(previous[i]);
    v[i] = a[i] - b[i];
    return static_cast<double>(v[i]) * h[i];
  }
};

template <class T>
struct CentredProduct {
  const T* g;
  const double* mean;
  const double* h;
  HWY_INLINE void prefetch_block(std::size_t i) const {
    prefetch(g + i, kSumLanes * sizeof(T));
    prefetch(mean + i, kSumLanes * sizeof(double));
    prefetch(h + i, kSumLanes * sizeof(double));
  }
  HWY_INLINE Wide vector(std::size_t i) const {
    const WideTag d;
    return hn::Mul(hn::Sub(load_wide(g + i), hn::LoadU(d, mean + i)), hn::LoadU(d, h + i));
  }
  HWY_INLINE double scalar(std::size_t i) const {
    return (static_cast<double>(g[i]) - mean[i]) * h[i];
  }
};

template <class T>
double wide_dot(const T* v, const double* h, std::size_t size) {
  return canonical_sum(WideProduct<T>{v, h}, size);
}
template <class T>
double difference_dot(const T* a, const T* b, const double* h, T* v, std::size_t size) {
  return canonical_sum(DifferenceProduct<T>{a, b, h, v}, size);
}
template <class T>
double add_signed_difference_dot(bool negative, const T* previous, const T* a, const T* b,
                                 double* h, T* v, std::size_t size) {
  return canonical_sum(UpdatedDifferenceProduct<T>{negative ? -1.0 : 1.0, previous, a, b, h, v},
                       size);
}
template <class T>
double centred_dot(const T* g, const double* mean, const double* h, std::size_t size) {
  return canonical_sum(CentredProduct<T>{g, mean, h}, size);
}

template <class T>
void add_signed(bool negative, const T* v, double* h, std::size_t size) {
  const WideTag d;
  const double sign = negative ? -1.0 : 1.0;
  const Wide wide_sign = hn::Set(d, sign);
  std::size_t i = 0;
  for (; i + kWideLanes <= size; i += kWideLanes) {
    prefetch(v + i, kWideLanes * sizeof(T));
    prefetch(h + i, kWideLanes * sizeof(double));
    hn::StoreU(hn::Add(hn::LoadU(d, h + i), hn::Mul(wide_sign, load_wide(v + i))), d, h + i);
  }
  for (; i < size; ++i) h[i] += sign * static_cast<double>(v[i]);
}

template <class T>
void centred_update(bool negative, const T* g, const double* mean, double* h, double* sum,
                    std::size_t size) {
  const WideTag d;
  const double sign = negative ? -1.0 : 1.0;
  const Wide wide_sign = hn::Set(d, sign);
  std::size_t i = 0;
  for (; i + kWideLanes <= size; i += kWideLanes) {
    prefetch(g + i, kWideLanes * sizeof(T));
    prefetch(mean + i, kWideLanes * sizeof(double));
    prefetch(h + i, kWideLanes * sizeof(double));
    prefetch(sum + i, kWideLanes * sizeof(double));
    const Wide value = load_wide(g + i);
    const Wide centred = hn::Sub(value, hn::LoadU(d, mean + i));
    hn::StoreU(hn::Add(hn::LoadU(d, h + i), hn::Mul(wide_sign, centred)), d, h + i);
    hn::StoreU(hn::Add(hn::LoadU(d, sum + i), value), d, sum + i);
  }
  for (; i < size; ++i) {
    const auto value = static_cast<double>(g[i]);
    h[i] += sign * (value - mean[i]);
    sum[i] += value;
  }
}

template <class T>
void add_centred(bool negative, const T* g, const double* mean, double* h, std::size_t size) {
  const WideTag d;
  const double sign = negative ? -1.0 : 1.0;
  const Wide wide_sign = hn::Set(d, sign);
  std::size_t i = 0;
  for (; i + kWideLanes <= size; i += kWideLanes) {
    prefetch(g + i, kWideLanes * sizeof(T));
    prefetch(mean + i, kWideLanes * sizeof(double));
    prefetch(h + i, kWideLanes * sizeof(double));
    const Wide centred = hn::Sub(load_wide(g + i), hn::LoadU(d, mean + i));
    hn::StoreU(hn::Add(hn::LoadU(d, h + i), hn::Mul(wide_sign, centred)), d, h + i);
  }
  for (; i < size; ++i) h[i] += sign * (static_cast<double>(g[i]) - mean[i]);
}

template <class T>
constexpr detail::BalanceTable<T> make_balance_table() {
  return {.subtract = subtract<T>,
          .wide_dot = wide_dot<T>,
          .add_signed = add_signed<T>,
          .difference_dot = difference_dot<T>,
          .add_signed_difference_dot = add_signed_difference_dot<T>,
          .centred_dot = centred_dot<T>,
          .centred_update = centred_update<T>,
          .add_centred = add_centred<T>};
}

detail::BalanceTable<float> balance_f32() { return make_balance_table<float>(); }
detail::BalanceTable<double> balance_f64() { return make_balance_table<double>(); }

}  // namespace
}  // namespace laconic::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace laconic::kernels {
namespace {

HWY_EXPORT(balance_f32);
HWY_EXPORT(balance_f64);

template <Real T>
detail::BalanceTable<T> table() {
  if constexpr (std::same_as<T, float>) {
    return HWY_DYNAMIC_DISPATCH(balance_f32)();
  } else {
    return HWY_DYNAMIC_DISPATCH(balance_f64)();
  }
}

}  // namespace

template <Real T>
void subtract(std::span<const T> a, std::span<const T> b, std::span<T> v) {
  LACONIC_EXPECTS(a.size() == v.size() && b.size() == v.size());
  table<T>().subtract(a.data(), b.data(), v.data(), v.size());
}

template <Real T>
double wide_dot(std::span<const T> v, std::span<const double> h) {
  LACONIC_EXPECTS(v.size() == h.size());
  return table<T>().wide_dot(v.data(), h.data(), v.size());
}

template <Real T>
void add_signed(bool negative, std::span<const T> v, std::span<double> h) {
  LACONIC_EXPECTS(v.size() == h.size());
  table<T>().add_signed(negative, v.data(), h.data(), v.size());
}

template <Real T>
double difference_dot(std::span<const T> a, std::span<const T> b, std::span<const double> h,
                      std::span<T> v) {
  LACONIC_EXPECTS(a.size() == v.size() && b.size() == v.size() && h.size() == v.size());
  return table<T>().difference_dot(a.data(), b.data(), h.data(), v.data(), v.size());
}

template <Real T>
double add_signed_difference_dot(bool negative, std::span<const T> previous, std::span<const T> a,
                                 std::span<const T> b, std::span<double> h, std::span<T> v) {
  LACONIC_EXPECTS(a.size() == v.size() && b.size() == v.size() && h.size() == v.size());
  LACONIC_EXPECTS(previous.size() == v.size());
  return table<T>().add_signed_difference_dot(negative, previous.data(), a.data(), b.data(),
                                              h.data(), v.data(), v.size());
}

template <Real T>
double centred_dot(std::span<const T> g, std::span<const double> mean, std::span<const double> h) {
  LACONIC_EXPECTS(g.size() == mean.size() && g.size() == h.size());
  return table<T>().centred_dot(g.data(), mean.data(), h.data(), g.size());
}

template <Real T>
void centred_update(bool negative, std::span<const T> g, std::span<const double> mean,
                    std::span<double> h, std::span<double> sum) {
  LACONIC_EXPECTS(g.size() == mean.size() && g.size() == h.size() && g.size() == sum.size());
  table<T>().centred_update(negative, g.data(), mean.data(), h.data(), sum.data(), g.size());
}

template <Real T>
void add_centred(bool negative, std::span<const T> g, std::span<const double> mean,
                 std::span<double> h) {
  LACONIC_EXPECTS(g.size() == mean.size() && g.size() == h.size());
  table<T>().add_centred(negative, g.data(), mean.data(), h.data(), g.size());
}

template <Real T>
double sparse_wide_dot(std::span<const std::uint32_t> indices, std::span<const T> values,
                       std::span<const double> h) {
  LACONIC_EXPECTS(indices.size() == values.size());
  constexpr std::size_t kLanes = 16;
  std::array<double, kLanes> lanes{};
  std::uint64_t lowest = 0;  // that the next index may be
  for (std::size_t e = 0; e < indices.size(); ++e) {
    const std::uint32_t i = indices[e];
    LACONIC_EXPECTS(i >= lowest && i < h.size());
    lowest = std::uint64_t{i} + 1;
    lanes[i % kLanes] += static_cast<double>(values[e]) * h[i];
  }
  for (std::size_t half = kLanes / 2; half > 0; half /= 2) {
    for (std::size_t j = 0; j < half; ++j) lanes[j] += lanes[j + half];
  }
  return lanes[0];
}

template <Real T>
void sparse_add_signed(bool negative, std::span<const std::uint32_t> indices,
                       std::span<const T> values, std::span<double> h) {
  LACONIC_EXPECTS(indices.size() == values.size());
  for (std::size_t e = 0; e < indices.size(); ++e) {
    LACONIC_EXPECTS(indices[e] < h.size());
    const auto value = static_cast<double>(values[e]);
    double& sum = h[indices[e]];
    sum = negative ? sum - value : sum + value;
  }
}

#define LACONIC_INSTANTIATE(T)                                                                     \
  template void subtract(std::span<const T>, std::span<const T>, std::span<T>);                    \
  template double wide_dot(std::span<const T>, std::span<const double>);                           \
  template void add_signed(bool, std::span<const T>, std::span<double>);                           \
  template double difference_dot(std::span<const T>, std::span<const T>, std::span<const double>,  \
                                 std::span<T>);                                                    \
  template double add_signed_difference_dot(bool, std::span<const T>, std::span<const T>,          \
                                            std::span<const T>, std::span<double>, std::span<T>);  \
  template double centred_dot(std::span<const T>, std::span<const double>,                         \
                              std::span<const double>);                                            \
  template void centred_update(bool, std::span<const T>, std::span<const double>,                  \
                               std::span<double>, std::span<double>);                              \
  template void add_centred(bool, std::span<const T>, std::span<const double>, std::span<double>); \
  template double sparse_wide_dot(std::span<const std::uint32_t>, std::span<const T>,              \
                                  std::span<const double>);                                        \
  template void sparse_add_signed(bool, std::span<const std::uint32_t>, std::span<const T>,        \
                                  std::span<double>)
LACONIC_INSTANTIATE(float);
LACONIC_INSTANTIATE(double);
#undef LACONIC_INSTANTIATE

}  // namespace laconic::kernels
#endif  // HWY_ONCE
