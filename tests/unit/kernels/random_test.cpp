// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/kernels/support.hpp"

namespace laconic::kernels::test {
namespace {

TEST(RandomWords, AreThoseOfTheStream) {
  const rng::Stream stream(0x123456789abcdefU, {rng::Purpose::kTest, 7, 9, 11});
  on_each_target([&] {
    for (const std::uint64_t first :
         {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{2}, std::uint64_t{4},
          std::uint64_t{1003}, (std::uint64_t{1} << 34) - 64}) {
      for (const std::size_t count : {0U, 1U, 3U, 4U, 5U, 15U, 16U, 17U, 63U, 64U, 65U, 300U}) {
        if (first + count > (std::uint64_t{1} << 34)) continue;
        std::vector<std::uint32_t> actual(count);
        std::vector<std::uint32_t> expected(count);
        random_words(stream, first, actual);
        reference::random_words(stream, first, expected);
        ASSERT_EQ(actual, expected) << first << " " << count;
      }
    }
  });
}

}  // namespace
}  // namespace laconic::kernels::test
