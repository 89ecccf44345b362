// SPDX-License-Identifier: Apache-2.0
// Products with sliced sparse matrices: the rows of a slice lie in the lanes, so that one gather
// serves a step of all of them while every row keeps its own chain of additions.
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "laconic/base/assert.hpp"
#include "laconic/kernels/simd_tables.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "laconic/kernels/simd_sparse.cpp"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
#include "laconic/kernels/simd-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace laconic::kernels::HWY_NAMESPACE {
namespace {

using SliceTag = hn::CappedTag<double, kSliceRows>;
constexpr std::size_t kSliceLanes = hn::MaxLanes(SliceTag());
constexpr std::size_t kSliceVectors = kSliceRows / kSliceLanes;
using Int32Tag = hn::Rebind<std::int32_t, SliceTag>;
using Int64Tag = hn::Rebind<std::int64_t, SliceTag>;

HWY_INLINE hn::Vec<Int64Tag> load_columns(const std::uint16_t* columns) {
  const hn::Rebind<std::uint16_t, SliceTag> narrow;
  return hn::PromoteTo(Int64Tag(), hn::PromoteTo(Int32Tag(), hn::LoadU(narrow, columns)));
}
// Columns are below 2^31: a vector of doubles is never longer.
HWY_INLINE hn::Vec<Int64Tag> load_columns(const std::uint32_t* columns) {
  const hn::Rebind<std::uint32_t, SliceTag> narrow;
  return hn::PromoteTo(Int64Tag(), hn::BitCast(Int32Tag(), hn::LoadU(narrow, columns)));
}

template <bool kHasValues, class Index>
void multiply(const std::size_t* steps, std::size_t slices, const Index* columns,
              const double* values, const double* x, double* y) {
  const SliceTag d;
  for (std::size_t s = 0; s < slices; ++s) {
    hn::Vec<SliceTag> sum[kSliceVectors];
    for (std::size_t v = 0; v < kSliceVectors; ++v) sum[v] = hn::Zero(d);
    for (std::size_t step = steps[s]; step < steps[s + 1]; ++step) {
      for (std::size_t v = 0; v < kSliceVectors; ++v) {
        const std::size_t entry = step * kSliceRows + v * kSliceLanes;
        auto term = hn::GatherIndex(d, x, load_columns(columns + entry));
        if constexpr (kHasValues) term = hn::Mul(hn::LoadU(d, values + entry), term);
        sum[v] = hn::Add(sum[v], term);
      }
    }
    for (std::size_t v = 0; v < kSliceVectors; ++v) {
      hn::StoreU(sum[v], d, y + s * kSliceRows + v * kSliceLanes);
    }
  }
}

template <class Index>
void product(const std::size_t* steps, std::size_t slices, const Index* columns,
             const double* values, const double* x, double* y) {
  if (values == nullptr) {
    multiply<false>(steps, slices, columns, values, x, y);
  } else {
    multiply<true>(steps, slices, columns, values, x, y);
  }
}

detail::SparseTable sparse_table() {
  return {.product16 = product<std::uint16_t>, .product32 = product<std::uint32_t>};
}

}  // namespace
}  // namespace laconic::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace laconic::kernels {
namespace {

HWY_EXPORT(sparse_table);

}  // namespace

template <class Index>
void sliced_product(const SlicedMatrix<Index>& a, std::span<const double> x, std::span<double> y) {
  LACONIC_EXPECTS(!a.steps.empty());
  LACONIC_EXPECTS(y.size() == (a.steps.size() - 1) * kSliceRows);
  LACONIC_EXPECTS(a.columns.size() == a.steps.back() * kSliceRows);
  LACONIC_EXPECTS(a.values.empty() || a.values.size() == a.columns.size());
  const double* const values = a.values.empty() ? nullptr : a.values.data();
  const detail::SparseTable table = HWY_DYNAMIC_DISPATCH(sparse_table)();
  if constexpr (std::is_same_v<Index, std::uint16_t>) {
    table.product16(a.steps.data(), a.steps.size() - 1, a.columns.data(), values, x.data(),
                    y.data());
  } else {
    table.product32(a.steps.data(), a.steps.size() - 1, a.columns.data(), values, x.data(),
                    y.data());
  }
}
template void sliced_product(const SlicedMatrix<std::uint16_t>&, std::span<const double>,
                             std::span<double>);
template void sliced_product(const SlicedMatrix<std::uint32_t>&, std::span<const double>,
                             std::span<double>);

}  // namespace laconic::kernels
#endif  // HWY_ONCE
