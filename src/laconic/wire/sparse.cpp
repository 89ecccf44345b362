// SPDX-License-Identifier: Apache-2.0
#include "laconic/wire/sparse.hpp"

#include <algorithm>
#include <limits>
#include <numeric>

#include "laconic/base/assert.hpp"
#include "laconic/wire/bits.hpp"

namespace laconic::wire {
namespace {

constexpr std::uint32_t kCodingBits = 3;
constexpr std::uint8_t kCodingMask = 7;
constexpr std::size_t kMaxCountBytes = 5;

std::uint64_t packed_bits(std::size_t dim, std::size_t count) {
  return std::uint64_t{count} * index_bits(dim);
}

// What Rice codes with this parameter cost.
std::uint64_t rice_bits(std::span<const std::uint32_t> indices, std::uint32_t parameter) {
  std::uint64_t bits = std::uint64_t{indices.size()} * (parameter + 1);
  std::uint32_t next = 0;
  for (const std::uint32_t index : indices) {
    bits += (index - next) >> parameter;
    next = index + 1;
  }
  return bits;
}

// floor(log2(0.96 (d-k)/k)), at least 0.
std::uint32_t first_guess(std::size_t dim, std::size_t count) {
  const std::uint64_t ratio = 96 * std::uint64_t{dim - count} / (100 * std::uint64_t{count});
  return ratio == 0 ? 0 : static_cast<std::uint32_t>(std::bit_width(ratio)) - 1;
}

bool is_counted(IndexCoding coding) {
  return coding != IndexCoding::kAll && coding != IndexCoding::kNone;
}

void write_count(std::size_t count, std::vector<std::byte>& out) {
  for (; count >= 0x80; count >>= 7) out.push_back(static_cast<std::byte>((count & 0x7f) | 0x80));
  out.push_back(static_cast<std::byte>(count));
}

// Refuses counts that are written longer than they need to be.
std::size_t read_count(WireReader& reader) {
  const std::size_t start = reader.position();
  std::uint64_t count = 0;
  for (std::uint32_t shift = 0; shift < 7 * kMaxCountBytes; shift += 7) {
    const std::uint8_t byte = reader.u8();
    count |= std::uint64_t{byte & 0x7fU} << shift;
    if ((byte & 0x80U) != 0) continue;
    if (byte == 0 && shift > 0) break;
    return static_cast<std::size_t>(count);
  }
  reader.fail_at(start, Fault::kBadValue, count);
  return 0;
}

void write_bitmap(std::span<const std::uint32_t> indices, std::span<std::byte> out) {
  for (const std::uint32_t index : indices) out[index / 8] |= std::byte{1} << (index % 8);
}

void write_indices(const IndexPlan& plan, std::size_t dim, std::span<const std::uint32_t> indices,
                   std::span<std::byte> out) {
  if (plan.coding == IndexCoding::kBitmap) return write_bitmap(indices, out);
  BitWriter writer(out);
  if (plan.coding == IndexCoding::kPacked) {
    const std::uint32_t width = index_bits(dim);
    for (const std::uint32_t index : indices) writer.put(index, width);
  } else {
    const std::uint64_t mask = (std::uint64_t{1} << plan.rice) - 1;
    std::uint32_t next = 0;
    for (const std::uint32_t index : indices) {
      const std::uint32_t gap = index - next;
      writer.unary(gap >> plan.rice);
      writer.put(gap & mask, plan.rice);
      next = index + 1;
    }
  }
  writer.finish();
}

void read_packed(WireReader& reader, std::size_t dim, std::span<std::uint32_t> indices) {
  const std::size_t start = reader.position();
  const std::uint32_t width = index_bits(dim);
  const Bytes bytes = reader.bytes(bytes_for_bits(packed_bits(dim, indices.size())));
  if (!reader.ok()) return;
  BitReader bits(bytes);
  std::uint64_t next = 0;
  for (std::uint32_t& index : indices) {
    const std::size_t byte = static_cast<std::size_t>(bits.position() / 8);
    const std::uint64_t value = bits.take(width);
    if (value < next || value >= dim)
      return reader.fail_at(start + byte, Fault::kBadIndex, value, next);
    index = static_cast<std::uint32_t>(value);
    next = value + 1;
  }
  if (!bits.padding_is_zero()) reader.fail_at(start + bytes.size() - 1, Fault::kNonZeroPadding);
}

void read_bitmap(WireReader& reader, std::size_t dim, std::span<std::uint32_t> indices) {
  const std::size_t start = reader.position();
  const Bytes bytes = reader.bytes(bytes_for_bits(dim));
  if (!reader.ok()) return;
  std::size_t found = 0;
  for (std::size_t byte = 0; byte < bytes.size(); byte += sizeof(std::uint64_t)) {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes.data() + byte, std::min(sizeof(word), bytes.size() - byte));
    for (; word != 0; word &= word - 1) {
      const std::size_t index = byte * 8 + static_cast<std::size_t>(std::countr_zero(word));
      if (index >= dim) return reader.fail_at(start + index / 8, Fault::kNonZeroPadding);
      if (found == indices.size())
        return reader.fail_at(start + index / 8, Fault::kBadDimension, found + 1, found);
      indices[found++] = static_cast<std::uint32_t>(index);
    }
  }
  if (found < indices.size()) reader.fail_at(start, Fault::kBadDimension, found, indices.size());
}

void read_rice(WireReader& reader, std::size_t dim, std::uint32_t parameter,
               std::span<std::uint32_t> indices) {
  const std::size_t start = reader.position();
  WireReader rest = reader;
  BitReader bits(rest.bytes(rest.remaining()));
  std::uint64_t next = 0;
  for (std::uint32_t& index : indices) {
    const std::size_t byte = static_cast<std::size_t>(bits.position() / 8);
    const std::uint64_t quotient = bits.unary();
    const std::uint64_t value = next + (quotient << parameter) + bits.take(parameter);
    if (bits.overrun()) {
      return reader.fail_at(start + reader.remaining(), Fault::kTruncated, reader.remaining(),
                            bits.bytes_used());
    }
    if (quotient > dim || value >= dim)
      return reader.fail_at(start + byte, Fault::kBadIndex, value, dim);
    index = static_cast<std::uint32_t>(value);
    next = value + 1;
  }
  // A longer coding than the plain ones would make bodies longer than max_sparse_bytes.
  if (bits.position() >= std::min<std::uint64_t>(packed_bits(dim, indices.size()), dim))
    return reader.fail_at(start, Fault::kBadMode, bits.position());
  if (!bits.padding_is_zero())
    return reader.fail_at(start + bits.bytes_used() - 1, Fault::kNonZeroPadding);
  static_cast<void>(reader.bytes(bits.bytes_used()));
}

// Which codings a writer may have chosen; see plan_indices.
bool is_allowed(IndexCoding coding, std::uint32_t parameter, std::size_t dim, std::size_t count) {
  const bool packed_is_short = packed_bits(dim, count) <= dim;
  switch (coding) {
    case IndexCoding::kPacked:
      return parameter == 0 && packed_is_short;
    case IndexCoding::kBitmap:
      return parameter == 0 && !packed_is_short;
    case IndexCoding::kRice:
      return parameter < 32;
    case IndexCoding::kAll:
    case IndexCoding::kNone:
      break;
  }
  return false;
}

}  // namespace

