// SPDX-License-Identifier: Apache-2.0
#include <array>
#include <stdexcept>

#include "tests/unit/kernels/support.hpp"

namespace laconic::kernels::test {
namespace {

template <class T>
class Elementwise : public testing::Test {};
TYPED_TEST_SUITE(Elementwise, RealTypes);

TYPED_TEST(Elementwise, AxpyEqualsTheReference) {
  using T = TypeParam;
  on_each_target([] {
    for (const std::size_t n : lengths()) {
      const auto x = random_values<T>(n, 1, Values::kInfinite);
      auto y = random_values<T>(n, 2, Values::kAwkward);
      auto expected = y;
      axpy(T(-0.3), x.span(), y.span());
      reference::axpy(T(-0.3), x.span(), expected.span());
      ASSERT_TRUE(same_bits(y, expected)) << n;
    }
  });
}

TYPED_TEST(Elementwise, ScaleEqualsTheReference) {
  using T = TypeParam;
  on_each_target([] {
    for (const std::size_t n : lengths()) {
      auto x = random_values<T>(n, 3, Values::kInfinite);
      auto expected = x;
      scale(T(0.7), x.span());
      reference::scale(T(0.7), expected.span());
      ASSERT_TRUE(same_bits(x, expected)) << n;
    }
  });
}

TYPED_TEST(Elementwise, AddEqualsTheReference) {
  using T = TypeParam;
  on_each_target([] {
    for (const std::size_t n : lengths()) {
      const auto x = random_values<T>(n, 4, Values::kInfinite);
      auto y = random_values<T>(n, 5, Values::kAwkward);
      auto expected = y;
      add(x.span(), y.span());
      reference::add(x.span(), expected.span());
      ASSERT_TRUE(same_bits(y, expected)) << n;
    }
  });
}

TYPED_TEST(Elementwise, AxpbyEqualsTheReference) {
  using T = TypeParam;
  on_each_target([] {
    for (const std::size_t n : lengths()) {
      const auto x = random_values<T>(n, 6, Values::kInfinite);
      auto y = random_values<T>(n, 7, Values::kAwkward);
      auto expected = y;
      axpby(T(0.1), x.span(), T(0.9), y.span());
      reference::axpby(T(0.1), x.span(), T(0.9), expected.span());
      ASSERT_TRUE(same_bits(y, expected)) << n;
    }
  });
}

TYPED_TEST(Elementwise, ProductsAreRoundedBeforeTheSum) {
  using T = TypeParam;
  // (1 + u)(1 - u) - 1 = -u^2 survives only in a fused multiply-add.
  const T u = std::numeric_limits<T>::epsilon();
  on_each_target([&] {
    const std::vector<T> x(100, 1 - u);
    std::vector<T> y(100, T{-1});
    axpy(1 + u, std::span<const T>(x), std::span<T>(y));
    for (const T value : y) ASSERT_EQ(value, 0);
  });
}

TYPED_TEST(Elementwise, DenormalNumbersAreNotFlushedToZero) {
  using T = TypeParam;
  const T tiny = std::numeric_limits<T>::denorm_min();
  on_each_target([&] {
    const std::vector<T> x(100, tiny);
    std::vector<T> y(100, 2 * tiny);
    add(std::span<const T>(x), std::span<T>(y));
    for (const T value : y) ASSERT_EQ(value, 3 * tiny);
  });
}

TYPED_TEST(Elementwise, MeanOfRowsEqualsTheReferenceForAnyNumberOfRows) {
  using T = TypeParam;
  on_each_target([] {
    for (const std::size_t row_count : {0U, 1U, 2U, 3U, 4U, 5U, 8U, 13U}) {
      for (const std::size_t n : {0U, 1U, 7U, 15U, 16U, 17U, 100U, 1023U, 1024U, 1025U, 4097U}) {
        std::vector<Shifted<T>> rows;
        std::vector<const T*> pointers;
        for (std::uint32_t w = 0; w < row_count; ++w) {
          rows.push_back(random_values<T>(n, 10 + w, Values::kAwkward));
        }
        for (const auto& row : rows) pointers.push_back(row.span().data());
        auto y = random_values<T>(n, 9, Values::kModerate);
        auto expected = y;
        const double factor = 1.0 / 3;
        mean_rows(std::span<const T* const>(pointers), factor, y.span());
        reference::mean_rows(std::span<const T* const>(pointers), factor, expected.span());
        ASSERT_TRUE(same_bits(y, expected)) << row_count << " rows of " << n;
      }
    }
  });
}

TYPED_TEST(Elementwise, MeanOfRowsAddsInTheOrderOfTheRowsInDouble) {
  using T = TypeParam;
  // In another order, or in float, the small ones are lost or not lost elsewhere.
  const std::array<T, 3> column = {T{1}, T(0x1p-53), T(0x1p-53)};
  const std::vector<T> row0(20, column[0]);
  const std::vector<T> row1(20, column[1]);
  const std::vector<T> row2(20, column[2]);
  const std::array<const T*, 3> forward = {row0.data(), row1.data(), row2.data()};
  const std::array<const T*, 3> backward = {row2.data(), row1.data(), row0.data()};
  on_each_target([&] {
    std::vector<T> first(20);
    std::vector<T> second(20);
    mean_rows(std::span<const T* const>(forward), 0x1p52, std::span<T>(first));
    mean_rows(std::span<const T* const>(backward), 0x1p52, std::span<T>(second));
    for (const T value : first) ASSERT_EQ(value, static_cast<T>(0x1p52));
    for (const T value : second) ASSERT_EQ(value, static_cast<T>(0x1p52 + 1));
  });
}

TYPED_TEST(Elementwise, TridiagonalProductEqualsTheReference) {
  using T = TypeParam;
  on_each_target([] {
    for (const std::size_t n : lengths()) {
      const auto x = random_values<T>(n, 9, Values::kModerate);
      auto y = random_values<T>(n, 10, Values::kModerate);
      auto expected = y;
      tridiagonal(-0.3, 0.7, x.span(), y.span());
      reference::tridiagonal(-0.3, 0.7, x.span(), expected.span());
      ASSERT_TRUE(same_bits(y, expected)) << n;
    }
  });
}

TYPED_TEST(Elementwise, TridiagonalProductHasNothingBeyondTheEnds) {
  using T = TypeParam;
  const std::vector<T> x = {T{1}, T{4}, T{16}};
  std::vector<T> y(3);
  tridiagonal(2.0, 3.0, std::span<const T>(x), std::span<T>(y));
  EXPECT_EQ(y,
            (std::vector<T>{T{2 * (2 - 4) + 3}, T{2 * (8 - 1 - 16) + 12}, T{2 * (32 - 4) + 48}}));
}

TYPED_TEST(Elementwise, RefusesVectorsOfDifferentLength) {
  using T = TypeParam;
  const std::vector<T> x(3);
  std::vector<T> y(4);
  EXPECT_THROW(axpy(T{1}, std::span<const T>(x), std::span<T>(y)), std::logic_error);
  EXPECT_THROW(add(std::span<const T>(x), std::span<T>(y)), std::logic_error);
  EXPECT_THROW(axpby(T{1}, std::span<const T>(x), T{1}, std::span<T>(y)), std::logic_error);
}

}  // namespace
}  // namespace laconic::kernels::test
