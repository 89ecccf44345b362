// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <string_view>
#include <vector>

#include "tests/unit/channel/support.hpp"

namespace laconic::test {
namespace {

std::vector<std::byte> payload_of(std::size_t size) {
  std::vector<std::byte> bytes(size);
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<std::byte>(31 * i + 7);
  return bytes;
}

std::uint64_t differences(std::span<const std::byte> a, std::span<const std::byte> b) {
  std::uint64_t bits = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    bits += static_cast<std::uint64_t>(std::popcount(static_cast<std::uint8_t>(a[i] ^ b[i])));
  }
  return bits;
}

TEST(Crc32, HasTheKnownAnswerAndContinues) {
  constexpr std::string_view kText = "123456789";
  const auto bytes = std::as_bytes(std::span(kText.data(), kText.size()));
  EXPECT_EQ(crc32(bytes), 0xCBF43926U);
  EXPECT_EQ(crc32(bytes.subspan(4), crc32(bytes.first(4))), 0xCBF43926U);
  EXPECT_EQ(crc32({}), 0U);
}

TEST(BitFlip, FlipsBitsWithProbabilityP) {
  const auto link = link_of("bitflip:p=0.01,repair=none");
  std::uint64_t flips = 0;
  constexpr std::uint32_t kFrames = 200;
  for (std::uint32_t round = 0; round < kFrames; ++round) {
    auto bytes = payload_of(1000);
    const Delivery delivery = link->send({.round = round}, 32, bytes);
    const std::uint64_t here = differences(bytes, payload_of(1000));
    EXPECT_TRUE(delivery.arrived);
    EXPECT_EQ(delivery.damaged, here > 0);
    EXPECT_EQ(delivery.sent_bytes, 1032U);
    flips += here;
  }
  const double bits = 8000.0 * kFrames;
  EXPECT_NEAR(static_cast<double>(flips) / bits, 0.01, 5 * std::sqrt(0.01 * 0.99 / bits));
}

TEST(BitFlip, FlipsEveryPlaceAlikeUpToTheLastBit) {
  const auto link = link_of("bitflip:p=0.25,repair=none");
  std::vector<int> count(24, 0);
  constexpr int kFrames = 8000;
  for (std::uint32_t round = 0; round < kFrames; ++round) {
    std::vector<std::byte> bytes(3, std::byte{0});
    link->send({.round = round}, 0, bytes);
    for (std::size_t bit = 0; bit < 24; ++bit) {
      count[bit] += static_cast<int>(bytes[bit / 8] >> (bit % 8)) & 1;
    }
  }
  for (const int flips : count) {
    EXPECT_NEAR(flips, 0.25 * kFrames, 5 * std::sqrt(0.25 * 0.75 * kFrames));
  }
}

TEST(BitFlip, ChecksumsFindTheDamageAndFramesAreDropped) {
  const auto link = link_of("bitflip:p=0.0001,repair=drop");
  int lost = 0;
  constexpr int kFrames = 2000;
  for (std::uint32_t round = 0; round < kFrames; ++round) {
    auto bytes = payload_of(250);
    const Delivery delivery = link->send({.round = round}, 32, bytes);
    EXPECT_FALSE(delivery.damaged);
    EXPECT_EQ(delivery.sent_bytes, 32U + 250U + 4U);
    if (delivery.arrived) {
      EXPECT_EQ(bytes, payload_of(250));
    } else {
      ++lost;
    }
  }
  const double p = 1 - std::pow(1 - 0.0001, 8 * 254);  // some bit of payload or checksum
  EXPECT_NEAR(lost / double{kFrames}, p, 5 * std::sqrt(p * (1 - p) / kFrames));
}

TEST(BitFlip, ResendsUntilTheFrameArrivesAndCountsEveryAttempt) {
  const auto link = link_of("bitflip:p=0.0005,repair=resend,attempts=1000");
  double attempts = 0;
  constexpr int kFrames = 1000;
  for (std::uint32_t round = 0; round < kFrames; ++round) {
    auto bytes = payload_of(250);
    const Delivery delivery = link->send({.round = round}, 32, bytes);
    ASSERT_TRUE(delivery.arrived);
    ASSERT_EQ(bytes, payload_of(250));
    EXPECT_EQ(delivery.sent_bytes, delivery.attempts * 286U);
    attempts += delivery.attempts;
  }
  const double q = std::pow(1 - 0.0005, 8 * 254);
  EXPECT_NEAR(attempts / kFrames, 1 / q, 5 * std::sqrt((1 - q) / (q * q) / kFrames));
}

TEST(BitFlip, GivesUpAfterTheLastAttempt) {
  auto bytes = payload_of(1000);
  const Delivery delivery = link_of("bitflip:p=0.4,attempts=3")->send({.round = 1}, 32, bytes);
  EXPECT_FALSE(delivery.arrived);
  EXPECT_EQ(delivery.attempts, 3U);
}

TEST(Erasure, LosesFramesWithProbabilityP) {
  struct Case {
    const char* spec;
    double lost;
  };
  for (const Case& one : {Case{"erasure:p=0.2,repair=drop", 0.2},
                          Case{"erasure:p=0.2,repair=resend,attempts=2", 0.04}}) {
    const auto link = link_of(one.spec);
    int lost = 0;
    constexpr int kFrames = 20000;
    for (std::uint32_t round = 0; round < kFrames; ++round) {
      auto bytes = payload_of(10);
      const Delivery delivery = link->send({.round = round, .worker = 3, .frame = 1}, 32, bytes);
      EXPECT_EQ(delivery.sent_bytes, 42U * delivery.attempts);
      EXPECT_EQ(bytes, payload_of(10));
      lost += delivery.arrived ? 0 : 1;
    }
    const double deviation = std::sqrt(one.lost * (1 - one.lost) / kFrames);
    EXPECT_NEAR(lost / double{kFrames}, one.lost, 5 * deviation) << one.spec;
  }
}

TEST(Capacity, TakesWhatFitsAndLosesTheRest) {
  const auto link = link_of("capacity:bits=1000");
  auto bytes = payload_of(68);
  EXPECT_TRUE(link->send({.sent_bytes = 0}, 32, bytes).arrived);
  EXPECT_TRUE(link->send({.sent_bytes = 25}, 32, bytes).arrived);  // 125 bytes, exactly
  const Delivery refused = link->send({.sent_bytes = 26}, 32, bytes);
  EXPECT_FALSE(refused.arrived);
  EXPECT_EQ(refused.sent_bytes, 0U);
}

TEST(Links, RefuseWhatMakesNoSense) {
  EXPECT_THROW(link_of("bitflip"), ConfigError);
  EXPECT_THROW(link_of("bitflip:p=0.6"), ConfigError);
  EXPECT_THROW(link_of("erasure:p=1"), ConfigError);
  EXPECT_THROW(link_of("erasure:p=0.1,repair=none"), ConfigError);
  EXPECT_THROW(link_of("capacity:bits=0"), ConfigError);
}

}  // namespace
}  // namespace laconic::test
