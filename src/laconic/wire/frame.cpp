// SPDX-License-Identifier: Apache-2.0
#include "laconic/wire/frame.hpp"

#include "laconic/base/assert.hpp"

namespace laconic::wire {
namespace {
constexpr std::size_t kPayloadBytesPosition = 24;
}

bool is_known(Kind kind) {
  switch (kind) {
    case Kind::kSign:
    case Kind::kSignMask:
    case Kind::kValues:
    case Kind::kSegments:
    case Kind::kDiverged:
    case Kind::kOrderUnit:
    case Kind::kOrderPair:
    case Kind::kOrderSigns:
    case Kind::kOrderSums:
    case Kind::kOrderDiverged:
      return true;
  }
  return false;
}

std::size_t begin_frame(const FrameHeader& header, std::vector<std::byte>& out) {
  const std::size_t start = out.size();
  WireWriter writer(out);
  writer.u32(kMagic);
  writer.u8(kVersion);
  writer.u8(static_cast<std::uint8_t>(header.kind));
  writer.u8(header.mode);
  writer.u8(header.phase);
  writer.u32(header.round);
  writer.u32(header.sender);
  writer.u32(header.dim);
  writer.u32(header.offset);
  writer.u64(0);
  return start;
}

void end_frame(std::size_t token, std::vector<std::byte>& out) {
  LACONIC_EXPECTS(token + kHeaderBytes <= out.size());
  WireWriter(out).patch_u64(token + kPayloadBytesPosition, out.size() - token - kHeaderBytes);
}

Status take_frame(Bytes& rest, Frame& frame) {
  WireReader reader(rest);
  const std::uint32_t magic = reader.u32();
  if (reader.ok() && magic != kMagic) reader.fail_at(0, Fault::kBadMagic, magic, kMagic);
  const std::uint8_t version = reader.u8();
  if (reader.ok() && version != kVersion) reader.fail_at(4, Fault::kBadVersion, version, kVersion);
  const std::uint8_t kind = reader.u8();
  if (reader.ok() && !is_known(static_cast<Kind>(kind))) reader.fail_at(5, Fault::kBadKind);
  FrameHeader header;
  header.kind = static_cast<Kind>(kind);
  header.mode = reader.u8();
  header.phase = reader.u8();
  header.round = reader.u32();
  header.sender = reader.u32();
  header.dim = reader.u32();
  header.offset = reader.u32();
  header.payload_bytes = reader.u64();
  const Bytes payload = reader.bytes(header.payload_bytes);
  if (!reader.ok()) return reader.status();
  frame = {header, payload};
  rest = rest.subspan(reader.position());
  return {};
}

Status check_header(const FrameHeader& header, const Expected& expected) {
  if (header.kind != expected.kind) {
    return {Fault::kBadKind, 5, static_cast<std::uint64_t>(header.kind),
            static_cast<std::uint64_t>(expected.kind)};
  }
  if (header.mode != expected.mode) return {Fault::kBadMode, 6, header.mode, expected.mode};
  if (header.phase != expected.phase) return {Fault::kWrongPhase, 7, header.phase, expected.phase};
  if (header.round != expected.round) return {Fault::kWrongRound, 8, header.round, expected.round};
  if (header.sender >= expected.senders)
    return {Fault::kBadSender, 12, header.sender, expected.senders};
  if (header.dim != expected.dim) return {Fault::kBadDimension, 16, header.dim, expected.dim};
  if (header.offset != expected.offset)
    return {Fault::kBadDimension, 20, header.offset, expected.offset};
  return {};
}

}  // namespace laconic::wire
