// SPDX-License-Identifier: Apache-2.0
#include <stdexcept>

#include "tests/unit/kernels/support.hpp"

namespace laconic::kernels::test {
namespace {

template <class T>
class Gemm : public testing::Test {};
TYPED_TEST_SUITE(Gemm, RealTypes);

// Every edge of every tile, and depths around the depth of a packed panel.
std::vector<GemmShape> shapes() {
  std::vector<GemmShape> all;
  for (const std::size_t m : {1U, 2U, 3U, 4U, 7U, 8U, 9U, 15U, 33U}) {
    for (const std::size_t n : {1U, 2U, 3U, 4U, 5U, 8U, 10U, 15U, 16U, 17U, 32U, 33U, 50U, 64U}) {
      for (const std::size_t k : {0U, 1U, 2U, 3U, 5U, 8U, 17U}) {
        all.push_back({.m = m, .n = n, .k = k});
      }
    }
  }
  for (const std::size_t k : {255U, 256U, 257U, 600U}) all.push_back({.m = 19, .n = 45, .k = k});
  all.push_back({.m = 0, .n = 5, .k = 5});
  all.push_back({.m = 5, .n = 0, .k = 5});
  all.push_back({.m = 32, .n = 10, .k = 784});
  all.push_back({.m = 300, .n = 40, .k = 32});
  return all;
}

template <Real T, class Product, class Expected>
void expect_same(Product product, Expected reference_product) {
  on_each_target([&] {
    for (const GemmShape shape : shapes()) {
      const auto a = random_values<T>(shape.m * shape.k, 1, Values::kModerate);
      const auto b = random_values<T>(shape.k * shape.n, 2, Values::kModerate);
      auto c = random_values<T>(shape.m * shape.n, 3, Values::kModerate);
      auto expected = c;
      product(shape, a.span(), b.span(), c.span());
      reference_product(shape, a.span(), b.span(), expected.span());
      ASSERT_TRUE(same_bits(c, expected)) << shape.m << " x " << shape.n << " x " << shape.k;
    }
  });
}

TYPED_TEST(Gemm, PlainProductEqualsTheReference) {
  expect_same<TypeParam>(gemm_nn<TypeParam>, reference::gemm_nn<TypeParam>);
}

TYPED_TEST(Gemm, ProductWithTransposedLeftEqualsTheReference) {
  expect_same<TypeParam>(gemm_tn<TypeParam>, reference::gemm_tn<TypeParam>);
}

TYPED_TEST(Gemm, ProductWithTransposedRightEqualsTheReference) {
  expect_same<TypeParam>(gemm_nt<TypeParam>, reference::gemm_nt<TypeParam>);
}

TYPED_TEST(Gemm, AwkwardValuesGiveTheSameBits) {
  using T = TypeParam;
  // Products overflow and underflow, but no infinity meets one of the other sign: b is positive.
  on_each_target([] {
    const GemmShape shape{.m = 13, .n = 37, .k = 41};
    auto a = random_values<T>(shape.m * shape.k, 4, Values::kAwkward);
    for (T& value : a.span()) value = value < 0 ? -value : value;
    auto b = random_values<T>(shape.k * shape.n, 5, Values::kAwkward);
    for (T& value : b.span()) value = value < 0 ? -value : value;
    auto c = random_values<T>(shape.m * shape.n, 6, Values::kAwkward);
    auto expected = c;
    gemm_nn(shape, std::span<const T>(a.span()), std::span<const T>(b.span()), c.span());
    reference::gemm_nn(shape, std::span<const T>(a.span()), std::span<const T>(b.span()),
                       expected.span());
    ASSERT_TRUE(same_bits(c, expected));
  });
}

TYPED_TEST(Gemm, TransposedOperandsGiveTheBitsOfThePlainProduct) {
  using T = TypeParam;
  const GemmShape shape{.m = 21, .n = 35, .k = 300};
  const auto a = random_values<T>(shape.m * shape.k, 7, Values::kModerate);
  const auto b = random_values<T>(shape.k * shape.n, 8, Values::kModerate);
  std::vector<T> a_transposed(a.span().size());
  std::vector<T> b_transposed(b.span().size());
  for (std::size_t i = 0; i < shape.m; ++i) {
    for (std::size_t p = 0; p < shape.k; ++p) {
      a_transposed[p * shape.m + i] = a.span()[i * shape.k + p];
    }
  }
  for (std::size_t p = 0; p < shape.k; ++p) {
    for (std::size_t j = 0; j < shape.n; ++j) {
      b_transposed[j * shape.k + p] = b.span()[p * shape.n + j];
    }
  }
  std::vector<T> nn(shape.m * shape.n);
  std::vector<T> tn(shape.m * shape.n);
  std::vector<T> nt(shape.m * shape.n);
  gemm_nn(shape, a.span(), b.span(), std::span<T>(nn));
  gemm_tn(shape, std::span<const T>(a_transposed), b.span(), std::span<T>(tn));
  gemm_nt(shape, a.span(), std::span<const T>(b_transposed), std::span<T>(nt));
  EXPECT_TRUE(same_bits(tn, nn));
  EXPECT_TRUE(same_bits(nt, nn));
}

TYPED_TEST(Gemm, ProductsAreRoundedBeforeTheSum) {
  using T = TypeParam;
  const T u = std::numeric_limits<T>::epsilon();
  on_each_target([&] {
    const std::vector<T> a(16, 1 + u);
    const std::vector<T> b(64, 1 - u);
    std::vector<T> c(16 * 64, T{-1});
    gemm_nn(GemmShape{.m = 16, .n = 64, .k = 1}, std::span<const T>(a), std::span<const T>(b),
            std::span<T>(c));
    for (const T value : c) ASSERT_EQ(value, 0);
  });
}

TYPED_TEST(Gemm, RefusesOperandsOfTheWrongSize) {
  using T = TypeParam;
  const GemmShape shape{.m = 2, .n = 3, .k = 4};
  const std::vector<T> a(8);
  const std::vector<T> b(12);
  std::vector<T> c(6);
  const std::vector<T> wrong(7);
  std::vector<T> wrong_c(7);
  EXPECT_THROW(gemm_nn(shape, std::span<const T>(wrong), std::span<const T>(b), std::span<T>(c)),
               std::logic_error);
  EXPECT_THROW(gemm_tn(shape, std::span<const T>(a), std::span<const T>(wrong), std::span<T>(c)),
               std::logic_error);
  EXPECT_THROW(gemm_nt(shape, std::span<const T>(a), std::span<const T>(b), std::span<T>(wrong_c)),
               std::logic_error);
}

}  // namespace
}  // namespace laconic::kernels::test
