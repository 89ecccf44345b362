// SPDX-License-Identifier: Apache-2.0
// Little-endian bytes out and in, and what a reader does when they end too early.
#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <functional>

#include "laconic/wire/wire.hpp"

namespace laconic::wire {
namespace {

std::vector<std::byte> bytes_of(std::initializer_list<int> values) {
  std::vector<std::byte> out;
  for (const int value : values) out.push_back(static_cast<std::byte>(value));
  return out;
}

TEST(WireWriter, WritesTheLowByteFirst) {
  std::vector<std::byte> out;
  WireWriter writer(out);
  writer.u8(0x01);
  writer.u16(0x0203);
  writer.u32(0x04050607);
  writer.u64(0x08090a0b0c0d0e0f);
  EXPECT_EQ(out, bytes_of({1, 3, 2, 7, 6, 5, 4, 15, 14, 13, 12, 11, 10, 9, 8}));
  EXPECT_EQ(writer.size(), 15U);
}

TEST(WireWriter, WritesNumbersAsTheirIeeeBits) {
  std::vector<std::byte> out;
  WireWriter writer(out);
  writer.f32(1.0F);
  writer.f64(-2.0);
  EXPECT_EQ(out, bytes_of({0, 0, 0x80, 0x3f, 0, 0, 0, 0, 0, 0, 0, 0xc0}));
}

TEST(WireWriter, AppendsToWhatIsThere) {
  std::vector<std::byte> out = bytes_of({9});
  WireWriter writer(out);
  writer.bytes(bytes_of({1, 2}));
  writer.bytes({});
  const std::array<std::uint64_t, 2> words = {1, 2};
  writer.words(words);
  EXPECT_EQ(out, bytes_of({9, 1, 2, 1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0}));
}

TEST(WireWriter, PatchesEightBytesThatExist) {
  std::vector<std::byte> out = bytes_of({1, 2, 3, 4, 5, 6, 7, 8, 9});
  WireWriter writer(out);
  writer.patch_u64(1, 0xffU);
  EXPECT_EQ(out, bytes_of({1, 0xff, 0, 0, 0, 0, 0, 0, 0}));
  EXPECT_THROW(writer.patch_u64(2, 0), std::logic_error);
}

// One value of each type, written and read back by the same list.
struct Everything {
  std::vector<std::byte> bytes;
  std::vector<std::function<void(WireReader&)>> reads;
  Everything() {
    WireWriter writer(bytes);
    writer.u8(0xab);
    writer.u16(0xabcd);
    writer.u32(0xabcdef01);
    writer.u64(0xabcdef0123456789);
    writer.f32(-1.5F);
    writer.f64(1e300);
    writer.bytes(bytes_of({7, 8, 9}));
    const std::array<std::uint64_t, 2> words = {~std::uint64_t{0}, 5};
    writer.words(words);
    reads = {[](WireReader& in) { EXPECT_EQ(in.u8(), 0xab); },
             [](WireReader& in) { EXPECT_EQ(in.u16(), 0xabcd); },
             [](WireReader& in) { EXPECT_EQ(in.u32(), 0xabcdef01U); },
             [](WireReader& in) { EXPECT_EQ(in.u64(), 0xabcdef0123456789U); },
             [](WireReader& in) { EXPECT_EQ(in.f32(), -1.5F); },
             [](WireReader& in) { EXPECT_EQ(in.f64(), 1e300); },
             [](WireReader& in) { EXPECT_EQ(in.bytes(3).back(), std::byte{9}); },
             [](WireReader& in) {
               std::array<std::uint64_t, 2> out = {};
               in.words(out);
               EXPECT_EQ(out, (std::array<std::uint64_t, 2>{~std::uint64_t{0}, 5}));
             }};
  }
};

TEST(WireReader, ReadsBackWhatWasWritten) {
  const Everything all;
  WireReader reader(all.bytes);
  for (const auto& read : all.reads) read(reader);
  EXPECT_TRUE(reader.finish());
  EXPECT_EQ(reader.position(), all.bytes.size());
  EXPECT_EQ(reader.remaining(), 0U);
}

// Reads all types in order and returns the status.
Status read_everything(Bytes bytes) {
  WireReader reader(bytes);
  reader.u8();
  reader.u16();
  reader.u32();
  reader.u64();
  reader.f32();
  reader.f64();
  reader.bytes(3);
  std::array<std::uint64_t, 2> words = {};
  reader.words(words);
  return reader.finish();
}

TEST(WireReader, SaysTruncatedAtTheValueThatIsCutForEveryLength) {
  const Everything all;
  const std::array<std::size_t, 9> starts = {0, 1, 3, 7, 15, 19, 27, 30, 46};
  for (std::size_t length = 0; length < all.bytes.size(); ++length) {
    std::size_t value = 0;
    while (starts[value + 1] <= length) ++value;
    const Status status = read_everything(Bytes(all.bytes).first(length));
    EXPECT_EQ(status, Status(Fault::kTruncated, starts[value], length - starts[value],
                             starts[value + 1] - starts[value]))
        << length;
  }
}

TEST(WireReader, SaysTrailingBytesWhenSomethingIsLeftOver) {
  Everything all;
  all.bytes.resize(all.bytes.size() + 2);
  EXPECT_EQ(read_everything(all.bytes), Status(Fault::kTrailingBytes, 46, 2, 0));
}

TEST(WireReader, KeepsItsFirstFaultAndReadsZerosAfterIt) {
  const auto bytes = bytes_of({1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18});
  WireReader reader(bytes);
  EXPECT_EQ(reader.u16(), 0x0201);
  reader.fail(Fault::kBadIndex, 7, 9);
  EXPECT_FALSE(reader.ok());
  EXPECT_EQ(reader.u8(), 0);
  EXPECT_EQ(reader.u16(), 0);
  EXPECT_EQ(reader.u32(), 0U);
  EXPECT_EQ(reader.u64(), 0U);
  EXPECT_EQ(reader.f32(), 0.0F);
  EXPECT_EQ(reader.f64(), 0.0);
  EXPECT_TRUE(reader.bytes(1).empty());
  std::array<std::uint64_t, 1> words = {77};
  reader.words(words);
  EXPECT_EQ(words[0], 77U);
  EXPECT_EQ(reader.position(), 2U);
  reader.fail(Fault::kNonFinite);
  EXPECT_EQ(reader.finish(), Status(Fault::kBadIndex, 2, 7, 9));
}

TEST(WireReader, NamesThePlaceOfSomethingThatWasReadAlready) {
  const auto bytes = bytes_of({1, 2, 3, 4});
  WireReader reader(bytes);
  reader.u32();
  reader.fail_at(1, Fault::kBadValue);
  EXPECT_EQ(reader.status(), Status(Fault::kBadValue, 1));
}

TEST(WireReader, ALengthThatNoMemoryHoldsIsTruncated) {
  const auto bytes = bytes_of({1, 2});
  WireReader reader(bytes);
  reader.u8();
  EXPECT_TRUE(reader.bytes(~std::size_t{0}).empty());
  EXPECT_EQ(reader.status().fault(), Fault::kTruncated);
}

TEST(WireReader, OfNothingIsFinished) {
  WireReader reader({});
  EXPECT_TRUE(reader.bytes(0).empty());
  EXPECT_TRUE(reader.finish());
}

}  // namespace
}  // namespace laconic::wire
