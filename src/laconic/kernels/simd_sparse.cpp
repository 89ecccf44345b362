// SPDX-License-Identifier: Apache-2.0
// Products with sparse matrices. Sliced ones: the rows of a slice lie in the lanes, so that one
// gather serves a step of all of them while every row keeps its own chain of additions. Compressed
// rows times dense rows: the columns of the dense matrix lie in the lanes.
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

// Entries of one row, raw.
struct RowEntries {
  const std::uint32_t* columns;
  const double* values;
  std::size_t count;
};

HWY_INLINE RowEntries entries_of(detail::RowPointers a, std::uint32_t row) {
  const auto begin = static_cast<std::size_t>(a.offsets[row]);
  return {a.columns + begin, a.values + begin,
          static_cast<std::size_t>(a.offsets[row + 1]) - begin};
}

// Columns j .. j + kVectors vectors - 1 of one row of the result.
template <std::size_t kVectors>
HWY_INLINE void gather_row(RowEntries row, std::size_t width, const double* b, double* c) {
  const WideTag d;
  Wide sum[kVectors];
  for (std::size_t v = 0; v < kVectors; ++v) sum[v] = hn::Zero(d);
  for (std::size_t e = 0; e < row.count; ++e) {
    const Wide value = hn::Set(d, row.values[e]);
    const double* const from = b + row.columns[e] * width;
    for (std::size_t v = 0; v < kVectors; ++v) {
      sum[v] = hn::Add(sum[v], hn::Mul(value, hn::LoadU(d, from + v * kWideLanes)));
    }
  }
  for (std::size_t v = 0; v < kVectors; ++v) hn::StoreU(sum[v], d, c + v * kWideLanes);
}

template <std::size_t kVectors>
HWY_INLINE void scatter_row(RowEntries row, std::size_t width, const double* b, double* c) {
  const WideTag d;
  Wide term[kVectors];
  for (std::size_t v = 0; v < kVectors; ++v) term[v] = hn::LoadU(d, b + v * kWideLanes);
  for (std::size_t e = 0; e < row.count; ++e) {
    const Wide value = hn::Set(d, row.values[e]);
    double* const to = c + row.columns[e] * width;
    for (std::size_t v = 0; v < kVectors; ++v) {
      double* const at = to + v * kWideLanes;
      hn::StoreU(hn::Add(hn::LoadU(d, at), hn::Mul(value, term[v])), d, at);
    }
  }
}

void nn(detail::RowPointers a, const std::uint32_t* rows, std::size_t row_count, std::size_t width,
        const double* b, double* c) {
  for (std::size_t r = 0; r < row_count; ++r) {
    const RowEntries row = entries_of(a, rows[r]);
    double* const out = c + r * width;
    std::size_t j = 0;
    for (; j + 4 * kWideLanes <= width; j += 4 * kWideLanes)
      gather_row<4>(row, width, b + j, out + j);
    for (; j + kWideLanes <= width; j += kWideLanes) gather_row<1>(row, width, b + j, out + j);
    for (; j < width; ++j) {
      double sum = 0;
      for (std::size_t e = 0; e < row.count; ++e) {
        sum += row.values[e] * b[row.columns[e] * width + j];
      }
      out[j] = sum;
    }
  }
}

void tn(detail::RowPointers a, const std::uint32_t* rows, std::size_t row_count, std::size_t width,
        const double* b, double* c) {
  for (std::size_t r = 0; r < row_count; ++r) {
    const RowEntries row = entries_of(a, rows[r]);
    const double* const in = b + r * width;
    std::size_t j = 0;
    for (; j + 4 * kWideLanes <= width; j += 4 * kWideLanes)
      scatter_row<4>(row, width, in + j, c + j);
    for (; j + kWideLanes <= width; j += kWideLanes) scatter_row<1>(row, width, in + j, c + j);
    for (; j < width; ++j) {
      for (std::size_t e = 0; e < row.count; ++e) {
        c[row.columns[e] * width + j] += row.values[e] * in[j];
      }
    }
  }
}

detail::SparseTable sparse_table() {
  return {
      .product16 = product<std::uint16_t>, .product32 = product<std::uint32_t>, .nn = nn, .tn = tn};
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

namespace {

detail::RowPointers checked(const CompressedRows& a, std::span<const std::uint32_t> rows) {
  LACONIC_EXPECTS(!a.offsets.empty());
  LACONIC_EXPECTS(a.columns.size() == a.values.size());
  LACONIC_EXPECTS(a.columns.size() >= a.offsets.back());
  for (const std::uint32_t row : rows) LACONIC_EXPECTS(row + std::size_t{1} < a.offsets.size());
  return {.offsets = a.offsets.data(), .columns = a.columns.data(), .values = a.values.data()};
}

}  // namespace

void sparse_nn(const CompressedRows& a, std::span<const std::uint32_t> rows, std::size_t width,
               std::span<const double> b, std::span<double> c) {
  const detail::RowPointers pointers = checked(a, rows);
  LACONIC_EXPECTS(c.size() == rows.size() * width);
  HWY_DYNAMIC_DISPATCH(sparse_table)
  ().nn(pointers, rows.data(), rows.size(), width, b.data(), c.data());
}

void sparse_tn(const CompressedRows& a, std::span<const std::uint32_t> rows, std::size_t width,
               std::span<const double> b, std::span<double> c) {
  const detail::RowPointers pointers = checked(a, rows);
  LACONIC_EXPECTS(b.size() == rows.size() * width);
  HWY_DYNAMIC_DISPATCH(sparse_table)
  ().tn(pointers, rows.data(), rows.size(), width, b.data(), c.data());
}

}  // namespace laconic::kernels
#endif  // HWY_ONCE
