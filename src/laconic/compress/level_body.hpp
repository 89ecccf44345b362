// SPDX-License-Identifier: Apache-2.0
// Bodies of numbers rounded to a few levels of a scale, bucket by bucket
// (quantized-adagrad.md 2.7):
//
//   plain   u8 0 | the numbers
//   other   u8 kind | scale | codes
//
// The writer chooses the shortest kind; the reader takes every kind that fits. A bucket of zeros
// has the scale 0 and no codes. docs/wire-format.md is normative. Private.
#pragma once

#include <cstdint>
#include <span>

#include "laconic/tensor/layout.hpp"
#include "laconic/tensor/sparse.hpp"
#include "laconic/wire/frame.hpp"
#include "laconic/wire/wire.hpp"

namespace laconic::compress {

// Append only.
enum class LevelKind : std::uint8_t {
  kPlain = 0,        // the numbers as they are
  kDense = 1,        // a code of b bits per number: the level, above it the sign
  kTrits = 2,        // with one level: five numbers per byte
  kSparseTrits = 3,  // with one level: where it is not 0, and the signs
  kSparseCodes = 4,  // with more levels: where they are not 0, and their codes
  kExact = 5,        // kSparseTrits, and a sparse body of numbers sent as they are
};
inline constexpr std::uint8_t kLevelKinds = 6;

// A bucket as it is to be sent. With one level in planes, with more in codes, in which negative
// numbers have 2^bit_width(levels) added to their level.
template <Real T>
struct LevelBucket {
  T scale = 0;
  std::uint32_t levels = 1;
  std::span<const T> x = {};  // the numbers themselves
  std::span<const std::uint64_t> mask = {};
  std::span<const std::uint64_t> signs = {};
  // Of those in the mask the numbers that are sent as they are; empty if there are none.
  std::span<const std::uint64_t> exact = {};
  std::span<const std::uint16_t> codes = {};
};
// The number that level `level` of `levels` stands for; exactly the scale for the last one.
template <Real T>
[[nodiscard]] T level_value(T scale, std::uint32_t level, std::uint32_t levels);

// Length in bytes of the bucket's body; 0 if the bucket cannot be written as this kind.
template <Real T>
[[nodiscard]] std::size_t level_bytes(LevelKind kind, const LevelBucket<T>& bucket);
template <Real T>
[[nodiscard]] LevelKind shortest_kind(const LevelBucket<T>& bucket);
// Precondition: level_bytes is not 0. Adds what a paper would count: scale, codes, places, without
// tags, counts and padding.
template <Real T>
void write_levels(LevelKind kind, const LevelBucket<T>& bucket, wire::Message& out);
template <Real T>
void write_shortest(const LevelBucket<T>& bucket, wire::Message& out);
// The same bucket without its zeros: what write_shortest would write of it, in time linear in the
// numbers unless that is longer.
template <Real T>
struct SparseBucket {
  std::size_t size = 0;
  T scale = 0;
  std::uint32_t levels = 1;
  std::span<const std::uint32_t> places = {};  // of levels, with their codes
  std::span<const std::uint16_t> codes = {};
  SparseView<T> exact = {};  // at other places
};
template <Real T>
void write_shortest_sparse(const SparseBucket<T>& bucket, wire::Message& out);
// Upper bound of what any kind takes for `size` numbers: what a reader accepts is never longer.
template <Real T>
[[nodiscard]] std::size_t max_level_bytes(std::size_t size);

// What a receiver knows.
struct LevelFormat {
  std::uint32_t levels = 1;
  bool exact = false;  // kExact may occur
};
// Reads one bucket of out.size() numbers; on failure the reader tells why, and `out` is
// unspecified.
template <Real T>
void read_levels(const LevelFormat& format, wire::WireReader& reader, std::span<T> out);
// The same for a bucket of `size` numbers of which those are wanted that are not 0 (some may be),
// in time linear in the body.
template <Real T>
void read_levels(const LevelFormat& format, wire::WireReader& reader, std::size_t size,
                 SparseVector<T>& out);

}  // namespace laconic::compress
