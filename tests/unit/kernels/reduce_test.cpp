// SPDX-License-Identifier: Apache-2.0
#include <cmath>
#include <stdexcept>

#include "tests/unit/kernels/support.hpp"

namespace laconic::kernels::test {
namespace {

template <class T>
class Reduce : public testing::Test {};
TYPED_TEST_SUITE(Reduce, RealTypes);

TYPED_TEST(Reduce, SumsEqualTheReference) {
  using T = TypeParam;
  on_each_target([] {
    for (const std::size_t n : lengths()) {
      const auto x = random_values<T>(n, 1, Values::kAwkward);
      ASSERT_EQ(bits_of(sum(x.span())), bits_of(reference::sum(x.span()))) << n;
      ASSERT_EQ(bits_of(l1_norm(x.span())), bits_of(reference::l1_norm(x.span()))) << n;
    }
  });
}

TYPED_TEST(Reduce, ProductsEqualTheReference) {
  using T = TypeParam;
  // In double the squares of awkward values overflow, which has to happen alike.
  on_each_target([] {
    for (const std::size_t n : lengths()) {
      for (const Values kind : {Values::kModerate, Values::kAwkward}) {
        const auto x = random_values<T>(n, 2, kind);
        const auto y = random_values<T>(n, 3, Values::kModerate);
        ASSERT_EQ(bits_of(dot(x.span(), y.span())), bits_of(reference::dot(x.span(), y.span())))
            << n;
        ASSERT_EQ(bits_of(squared_norm(x.span())), bits_of(reference::squared_norm(x.span()))) << n;
      }
    }
  });
}

TYPED_TEST(Reduce, DistancesAndResidualsEqualTheReference) {
  using T = TypeParam;
  on_each_target([] {
    for (const std::size_t n : lengths()) {
      for (const Values kind : {Values::kModerate, Values::kAwkward}) {
        const auto x = random_values<T>(n, 2, kind);
        const auto y = random_values<T>(n, 3, Values::kModerate);
        const auto h = random_values<double>(n, 7, Values::kModerate);
        ASSERT_EQ(bits_of(squared_distance(x.span(), y.span())),
                  bits_of(reference::squared_distance(x.span(), y.span())))
            << n;
        auto out = random_values<T>(n, 8, Values::kModerate);
        auto expected = random_values<T>(n, 8, Values::kModerate);
        ASSERT_EQ(bits_of(residual<T>(x.span(), h.span(), out.span())),
                  bits_of(reference::residual<T>(x.span(), h.span(), expected.span())))
            << n;
        ASSERT_TRUE(same_bits(out, expected)) << n;
      }
    }
  });
}

TYPED_TEST(Reduce, ResidualTellsOfNumbersThatAreNotFinite) {
  using T = TypeParam;
  using Limits = std::numeric_limits<T>;
  on_each_target([] {
    for (const T bad : {Limits::infinity(), Limits::quiet_NaN()}) {
      for (const std::size_t i : {0U, 15U, 16U, 40U}) {
        std::vector<T> x(41, T{1});
        const std::vector<double> h(41, 0.5);
        std::vector<T> out(41);
        x[i] = bad;
        EXPECT_FALSE(std::isfinite(residual<T>(x, h, out))) << i;
      }
    }
  });
}

// Each element passes through at most ceil(n / 16) + 4 additions and one rounded product; the naive
// sum in long double has n additions of its own, with 11 more bits.
double rounding_bound(std::size_t n, long double magnitudes) {
  const double depth = std::ceil(static_cast<double>(n) / 16) + 5;
  return static_cast<double>(magnitudes) *
         (depth * 0x1p-53 * 1.01 + static_cast<double>(n) * 0x1p-63);
}

TYPED_TEST(Reduce, SumsAreWithinTheRoundingBoundOfTheExactSum) {
  using T = TypeParam;
  on_each_target([] {
    for (const std::size_t n : {1U, 15U, 16U, 17U, 200U, 4097U, 100000U}) {
      const auto x = random_values<T>(n, 4, Values::kModerate);
      const auto y = random_values<T>(n, 5, Values::kModerate);
      long double total = 0;
      long double magnitudes = 0;
      long double product = 0;
      long double product_magnitudes = 0;
      long double square = 0;
      for (std::size_t i = 0; i < n; ++i) {
        const long double a = x.span()[i];
        const long double b = y.span()[i];
        total += a;
        magnitudes += std::abs(a);
        product += a * b;
        product_magnitudes += std::abs(a * b);
        square += a * a;
      }
      const auto error = [](double actual, long double exact) {
        return static_cast<double>(std::abs(actual - exact));
      };
      ASSERT_LE(error(sum(x.span()), total), rounding_bound(n, magnitudes)) << n;
      ASSERT_LE(error(l1_norm(x.span()), magnitudes), rounding_bound(n, magnitudes)) << n;
      ASSERT_LE(error(dot(x.span(), y.span()), product), rounding_bound(n, product_magnitudes))
          << n;
      ASSERT_LE(error(squared_norm(x.span()), square), rounding_bound(n, square)) << n;
    }
  });
}

TYPED_TEST(Reduce, LaneSixteenFollowsLaneZero) {
  using T = TypeParam;
  // Elements 0 and 16 share a lane: 1 + 2^-53 rounds to 1 before the rest is added. Elements 1 and
  // 17 would share it in an 8-lane order as well, but 0 and 8 meet only in the combining tree.
  on_each_target([] {
    std::vector<T> x(32, T{0});
    x[0] = T{1};
    x[16] = T(0x1p-53);
    x[8] = T(0x1p-53);
    EXPECT_EQ(sum(std::span<const T>(x)), 1.0);
    x[24] = T(0x1p-53);
    EXPECT_EQ(sum(std::span<const T>(x)), 1.0 + 0x1p-52);
  });
}

TYPED_TEST(Reduce, EmptyVectorsSumToPositiveZero) {
  using T = TypeParam;
  on_each_target([] {
    const std::span<const T> none;
    EXPECT_EQ(bits_of(sum(none)), bits_of(0.0));
    EXPECT_EQ(bits_of(l1_norm(none)), bits_of(0.0));
    EXPECT_EQ(bits_of(absmax(none)), bits_of(T{0}));
    EXPECT_TRUE(all_finite(none));
  });
}

TYPED_TEST(Reduce, AbsmaxEqualsTheReference) {
  using T = TypeParam;
  on_each_target([] {
    for (const std::size_t n : lengths()) {
      const auto x = random_values<T>(n, 6, Values::kAwkward);
      ASSERT_EQ(bits_of(absmax(x.span())), bits_of(reference::absmax(x.span()))) << n;
    }
  });
}

TYPED_TEST(Reduce, AbsmaxFindsTheLargestMagnitudeAtEveryPosition) {
  using T = TypeParam;
  on_each_target([] {
    for (std::size_t i = 0; i < 131; ++i) {
      std::vector<T> x(131, T{1});
      x[i] = T{-2};
      ASSERT_EQ(absmax(std::span<const T>(x)), T{2}) << i;
    }
  });
}

TYPED_TEST(Reduce, NonFiniteValuesAreFoundAtEveryPosition) {
  using T = TypeParam;
  using Limits = std::numeric_limits<T>;
  on_each_target([] {
    for (const T bad : {Limits::infinity(), -Limits::infinity(), Limits::quiet_NaN()}) {
      for (std::size_t i = 0; i < 300; ++i) {
        std::vector<T> x(300, -Limits::max());
        ASSERT_TRUE(all_finite(std::span<const T>(x)));
        x[i] = bad;
        ASSERT_FALSE(all_finite(std::span<const T>(x))) << bad << " at " << i;
      }
    }
  });
}

TYPED_TEST(Reduce, DotRefusesVectorsOfDifferentLength) {
  using T = TypeParam;
  const std::vector<T> x(3);
  const std::vector<T> y(4);
  EXPECT_THROW(static_cast<void>(dot(std::span<const T>(x), std::span<const T>(y))),
               std::logic_error);
}

}  // namespace
}  // namespace laconic::kernels::test
