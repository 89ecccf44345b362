// SPDX-License-Identifier: Apache-2.0
#include "laconic/tensor/workspace.hpp"

#include <gtest/gtest.h>

#include <cstddef>
#include <memory>

namespace laconic {
namespace {

template <class T>
bool is_aligned(const T* p) {
  // Pointer arithmetic modulo the alignment, without turning the pointer into another type.
  const void* position = p;
  void* moved = const_cast<void*>(position);
  std::size_t space = 2 * kAlignment;
  return std::align(kAlignment, 1, moved, space) == position;
}

TEST(AlignedVector, StartsOnACacheLine) {
  for (std::size_t size = 1; size < 200; size += 13) {
    EXPECT_TRUE(is_aligned(AlignedVector<std::byte>(size).data()));
    EXPECT_TRUE(is_aligned(AlignedVector<float>(size).data()));
    EXPECT_TRUE(is_aligned(AlignedVector<double>(size).data()));
  }
}

TEST(Scratch, GivesWhatIsAskedForAndOnlyGrows) {
  Scratch<float> scratch;
  const auto large = scratch.take(100);
  EXPECT_EQ(large.size(), 100U);
  EXPECT_TRUE(is_aligned(large.data()));
  const auto small = scratch.take(10);
  EXPECT_EQ(small.size(), 10U);
  EXPECT_EQ(small.data(), large.data());
  EXPECT_EQ(scratch.take(100).data(), large.data());
  EXPECT_EQ(scratch.take(0).size(), 0U);
  EXPECT_EQ(scratch.take(1000).size(), 1000U);
}

}  // namespace
}  // namespace laconic
