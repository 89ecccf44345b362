// SPDX-License-Identifier: Apache-2.0
// The kernels of balancing: every SIMD target against the scalar reference bit for bit, fused forms
// against their parts, sparse forms against dense ones.
#include <cmath>
#include <stdexcept>

#include "tests/unit/kernels/support.hpp"

namespace laconic::kernels::test {
namespace {

template <class T>
class Balance : public testing::Test {};
TYPED_TEST_SUITE(Balance, RealTypes);

TYPED_TEST(Balance, DifferencesAndProductsEqualTheReference) {
  using T = TypeParam;
  on_each_target([] {
    for (const std::size_t n : lengths()) {
      const auto a = random_values<T>(n, 1, Values::kAwkward);
      const auto b = random_values<T>(n, 2, Values::kAwkward);
      const auto h = random_values<double>(n, 3, Values::kModerate);
      Shifted<T> v(n, 1);
      Shifted<T> expected(n, 1);
      subtract<T>(a.span(), b.span(), v.span());
      reference::subtract<T>(a.span(), b.span(), expected.span());
      ASSERT_TRUE(same_bits(v, expected)) << n;
      ASSERT_EQ(bits_of(wide_dot<T>(a.span(), h.span())),
                bits_of(reference::wide_dot<T>(a.span(), h.span())))
          << n;
      Shifted<T> again(n, 2);
      ASSERT_EQ(bits_of(difference_dot<T>(a.span(), b.span(), h.span(), again.span())),
                bits_of(reference::difference_dot<T>(a.span(), b.span(), h.span(), v.span())))
          << n;
      ASSERT_TRUE(same_bits(again, expected)) << n;
      ASSERT_EQ(bits_of(centred_dot<T>(a.span(), h.span(), h.span())),
                bits_of(reference::centred_dot<T>(a.span(), h.span(), h.span())))
          << n;
    }
  });
}

TYPED_TEST(Balance, UpdatesEqualTheReference) {
  using T = TypeParam;
  on_each_target([] {
    for (const std::size_t n : lengths()) {
      for (const bool negative : {false, true}) {
        const auto g = random_values<T>(n, 4, Values::kAwkward);
        const auto mean = random_values<double>(n, 5, Values::kModerate);
        auto h = random_values<double>(n, 6, Values::kModerate);
        auto expected_h = h;
        add_signed<T>(negative, g.span(), h.span());
        reference::add_signed<T>(negative, g.span(), expected_h.span());
        ASSERT_TRUE(same_bits(h, expected_h)) << n;
        auto sum = random_values<double>(n, 7, Values::kModerate);
        auto expected_sum = sum;
        centred_update<T>(negative, g.span(), mean.span(), h.span(), sum.span());
        reference::centred_update<T>(negative, g.span(), mean.span(), expected_h.span(),
                                     expected_sum.span());
        ASSERT_TRUE(same_bits(h, expected_h)) << n;
        ASSERT_TRUE(same_bits(sum, expected_sum)) << n;
        add_centred<T>(negative, g.span(), mean.span(), h.span());
        reference::add_centred<T>(negative, g.span(), mean.span(), expected_h.span());
        ASSERT_TRUE(same_bits(h, expected_h)) << n;
        centred_update<T>(negative, g.span(), mean.span(), expected_h.span(), sum.span());
        add_centred<T>(negative, g.span(), mean.span(), h.span());
        ASSERT_TRUE(same_bits(h, expected_h)) << "with and without the sum, " << n;
      }
    }
  });
}

TYPED_TEST(Balance, TheFusedStepEqualsItsPartsAlsoInPlace) {
  using T = TypeParam;
  on_each_target([] {
    for (const std::size_t n : lengths()) {
      for (const bool negative : {false, true}) {
        const auto previous = random_values<T>(n, 8, Values::kModerate);
        const auto b = random_values<T>(n, 9, Values::kModerate);
        auto a = random_values<T>(n, 10, Values::kModerate);
        auto h = random_values<double>(n, 11, Values::kModerate);
        auto parts_h = h;
        Shifted<T> parts_v(n, 3);
        reference::add_signed<T>(negative, previous.span(), parts_h.span());
        const double expected = reference::difference_dot<T>(
            std::as_const(a).span(), b.span(), std::as_const(parts_h).span(), parts_v.span());
        const double actual = add_signed_difference_dot<T>(
            negative, previous.span(), std::as_const(a).span(), b.span(), h.span(), a.span());
        ASSERT_EQ(bits_of(actual), bits_of(expected)) << n;
        ASSERT_TRUE(same_bits(h, parts_h)) << n;
        ASSERT_TRUE(same_bits(a, parts_v)) << n;
      }
    }
  });
}

TYPED_TEST(Balance, SparseFormsHaveTheBitsOfDenseOnes) {
  using T = TypeParam;
  on_each_target([] {
    for (const std::size_t n : lengths()) {
      rng::Reader random = reader(static_cast<std::uint32_t>(n), 12);
      std::vector<std::uint32_t> indices;
      std::vector<T> values;
      std::vector<T> dense(n);
      for (std::size_t i = 0; i < n; ++i) {
        if (random.below(4) != 0) continue;
        indices.push_back(static_cast<std::uint32_t>(i));
        values.push_back(draw<T>(random, Values::kModerate));
        dense[i] = values.back();
      }
      auto h = random_values<double>(n, 13, Values::kModerate);
      for (double& x : h.span()) x = x == 0 ? 0.0 : x;  // no -0
      auto sparse_h = h;
      ASSERT_EQ(bits_of(sparse_wide_dot<T>(indices, values, h.span())),
                bits_of(wide_dot<T>(dense, h.span())))
          << n;
      for (const bool negative : {false, true, true}) {
        sparse_add_signed<T>(negative, indices, values, sparse_h.span());
        add_signed<T>(negative, dense, h.span());
        ASSERT_TRUE(same_bits(sparse_h, h)) << n;
      }
    }
  });
}

// The naive sum in long double; each element passes through at most ceil(n / 16) + 4 additions and
// one rounded product.
TYPED_TEST(Balance, ProductsAreWithinTheRoundingBoundOfTheExactOnes) {
  using T = TypeParam;
  for (const std::size_t n : lengths()) {
    const auto v = random_values<T>(n, 14, Values::kModerate);
    const auto h = random_values<double>(n, 15, Values::kModerate);
    long double exact = 0;
    long double magnitude = 0;
    for (std::size_t i = 0; i < n; ++i) {
      const long double product = static_cast<long double>(v.span()[i]) * h.span()[i];
      exact += product;
      magnitude += std::abs(product);
    }
    const long double steps = static_cast<long double>((n + 15) / 16 + 6);
    const long double bound = steps * 0x1p-53L * magnitude;
    EXPECT_LE(std::abs(wide_dot<T>(v.span(), h.span()) - exact), bound) << n;
  }
}

TEST(BalanceKernels, RefuseSizesAndIndicesThatDoNotFit) {
  std::vector<float> v(3);
  std::vector<double> h(4);
  EXPECT_THROW((void)wide_dot<float>(v, h), std::logic_error);
  EXPECT_THROW(add_signed<float>(false, v, h), std::logic_error);
  const std::vector<float> one(1);
  EXPECT_THROW((void)sparse_wide_dot<float>(std::vector<std::uint32_t>{4}, one, h),
               std::logic_error);
  EXPECT_THROW(
      (void)sparse_wide_dot<float>(std::vector<std::uint32_t>{2, 2}, std::vector<float>(2), h),
      std::logic_error);
  EXPECT_THROW(sparse_add_signed<float>(false, std::vector<std::uint32_t>{4}, one, h),
               std::logic_error);
}

}  // namespace
}  // namespace laconic::kernels::test
