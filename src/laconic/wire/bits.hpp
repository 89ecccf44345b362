// SPDX-License-Identifier: Apache-2.0
// Numbers of a few bits each, one behind the other, lowest bit first: bit i of the sequence is bit
// i mod 8 of byte i / 8. The padding behind the last bit is 0.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "laconic/base/assert.hpp"
#include "laconic/wire/wire.hpp"

namespace laconic::wire {

[[nodiscard]] constexpr std::size_t bytes_for_bits(std::uint64_t bits) {
  return static_cast<std::size_t>((bits + 7) / 8);
}
// The number of bits in which every index below dim can be written: ceil(log2 dim).
[[nodiscard]] constexpr std::uint32_t index_bits(std::uint64_t dim) {
  return dim <= 1 ? 0 : static_cast<std::uint32_t>(std::bit_width(dim - 1));
}

// Fills bytes that the caller has sized. Call finish() at the end.
class BitWriter {
 public:
  explicit BitWriter(std::span<std::byte> out) : out_(out) {}
  // Precondition: count <= 57 and value < 2^count.
  void put(std::uint64_t value, std::uint32_t count) {
    buffer_ |= value << filled_;
    filled_ += count;
    while (filled_ >= 8) flush_bytes();
  }
  // `count` ones, then a zero.
  void unary(std::uint64_t count) {
    for (; count >= 32; count -= 32) put(0xffffffffU, 32);
    put((std::uint64_t{1} << count) - 1, static_cast<std::uint32_t>(count) + 1);
  }
  // Precondition: exactly out.size() bytes were needed.
  void finish() {
    if (filled_ > 0) {
      filled_ = 8;
      flush_bytes();
    }
    LACONIC_EXPECTS(position_ == out_.size());
  }

 private:
  void flush_bytes() {
    const std::uint32_t whole = filled_ / 8;
    if (position_ + sizeof(buffer_) <= out_.size()) {
      std::memcpy(out_.data() + position_, &buffer_, sizeof(buffer_));
    } else {
      LACONIC_EXPECTS(position_ + whole <= out_.size());
      std::memcpy(out_.data() + position_, &buffer_, whole);
    }
    position_ += whole;
    buffer_ = whole == sizeof(buffer_) ? 0 : buffer_ >> (8 * whole);
    filled_ -= 8 * whole;
  }

  std::span<std::byte> out_;
  std::size_t position_ = 0;
  std::uint64_t buffer_ = 0;
  std::uint32_t filled_ = 0;
};

// Reads behind the end give zeros; overrun() tells.
class BitReader {
 public:
  explicit BitReader(Bytes bytes) : bytes_(bytes) {}
  // Precondition: count <= 56.
  std::uint64_t take(std::uint32_t count) {
    const std::uint64_t value = window() & ((std::uint64_t{1} << count) - 1);
    position_ += count;
    return value;
  }
  // The number of ones before the next zero, which is consumed. Stops behind the end.
  std::uint64_t unary() {
    std::uint64_t count = 0;
    while (true) {
      const auto ones =
          static_cast<std::uint64_t>(std::countr_one(window() & ((std::uint64_t{1} << 56) - 1)));
      count += ones;
      position_ += ones;
      if (ones < 56) break;
    }
    ++position_;
    return count;
  }
  [[nodiscard]] std::uint64_t position() const { return position_; }  // in bits
  [[nodiscard]] bool overrun() const { return position_ > std::uint64_t{bytes_.size()} * 8; }
  [[nodiscard]] std::size_t bytes_used() const { return bytes_for_bits(position_); }
  // True if the bits between the position and the end of its byte are 0. Precondition: !overrun().
  [[nodiscard]] bool padding_is_zero() const {
    if (position_ % 8 == 0) return true;
    return std::to_integer<unsigned>(bytes_[static_cast<std::size_t>(position_ / 8)]) >>
               (position_ % 8) ==
           0;
  }

 private:
  // At least 57 bits from the position on.
  [[nodiscard]] std::uint64_t window() const {
    const std::uint64_t byte = position_ / 8;
    if (byte >= bytes_.size()) return 0;
    std::uint64_t word = 0;
    const std::size_t left = bytes_.size() - static_cast<std::size_t>(byte);
    std::memcpy(&word, bytes_.data() + byte, left < sizeof(word) ? left : sizeof(word));
    return word >> (position_ % 8);
  }

  Bytes bytes_;
  std::uint64_t position_ = 0;
};

}  // namespace laconic::wire
