// SPDX-License-Identifier: Apache-2.0
// The functions that each SIMD target provides, one table per file simd_*.cpp. A call costs one
// dispatch and one call through the table. Sizes were checked by the caller; the pointers have no
// alignment beyond that of their type.
#pragma once

#include <cstddef>
#include <cstdint>

#include "laconic/kernels/kernels.hpp"

namespace laconic::kernels::detail {

template <Real T>
struct ElementwiseTable {
  void (*axpy)(T a, const T* x, T* y, std::size_t size) = nullptr;
  void (*scale)(T a, T* x, std::size_t size) = nullptr;
  void (*add)(const T* x, T* y, std::size_t size) = nullptr;
  void (*axpby)(T a, const T* x, T b, T* y, std::size_t size) = nullptr;
  void (*mean_rows)(const T* const* rows, std::size_t row_count, double scale, T* y,
                    std::size_t size) = nullptr;
  void (*tridiagonal)(double a, double c, const T* x, T* y, std::size_t size) = nullptr;
};

template <Real T>
struct ReduceTable {
  double (*sum)(const T* x, std::size_t size) = nullptr;
  double (*dot)(const T* x, const T* y, std::size_t size) = nullptr;
  double (*squared_norm)(const T* x, std::size_t size) = nullptr;
  double (*squared_distance)(const T* x, const T* y, std::size_t size) = nullptr;
  double (*residual)(const T* x, const double* h, T* out, std::size_t size) = nullptr;
  double (*l1_norm)(const T* x, std::size_t size) = nullptr;
  T (*absmax)(const T* x, std::size_t size) = nullptr;
  bool (*all_finite)(const T* x, std::size_t size) = nullptr;
};

template <Real T>
struct BalanceTable {
  void (*subtract)(const T* a, const T* b, T* v, std::size_t size) = nullptr;
  double (*wide_dot)(const T* v, const double* h, std::size_t size) = nullptr;
  void (*add_signed)(bool negative, const T* v, double* h, std::size_t size) = nullptr;
  double (*difference_dot)(const T* a, const T* b, const double* h, T* v,
                           std::size_t size) = nullptr;
  double (*add_signed_difference_dot)(bool negative, const T* previous, const T* a, const T* b,
                                      double* h, T* v, std::size_t size) = nullptr;
  double (*centred_dot)(const T* g, const double* mean, const double* h,
                        std::size_t size) = nullptr;
  void (*centred_update)(bool negative, const T* g, const double* mean, double* h, double* sum,
                         std::size_t size) = nullptr;
  void (*add_centred)(bool negative, const T* g, const double* mean, double* h,
                      std::size_t size) = nullptr;
};

template <Real T>
struct SignTable {
  void (*pack)(const T* x, std::size_t size, std::uint64_t* signs) = nullptr;
  void (*pack_with_mask)(const T* x, std::size_t size, std::uint64_t* signs,
                         std::uint64_t* mask) = nullptr;
  void (*unpack)(const std::uint64_t* signs, T magnitude, T* y, std::size_t size) = nullptr;
  void (*unpack_masked)(const std::uint64_t* signs, const std::uint64_t* mask, T magnitude, T* y,
                        std::size_t size) = nullptr;
  void (*add)(const std::uint64_t* signs, T magnitude, T* y, std::size_t size) = nullptr;
  void (*momentum_pack)(T beta, T one_minus_beta, const T* g, T* v, std::size_t size,
                        std::uint64_t* signs) = nullptr;
  float (*error_feedback_pack)(const T* g, T r, T* e, std::size_t size,
                               std::uint64_t* signs) = nullptr;
};

// Elements found by a scan: their magnitudes and indices, in increasing order of the index.
template <Real T>
struct Found {
  T* magnitudes = nullptr;
  std::uint32_t* indices = nullptr;
  std::size_t count = 0;
  std::size_t capacity = 0;
};

inline constexpr std::size_t kStripes = 64;

template <Real T>
struct SelectTable {
  // Appends the elements from `begin` on whose magnitude is at least `threshold`. Stops early when
  // fewer than 64 more would fit. Returns where it stopped.
  std::size_t (*scan)(const T* x, std::size_t begin, std::size_t size, T threshold,
                      Found<T>& found) = nullptr;
  // maxima[j] = largest magnitude among the elements i with i mod kStripes == j.
  void (*stripe_maxima)(const T* x, std::size_t size, T* maxima) = nullptr;
  // The first index of the largest magnitude. size > 0.
  std::uint32_t (*argmax)(const T* x, std::size_t size) = nullptr;
};

// Sixteen partial sums in the canonical order, to be continued.
struct LaneSums {
  double lanes[16] = {};
};
template <Real T>
struct Bracket {
  T low = 0;
  T high = 0;
  std::uint64_t nonzeros = 0;
  std::uint64_t above = 0;
  LaneSums l1 = {};
  LaneSums l1_above = {};
  T* found = nullptr;  // room for as many more as numbers are scanned
  std::size_t count = 0;
};
// One piece of at most kRoundingPiece numbers. `words` are those of random_words from word
// first / 2 on, all that the piece needs. Appended to `undecided` are the coordinates (from 0 in
// the piece) whose draw was equal, rounded down; they are to be done again.
inline constexpr std::size_t kRoundingPiece = 2048;
template <Real T>
struct Rounding {
  T scale = 1;
  T factor = 1;  // levels / scale, finite
  T levels = 1;
  T sign = 2;  // what is added to the code of a negative number
};
// The power of two by which numbers and scale are multiplied before they are divided: 1 unless
// levels / scale is beyond the normal numbers.
template <Real T>
[[nodiscard]] T rounding_shift(const RandomRounding<T>& rounding);
// The level of one coordinate, from all of its 48 bits.
template <Real T>
[[nodiscard]] std::uint32_t random_level(const RandomRounding<T>& rounding, T x,
                                         const rng::Stream& stream, std::uint64_t coordinate);
template <Real T>
struct QuantizeTable {
  std::size_t (*planes)(const Rounding<T>& rounding, const T* x, const std::uint32_t* words,
                        std::size_t size, std::uint64_t* signs, std::uint64_t* mask,
                        std::uint32_t* undecided) = nullptr;
  std::size_t (*codes)(const Rounding<T>& rounding, const T* x, const std::uint32_t* words,
                       std::size_t size, std::uint16_t* codes, std::uint32_t* undecided) = nullptr;
  void (*threshold)(T threshold, const T* x, std::size_t size, std::uint64_t* signs,
                    std::uint64_t* mask) = nullptr;
  // size is a multiple of 64, except for the last piece.
  void (*bracket)(Bracket<T>& bracket, const T* x, std::size_t size) = nullptr;
};

struct MaskedPlanes {
  const std::uint64_t* const* signs = nullptr;
  const std::uint64_t* const* masks = nullptr;
  std::size_t voter_count = 0;
  std::uint32_t quorum = 0;
};

// All sizes in words. The last word of the results may hold rubbish behind the last coordinate; the
// caller clears it.
struct VoteTable {
  void (*majority)(const std::uint64_t* const* voters, std::size_t voter_count, std::size_t words,
                   std::uint64_t* negative, std::uint64_t* tie) = nullptr;
  void (*masked_majority)(const MaskedPlanes& vote, std::size_t words, std::uint64_t* negative,
                          std::uint64_t* tie) = nullptr;
  void (*count)(const std::uint64_t* const* voters, std::size_t voter_count, std::size_t words,
                std::uint64_t* planes) = nullptr;
  // Returns the OR of the carries out of the last plane: 0 if every sum fits.
  std::uint64_t (*add_counts)(const std::uint64_t* other, std::size_t other_count,
                              std::uint64_t* sum, std::size_t sum_count,
                              std::size_t words) = nullptr;
  void (*majority_of_counts)(const std::uint64_t* planes, std::size_t voter_count,
                             std::size_t words, std::uint64_t* negative,
                             std::uint64_t* tie) = nullptr;
  // Bits behind the last coordinate count, too.
  bool (*counts_at_most)(const std::uint64_t* planes, std::size_t voter_count,
                         std::size_t words) = nullptr;
};

template <Real T>
struct GemmTable {
  void (*nn)(GemmShape shape, const T* a, const T* b, T* c) = nullptr;
  void (*tn)(GemmShape shape, const T* a, const T* b, T* c) = nullptr;
  void (*nt)(GemmShape shape, const T* a, const T* b, T* c) = nullptr;
};

template <Real T>
struct SkinnyTable {
  void (*nn)(SkinnyShape shape, const T* a, const T* q, T* p) = nullptr;
  void (*tn)(SkinnyShape shape, const T* a, const T* p, T* q) = nullptr;
  void (*add)(T factor, SkinnyShape shape, const T* p, const T* q, T* a) = nullptr;
};

struct RowPointers {  // of CompressedRows
  const std::uint64_t* offsets = nullptr;
  const std::uint32_t* columns = nullptr;
  const double* values = nullptr;
};

// x_size is not passed: columns are below it by precondition. values may be null: all are 1.
struct SparseTable {
  void (*product16)(const std::size_t* steps, std::size_t slices, const std::uint16_t* columns,
                    const double* values, const double* x, double* y) = nullptr;
  void (*product32)(const std::size_t* steps, std::size_t slices, const std::uint32_t* columns,
                    const double* values, const double* x, double* y) = nullptr;
  void (*nn)(RowPointers a, const std::uint32_t* rows, std::size_t row_count, std::size_t width,
             const double* b, double* c) = nullptr;
  void (*tn)(RowPointers a, const std::uint32_t* rows, std::size_t row_count, std::size_t width,
             const double* b, double* c) = nullptr;
};

struct LogisticTable {
  void (*slopes)(const double* signs, double* x, std::size_t size) = nullptr;
  void (*losses)(const double* signs, double* x, std::size_t size) = nullptr;
};

}  // namespace laconic::kernels::detail
