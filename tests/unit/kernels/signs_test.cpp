// SPDX-License-Identifier: Apache-2.0
// Numbered names refer to the list of checks of the signSGD specification: the round trip is
// number 1.
#include <cmath>
#include <stdexcept>

#include "tests/unit/kernels/support.hpp"

namespace laconic::kernels::test {
namespace {

template <class T>
class Signs : public testing::Test {};
TYPED_TEST_SUITE(Signs, RealTypes);

using Plane = std::vector<std::uint64_t>;

// Rubbish, so that a word that is not written shows.
Plane rubbish(std::size_t bits) { return Plane(words_for(bits), 0xdeadbeefdeadbeef); }

bool tail_is_clear(const Plane& plane, std::size_t bits) {
  return bits % 64 == 0 || (plane.back() >> (bits % 64)) == 0;
}

TEST(SignsgdCheck01, PackUnpackRoundTripForEveryDimension) {
  enum class Pattern : std::uint8_t { kPositive, kNegative, kAlternating, kRandom };
  on_each_target([] {
    rng::Reader random = reader(1);
    for (std::size_t d = 0; d <= 4096; ++d) {
      for (const Pattern pattern :
           {Pattern::kPositive, Pattern::kNegative, Pattern::kAlternating, Pattern::kRandom}) {
        std::vector<float> x(d, 0.5F);
        for (std::size_t i = 0; i < d; ++i) {
          const bool negative = pattern == Pattern::kNegative ||
                                (pattern == Pattern::kAlternating && i % 2 == 1) ||
                                (pattern == Pattern::kRandom && random.below(2) == 1);
          if (negative) x[i] = -0.5F;
        }
        Plane signs = rubbish(d);
        pack_signs(std::span<const float>(x), std::span<std::uint64_t>(signs));
        ASSERT_EQ(signs.size() * 8, 8 * ((d + 63) / 64));
        ASSERT_TRUE(tail_is_clear(signs, d)) << d;
        std::vector<float> y(d, 7.0F);
        unpack_signs(std::span<const std::uint64_t>(signs), 0.5F, std::span<float>(y));
        ASSERT_TRUE(same_bits(y, x)) << d;
      }
    }
  });
}

TYPED_TEST(Signs, PackEqualsTheReference) {
  using T = TypeParam;
  on_each_target([] {
    for (const std::size_t n : lengths()) {
      const auto x = random_values<T>(n, 1, Values::kInfinite);
      Plane signs = rubbish(n);
      Plane expected = rubbish(n);
      pack_signs(x.span(), std::span<std::uint64_t>(signs));
      reference::pack_signs(x.span(), std::span<std::uint64_t>(expected));
      ASSERT_TRUE(same_bits(signs, expected)) << n;
      Plane mask = rubbish(n);
      Plane expected_mask = rubbish(n);
      signs = rubbish(n);
      pack_signs_and_mask(x.span(), std::span<std::uint64_t>(signs),
                          std::span<std::uint64_t>(mask));
      reference::pack_signs_and_mask(x.span(), std::span<std::uint64_t>(expected),
                                     std::span<std::uint64_t>(expected_mask));
      ASSERT_TRUE(same_bits(signs, expected)) << n;
      ASSERT_TRUE(same_bits(mask, expected_mask)) << n;
    }
  });
}

TYPED_TEST(Signs, NegativeZeroIsZeroAndNotNegative) {
  using T = TypeParam;
  const T tiny = std::numeric_limits<T>::denorm_min();
  const T infinity = std::numeric_limits<T>::infinity();
  const std::vector<T> x = {T{1}, T{-1}, T{0}, -T{0}, tiny, -tiny, infinity, -infinity};
  for (const std::size_t repeats : {1U, 16U}) {  // scalar tail, and full vectors
    std::vector<T> all;
    for (std::size_t r = 0; r < repeats; ++r) all.insert(all.end(), x.begin(), x.end());
    on_each_target([&] {
      Plane signs(words_for(all.size()));
      Plane mask(words_for(all.size()));
      pack_signs_and_mask(std::span<const T>(all), std::span<std::uint64_t>(signs),
                          std::span<std::uint64_t>(mask));
      EXPECT_EQ(signs[0] & 0xff, 0b10100010U);
      EXPECT_EQ(mask[0] & 0xff, 0b11110011U);
    });
  }
}

TYPED_TEST(Signs, UnpackEqualsTheReference) {
  using T = TypeParam;
  on_each_target([] {
    for (const std::size_t n : lengths()) {
      rng::Reader random = reader(static_cast<std::uint32_t>(n), 2);
      const Plane signs = random_plane(n, random);
      const Plane mask = random_plane(n, random);
      const std::span<const std::uint64_t> sign_span(signs);
      const std::span<const std::uint64_t> mask_span(mask);
      auto y = random_values<T>(n, 3, Values::kInfinite);
      auto expected = y;
      add_signs(sign_span, T(0.3), y.span());
      reference::add_signs(sign_span, T(0.3), expected.span());
      ASSERT_TRUE(same_bits(y, expected)) << n;
      unpack_signs(sign_span, T(0.3), y.span());
      reference::unpack_signs(sign_span, T(0.3), expected.span());
      ASSERT_TRUE(same_bits(y, expected)) << n;
      unpack_masked_signs(sign_span, mask_span, T(0.7), y.span());
      reference::unpack_masked_signs(sign_span, mask_span, T(0.7), expected.span());
      ASSERT_TRUE(same_bits(y, expected)) << n;
    }
  });
}

TYPED_TEST(Signs, MaskedRoundTripKeepsSignsAndZeros) {
  using T = TypeParam;
  on_each_target([] {
    const auto x = random_values<T>(777, 4, Values::kInfinite);
    Plane signs(words_for(777));
    Plane mask(words_for(777));
    pack_signs_and_mask(x.span(), std::span<std::uint64_t>(signs), std::span<std::uint64_t>(mask));
    std::vector<T> y(777);
    unpack_masked_signs(std::span<const std::uint64_t>(signs), std::span<const std::uint64_t>(mask),
                        T{1}, std::span<T>(y));
    for (std::size_t i = 0; i < y.size(); ++i) {
      const T value = x.span()[i];
      ASSERT_EQ(y[i], value < 0 ? T{-1} : value > 0 ? T{1} : T{0}) << i;
    }
  });
}

TYPED_TEST(Signs, MomentumEqualsTheReference) {
  using T = TypeParam;
  on_each_target([] {
    for (const std::size_t n : lengths()) {
      for (const double beta : {0.0, 0.9}) {
        const auto g = random_values<T>(n, 5, Values::kAwkward);
        auto v = random_values<T>(n, 6, Values::kAwkward);
        auto expected = v;
        Plane signs = rubbish(n);
        Plane expected_signs = rubbish(n);
        momentum_pack_signs(beta, g.span(), v.span(), std::span<std::uint64_t>(signs));
        reference::momentum_pack_signs(beta, g.span(), expected.span(),
                                       std::span<std::uint64_t>(expected_signs));
        ASSERT_TRUE(same_bits(v, expected)) << n;
        ASSERT_TRUE(same_bits(signs, expected_signs)) << n;
      }
    }
  });
}

TYPED_TEST(Signs, MomentumWithBetaZeroPacksTheSignsOfTheGradient) {
  using T = TypeParam;
  on_each_target([] {
    const auto g = random_values<T>(1000, 7, Values::kAwkward);
    auto v = random_values<T>(1000, 8, Values::kModerate);
    Plane signs(words_for(1000));
    Plane expected(words_for(1000));
    momentum_pack_signs(0.0, g.span(), v.span(), std::span<std::uint64_t>(signs));
    pack_signs(g.span(), std::span<std::uint64_t>(expected));
    EXPECT_EQ(signs, expected);
  });
}

TYPED_TEST(Signs, ErrorFeedbackEqualsTheReference) {
  using T = TypeParam;
  on_each_target([] {
    for (const std::size_t n : lengths()) {
      for (const T r : {T{1}, T(0.8)}) {
        const auto g = random_values<T>(n, 9, Values::kModerate);
        auto e = random_values<T>(n, 10, Values::kModerate);
        auto expected = e;
        Plane signs = rubbish(n);
        Plane expected_signs = rubbish(n);
        const float scale =
            error_feedback_pack_signs(g.span(), r, e.span(), std::span<std::uint64_t>(signs));
        const float expected_scale = reference::error_feedback_pack_signs(
            g.span(), r, expected.span(), std::span<std::uint64_t>(expected_signs));
        ASSERT_EQ(bits_of(scale), bits_of(expected_scale)) << n;
        ASSERT_TRUE(same_bits(e, expected)) << n;
        ASSERT_TRUE(same_bits(signs, expected_signs)) << n;
      }
    }
  });
}

TYPED_TEST(Signs, ErrorFeedbackHandlesDenormalAndHugeValues) {
  using T = TypeParam;
  on_each_target([] {
    for (const std::size_t n : {5U, 64U, 200U}) {
      const auto g = random_values<T>(n, 11, Values::kAwkward);
      auto e = random_values<T>(n, 12, Values::kAwkward);
      // In double the scale may be beyond float; equality with the reference has to hold all the
      // same.
      auto expected = e;
      Plane signs = rubbish(n);
      Plane expected_signs = rubbish(n);
      const float scale =
          error_feedback_pack_signs(g.span(), T{1}, e.span(), std::span<std::uint64_t>(signs));
      const float expected_scale = reference::error_feedback_pack_signs(
          g.span(), T{1}, expected.span(), std::span<std::uint64_t>(expected_signs));
      ASSERT_EQ(bits_of(scale), bits_of(expected_scale)) << n;
      ASSERT_TRUE(same_bits(e, expected)) << n;
      ASSERT_TRUE(same_bits(signs, expected_signs)) << n;
    }
  });
}

TYPED_TEST(Signs, ErrorFeedbackKeepsWhatWasNotSent) {
  using T = TypeParam;
  on_each_target([] {
    const std::size_t n = 1000;
    const auto g = random_values<T>(n, 13, Values::kModerate);
    auto e = random_values<T>(n, 14, Values::kModerate);
    std::vector<T> p(n);
    for (std::size_t i = 0; i < n; ++i) p[i] = g.span()[i] + e.span()[i];
    Plane signs(words_for(n));
    const float scale =
        error_feedback_pack_signs(g.span(), T{1}, e.span(), std::span<std::uint64_t>(signs));
    std::vector<T> sent(n);
    unpack_signs(std::span<const std::uint64_t>(signs), static_cast<T>(scale), std::span<T>(sent));
    for (std::size_t i = 0; i < n; ++i) ASSERT_EQ(e.span()[i], p[i] - sent[i]) << i;
  });
}

TYPED_TEST(Signs, RefusePlanesOfTheWrongSize) {
  using T = TypeParam;
  std::vector<T> x(65);
  Plane small(1);
  Plane right(2);
  const std::span<const T> in(x);
  const std::span<T> out(x);
  std::vector<T> other(65);
  EXPECT_THROW(pack_signs(in, std::span<std::uint64_t>(small)), std::logic_error);
  EXPECT_THROW(
      pack_signs_and_mask(in, std::span<std::uint64_t>(right), std::span<std::uint64_t>(small)),
      std::logic_error);
  EXPECT_THROW(unpack_signs(std::span<const std::uint64_t>(small), T{1}, out), std::logic_error);
  EXPECT_THROW(unpack_masked_signs(std::span<const std::uint64_t>(right),
                                   std::span<const std::uint64_t>(small), T{1}, out),
               std::logic_error);
  EXPECT_THROW(add_signs(std::span<const std::uint64_t>(small), T{1}, out), std::logic_error);
  EXPECT_THROW(momentum_pack_signs(0.9, in, std::span<T>(other), std::span<std::uint64_t>(small)),
               std::logic_error);
  EXPECT_THROW(static_cast<void>(error_feedback_pack_signs(in, T{1}, std::span<T>(other),
                                                           std::span<std::uint64_t>(small))),
               std::logic_error);
}

}  // namespace
}  // namespace laconic::kernels::test
