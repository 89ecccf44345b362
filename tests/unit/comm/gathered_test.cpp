// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <array>

#include "laconic/comm/communicator.hpp"

namespace laconic {
namespace {

TEST(Gathered, IsEmptyBeforeItsFirstUse) {
  const Gathered gathered;
  EXPECT_EQ(gathered.size(), 0U);
  EXPECT_TRUE(gathered.all().empty());
}

TEST(Gathered, LaysPartsOneAfterAnother) {
  Gathered gathered;
  const std::array<std::uint64_t, 3> sizes = {2, 0, 3};
  const std::span<std::byte> bytes = gathered.reset(sizes);
  ASSERT_EQ(bytes.size(), 5U);
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::byte>(i);

  ASSERT_EQ(gathered.size(), 3U);
  EXPECT_EQ(gathered.part(0).size(), 2U);
  EXPECT_TRUE(gathered.part(1).empty());
  ASSERT_EQ(gathered.part(2).size(), 3U);
  EXPECT_EQ(gathered.part(2)[0], std::byte{2});
}

TEST(Gathered, ForgetsLongerPartsOfEarlierUses) {
  Gathered gathered;
  const std::array<std::uint64_t, 2> large = {100, 100};
  const std::array<std::uint64_t, 1> small = {7};
  gathered.reset(large);
  const std::byte* const place = gathered.all().data();

  EXPECT_EQ(gathered.reset(small).size(), 7U);
  EXPECT_EQ(gathered.size(), 1U);
  EXPECT_EQ(gathered.all().size(), 7U);
  EXPECT_EQ(gathered.all().data(), place) << "memory is kept";
}

}  // namespace
}  // namespace laconic