IndexPlan plan_indices(std::size_t dim, std::span<const std::uint32_t> indices) {
  if (indices.size() == dim) return {.coding = IndexCoding::kAll};
  if (indices.empty()) return {.coding = IndexCoding::kNone};
  IndexPlan best = {.coding = IndexCoding::kPacked, .bits = packed_bits(dim, indices.size())};
  if (dim < best.bits) best = {.coding = IndexCoding::kBitmap, .bits = dim};
  const auto improves = [&](std::uint32_t rice) {
    const std::uint64_t bits = rice_bits(indices, rice);
    if (bits >= best.bits) return false;
    best = {.coding = IndexCoding::kRice, .rice = rice, .bits = bits};
    return true;
  };
  // From the expected parameter up, or else down, for as long as it helps.
  const std::uint32_t guess = first_guess(dim, indices.size());
  static_cast<void>(improves(guess));
  std::uint32_t up = guess + 1;
  while (up < 32 && improves(up)) ++up;
  if (up == guess + 1) {
    for (std::uint32_t down = guess; down > 0 && improves(down - 1);) --down;
  }
  return best;
}

std::size_t max_index_set_bytes(std::size_t dim, std::size_t count) {
  const std::uint64_t bits = std::min<std::uint64_t>(packed_bits(dim, count), dim);
  return 1 + kMaxCountBytes + bytes_for_bits(bits);
}

