// SPDX-License-Identifier: Apache-2.0
// Every loop over a whole vector that laconic does, in one list. Two implementations: reference::f
// is the scalar truth (reference.cpp), kernels::f dispatches at run time to the widest SIMD target
// that the CPU has (Highway). Both give the same bits on every target.
//
// Canonical order of reductions: element i is accumulated, in order of i, into lane i mod 16, in
// double; a product of two floats is formed in double (exactly). The 16 lanes are then combined as
// lane[j] += lane[j + 8] for j < 8, then + 4, + 2, + 1. For double input the same with products
// rounded to double.
//
// Sign planes: coordinate i is bit i mod 64 (LSB first) of 64-bit word i / 64; bits behind the last
// coordinate are 0. In a sign plane 1 = negative (x < 0, so that -0.0 counts as zero, not
// negative); in a mask plane 1 = non-zero.
//
// Thread rule: all functions are pure on their arguments; spans given to one call must not overlap
// unless the comment says so. Preconditions on sizes are checked (LACONIC_EXPECTS).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "laconic/rng/stream.hpp"
#include "laconic/tensor/layout.hpp"

namespace laconic::kernels {

[[nodiscard]] constexpr std::size_t words_for(std::size_t bits) { return (bits + 63) / 64; }

// Name of the SIMD target in use, e.g. "AVX3", and of all that this CPU supports, best first.
[[nodiscard]] std::string simd_target();
[[nodiscard]] std::vector<std::string> simd_targets();
// For tests: restricts dispatch to one target of simd_targets(), or lifts the restriction (""). Not
// thread-safe; call it while no kernel runs.
void force_simd_target(const std::string& name);

#define LACONIC_KERNEL_DECLARATIONS                                                                \
  /* y += a x */                                                                                   \
  template <Real T>                                                                                \
  void axpy(T a, std::span<const T> x, std::span<T> y);                                            \
  /* x *= a */                                                                                     \
  template <Real T>                                                                                \
  void scale(T a, std::span<T> x);                                                                 \
  /* y += x */                                                                                     \
  template <Real T>                                                                                \
  void add(std::span<const T> x, std::span<T> y);                                                  \
  /* y = b y + a x, each product rounded to T, then the sum */                                     \
  template <Real T>                                                                                \
  void axpby(T a, std::span<const T> x, T b, std::span<T> y);                                      \
  /* sum x_i, sum x_i y_i, sum x_i^2, sum |x_i| in the canonical order */                          \
  template <Real T>                                                                                \
  double sum(std::span<const T> x);                                                                \
  template <Real T>                                                                                \
  double dot(std::span<const T> x, std::span<const T> y);                                          \
  template <Real T>                                                                                \
  double squared_norm(std::span<const T> x);                                                       \
  template <Real T>                                                                                \
  double l1_norm(std::span<const T> x);                                                            \
  /* sum (x_i - y_i)^2 in the canonical order, differences formed in double */                     \
  template <Real T>                                                                                \
  double squared_distance(std::span<const T> x, std::span<const T> y);                             \
  /* out_i = x_i - h_i, formed in double and rounded once to T; returns sum out_i^2 in the         \
   * canonical order. Not finite when an x_i is not finite. */                                     \
  template <Real T>                                                                                \
  double residual(std::span<const T> x, std::span<const double> h, std::span<T> out);              \
  /* Balancing of gradients (cd-grab.md 2): v_i = a_i - b_i, rounded to T; v may be a or b. */     \
  template <Real T>                                                                                \
  void subtract(std::span<const T> a, std::span<const T> b, std::span<T> v);                       \
  /* sum v_i h_i in the canonical order; a product is formed in double and rounded to double */    \
  template <Real T>                                                                                \
  double wide_dot(std::span<const T> v, std::span<const double> h);                                \
  /* h_i += v_i, or h_i -= v_i if negative, in double */                                           \
  template <Real T>                                                                                \
  void add_signed(bool negative, std::span<const T> v, std::span<double> h);                       \
  /* subtract(a, b, v), then wide_dot(v, h), in one pass; v may be a or b */                       \
  template <Real T>                                                                                \
  double difference_dot(std::span<const T> a, std::span<const T> b, std::span<const double> h,     \
                        std::span<T> v);                                                           \
  /* add_signed(negative, previous, h), then difference_dot(a, b, h, v), in one pass; v may be a   \
   * or b, not previous */                                                                         \
  template <Real T>                                                                                \
  double add_signed_difference_dot(bool negative, std::span<const T> previous,                     \
                                   std::span<const T> a, std::span<const T> b,                     \
                                   std::span<double> h, std::span<T> v);                           \
  /* sum (g_i - mean_i) h_i in the canonical order, differences and products in double */          \
  template <Real T>                                                                                \
  double centred_dot(std::span<const T> g, std::span<const double> mean,                           \
                     std::span<const double> h);                                                   \
  /* h_i += g_i - mean_i, or -= if negative; sum_i += g_i; in double */                            \
  template <Real T>                                                                                \
  void centred_update(bool negative, std::span<const T> g, std::span<const double> mean,           \
                      std::span<double> h, std::span<double> sum);                                 \
  /* the same without the sum */                                                                   \
  template <Real T>                                                                                \
  void add_centred(bool negative, std::span<const T> g, std::span<const double> mean,              \
                   std::span<double> h);                                                           \
  /* max |x_i|; 0 for an empty span. Precondition: all finite. */                                  \
  template <Real T>                                                                                \
  T absmax(std::span<const T> x);                                                                  \
  /* no NaN and no infinity */                                                                     \
  template <Real T>                                                                                \
  bool all_finite(std::span<const T> x);                                                           \
  /* y_i = sum over w of rows[w][i] in order of w, accumulated in double, times scale, rounded     \
   * once to T */                                                                                  \
  template <Real T>                                                                                \
  void mean_rows(std::span<const T* const> rows, double scale, std::span<T> y);                    \
  /* y = (a tridiag(-1, 2, -1) + c I) x: y_i = a ((2 x_i - x_(i-1)) - x_(i+1)) + c x_i, 0 beyond   \
   * the ends; every operation in double, the result rounded once to T */                          \
  template <Real T>                                                                                \
  void tridiagonal(double a, double c, std::span<const T> x, std::span<T> y);                      \
                                                                                                   \
  /* signs: bit = x_i < 0. Precondition: signs.size() == words_for(x.size()). */                   \
  template <Real T>                                                                                \
  void pack_signs(std::span<const T> x, std::span<std::uint64_t> signs);                           \
  /* as pack_signs, and mask: bit = x_i != 0 */                                                    \
  template <Real T>                                                                                \
  void pack_signs_and_mask(std::span<const T> x, std::span<std::uint64_t> signs,                   \
                           std::span<std::uint64_t> mask);                                         \
  /* y_i = bit ? -magnitude : magnitude */                                                         \
  template <Real T>                                                                                \
  void unpack_signs(std::span<const std::uint64_t> signs, T magnitude, std::span<T> y);            \
  /* y_i = 0 where mask is 0, else +-magnitude */                                                  \
  template <Real T>                                                                                \
  void unpack_masked_signs(std::span<const std::uint64_t> signs,                                   \
                           std::span<const std::uint64_t> mask, T magnitude, std::span<T> y);      \
  /* y_i += bit ? -magnitude : magnitude */                                                        \
  template <Real T>                                                                                \
  void add_signs(std::span<const std::uint64_t> signs, T magnitude, std::span<T> y);               \
                                                                                                   \
  /* v <- beta v + (1 - beta) g: beta and 1 - beta are rounded to T, then both products, then the  \
     sum; signs of the new v */                                                                    \
  template <Real T>                                                                                \
  void momentum_pack_signs(double beta, std::span<const T> g, std::span<T> v,                      \
                           std::span<std::uint64_t> signs);                                        \
  /* Scaled sign with error feedback (signsgd.md 2.10), one block: p = g + r e (product, then sum, \
     in T); scale = ||p||_1 / size in double, rounded to float (returned); signs of p; e = p - (p  \
     < 0 ? -scale : scale) in T. With e all zero this is plain scaled sign. Returns 0 for no       \
     elements; the scale is infinite when ||p||_1 / size is beyond float, and then e is not        \
     finite. */                                                                                    \
  template <Real T>                                                                                \
  float error_feedback_pack_signs(std::span<const T> g, T r, std::span<T> e,                       \
                                  std::span<std::uint64_t> signs);                                 \
                                                                                                   \
  /* The indices.size() numbers of largest magnitude, in increasing order of the index. Among      \
     equal magnitudes the lower index comes first; +0 and -0 are equal. Preconditions: all finite, \
     no more indices than numbers, at most 2^32 numbers. */                                        \
  template <Real T>                                                                                \
  void select_top_k(std::span<const T> x, std::span<std::uint32_t> indices);

// Majority vote over sign planes of equal length (signsgd.md 2.7), counted bit-sliced.
//   negative: 1 where more than half of the voters say negative; tie: 1 where exactly half do (only
//   for an even number of voters, else 0). Bits behind `bits` are 0 in both.
struct VotePlanes {
  std::span<std::uint64_t> negative;
  std::span<std::uint64_t> tie;
};
// The same with abstentions: voter w votes where masks[w] is 1. negative: more negative than
// positive votes; tie: as many of each (also none at all); quorum > 0 additionally marks as tie
// every coordinate whose margin |positive - negative| is below the quorum (and clears its negative
// bit).
struct MaskedVote {
  std::span<const std::uint64_t* const> signs;
  std::span<const std::uint64_t* const> masks;
  std::uint32_t quorum = 0;
};

namespace reference {
LACONIC_KERNEL_DECLARATIONS
}  // namespace reference

LACONIC_KERNEL_DECLARATIONS
#undef LACONIC_KERNEL_DECLARATIONS
// Precondition of both: at least one and fewer than 2^31 voters; every plane has words_for(bits)
// words.
void majority(std::span<const std::uint64_t* const> voters, std::size_t bits, VotePlanes out);
void masked_majority(const MaskedVote& vote, std::size_t bits, VotePlanes out);

// Number of negative votes per coordinate as P bit planes (signsgd.md 2.6 kind COUNT_P), plane j
// holding bit j of every count; planes.size() == P * words_for(bits), plane after plane. Counts
// from subtrees are added with add_count_planes and decided with majority_of_counts (which counts a
// coordinate with more votes than voters, as hostile planes may have, as negative).
[[nodiscard]] std::uint32_t count_planes_for(std::uint32_t voters);  // ceil(log2(voters + 1))
void count_votes(std::span<const std::uint64_t* const> voters, std::size_t bits,
                 std::span<std::uint64_t> planes);
// sum (of sum.count planes) += other (of other_count planes). Preconditions: other_count <=
// sum.count, and every result fits in sum.count planes (checked when sum has changed already).
struct CountPlanes {
  std::span<std::uint64_t> planes;
  std::uint32_t count = 0;
};
void add_count_planes(std::span<const std::uint64_t> other, std::uint32_t other_count,
                      std::size_t bits, CountPlanes sum);
void majority_of_counts(std::span<const std::uint64_t> planes, std::uint32_t voters,
                        std::size_t bits, VotePlanes out);

// True if no coordinate counts more than `voters` votes: what a receiver of count planes has to
// check. Precondition: bits behind the last coordinate are 0.
[[nodiscard]] bool counts_at_most(std::span<const std::uint64_t> planes, std::uint32_t voters,
                                  std::size_t bits);

// wide_dot and add_signed for a vector that is 0 but for values at indices, in O(number of values).
// Bit for bit what the dense forms give for finite numbers, as long as no h_i is -0. One scalar
// implementation for all targets. Precondition: indices increase and lie below h.size() (checked).
template <Real T>
double sparse_wide_dot(std::span<const std::uint32_t> indices, std::span<const T> values,
                       std::span<const double> h);
template <Real T>
void sparse_add_signed(bool negative, std::span<const std::uint32_t> indices,
                       std::span<const T> values, std::span<double> h);

// Words first, first + 1, ... of the stream: word(i) of rng::Stream, many at once.
void random_words(const rng::Stream& stream, std::uint64_t first, std::span<std::uint32_t> out);

// Rounding at random to `levels` steps between 0 and a scale (quantized-adagrad.md section 3). With
// a = |x_i|: y = levels if a >= scale, else min(a (levels / scale), levels), all in T; l =
// floor(y), p = y - l; the level is l + 1 with probability p, else l. Coordinate i draws 48 bits:
// its half of a word of the stream, and only if that half equals the upper 16 bits of floor(2^48
// p), so that it does not decide, the whole of another word. Word 16 (i div 32) + i mod 16 of the
// stream holds in its lower half the draw of coordinate i if i mod 32 < 16, else in its upper half;
// word 2^33 + i is the other one. The draw rounds up when it is below floor(2^48 p).
template <Real T>
struct RandomRounding {
  T scale = 1;               // finite and above 0
  std::uint32_t levels = 1;  // at most 32767
};
// With one level: mask: level != 0, signs: of those the negative numbers. `first` is the number of
// the first coordinate, a multiple of 32. Preconditions: all finite; planes of words_for(x.size())
// words; rounding.levels == 1.
template <Real T>
void round_to_planes(const RandomRounding<T>& rounding, std::span<const T> x,
                     const rng::Stream& stream, std::uint64_t first, std::span<std::uint64_t> signs,
                     std::span<std::uint64_t> mask);
// With any number of levels: code = level, plus 2^bit_width(levels) for negative numbers whose
// level is not 0.
template <Real T>
void round_to_codes(const RandomRounding<T>& rounding, std::span<const T> x,
                    const rng::Stream& stream, std::uint64_t first, std::span<std::uint16_t> codes);
// mask: |x_i| >= threshold and x_i != 0, signs: of those the negative numbers. threshold >= 0.
template <Real T>
void threshold_to_planes(T threshold, std::span<const T> x, std::span<std::uint64_t> signs,
                         std::span<std::uint64_t> mask);
// What decides about a threshold: numbers and sums (in the canonical order) of magnitudes, and
// those magnitudes in question, low < |x_i| <= high, in order of i (appended; `bracketed` grows as
// needed).
struct MagnitudeSums {
  std::uint64_t nonzeros = 0;
  std::uint64_t above = 0;  // |x_i| > high
  double l1 = 0;
  double l1_above = 0;
};
template <Real T>
MagnitudeSums bracket_magnitudes(T low, T high, std::span<const T> x, std::vector<T>& bracketed);

// Dense products with a fixed order of summation: every output element is accumulated over k in
// increasing order, product and sum rounded to T one after the other, starting from the value
// already in c; so the bits do not depend on the SIMD width. Row-major, contiguous.
struct GemmShape {
  std::size_t m = 0, n = 0, k = 0;
};
// c (m x n) += a (m x k) b (k x n)
template <Real T>
void gemm_nn(GemmShape shape, std::span<const T> a, std::span<const T> b, std::span<T> c);
// c (m x n) += a^T b with a (k x m), b (k x n)
template <Real T>
void gemm_tn(GemmShape shape, std::span<const T> a, std::span<const T> b, std::span<T> c);
// c (m x n) += a b^T with a (m x k), b (n x k)
template <Real T>
void gemm_nt(GemmShape shape, std::span<const T> a, std::span<const T> b, std::span<T> c);

// Products of a row-major matrix a (m x n) with factors of few columns. A factor with r columns is
// stored by components: column j lies at [j * length, (j + 1) * length), so that a column is
// contiguous. Made for r of 1 to 32, where the time is that of reading a.
struct SkinnyShape {
  std::size_t m = 0, n = 0, r = 0;
};
// p (r components of m) = a q, q being r components of n. Every output is a dot product: element k
// of the row goes to lane k mod 16, in T, product and sum rounded one after the other, and the
// lanes are combined as in the canonical order.
template <Real T>
void skinny_nn(SkinnyShape shape, std::span<const T> a, std::span<const T> q, std::span<T> p);
// q (r components of n) = a^T p, p being r components of m. Every output is added over the rows in
// increasing order, from 0, product and sum rounded one after the other.
template <Real T>
void skinny_tn(SkinnyShape shape, std::span<const T> a, std::span<const T> p, std::span<T> q);
// a += factor p q^T: for every component j in order, a_ik += (factor p_ji) q_jk, every operation
// rounded.
template <Real T>
void add_low_rank(T factor, SkinnyShape shape, std::span<const T> p, std::span<const T> q,
                  std::span<T> a);
// Makes the components of q (each of `length`) orthonormal: modified Gram-Schmidt, every component
// twice, sums in the canonical order, so the bits are the same everywhere. A component that lies in
// the span of those before it up to rounding, or is zero, is replaced by normal numbers of the
// stream (component j by those from j * length on) first. Returns how many were replaced.
// Preconditions: all finite, length divides q.size(), no more components than length.
template <Real T>
std::size_t orthonormalise(std::size_t length, const rng::Stream& stream, std::span<T> q);

// Independent standard normal numbers in bulk: number i of the stream, i = first, first + 1, ...
// Box-Muller in float: numbers 2j and 2j + 1 are r cos(2 pi v) and r sin(2 pi v), where r comes
// from word 2j and v from word 2j + 1 of the stream. Made of rounded additions, multiplications,
// divisions and square roots, so the bits are the same on every target. No number is beyond 6.8;
// the error against exact arithmetic on the same words is below 2e-6 (docs/reproducibility.md).
void random_normals(const rng::Stream& stream, std::uint64_t first, std::span<float> out);

// A sparse matrix for products whose every output is a chain of its own, in the order in which its
// entries are stored. Rows come in slices of kSliceRows; slice s has steps steps[s] .. steps[s + 1]
// - 1, and step t holds one entry of each of its rows: columns (and values) kSliceRows t + lane.
// Rows with fewer entries than their slice has steps end with entries that add 0: their column is
// one where x is 0. No values: all entries are 1. Index is std::uint16_t or std::uint32_t.
inline constexpr std::size_t kSliceRows = 8;
template <class Index>
struct SlicedMatrix {
  std::span<const std::size_t> steps = {};  // one element more than there are slices
  std::span<const Index> columns = {};
  std::span<const double> values = {};
};
// y_r = sum over the entries of row r of value * x[column], product and sum rounded one after the
// other, from 0; kSliceRows elements of y per slice. Preconditions: the sizes fit each other
// (checked) and every column is below x.size() (not checked).
template <class Index>
void sliced_product(const SlicedMatrix<Index>& a, std::span<const double> x, std::span<double> y);
// A sparse matrix in compressed rows: row i has the entries offsets[i] .. offsets[i + 1] - 1.
struct CompressedRows {
  std::span<const std::uint64_t> offsets = {};  // one element more than there are rows
  std::span<const std::uint32_t> columns = {};
  std::span<const double> values = {};
};
// Products of the given rows of a sparse matrix with dense matrices of `width` columns, row-major,
// product and sum rounded one after the other. Preconditions: every row exists (checked) and row
// `column` of the dense matrix exists for every entry (not checked).
//   sparse_nn: row r of c = sum over the entries of row rows[r] of value * row `column` of b, from
//   0,
//              in order of the entries
//   sparse_tn: row `column` of c += value * row r of b, for every entry of row rows[r], in order of
//   r
void sparse_nn(const CompressedRows& a, std::span<const std::uint32_t> rows, std::size_t width,
               std::span<const double> b, std::span<double> c);
void sparse_tn(const CompressedRows& a, std::span<const std::uint32_t> rows, std::size_t width,
               std::span<const double> b, std::span<double> c);
// With signs s_i = +-1 of the labels: x_i = -s_i exact::sigmoid(-s_i x_i), the slope of the
// logistic loss at the score x_i, and x_i = exact::softplus(-s_i x_i), the loss; the same bits as
// those functions (for NaN: NaN).
void logistic_slopes(std::span<const double> signs, std::span<double> x);
void logistic_losses(std::span<const double> signs, std::span<double> x);

namespace reference {
template <class Index>
void sliced_product(const SlicedMatrix<Index>& a, std::span<const double> x, std::span<double> y);
void sparse_nn(const CompressedRows& a, std::span<const std::uint32_t> rows, std::size_t width,
               std::span<const double> b, std::span<double> c);
void sparse_tn(const CompressedRows& a, std::span<const std::uint32_t> rows, std::size_t width,
               std::span<const double> b, std::span<double> c);
void logistic_slopes(std::span<const double> signs, std::span<double> x);
void logistic_losses(std::span<const double> signs, std::span<double> x);
void random_words(const rng::Stream& stream, std::uint64_t first, std::span<std::uint32_t> out);
template <Real T>
void round_to_planes(const RandomRounding<T>& rounding, std::span<const T> x,
                     const rng::Stream& stream, std::uint64_t first, std::span<std::uint64_t> signs,
                     std::span<std::uint64_t> mask);
template <Real T>
void round_to_codes(const RandomRounding<T>& rounding, std::span<const T> x,
                    const rng::Stream& stream, std::uint64_t first, std::span<std::uint16_t> codes);
template <Real T>
void threshold_to_planes(T threshold, std::span<const T> x, std::span<std::uint64_t> signs,
                         std::span<std::uint64_t> mask);
template <Real T>
MagnitudeSums bracket_magnitudes(T low, T high, std::span<const T> x, std::vector<T>& bracketed);
void majority(std::span<const std::uint64_t* const> voters, std::size_t bits, VotePlanes out);
void masked_majority(const MaskedVote& vote, std::size_t bits, VotePlanes out);
void count_votes(std::span<const std::uint64_t* const> voters, std::size_t bits,
                 std::span<std::uint64_t> planes);
void add_count_planes(std::span<const std::uint64_t> other, std::uint32_t other_count,
                      std::size_t bits, CountPlanes sum);
void majority_of_counts(std::span<const std::uint64_t> planes, std::uint32_t voters,
                        std::size_t bits, VotePlanes out);
[[nodiscard]] bool counts_at_most(std::span<const std::uint64_t> planes, std::uint32_t voters,
                                  std::size_t bits);
template <Real T>
void gemm_nn(GemmShape shape, std::span<const T> a, std::span<const T> b, std::span<T> c);
template <Real T>
void gemm_tn(GemmShape shape, std::span<const T> a, std::span<const T> b, std::span<T> c);
template <Real T>
void gemm_nt(GemmShape shape, std::span<const T> a, std::span<const T> b, std::span<T> c);
template <Real T>
void skinny_nn(SkinnyShape shape, std::span<const T> a, std::span<const T> q, std::span<T> p);
template <Real T>
void skinny_tn(SkinnyShape shape, std::span<const T> a, std::span<const T> p, std::span<T> q);
template <Real T>
void add_low_rank(T factor, SkinnyShape shape, std::span<const T> p, std::span<const T> q,
                  std::span<T> a);
void random_normals(const rng::Stream& stream, std::uint64_t first, std::span<float> out);
}  // namespace reference

}  // namespace laconic::kernels
