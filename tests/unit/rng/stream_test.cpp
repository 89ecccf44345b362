// SPDX-License-Identifier: Apache-2.0
// Streams are named by facts, words are consumed as documented, and every draw is recorded.
#include "laconic/rng/stream.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <set>
#include <vector>

namespace laconic::rng {
namespace {

const Stream kStream(0x0123456789abcdef, {Purpose::kTest, 3, 5, 7});

TEST(Stream, CounterAndKeyAreTheFactsOfTheName) {
  EXPECT_EQ(kStream.key(), (PhiloxKey{0x89abcdef, 0x01234567}));
  EXPECT_EQ(kStream.counter(11), (PhiloxCounter{11, 5, 3, (13U << 24) | 7U}));
  EXPECT_EQ(kStream.block(11), philox4x32(kStream.counter(11), kStream.key()));
}

TEST(Stream, PurposesKeepTheirNumbers) {
  EXPECT_EQ(static_cast<int>(Purpose::kOrder), 0);
  EXPECT_EQ(static_cast<int>(Purpose::kBatch), 1);
  EXPECT_EQ(static_cast<int>(Purpose::kCompress), 2);
  EXPECT_EQ(static_cast<int>(Purpose::kShared), 3);
  EXPECT_EQ(static_cast<int>(Purpose::kZeroSign), 4);
  EXPECT_EQ(static_cast<int>(Purpose::kTie), 5);
  EXPECT_EQ(static_cast<int>(Purpose::kInitial), 6);
  EXPECT_EQ(static_cast<int>(Purpose::kData), 7);
  EXPECT_EQ(static_cast<int>(Purpose::kShard), 8);
  EXPECT_EQ(static_cast<int>(Purpose::kNoise), 9);
  EXPECT_EQ(static_cast<int>(Purpose::kChannel), 10);
  EXPECT_EQ(static_cast<int>(Purpose::kAdversary), 11);
  EXPECT_EQ(static_cast<int>(Purpose::kServer), 12);
  EXPECT_EQ(static_cast<int>(Purpose::kTest), 13);
}

TEST(Stream, TakesTensorsBelow2To24) {
  EXPECT_NO_THROW(Stream(0, {Purpose::kTest, 0, 0, (1U << 24) - 1}));
  EXPECT_THROW(Stream(0, {Purpose::kTest, 0, 0, 1U << 24}), std::logic_error);
}

TEST(Stream, EveryFactOfTheNameChangesTheNumbers) {
  std::set<PhiloxCounter> seen;
  std::size_t streams = 0;
  for (const std::uint64_t seed : {0ULL, 1ULL, 1ULL << 32}) {
    for (const Purpose purpose : {Purpose::kOrder, Purpose::kBatch, Purpose::kTest}) {
      for (const std::uint32_t worker : {0U, 1U}) {
        for (const std::uint32_t round : {0U, 1U}) {
          for (const std::uint32_t tensor : {0U, 1U}) {
            ++streams;
            seen.insert(Stream(seed, {purpose, worker, round, tensor}).block(0));
          }
        }
      }
    }
  }
  EXPECT_EQ(seen.size(), streams);
}

TEST(Stream, WordsAreTheBlocksInOrder) {
  for (std::uint64_t i = 0; i < 40; ++i)
    EXPECT_EQ(kStream.word(i), kStream.block(static_cast<std::uint32_t>(i / 4))[i % 4]);
  EXPECT_EQ(kStream.word((1ULL << 34) - 1), kStream.block(0xffffffffU)[3]);
}

TEST(Reader, TwoReadersOfAStreamReadTheSameWhateverElseIsDrawn) {
  Reader alone(kStream);
  std::vector<std::uint32_t> expected(100);
  for (auto& word : expected) word = alone.u32();
  Reader first(kStream);
  Reader other(Stream(9, {}));
  for (std::size_t i = 0; i < expected.size(); ++i) {
    EXPECT_EQ(first.u32(), expected[i]);
    for (std::size_t j = 0; j < i % 5; ++j) other.normal();
  }
}

TEST(Reader, EachCallConsumesTheWordsItStates) {
  Reader reader(kStream);
  std::uint64_t at = 0;
  const auto word = [&] { return kStream.word(at++); };
  EXPECT_EQ(reader.u32(), word());
  const std::uint64_t low = word();
  const std::uint64_t high = word();
  EXPECT_EQ(reader.u64(), (high << 32) | low);
  EXPECT_EQ(reader.unit_float(), static_cast<float>(word() >> 8) / 16777216.0F);
  const std::uint64_t low53 = word();
  const std::uint64_t high53 = word();
  EXPECT_EQ(reader.unit_double(),
            static_cast<double>(((high53 << 32) | low53) >> 11) / 9007199254740992.0);
  EXPECT_EQ(reader.below(1), 0U);
  ++at;
  EXPECT_EQ(reader.below(1ULL << 32), word());
  EXPECT_EQ(reader.below(2), word() >> 31);
  const std::uint64_t low40 = word();
  const std::uint64_t high40 = word();
  EXPECT_EQ(reader.below(1ULL << 40), ((high40 << 32) | low40) >> 24);
  reader.normal();
  reader.normal();
  at += 4;
  EXPECT_EQ(reader.u32(), word());
}

TEST(Reader, BelowNeedsABound) {
  Reader reader(kStream);
  EXPECT_THROW(reader.below(0), std::logic_error);
}

TEST(Reader, RecordedDrawsStayAsTheyAre) {
  Reader reader(Stream(42, {Purpose::kTest, 1, 2, 3}));
  EXPECT_EQ(reader.u32(), 1880880092U);
  EXPECT_EQ(reader.u64(), 3543385591127935093U);
  EXPECT_EQ(reader.unit_float(), 0.004640042781829834F);
  EXPECT_EQ(reader.unit_double(), 0.4685093209073433);
  std::vector<std::uint64_t> small;
  for (int i = 0; i < 12; ++i) small.push_back(reader.below(10));
  EXPECT_EQ(small, (std::vector<std::uint64_t>{3, 4, 1, 1, 7, 5, 6, 3, 2, 2, 2, 7}));
  std::vector<std::uint64_t> large;
  for (int i = 0; i < 4; ++i) large.push_back(reader.below(3000000000U));
  EXPECT_EQ(large, (std::vector<std::uint64_t>{2491567326, 823399001, 2766520864, 1568210913}));
  EXPECT_EQ(reader.below(0x8000000000000001), 21867395376270219U);
  EXPECT_EQ(reader.normal(), 1.0540576522445488);
  EXPECT_EQ(reader.normal(), 1.0522816367495993);
}

TEST(Permute, RecordedPermutationsStayAsTheyAre) {
  std::vector<std::uint32_t> values(12);
  std::iota(values.begin(), values.end(), 0U);
  permute(Stream(42, {Purpose::kTest, 1, 2, 4}), values);
  EXPECT_EQ(values, (std::vector<std::uint32_t>{0, 9, 7, 4, 5, 8, 6, 2, 3, 1, 11, 10}));
}

TEST(Permute, KeepsTheElements) {
  for (const std::size_t size : {0U, 1U, 2U, 3U, 100U}) {
    std::vector<std::uint32_t> values(size);
    for (std::size_t i = 0; i < size; ++i) values[i] = static_cast<std::uint32_t>(i * i + 5);
    std::vector<std::uint32_t> shuffled = values;
    permute(kStream, shuffled);
    std::sort(shuffled.begin(), shuffled.end());
    EXPECT_EQ(shuffled, values);
  }
}

TEST(FillNormal, IsTheReadersNormalsScaledAndShifted) {
  std::vector<double> numbers(7);
  std::vector<float> floats(7);
  fill_normal(kStream, {.mean = 2, .deviation = 3}, std::span<double>(numbers));
  fill_normal(kStream, {.mean = 2, .deviation = 3}, std::span<float>(floats));
  Reader reader(kStream);
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    const double expected = 2 + 3 * reader.normal();
    EXPECT_EQ(numbers[i], expected);
    EXPECT_EQ(floats[i], static_cast<float>(expected));
  }
}

}  // namespace
}  // namespace laconic::rng
