// SPDX-License-Identifier: Apache-2.0
// Sparse bodies: k numbers and where among d coordinates they stand (quantized-adagrad.md 2.7).
//
//   u8 tag | count | indices | numbers
//
// The lower three bits of the tag name the coding of the indices, the upper five are the parameter
// of Rice codes and 0 otherwise. The count is absent when there are no or all coordinates; else it
// is written in groups of seven bits, the lowest first, each but the last with its top bit set. The
// writer chooses the shortest coding; docs/wire-format.md is normative.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "laconic/tensor/layout.hpp"
#include "laconic/tensor/sparse.hpp"
#include "laconic/wire/values.hpp"
#include "laconic/wire/wire.hpp"

namespace laconic::wire {

// Append only.
enum class IndexCoding : std::uint8_t {
  kAll = 0,     // every coordinate: no indices
  kNone = 1,    // no coordinate: nothing follows
  kPacked = 2,  // every index in ceil(log2 d) bits
  kBitmap = 3,  // d bits
  kRice = 4,    // gaps: quotient in unary, then the remainder
};

struct SparseFormat {
  std::size_t dim = 0;  // at most 2^32
  ValueFormat values = ValueFormat::kF32;
  // A body with more numbers is refused.
  std::size_t max_count = 0;
};

// What the writer will choose, and its length. Precondition: increasing indices below dim.
struct IndexPlan {
  IndexCoding coding = IndexCoding::kAll;
  std::uint32_t rice = 0;  // remainders have this many bits
  std::uint64_t bits = 0;
};
[[nodiscard]] IndexPlan plan_indices(std::size_t dim, std::span<const std::uint32_t> indices);

// The part of a body in front of the numbers, tag | count | indices, for bodies that send something
// else behind it. index_set_bytes is its length. Preconditions: those of plan_indices, of which
// `plan` is the result.
[[nodiscard]] std::size_t index_set_bytes(const IndexPlan& plan, std::size_t count);
// Upper bound of the part's length for at most `count` of `dim` indices.
[[nodiscard]] std::size_t max_index_set_bytes(std::size_t dim, std::size_t count);
void write_index_set(const IndexPlan& plan, std::size_t dim, std::span<const std::uint32_t> indices,
                     std::vector<std::byte>& out);
struct IndexSetFormat {
  std::size_t dim = 0;           // at most 2^32
  std::size_t max_count = 0;     // a set with more indices is refused
  std::uint64_t entry_bits = 0;  // that follow for every index; if they are missing, so is memory
};
// Reads one set whole; on failure the reader tells why, and `indices` is unspecified.
void read_index_set(const IndexSetFormat& format, WireReader& reader,
                    std::vector<std::uint32_t>& indices);

// Upper bound of a body's length.
[[nodiscard]] std::size_t max_sparse_bytes(const SparseFormat& format);

// Precondition: indices are increasing and below dim, as many as values.
template <Real T>
void write_sparse(const SparseFormat& format, std::span<const std::uint32_t> indices,
                  std::span<const T> values, std::vector<std::byte>& out);

// Reads one body whole; on failure the reader tells why, and `out` is unspecified.
template <Real T>
void read_sparse(const SparseFormat& format, WireReader& reader, SparseVector<T>& out);

}  // namespace laconic::wire
