// SPDX-License-Identifier: Apache-2.0
// Frame headers: round trips, frames in a row, and every fault that a header can have.
#include "laconic/wire/frame.hpp"

#include <gtest/gtest.h>

namespace laconic::wire {
namespace {

constexpr FrameHeader kHeader = {.kind = Kind::kValues,
                                 .mode = 3,
                                 .phase = 2,
                                 .round = 0x01020304,
                                 .sender = 5,
                                 .dim = 6,
                                 .offset = 7,
                                 .payload_bytes = 4};
constexpr Expected kExpected = {.kind = Kind::kValues,
                                .mode = 3,
                                .phase = 2,
                                .round = 0x01020304,
                                .senders = 6,
                                .dim = 6,
                                .offset = 7};

void append_frame(const FrameHeader& header, std::size_t payload_bytes,
                  std::vector<std::byte>& out) {
  const std::size_t token = begin_frame(header, out);
  for (std::size_t i = 0; i < payload_bytes; ++i) out.push_back(static_cast<std::byte>(i));
  end_frame(token, out);
}

std::vector<std::byte> frame_bytes() {
  std::vector<std::byte> out;
  append_frame(kHeader, kHeader.payload_bytes, out);
  return out;
}

TEST(Frame, ReadsBackItsHeaderAndPayload) {
  const auto bytes = frame_bytes();
  ASSERT_EQ(bytes.size(), kHeaderBytes + 4);
  Bytes rest = bytes;
  Frame frame;
  ASSERT_TRUE(take_frame(rest, frame));
  EXPECT_EQ(frame.header, kHeader);
  EXPECT_EQ(frame.payload.size(), 4U);
  EXPECT_EQ(frame.payload.data(), bytes.data() + kHeaderBytes);
  EXPECT_TRUE(rest.empty());
}

TEST(Frame, FramesFollowEachOtherWithoutGaps) {
  std::vector<std::byte> bytes;
  for (std::uint32_t i = 0; i < 5; ++i) {
    append_frame({.kind = Kind::kSign, .round = i}, 3 * i, bytes);
  }
  Bytes rest = bytes;
  for (std::uint32_t i = 0; i < 5; ++i) {
    Frame frame;
    ASSERT_TRUE(take_frame(rest, frame));
    EXPECT_EQ(frame.header.round, i);
    EXPECT_EQ(frame.payload.size(), 3 * i);
  }
  EXPECT_TRUE(rest.empty());
  Frame none;
  EXPECT_EQ(take_frame(rest, none).fault(), Fault::kTruncated);
}

TEST(Frame, EveryTruncationIsRefusedAndLeavesTheBytes) {
  const auto bytes = frame_bytes();
  for (std::size_t length = 0; length < bytes.size(); ++length) {
    Bytes rest = Bytes(bytes).first(length);
    Frame frame;
    EXPECT_EQ(take_frame(rest, frame).fault(), Fault::kTruncated) << length;
    EXPECT_EQ(rest.size(), length);
    EXPECT_EQ(frame.header, FrameHeader{});
  }
}

TEST(Frame, EndFrameNeedsAHeader) {
  std::vector<std::byte> bytes(kHeaderBytes - 1);
  EXPECT_THROW(end_frame(0, bytes), std::logic_error);
}

struct Patch {
  std::size_t position = 0;
  int value = 0;
  Status status = {};
};

TEST(TakeFrame, NamesEachFaultOfAHeader) {
  const std::vector<Patch> patches = {
      {0, 0x4d, {Fault::kBadMagic, 0, 0x31434e4d, kMagic}},
      {3, 0x32, {Fault::kBadMagic, 0, 0x32434e4c, kMagic}},
      {4, 0, {Fault::kBadVersion, 4, 0, 1}},
      {4, 2, {Fault::kBadVersion, 4, 2, 1}},
      {5, 2, {Fault::kBadKind, 5}},
      {5, 3, {Fault::kBadKind, 5}},
      {5, 12, {Fault::kBadKind, 5}},
      {5, 255, {Fault::kBadKind, 5}},
      {24, 5, {Fault::kTruncated, 32, 4, 5}},
  };
  for (const Patch& patch : patches) {
    auto bytes = frame_bytes();
    bytes[patch.position] = static_cast<std::byte>(patch.value);
    Bytes rest = bytes;
    Frame frame;
    EXPECT_EQ(take_frame(rest, frame), patch.status)
        << "byte " << patch.position << " = " << patch.value;
    EXPECT_EQ(rest.size(), bytes.size());
  }
}

TEST(TakeFrame, KnowsTheKindsOfTheDocument) {
  for (int kind = 0; kind < 256; ++kind) {
    const bool known = kind == 0 || kind == 1 || (kind >= 4 && kind <= 11);
    EXPECT_EQ(is_known(static_cast<Kind>(kind)), known) << kind;
  }
}

TEST(CheckHeader, AcceptsWhatWasExpected) { EXPECT_TRUE(check_header(kHeader, kExpected)); }

TEST(CheckHeader, NamesEachDifference) {
  const auto with = [](auto change) {
    FrameHeader header = kHeader;
    change(header);
    return check_header(header, kExpected);
  };
  EXPECT_EQ(with([](FrameHeader& h) { h.kind = Kind::kSign; }), Status(Fault::kBadKind, 5, 0, 4));
  EXPECT_EQ(with([](FrameHeader& h) { h.mode = 1; }), Status(Fault::kBadMode, 6, 1, 3));
  EXPECT_EQ(with([](FrameHeader& h) { h.phase = 1; }), Status(Fault::kWrongPhase, 7, 1, 2));
  EXPECT_EQ(with([](FrameHeader& h) { h.round = 9; }),
            Status(Fault::kWrongRound, 8, 9, 0x01020304));
  EXPECT_EQ(with([](FrameHeader& h) { h.sender = 6; }), Status(Fault::kBadSender, 12, 6, 6));
  EXPECT_EQ(with([](FrameHeader& h) { h.sender = 0xffffffff; }),
            Status(Fault::kBadSender, 12, 0xffffffff, 6));
  EXPECT_EQ(with([](FrameHeader& h) { h.dim = 5; }), Status(Fault::kBadDimension, 16, 5, 6));
  EXPECT_EQ(with([](FrameHeader& h) { h.offset = 0; }), Status(Fault::kBadDimension, 20, 0, 7));
}

TEST(CheckHeader, NamesTheFirstDifference) {
  EXPECT_EQ(check_header({.kind = Kind::kSign, .mode = 9, .round = 1}, kExpected).fault(),
            Fault::kBadKind);
}

TEST(Message, ClearsBothBytesAndBits) {
  Message message{.bytes = std::vector<std::byte>(3), .payload_bits = 8};
  message.clear();
  EXPECT_TRUE(message.bytes.empty());
  EXPECT_EQ(message.payload_bits, 0U);
}

}  // namespace
}  // namespace laconic::wire
