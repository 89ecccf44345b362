// SPDX-License-Identifier: Apache-2.0
#include "laconic/rng/philox.hpp"

#include <gtest/gtest.h>

#include <bit>

namespace laconic::rng {
namespace {

// kat_vectors of Random123, philox4x32 with 10 rounds.
TEST(Philox, GivesTheKnownAnswers) {
  EXPECT_EQ(philox4x32({0, 0, 0, 0}, {0, 0}),
            (PhiloxCounter{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(philox4x32({~0U, ~0U, ~0U, ~0U}, {~0U, ~0U}),
            (PhiloxCounter{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (PhiloxCounter{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

// A change of one input bit should change each of the 128 output bits with probability 1/2. Over
// 192 inputs x 64 counters the mean of the changed bits has standard deviation sqrt(32)/sqrt(12288)
// = 0.051 around 64; the limit is six of them.
TEST(Philox, OneBitOfInputChangesHalfOfTheOutput) {
  double changed = 0;
  int count = 0;
  for (std::uint32_t base = 0; base < 64; ++base) {
    for (int bit = 0; bit < 192; ++bit) {
      PhiloxCounter counter = {base, base * 77, 5, 9};
      PhiloxKey key = {base, 1};
      const PhiloxCounter before = philox4x32(counter, key);
      const auto mask = std::uint32_t{1} << (bit % 32);
      if (bit < 128)
        counter[static_cast<std::size_t>(bit / 32)] ^= mask;
      else
        key[static_cast<std::size_t>(bit / 32 - 4)] ^= mask;
      const PhiloxCounter after = philox4x32(counter, key);
      for (std::size_t w = 0; w < 4; ++w) changed += std::popcount(before[w] ^ after[w]);
      ++count;
    }
  }
  EXPECT_NEAR(changed / count, 64, 6 * 0.051);
}

}  // namespace
}  // namespace laconic::rng
