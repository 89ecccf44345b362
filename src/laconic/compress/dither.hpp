// SPDX-License-Identifier: Apache-2.0
// Dithering: every number divided by a norm of its bucket and rounded at random to one of s + 1
// levels, unbiased (3pc.md section 3). What dithering, natdithering, qsgd and terngrad share.
//
// Body: with a choice of codings a u8, the coding; the norm of every bucket, as wide as the numbers
// of the run; then, unless all norms are 0, the codes of all coordinates:
//   fixed:  level in ceil(log2(s+1)) bits, then a bit that is 1 for negative numbers;
//   elias:  count of levels above 0 plus 1, then for each of them: the gap to the one before plus
//   1,
//           a bit that is 1 for negative numbers, the level; numbers in Elias gamma: floor(log2 n)
//           ones, a zero, the lower floor(log2 n) bits;
//   trits:  0, 1 for plus, 2 for minus; five in a byte, the first one worth 1, the next 3, ...
#pragma once

#include <cstdint>
#include <string_view>

#include "laconic/compress/methods.hpp"

namespace laconic::compress {

enum class LevelRule : std::uint8_t {
  kEven,    // 0, 1/s, ..., 1
  kBinary,  // 0, 2^(1-s), ..., 1/2, 1
};
enum class LevelCoding : std::uint8_t { kFixed = 0, kElias = 1, kTrits = 2 };
enum class Norm : std::uint8_t { kOne, kTwo, kMax };

struct DitherOptions {
  LevelRule rule = LevelRule::kEven;
  std::uint32_t levels = 1;  // s
  Norm norm = Norm::kTwo;
  std::size_t bucket = 0;  // coordinates that share a norm; 0 for all of them
  bool choose = false;     // the shorter of fixed and elias; else fixed
  bool trits = false;      // only with s = 1
  double clip = 0;         // in standard deviations of the tensor; 0 for none
  std::uint32_t workers = 1;
};

template <Real T>
[[nodiscard]] std::unique_ptr<Compressor<T>> make_dither(const DitherOptions& options);

// The norm rounded up to T, so that no number exceeds it; at most the largest finite T.
template <Real T>
[[nodiscard]] T norm_of_bucket(Norm norm, std::span<const T> x);
// Norm::kTwo of the vector with its zeros, bit for bit.
template <Real T>
[[nodiscard]] T two_norm(const SparseView<T>& x);

[[nodiscard]] ParamCard levels_param(std::string_view help, double max);
[[nodiscard]] ParamCard norm_param(std::string_view default_text);
[[nodiscard]] Norm norm_of(const Args& args);

}  // namespace laconic::compress
