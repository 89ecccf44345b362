// SPDX-License-Identifier: Apache-2.0
// Selection of the largest magnitudes, against a stable sort.
#include <algorithm>
#include <stdexcept>

#include "tests/unit/kernels/support.hpp"

namespace laconic::kernels::test {
namespace {

template <class T>
class Select : public testing::Test {};
TYPED_TEST_SUITE(Select, RealTypes);

template <Real T>
void expect_reference(std::span<const T> x, std::size_t k) {
  std::vector<std::uint32_t> actual(k);
  std::vector<std::uint32_t> expected(k);
  select_top_k<T>(x, actual);
  reference::select_top_k<T>(x, expected);
  ASSERT_EQ(actual, expected) << "k " << k << " of " << x.size();
}

TYPED_TEST(Select, EqualsTheReferenceForEveryLengthAndCount) {
  using T = TypeParam;
  on_each_target([] {
    for (const std::size_t n : lengths()) {
      const auto x = random_values<T>(n, 1, Values::kAwkward);
      for (const std::size_t k : {0U, 1U, 2U, 3U, 7U, 10U, 31U, 32U, 33U, 100U}) {
        if (k <= n) expect_reference<T>(x.span(), k);
      }
      expect_reference<T>(x.span(), n);
      expect_reference<T>(x.span(), n / 2);
      if (n > 0) expect_reference<T>(x.span(), n - 1);
    }
  });
}

TYPED_TEST(Select, EqualsTheReferenceOnLongVectors) {
  using T = TypeParam;
  on_each_target([] {
    for (const std::size_t n : {16384U, 16385U, 100003U}) {
      const auto x = random_values<T>(n, 2, Values::kModerate);
      for (const std::size_t k : {2U, 32U, 33U, 1000U, 5000U, 16000U}) {
        expect_reference<T>(x.span(), k);
      }
      expect_reference<T>(x.span(), n - 5);
    }
  });
}

TYPED_TEST(Select, EqualMagnitudesGoToTheLowerIndex) {
  using T = TypeParam;
  on_each_target([] {
    for (const std::size_t n : {5U, 64U, 129U, 1000U, 20000U}) {
      std::vector<T> x(n, T{2});
      for (std::size_t i = 0; i < n; i += 3) x[i] = T{-2};
      for (const std::size_t k : {1U, 2U, 4U}) {
        std::vector<std::uint32_t> indices(k);
        select_top_k<T>(x, indices);
        for (std::uint32_t i = 0; i < k; ++i) ASSERT_EQ(indices[i], i);
      }
    }
  });
}

TYPED_TEST(Select, ZerosOfBothSignsAreEqual) {
  using T = TypeParam;
  on_each_target([] {
    for (const std::size_t n : {9U, 1000U, 40000U}) {
      std::vector<T> x(n, T{0});
      for (std::size_t i = 0; i < n; i += 2) x[i] = -T{0};
      x[n - 1] = std::numeric_limits<T>::denorm_min();
      std::vector<std::uint32_t> indices(4);
      select_top_k<T>(x, indices);
      ASSERT_EQ(indices, (std::vector<std::uint32_t>{0, 1, 2, static_cast<std::uint32_t>(n - 1)}));
    }
  });
}

// What misleads a bound that comes from stripes or a sample, or makes too much be collected.
TYPED_TEST(Select, EqualsTheReferenceOnHardVectors) {
  using T = TypeParam;
  on_each_target([] {
    for (const std::size_t n : {1000U, 16384U, 70000U}) {
      rng::Reader random = reader(static_cast<std::uint32_t>(n));
      std::vector<std::vector<T>> vectors(6, std::vector<T>(n));
      for (std::size_t i = 0; i < n; ++i) {
        vectors[0][i] = static_cast<T>(i);                                     // sorted
        vectors[1][i] = static_cast<T>(n - i);                                 // sorted down
        vectors[2][i] = static_cast<T>(random.below(3));                       // few values
        vectors[3][i] = i % 64 == 5 ? static_cast<T>(random.normal()) : T{0};  // one stripe
        vectors[4][i] = i >= n - n / 20 ? static_cast<T>(1 + random.unit_double()) : T{0.5};
        vectors[5][i] = static_cast<T>(i % 7 == 0 ? 1e6 : 1e-6) * static_cast<T>(random.normal());
      }
      for (const auto& x : vectors) {
        for (const std::size_t k : {2U, 30U, 33U, 500U}) expect_reference<T>(x, k);
        expect_reference<T>(x, n / 3);
      }
    }
  });
}

TYPED_TEST(Select, TheLargestIsFoundAtEveryPosition) {
  using T = TypeParam;
  on_each_target([] {
    for (std::size_t i = 0; i < 200; ++i) {
      std::vector<T> x(200, T{1});
      x[i] = T{-2};
      std::uint32_t index = 0;
      select_top_k<T>(x, {&index, 1});
      ASSERT_EQ(index, i);
    }
  });
}

TYPED_TEST(Select, RefusesMoreIndicesThanNumbers) {
  using T = TypeParam;
  const std::vector<T> x(3);
  std::vector<std::uint32_t> indices(4);
  EXPECT_THROW(select_top_k<T>(x, indices), std::logic_error);
}

}  // namespace
}  // namespace laconic::kernels::test