std::size_t max_sparse_bytes(const SparseFormat& format) {
  const std::size_t count = std::min(format.max_count, format.dim);
  return max_index_set_bytes(format.dim, count) + count * bytes_per_value(format.values);
}

std::size_t index_set_bytes(const IndexPlan& plan, std::size_t count) {
  if (!is_counted(plan.coding)) return 1;
  std::size_t bytes = 2;  // the tag, and the last byte of the count
  for (; count >= 0x80; count >>= 7) ++bytes;
  return bytes + bytes_for_bits(plan.bits);
}

void write_index_set(const IndexPlan& plan, std::size_t dim, std::span<const std::uint32_t> indices,
                     std::vector<std::byte>& out) {
  LACONIC_EXPECTS(indices.empty() || indices.back() < dim);
  out.push_back(
      static_cast<std::byte>(static_cast<std::uint32_t>(plan.coding) | (plan.rice << kCodingBits)));
  if (!is_counted(plan.coding)) return;
  write_count(indices.size(), out);
  const std::size_t start = out.size();
  out.resize(start + bytes_for_bits(plan.bits));
  write_indices(plan, dim, indices, std::span(out).subspan(start));
}

void read_index_set(const IndexSetFormat& format, WireReader& reader,
                    std::vector<std::uint32_t>& indices) {
  const std::size_t start = reader.position();
  const std::uint8_t tag = reader.u8();
  const auto coding = static_cast<IndexCoding>(tag & kCodingMask);
  const std::uint32_t parameter = tag >> kCodingBits;
  const bool counted = is_counted(coding);
  if (coding > IndexCoding::kRice || (!counted && parameter != 0))
    return reader.fail_at(start, Fault::kBadMode, tag);
  std::size_t count = coding == IndexCoding::kAll ? format.dim : 0;
  if (counted) count = read_count(reader);
  if (!reader.ok()) return;
  // Without and with all coordinates there is a shorter way to say so.
  if (count > format.max_count || (counted && (count == 0 || count >= format.dim)))
    return reader.fail_at(start, Fault::kBadDimension, count, format.max_count);
  if (counted && !is_allowed(coding, parameter, format.dim, count))
    return reader.fail_at(start, Fault::kBadMode, tag);
  const std::size_t behind = bytes_for_bits(std::uint64_t{count} * format.entry_bits);
  if (reader.remaining() < behind) {
    return reader.fail(Fault::kTruncated, reader.remaining(), behind);
  }
  indices.resize(count);
  if (coding == IndexCoding::kAll) {
    std::iota(indices.begin(), indices.end(), 0U);
  } else if (coding == IndexCoding::kPacked) {
    read_packed(reader, format.dim, indices);
  } else if (coding == IndexCoding::kBitmap) {
    read_bitmap(reader, format.dim, indices);
  } else if (coding == IndexCoding::kRice) {
    read_rice(reader, format.dim, parameter, indices);
  }
}

template <Real T>
void write_sparse(const SparseFormat& format, std::span<const std::uint32_t> indices,
                  std::span<const T> values, std::vector<std::byte>& out) {
  LACONIC_EXPECTS(indices.size() == values.size());
  write_index_set(plan_indices(format.dim, indices), format.dim, indices, out);
  write_values<T>(format.values, values, out);
}
template void write_sparse(const SparseFormat&, std::span<const std::uint32_t>,
                           std::span<const float>, std::vector<std::byte>&);
template void write_sparse(const SparseFormat&, std::span<const std::uint32_t>,
                           std::span<const double>, std::vector<std::byte>&);

template <Real T>
void read_sparse(const SparseFormat& format, WireReader& reader, SparseVector<T>& out) {
  read_index_set({.dim = format.dim,
                  .max_count = format.max_count,
                  .entry_bits = 8 * bytes_per_value(format.values)},
                 reader, out.indices);
  if (!reader.ok()) return;
  out.values.resize(out.indices.size());
  read_values<T>(format.values, reader, out.values);
}
template void read_sparse(const SparseFormat&, WireReader&, SparseVector<float>&);
template void read_sparse(const SparseFormat&, WireReader&, SparseVector<double>&);

}  // namespace laconic::wire
