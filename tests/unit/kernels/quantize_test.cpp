// SPDX-License-Identifier: Apache-2.0
// Rounding at random and scans for thresholds: the same bits as the scalar reference on every
// target, also where sixteen bits of a draw do not decide, and the law of the draws.
#include <cmath>

#include "tests/unit/kernels/support.hpp"

namespace laconic::kernels::test {
namespace {

rng::Stream stream_of(std::uint32_t round) {
  return {99, {.purpose = rng::Purpose::kTest, .round = round}};
}

template <class T>
class Quantize : public testing::Test {};
TYPED_TEST_SUITE(Quantize, RealTypes);

template <Real T>
void expect_reference(const RandomRounding<T>& rounding, std::span<const T> x, std::uint32_t id) {
  const rng::Stream stream = stream_of(id);
  const std::uint64_t first = std::uint64_t{id % 5} * 32;
  std::vector<std::uint16_t> codes(x.size());
  std::vector<std::uint16_t> expected_codes(x.size());
  round_to_codes<T>(rounding, x, stream, first, codes);
  reference::round_to_codes<T>(rounding, x, stream, first, expected_codes);
  ASSERT_EQ(codes, expected_codes) << x.size();
  if (rounding.levels != 1) return;
  const std::size_t words = words_for(x.size());
  std::vector<std::uint64_t> signs(words, 7), mask(words, 7), signs2(words), mask2(words);
  round_to_planes<T>(rounding, x, stream, first, signs, mask);
  reference::round_to_planes<T>(rounding, x, stream, first, signs2, mask2);
  ASSERT_EQ(signs, signs2) << x.size();
  ASSERT_EQ(mask, mask2) << x.size();
  for (std::size_t i = 0; i < x.size(); ++i) {
    ASSERT_EQ((mask[i / 64] >> (i % 64)) & 1, codes[i] != 0 ? 1U : 0U);
    ASSERT_EQ((signs[i / 64] >> (i % 64)) & 1, codes[i] == 3 ? 1U : 0U);
  }
}

TYPED_TEST(Quantize, RoundingIsTheReferenceOnEveryTarget) {
  using T = TypeParam;
  on_each_target([&] {
    for (const std::size_t size : lengths()) {
      const auto id = static_cast<std::uint32_t>(size);
      const auto x = random_values<T>(size, id, Values::kAwkward);
      for (const std::uint32_t levels : {1U, 7U, 32767U}) {
        expect_reference<T>({.scale = static_cast<T>(1.5), .levels = levels}, x.span(), id);
      }
    }
  });
}

TYPED_TEST(Quantize, ScalesAtBothEndsOfTheRangeAreTheReference) {
  using T = TypeParam;
  using Limits = std::numeric_limits<T>;
  on_each_target([&] {
    for (const T scale :
         {Limits::denorm_min(), Limits::min() / 3, Limits::max() / 2, Limits::max()}) {
      std::vector<T> x;
      rng::Reader random = reader(3);
      for (int i = 0; i < 333; ++i)
        x.push_back(static_cast<T>((random.unit_double() * 2 - 1) * static_cast<double>(scale)));
      for (const std::uint32_t levels : {1U, 100U, 32767U})
        expect_reference<T>({.scale = scale, .levels = levels}, x, 1);
    }
  });
}

// Values whose probability is just the draw's upper half: the other word has to decide.
TYPED_TEST(Quantize, UndecidedDrawsTakeTheOtherWord) {
  using T = TypeParam;
  constexpr std::size_t kSize = 5000;
  const rng::Stream stream = stream_of(4);
  std::vector<T> x(kSize);
  std::size_t up = 0;
  for (std::size_t i = 0; i < kSize; ++i) {
    const std::uint32_t word = stream.word(16 * (i / 32) + i % 16);
    const std::uint32_t half = i % 32 < 16 ? word & 0xffffU : word >> 16;
    x[i] = static_cast<T>((half + 0.25) / 65536);  // up when the other word is below 2^30
    up += stream.word((std::uint64_t{1} << 33) + i) < 0x40000000U ? 1U : 0U;
  }
  on_each_target([&] {
    std::vector<std::uint16_t> codes(kSize);
    round_to_codes<T>({.scale = 1, .levels = 1}, x, stream, 0, codes);
    std::size_t ones = 0;
    for (const std::uint16_t code : codes) ones += code;
    EXPECT_EQ(ones, up);
    expect_reference<T>({.scale = 1, .levels = 1}, x, 5);
  });
  EXPECT_GT(up, kSize / 5);
  EXPECT_LT(up, kSize * 3 / 10);
}

TYPED_TEST(Quantize, WhatReachesTheScaleIsExactlyTheTopLevel) {
  using T = TypeParam;
  rng::Reader random = reader(8);
  for (int round = 0; round < 300; ++round) {
    const T scale = static_cast<T>(std::exp(random.normal()));
    const std::vector<T> x = {scale, -scale, 2 * scale, -3 * scale, 0};
    std::vector<std::uint16_t> codes(5);
    round_to_codes<T>({.scale = scale, .levels = 7}, x,
                      stream_of(static_cast<std::uint32_t>(round)), 0, codes);
    EXPECT_EQ(codes, (std::vector<std::uint16_t>{7, 15, 7, 15, 0}));
  }
}

TYPED_TEST(Quantize, ThresholdsAreTheReferenceOnEveryTarget) {
  using T = TypeParam;
  on_each_target([&] {
    for (const std::size_t size : lengths()) {
      const auto x = random_values<T>(size, 2, Values::kAwkward);
      const std::size_t words = words_for(size);
      for (const T threshold :
           {T{0}, static_cast<T>(0.5), size > 0 ? std::abs(x.span()[0]) : T{1}}) {
        std::vector<std::uint64_t> signs(words, 7), mask(words, 7), signs2(words), mask2(words);
        threshold_to_planes<T>(threshold, x.span(), signs, mask);
        reference::threshold_to_planes<T>(threshold, x.span(), signs2, mask2);
        ASSERT_EQ(signs, signs2);
        ASSERT_EQ(mask, mask2);
      }
    }
  });
}

TYPED_TEST(Quantize, BracketsAreTheReferenceOnEveryTarget) {
  using T = TypeParam;
  auto sizes = lengths();
  sizes.push_back(40000);
  on_each_target([&] {
    for (const std::size_t size : sizes) {
      const auto x = random_values<T>(size, 2, Values::kModerate);
      const T edge = size > 0 ? std::abs(x.span()[0]) : T{1};
      for (const auto& [low, high] : {std::pair<T, T>{0, 0}, std::pair<T, T>{edge, edge + 1},
                                      std::pair<T, T>{0, std::numeric_limits<T>::max()}}) {
        std::vector<T> found;
        std::vector<T> expected;
        const MagnitudeSums sums = bracket_magnitudes<T>(low, high, x.span(), found);
        const MagnitudeSums truth = reference::bracket_magnitudes<T>(low, high, x.span(), expected);
        ASSERT_EQ(found, expected);
        ASSERT_EQ(sums.nonzeros, truth.nonzeros);
        ASSERT_EQ(sums.above, truth.above);
        ASSERT_EQ(bits_of(sums.l1), bits_of(truth.l1));
        ASSERT_EQ(bits_of(sums.l1_above), bits_of(truth.l1_above));
      }
    }
  });
}

}  // namespace
}  // namespace laconic::kernels::test
