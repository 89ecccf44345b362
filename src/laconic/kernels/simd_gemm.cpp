// SPDX-License-Identifier: Apache-2.0
// Dense products c += op(a) op(b). Every element of c is its own chain over k of a rounded product
// and a rounded sum, so blocks of rows, columns and k change the speed and not the bits. A panel of
// b (kDepth x two vectors) is packed once and used for all rows of a; a tile of c stays in
// registers.
#include <cstddef>
#include <cstdint>

#include "laconic/base/assert.hpp"
#include "laconic/kernels/simd_tables.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "laconic/kernels/simd_gemm.cpp"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
#include "laconic/kernels/simd-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace laconic::kernels::HWY_NAMESPACE {
namespace {

// Steps over k per packed panel.
constexpr std::size_t kDepth = 256;
// Rows of a tile: 16 accumulators with 32 registers, 8 with 16.
constexpr std::size_t kTileRows = HWY_CAP_GE512 ? 8 : 4;
// Below this many rows packing b costs more than it saves.
constexpr std::size_t kPackRows = 12;

template <class T>
constexpr std::size_t kLanesOf = hn::MaxLanes(hn::ScalableTag<T>());

// Element (row, p) of the operand on the left lies at data[row * row_step + p * depth_step].
template <class T>
struct Left {
  const T* data;
  std::size_t row_step;
  std::size_t depth_step;
};

// Row p of a panel of the operand on the right begins at data[p * step].
template <class T>
struct Panel {
  const T* data;
  std::size_t step;
};

// c (kRows x kVectors vectors) += a panel, depth steps.
template <std::size_t kRows, std::size_t kVectors, class T>
HWY_INLINE void tile(Left<T> a, Panel<T> b, std::size_t depth, T* c, std::size_t c_step) {
  const hn::ScalableTag<T> d;
  hn::Vec<hn::ScalableTag<T>> sum[kRows][kVectors];
  for (std::size_t r = 0; r < kRows; ++r) {
    for (std::size_t v = 0; v < kVectors; ++v)
      sum[r][v] = hn::LoadU(d, c + r * c_step + v * kLanesOf<T>);
  }
  for (std::size_t p = 0; p < depth; ++p) {
    hn::Vec<hn::ScalableTag<T>> right[kVectors];
    for (std::size_t v = 0; v < kVectors; ++v)
      right[v] = hn::LoadU(d, b.data + p * b.step + v * kLanesOf<T>);
    for (std::size_t r = 0; r < kRows; ++r) {
      const auto left = hn::Set(d, a.data[r * a.row_step + p * a.depth_step]);
      for (std::size_t v = 0; v < kVectors; ++v) {
        sum[r][v] = hn::Add(sum[r][v], hn::Mul(left, right[v]));
      }
    }
  }
  for (std::size_t r = 0; r < kRows; ++r) {
    for (std::size_t v = 0; v < kVectors; ++v)
      hn::StoreU(sum[r][v], d, c + r * c_step + v * kLanesOf<T>);
  }
}

// The same for the right edge of c: `columns` of the tile exist, the others are computed on the
// zeros of the panel and dropped.
template <std::size_t kRows, std::size_t kVectors, class T>
void edge_tile(Left<T> a, Panel<T> b, std::size_t depth, T* c, std::size_t c_step,
               std::size_t columns) {
  constexpr std::size_t kWidth = kVectors * kLanesOf<T>;
  HWY_ALIGN T copy[kRows * kWidth] = {};
  for (std::size_t r = 0; r < kRows; ++r) {
    for (std::size_t j = 0; j < columns; ++j) copy[r * kWidth + j] = c[r * c_step + j];
  }
  tile<kRows, kVectors>(a, b, depth, copy, kWidth);
  for (std::size_t r = 0; r < kRows; ++r) {
    for (std::size_t j = 0; j < columns; ++j) c[r * c_step + j] = copy[r * kWidth + j];
  }
}

struct Block {
  std::size_t rows;
  std::size_t columns;
  std::size_t depth;
};

// Rows first .. block.rows in tiles of kRows; returns the first row that is left over.
template <std::size_t kRows, std::size_t kVectors, class T>
std::size_t tile_rows(Block block, std::size_t first, Left<T> a, Panel<T> b, T* c,
                      std::size_t c_step) {
  for (; first + kRows <= block.rows; first += kRows) {
    const Left<T> left{a.data + first * a.row_step, a.row_step, a.depth_step};
    T* const corner = c + first * c_step;
    if (block.columns == kVectors * kLanesOf<T>) {
      tile<kRows, kVectors>(left, b, block.depth, corner, c_step);
    } else {
      edge_tile<kRows, kVectors>(left, b, block.depth, corner, c_step, block.columns);
    }
  }
  return first;
}

template <std::size_t kVectors, class T>
void multiply_panel(Block block, Left<T> a, Panel<T> b, T* c, std::size_t c_step) {
  std::size_t row = tile_rows<kTileRows, kVectors>(block, 0, a, b, c, c_step);
  if constexpr (kTileRows > 4) row = tile_rows<4, kVectors>(block, row, a, b, c, c_step);
  row = tile_rows<2, kVectors>(block, row, a, b, c, c_step);
  tile_rows<1, kVectors>(block, row, a, b, c, c_step);
}

// panel row p = columns of row p of b (at b + p * b_step), then zeros.
template <class T>
void pack_rows(const T* b, std::size_t b_step, Block block, T* panel, std::size_t width) {
  const hn::ScalableTag<T> d;
  for (std::size_t p = 0; p < block.depth; ++p) {
    std::size_t j = 0;
    for (; j + kLanesOf<T> <= block.columns; j += kLanesOf<T>) {
      hn::Store(hn::LoadU(d, b + p * b_step + j), d, panel + p * width + j);
    }
    for (; j < block.columns; ++j) panel[p * width + j] = b[p * b_step + j];
    for (; j < width; ++j) panel[p * width + j] = 0;
  }
}

// A square of as many rows and columns as d has lanes (1, 2 or 4). Unqualified calls: the scalar
// target does not have these operations, nor does it need them.
template <class D, class T>
HWY_INLINE void transpose_square(D d, const T* b, std::size_t b_step, T* panel, std::size_t width) {
  constexpr std::size_t kLanes = hn::MaxLanes(D());
  if constexpr (kLanes == 1) {
    panel[0] = b[0];
  } else if constexpr (kLanes == 2) {
    const auto row0 = hn::LoadU(d, b);
    const auto row1 = hn::LoadU(d, b + b_step);
    hn::StoreU(InterleaveLower(d, row0, row1), d, panel);
    hn::StoreU(InterleaveUpper(d, row0, row1), d, panel + width);
  } else {
    static_assert(kLanes == 4);
    const auto row0 = hn::LoadU(d, b);
    const auto row1 = hn::LoadU(d, b + b_step);
    const auto row2 = hn::LoadU(d, b + 2 * b_step);
    const auto row3 = hn::LoadU(d, b + 3 * b_step);
    const auto low02 = InterleaveLower(d, row0, row2);
    const auto low13 = InterleaveLower(d, row1, row3);
    const auto high02 = InterleaveUpper(d, row0, row2);
    const auto high13 = InterleaveUpper(d, row1, row3);
    hn::StoreU(InterleaveLower(d, low02, low13), d, panel);
    hn::StoreU(InterleaveUpper(d, low02, low13), d, panel + width);
    hn::StoreU(InterleaveLower(d, high02, high13), d, panel + 2 * width);
    hn::StoreU(InterleaveUpper(d, high02, high13), d, panel + 3 * width);
  }
}

// panel row p = columns of column p of b (at b + p), then zeros: b is stored transposed.
template <class T>
void pack_transposed(const T* b, std::size_t b_step, Block block, T* panel, std::size_t width) {
  constexpr std::size_t kSquare = HWY_MIN(16 / sizeof(T), HWY_LANES(T));
  const hn::CappedTag<T, kSquare> d;
  std::size_t j = 0;
  for (; j + kSquare <= block.columns; j += kSquare) {
    std::size_t p = 0;
    for (; p + kSquare <= block.depth; p += kSquare) {
      transpose_square(d, b + j * b_step + p, b_step, panel + p * width + j, width);
    }
    for (; p < block.depth; ++p) {
      for (std::size_t s = 0; s < kSquare; ++s) panel[p * width + j + s] = b[(j + s) * b_step + p];
    }
  }
  for (; j < width; ++j) {
    for (std::size_t p = 0; p < block.depth; ++p) {
      panel[p * width + j] = j < block.columns ? b[j * b_step + p] : T{0};
    }
  }
}

enum class Order : std::uint8_t { kPlain, kTransposed };

template <Order kRight, class T>
void multiply(GemmShape shape, Left<T> a, const T* b, T* c) {
  constexpr std::size_t kWidth = 2 * kLanesOf<T>;
  HWY_ALIGN T panel[kDepth * kWidth];
  for (std::size_t p = 0; p < shape.k; p += kDepth) {
    const std::size_t depth = HWY_MIN(kDepth, shape.k - p);
    const Left<T> left{a.data + p * a.depth_step, a.row_step, a.depth_step};
    for (std::size_t j = 0; j < shape.n; j += kWidth) {
      const Block block{shape.m, HWY_MIN(kWidth, shape.n - j), depth};
      const std::size_t width = block.columns <= kLanesOf<T> ? kLanesOf<T> : kWidth;
      Panel<T> right{panel, width};
      if constexpr (kRight == Order::kTransposed) {
        pack_transposed(b + j * shape.k + p, shape.k, block, panel, width);
      } else if (shape.m < kPackRows && block.columns == width) {
        right = {b + p * shape.n + j, shape.n};
      } else {
        pack_rows(b + p * shape.n + j, shape.n, block, panel, width);
      }
      if (width == kWidth) {
        multiply_panel<2>(block, left, right, c + j, shape.n);
      } else {
        multiply_panel<1>(block, left, right, c + j, shape.n);
      }
    }
  }
}

template <class T>
void gemm_nn(GemmShape shape, const T* a, const T* b, T* c) {
  multiply<Order::kPlain>(shape, Left<T>{a, shape.k, 1}, b, c);
}
template <class T>
void gemm_tn(GemmShape shape, const T* a, const T* b, T* c) {
  multiply<Order::kPlain>(shape, Left<T>{a, 1, shape.m}, b, c);
}
template <class T>
void gemm_nt(GemmShape shape, const T* a, const T* b, T* c) {
  multiply<Order::kTransposed>(shape, Left<T>{a, shape.k, 1}, b, c);
}

template <class T>
constexpr detail::GemmTable<T> make_gemm_table() {
  return {.nn = gemm_nn<T>, .tn = gemm_tn<T>, .nt = gemm_nt<T>};
}

detail::GemmTable<float> gemm_f32() { return make_gemm_table<float>(); }
detail::GemmTable<double> gemm_f64() { return make_gemm_table<double>(); }

}  // namespace
}  // namespace laconic::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace laconic::kernels {
namespace {

HWY_EXPORT(gemm_f32);
HWY_EXPORT(gemm_f64);

template <Real T>
detail::GemmTable<T> table() {
  if constexpr (std::same_as<T, float>) {
    return HWY_DYNAMIC_DISPATCH(gemm_f32)();
  } else {
    return HWY_DYNAMIC_DISPATCH(gemm_f64)();
  }
}

struct Sizes {
  std::size_t a = 0;
  std::size_t b = 0;
  std::size_t c = 0;
};

void check(GemmShape shape, Sizes sizes) {
  LACONIC_EXPECTS(sizes.a == shape.m * shape.k);
  LACONIC_EXPECTS(sizes.b == shape.k * shape.n);
  LACONIC_EXPECTS(sizes.c == shape.m * shape.n);
}

}  // namespace

