// SPDX-License-Identifier: Apache-2.0
// Products with factors of few columns, and Gram-Schmidt.
#include <cmath>
#include <stdexcept>

#include "tests/unit/kernels/support.hpp"

namespace laconic::kernels::test {
namespace {

template <class T>
class Skinny : public testing::Test {};
TYPED_TEST_SUITE(Skinny, RealTypes);

// Every remainder of rows, columns and components, and a block of columns with a rest.
std::vector<SkinnyShape> shapes() {
  std::vector<SkinnyShape> all;
  for (const std::size_t m : {1U, 2U, 3U, 4U, 5U, 9U, 18U}) {
    for (const std::size_t n : {1U, 3U, 7U, 15U, 16U, 17U, 31U, 33U, 50U, 64U}) {
      for (const std::size_t r : {1U, 2U, 3U, 4U, 5U, 7U, 8U}) {
        all.push_back({.m = m, .n = n, .r = r});
      }
    }
  }
  all.push_back({.m = 0, .n = 5, .r = 2});
  all.push_back({.m = 5, .n = 0, .r = 2});
  all.push_back({.m = 5, .n = 5, .r = 0});
  all.push_back({.m = 6, .n = 1024, .r = 4});
  all.push_back({.m = 7, .n = 2051, .r = 5});
  all.push_back({.m = 40, .n = 37, .r = 32});
  return all;
}

template <Real T>
struct Operands {
  explicit Operands(SkinnyShape shape, Values kind = Values::kModerate)
      : a(random_values<T>(shape.m * shape.n, 1, kind)),
        p(random_values<T>(shape.m * shape.r, 2, kind)),
        q(random_values<T>(shape.n * shape.r, 3, kind)) {}
  Shifted<T> a;
  Shifted<T> p;
  Shifted<T> q;
};

std::string text(SkinnyShape shape) {
  return std::to_string(shape.m) + " x " + std::to_string(shape.n) +
         ", r = " + std::to_string(shape.r);
}

TYPED_TEST(Skinny, ProductEqualsTheReference) {
  using T = TypeParam;
  on_each_target([&] {
    for (const SkinnyShape shape : shapes()) {
      const Operands<T> x(shape);
      std::vector<T> actual(shape.m * shape.r);
      std::vector<T> expected(shape.m * shape.r);
      skinny_nn<T>(shape, x.a.span(), x.q.span(), actual);
      reference::skinny_nn<T>(shape, x.a.span(), x.q.span(), expected);
      ASSERT_TRUE(same_bits(actual, expected)) << text(shape);
    }
  });
}

TYPED_TEST(Skinny, TransposedProductEqualsTheReference) {
  using T = TypeParam;
  on_each_target([&] {
    for (const SkinnyShape shape : shapes()) {
      const Operands<T> x(shape);
      std::vector<T> actual(shape.n * shape.r, T{7});
      std::vector<T> expected(shape.n * shape.r);
      skinny_tn<T>(shape, x.a.span(), x.p.span(), actual);
      reference::skinny_tn<T>(shape, x.a.span(), x.p.span(), expected);
      ASSERT_TRUE(same_bits(actual, expected)) << text(shape);
    }
  });
}

TYPED_TEST(Skinny, UpdateEqualsTheReference) {
  using T = TypeParam;
  on_each_target([&] {
    for (const SkinnyShape shape : shapes()) {
      for (const T factor : {T{1}, T{-1}, static_cast<T>(0.3)}) {
        Operands<T> x(shape);
        auto expected = x.a;
        const auto& fixed = x;
        add_low_rank<T>(factor, shape, fixed.p.span(), fixed.q.span(), x.a.span());
        reference::add_low_rank<T>(factor, shape, fixed.p.span(), fixed.q.span(), expected.span());
        ASSERT_TRUE(same_bits(x.a, expected)) << text(shape);
      }
    }
  });
}

TYPED_TEST(Skinny, ReferenceIsTheProductInDoubleUpToRounding) {
  using T = TypeParam;
  const SkinnyShape shape{.m = 33, .n = 130, .r = 5};
  const Operands<T> x(shape);
  const auto a = x.a.span();
  const auto p = x.p.span();
  const auto q = x.q.span();
  std::vector<T> nn(shape.m * shape.r);
  std::vector<T> tn(shape.n * shape.r);
  std::vector<T> sum(a.begin(), a.end());
  reference::skinny_nn<T>(shape, a, q, nn);
  reference::skinny_tn<T>(shape, a, p, tn);
  reference::add_low_rank<T>(T{-1}, shape, p, q, sum);
  // Of a chain of k products the error is at most (k + 1) eps sum |terms|.
  const double eps = static_cast<double>(std::numeric_limits<T>::epsilon());
  const auto check = [eps](double exact, double magnitude, std::size_t terms, double actual) {
    EXPECT_LE(std::fabs(actual - exact), static_cast<double>(terms + 2) * eps * magnitude);
  };
  for (std::size_t j = 0; j < shape.r; ++j) {
    for (std::size_t i = 0; i < shape.m; ++i) {
      double exact = 0;
      double magnitude = 0;
      for (std::size_t k = 0; k < shape.n; ++k) {
        const double term = double{a[i * shape.n + k]} * double{q[j * shape.n + k]};
        exact += term;
        magnitude += std::fabs(term);
      }
      check(exact, magnitude, shape.n, nn[j * shape.m + i]);
    }
    for (std::size_t k = 0; k < shape.n; ++k) {
      double exact = 0;
      double magnitude = 0;
      for (std::size_t i = 0; i < shape.m; ++i) {
        const double term = double{a[i * shape.n + k]} * double{p[j * shape.m + i]};
        exact += term;
        magnitude += std::fabs(term);
      }
      check(exact, magnitude, shape.m, tn[j * shape.n + k]);
    }
  }
  for (std::size_t i = 0; i < shape.m; ++i) {
    for (std::size_t k = 0; k < shape.n; ++k) {
      double exact = double{a[i * shape.n + k]};
      double magnitude = std::fabs(exact);
      for (std::size_t j = 0; j < shape.r; ++j) {
        const double term = double{p[j * shape.m + i]} * double{q[j * shape.n + k]};
        exact -= term;
        magnitude += std::fabs(term);
      }
      check(exact, magnitude, shape.r, sum[i * shape.n + k]);
    }
  }
}

TYPED_TEST(Skinny, RefusesOperandsOfTheWrongSize) {
  using T = TypeParam;
  const SkinnyShape shape{.m = 2, .n = 3, .r = 1};
  std::vector<T> a(6);
  std::vector<T> p(2);
  std::vector<T> q(3);
  std::vector<T> wrong(5);
  EXPECT_THROW(skinny_nn<T>(shape, wrong, q, p), std::logic_error);
  EXPECT_THROW(skinny_nn<T>(shape, a, wrong, p), std::logic_error);
  EXPECT_THROW(skinny_tn<T>(shape, a, p, wrong), std::logic_error);
  EXPECT_THROW(add_low_rank<T>(T{1}, shape, wrong, q, a), std::logic_error);
}

rng::Stream stream() { return rng::Stream(5, {.purpose = rng::Purpose::kTest, .tensor = 9}); }

// |Q^T Q - I|, the largest entry.
template <Real T>
double defect(std::size_t length, std::span<const T> q) {
  double worst = 0;
  for (std::size_t i = 0; i < q.size(); i += length) {
    for (std::size_t j = 0; j < q.size(); j += length) {
      double product = 0;
      for (std::size_t k = 0; k < length; ++k) product += double{q[i + k]} * double{q[j + k]};
      worst = std::max(worst, std::fabs(product - (i == j ? 1.0 : 0.0)));
    }
  }
  return worst;
}

template <Real T>
constexpr double kRounding = 64 * static_cast<double>(std::numeric_limits<T>::epsilon());

TYPED_TEST(Skinny, OrthonormalisesAndKeepsTheSpan) {
  using T = TypeParam;
  for (const auto& [length, r] : std::vector<std::pair<std::size_t, std::size_t>>{
           {1, 1}, {7, 1}, {7, 7}, {40, 4}, {100, 32}, {1000, 3}}) {
    std::vector<T> q(length * r);
    rng::fill_normal(stream(), {}, std::span<T>(q));
    const std::vector<T> before = q;
    EXPECT_EQ(orthonormalise<T>(length, stream(), q), 0U);
    EXPECT_LE(defect<T>(length, q), kRounding<T>) << length << " " << r;
    for (std::size_t j = 0; j < r; ++j) {  // component j lies in the span of the first j + 1
      std::vector<double> rest(before.begin() + static_cast<std::ptrdiff_t>(j * length),
                               before.begin() + static_cast<std::ptrdiff_t>((j + 1) * length));
      double size = 0;
      for (const double value : rest) size += value * value;
      for (std::size_t i = 0; i <= j; ++i) {
        double along = 0;
        for (std::size_t k = 0; k < length; ++k) along += rest[k] * double{q[i * length + k]};
        for (std::size_t k = 0; k < length; ++k) rest[k] -= along * double{q[i * length + k]};
      }
      double left = 0;
      for (const double value : rest) left += value * value;
      EXPECT_LE(std::sqrt(left), kRounding<T> * static_cast<double>(r) * std::sqrt(size));
    }
  }
}

TYPED_TEST(Skinny, NearlyDependentComponentsBecomeOrthogonalAllTheSame) {
  using T = TypeParam;
  constexpr std::size_t kLength = 50;
  std::vector<T> q(3 * kLength);
  rng::fill_normal(stream(), {}, std::span<T>(q));
  const T small = std::sqrt(std::numeric_limits<T>::epsilon());
  for (std::size_t k = 0; k < kLength; ++k) {
    q[kLength + k] = q[k] + small * q[kLength + k];
    q[2 * kLength + k] = q[k] - small * q[2 * kLength + k];
  }
  EXPECT_EQ(orthonormalise<T>(kLength, stream(), q), 0U);
  EXPECT_LE(defect<T>(kLength, q), kRounding<T>);
}

TYPED_TEST(Skinny, ReplacesZeroAndDependentComponentsByTheStream) {
  using T = TypeParam;
  constexpr std::size_t kLength = 20;
  std::vector<T> q(4 * kLength, T{0});
  for (std::size_t k = 0; k < kLength; ++k) q[k] = static_cast<T>(k + 1);
  for (std::size_t k = 0; k < kLength; ++k) q[2 * kLength + k] = T{3} * q[k];
  const std::vector<T> before = q;
  EXPECT_EQ(orthonormalise<T>(kLength, stream(), q), 3U);
  EXPECT_LE(defect<T>(kLength, q), kRounding<T>);
  std::vector<T> again = before;
  orthonormalise<T>(kLength, stream(), again);
  EXPECT_TRUE(same_bits(again, q));
  std::vector<T> other = before;
  orthonormalise<T>(kLength, rng::Stream(6, {}), other);
  EXPECT_FALSE(same_bits(other, q));
}

TYPED_TEST(Skinny, OrthonormalisesNumbersAtBothEndsOfTheRange) {
  using T = TypeParam;
  constexpr std::size_t kLength = 30;
  for (const T size : {std::numeric_limits<T>::max() / 8, std::numeric_limits<T>::min() * 64}) {
    std::vector<T> q(2 * kLength);
    rng::fill_normal(stream(), {}, std::span<T>(q));
    for (T& value : q) value *= size;
    EXPECT_EQ(orthonormalise<T>(kLength, stream(), q), 0U);
    EXPECT_LE(defect<T>(kLength, q), kRounding<T>);
  }
}

TYPED_TEST(Skinny, OrthonormalisesToTheSameBitsOnEveryTarget) {
  using T = TypeParam;
  std::vector<T> first;
  on_each_target([&] {
    std::vector<T> q(5 * 203);
    rng::fill_normal(stream(), {}, std::span<T>(q));
    for (std::size_t k = 0; k < 203; ++k) q[3 * 203 + k] = 0;
    orthonormalise<T>(203, stream(), q);
    if (first.empty()) first = q;
    ASSERT_TRUE(same_bits(q, first));
  });
}

TYPED_TEST(Skinny, RefusesMoreComponentsThanTheirLength) {
  using T = TypeParam;
  std::vector<T> q(12);
  EXPECT_THROW(orthonormalise<T>(3, stream(), q), std::logic_error);
  EXPECT_THROW(orthonormalise<T>(5, stream(), q), std::logic_error);
}

}  // namespace
}  // namespace laconic::kernels::test
