// SPDX-License-Identifier: Apache-2.0
// Reading and writing of little-endian bytes. The reader never reads outside its bytes: after the
// first failure every further read returns zero and the status stays what it was. Bytes from a
// channel are hostile: decoders read and validate everything first and write their output last.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "laconic/base/error.hpp"

namespace laconic::wire {

static_assert(std::endian::native == std::endian::little, "laconic runs on little-endian machines");

using Bytes = std::span<const std::byte>;

// Makes sure that so many more bytes can be appended without allocating. Some messages differ in
// length from round to round; what is allocated is twice what is needed, which spares later rounds
// an allocation.
void make_room(std::vector<std::byte>& out, std::size_t bytes);

// Appends to a byte vector that the caller owns and reuses.
class WireWriter {
 public:
  explicit WireWriter(std::vector<std::byte>& out) : out_(out) {}
  void u8(std::uint8_t value);
  void u16(std::uint16_t value);
  void u32(std::uint32_t value);
  void u64(std::uint64_t value);
  void f32(float value);
  void f64(double value);
  void bytes(Bytes values);
  void words(std::span<const std::uint64_t> values);
  [[nodiscard]] std::size_t size() const { return out_.size(); }
  // Overwrites 8 bytes written earlier. Precondition: position + 8 <= size().
  void patch_u64(std::size_t position, std::uint64_t value);

 private:
  std::vector<std::byte>& out_;
};

class WireReader {
 public:
  explicit WireReader(Bytes bytes) : bytes_(bytes) {}
  std::uint8_t u8();
  std::uint16_t u16();
  std::uint32_t u32();
  std::uint64_t u64();
  float f32();
  double f64();
  // The next `count` bytes, or an empty span and kTruncated.
  Bytes bytes(std::size_t count);
  // Copies out.size() words; out is left as it is on failure.
  void words(std::span<std::uint64_t> out);
  [[nodiscard]] std::size_t position() const { return position_; }
  [[nodiscard]] std::size_t remaining() const { return bytes_.size() - position_; }
  // Records the first fault, at the current position. Later faults are ignored.
  void fail(Fault fault, std::uint64_t value = 0, std::uint64_t expected = 0);
  // The same for something that was read already: names the position where it starts.
  void fail_at(std::size_t position, Fault fault, std::uint64_t value = 0,
               std::uint64_t expected = 0);
  [[nodiscard]] bool ok() const { return static_cast<bool>(status_); }
  [[nodiscard]] Status status() const { return status_; }
  // The status, or kTrailingBytes when bytes are left over.
  Status finish();

 private:
  template <class T>
  T take();
  Bytes bytes_;
  std::size_t position_ = 0;
  Status status_ = {};
};

}  // namespace laconic::wire