template <Real T>
void gemm_nn(GemmShape shape, std::span<const T> a, std::span<const T> b, std::span<T> c) {
  check(shape, {.a = a.size(), .b = b.size(), .c = c.size()});
  table<T>().nn(shape, a.data(), b.data(), c.data());
}

template <Real T>
void gemm_tn(GemmShape shape, std::span<const T> a, std::span<const T> b, std::span<T> c) {
  check(shape, {.a = a.size(), .b = b.size(), .c = c.size()});
  table<T>().tn(shape, a.data(), b.data(), c.data());
}

template <Real T>
void gemm_nt(GemmShape shape, std::span<const T> a, std::span<const T> b, std::span<T> c) {
  check(shape, {.a = a.size(), .b = b.size(), .c = c.size()});
  table<T>().nt(shape, a.data(), b.data(), c.data());
}

#define LACONIC_INSTANTIATE(T)                                                            \
  template void gemm_nn(GemmShape, std::span<const T>, std::span<const T>, std::span<T>); \
  template void gemm_tn(GemmShape, std::span<const T>, std::span<const T>, std::span<T>); \
  template void gemm_nt(GemmShape, std::span<const T>, std::span<const T>, std::span<T>)
LACONIC_INSTANTIATE(float);
LACONIC_INSTANTIATE(double);
#undef LACONIC_INSTANTIATE

}  // namespace laconic::kernels
#endif  // HWY_ONCE
