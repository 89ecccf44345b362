// SPDX-License-Identifier: Apache-2.0
// The frame: what one worker (or one server shard) says in one phase of one round about one slice
// of coordinates. docs/wire-format.md is normative; signsgd.md 2.6 is where the header comes from.
//
//   u32 magic | u8 version | u8 kind | u8 mode | u8 phase | u32 round | u32 sender | u32 dim | u32
//   offset | u64 payload_bytes | payload
//
// Frames stand one behind the other without gaps; payload_bytes tells where the next one starts.
#pragma once

#include <cstdint>
#include <vector>

#include "laconic/wire/wire.hpp"

namespace laconic::wire {

inline constexpr std::uint32_t kMagic = 0x31434e4c;  // the bytes "LNC1"
inline constexpr std::uint8_t kVersion = 1;
inline constexpr std::size_t kHeaderBytes = 32;

// What the payload is. Append only; 2 and 3 are reserved.
enum class Kind : std::uint8_t {
  kSign = 0,      // one sign plane
  kSignMask = 1,  // mask plane, then sign plane
  kValues = 4,    // plain numbers; mode = ValueFormat
  kSegments = 5,  // one compressor body per tensor of the slice
  kDiverged = 6,  // the sender's gradient is not finite; u32 tensor, u64 index within it
  // Example orders (laconic/order); round is the epoch.
  kOrderUnit = 7,       // u32 position, then the gradient of the unit that stands there
  kOrderPair = 8,       // u32 pair, then a slice of the difference of its two gradients
  kOrderSigns = 9,      // one sign bit per pair of the worker
  kOrderSums = 10,      // u32 step, then f64 sums over parts of the sender's slice
  kOrderDiverged = 11,  // u32 position of a gradient that is not finite
};
[[nodiscard]] bool is_known(Kind kind);

struct FrameHeader {
  Kind kind = Kind::kValues;
  std::uint8_t mode = 0;
  std::uint8_t phase = 0;
  std::uint32_t round = 0;
  std::uint32_t sender = 0;  // worker, or index of the server shard
  std::uint32_t dim = 0;     // number of coordinates in this frame
  std::uint32_t offset = 0;  // first of them
  std::uint64_t payload_bytes = 0;
  bool operator==(const FrameHeader&) const = default;
};

// A message under construction: whole frames, and how many bits of them a paper would count
// (without headers, padding and framing).
struct Message {
  std::vector<std::byte> bytes = {};
  std::uint64_t payload_bits = 0;
  void clear() {
    bytes.clear();
    payload_bits = 0;
  }
};

// Writes the header with payload_bytes still open; returns the token for end_frame.
[[nodiscard]] std::size_t begin_frame(const FrameHeader& header, std::vector<std::byte>& out);
// Everything appended since begin_frame is the payload.
void end_frame(std::size_t token, std::vector<std::byte>& out);

struct Frame {
  FrameHeader header = {};
  Bytes payload = {};
};
// Takes the first frame off `rest`. On failure `rest` is unchanged: the bytes behind a bad header
// cannot be attributed to anything.
Status take_frame(Bytes& rest, Frame& frame);

// What the receiver knows before it looks.
struct Expected {
  Kind kind = Kind::kValues;
  std::uint8_t mode = 0;
  std::uint8_t phase = 0;
  std::uint32_t round = 0;
  std::uint32_t senders = 0;  // sender < senders
  std::uint32_t dim = 0;
  std::uint32_t offset = 0;
};
Status check_header(const FrameHeader& header, const Expected& expected);

}  // namespace laconic::wire
