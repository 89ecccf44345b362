// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <stdexcept>

#include "tests/unit/kernels/support.hpp"

namespace laconic::kernels::test {
namespace {

TEST(SimdTarget, UsesTheFirstSupportedTargetByDefault) {
  ASSERT_FALSE(simd_targets().empty());
  EXPECT_EQ(simd_target(), simd_targets().front());
}

TEST(SimdTarget, CanBeForcedToEachSupportedTargetAndReleased) {
  const std::vector<std::string> targets = simd_targets();
  on_each_target([&] {
    EXPECT_TRUE(std::count(targets.begin(), targets.end(), simd_target()) == 1);
    EXPECT_EQ(simd_targets(), targets);
  });
  for (const std::string& target : targets) {
    force_simd_target(target);
    EXPECT_EQ(simd_target(), target);
  }
  force_simd_target("");
  EXPECT_EQ(simd_target(), targets.front());
}

TEST(SimdTarget, RefusesATargetThatTheCpuDoesNotHave) {
  EXPECT_THROW(force_simd_target("ABACUS"), std::logic_error);
}

TEST(Words, AreAsManyAsHoldTheBits) {
  EXPECT_EQ(words_for(0), 0U);
  EXPECT_EQ(words_for(1), 1U);
  EXPECT_EQ(words_for(64), 1U);
  EXPECT_EQ(words_for(65), 2U);
}

}  // namespace
}  // namespace laconic::kernels::test
