// SPDX-License-Identifier: Apache-2.0
#include <cmath>

#include "laconic/base/exact_math.hpp"
#include "tests/unit/kernels/support.hpp"

namespace laconic::kernels::test {
namespace {

// Scores of every size up to where the exponential vanishes, both signs, and every place where the
// scalar functions branch.
std::vector<double> scores() {
  std::vector<double> all = {0.0,    -0.0,   1e-300, -1e-300, 5e-324, 37.0,    -37.0,  708.3,
                             -708.3, 708.4,  -708.4, 745.1,   -745.1, 745.133, 745.14, 745.2,
                             -745.2, 745.21, 746.0,  -746.0,  1e6,    -1e6,    1e300,  -1e300,
                             0.34,   0.35,   -0.88,  -0.8814, 36.7,   36.8,    36.74,  -36.74};
  all.push_back(std::numeric_limits<double>::infinity());
  all.push_back(-std::numeric_limits<double>::infinity());
  rng::Reader random = reader(1);
  for (int k = 0; k < 20000; ++k) {
    const double magnitude = exact::exp(14.0 * random.unit_double() - 7.0);  // 0.001 to 1100
    all.push_back(random.below(2) == 0 ? magnitude : -magnitude);
  }
  return all;
}

std::vector<double> random_signs(std::size_t size) {
  rng::Reader random = reader(2);
  std::vector<double> out(size);
  for (double& sign : out) sign = random.below(2) == 0 ? 1.0 : -1.0;
  return out;
}

template <class Kernel, class Expected>
void expect_same(Kernel kernel, Expected expected_kernel) {
  on_each_target([&] {
    const std::vector<double> all = scores();
    for (const std::size_t size : {all.size(), std::size_t{1}, std::size_t{7}, std::size_t{34}}) {
      std::vector<double> x(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(size));
      std::vector<double> expected = x;
      const std::vector<double> signs = random_signs(size);
      kernel(signs, x);
      expected_kernel(signs, expected);
      ASSERT_TRUE(same_bits(x, expected));
    }
  });
}

TEST(LogisticKernels, SlopesHaveTheBitsOfTheExactFunction) {
  expect_same([](const auto& signs, auto& x) { logistic_slopes(signs, x); },
              [](const auto& signs, auto& x) { reference::logistic_slopes(signs, x); });
}

TEST(LogisticKernels, LossesHaveTheBitsOfTheExactFunction) {
  expect_same([](const auto& signs, auto& x) { logistic_losses(signs, x); },
              [](const auto& signs, auto& x) { reference::logistic_losses(signs, x); });
}

TEST(LogisticKernels, NaNStaysNaN) {
  on_each_target([] {
    const std::vector<double> signs(19, -1.0);
    std::vector<double> x(19, std::numeric_limits<double>::quiet_NaN());
    logistic_slopes(signs, x);
    for (const double value : x) EXPECT_TRUE(std::isnan(value));
    logistic_losses(signs, x);
    for (const double value : x) EXPECT_TRUE(std::isnan(value));
  });
}

TEST(LogisticKernels, RefuseSizesThatDiffer) {
  std::vector<double> x(3);
  EXPECT_THROW(logistic_slopes(std::vector<double>(2, 1.0), x), std::logic_error);
  EXPECT_THROW(logistic_losses(std::vector<double>(4, 1.0), x), std::logic_error);
}

template <class Index>
class SlicedProduct : public testing::Test {};
using Indices = testing::Types<std::uint16_t, std::uint32_t>;
TYPED_TEST_SUITE(SlicedProduct, Indices);

template <class Index>
struct Matrix {
  std::vector<std::size_t> steps = {0};
  std::vector<Index> columns = {};
  std::vector<double> values = {};
};

template <class Index>
Matrix<Index> random_matrix(std::size_t slices, std::uint64_t columns, std::uint32_t id) {
  Matrix<Index> out;
  rng::Reader random = reader(3, id);
  for (std::size_t s = 0; s < slices; ++s) out.steps.push_back(out.steps.back() + random.below(20));
  for (std::size_t entry = 0; entry < out.steps.back() * kSliceRows; ++entry) {
    out.columns.push_back(static_cast<Index>(random.below(columns)));
    out.values.push_back(draw<double>(random, Values::kModerate));
  }
  return out;
}

TYPED_TEST(SlicedProduct, EqualsTheReference) {
  on_each_target([] {
    for (const std::size_t slices : {0U, 1U, 2U, 50U}) {
      for (const std::uint64_t columns : {1U, 5U, 60000U}) {
        const auto m = random_matrix<TypeParam>(slices, columns, 1);
        const auto x = random_values<double>(columns, 2, Values::kModerate);
        for (const bool has_values : {false, true}) {
          const SlicedMatrix<TypeParam> a{.steps = m.steps, .columns = m.columns};
          SlicedMatrix<TypeParam> b = a;
          if (has_values) b.values = m.values;
          std::vector<double> y(slices * kSliceRows, -1.0);
          std::vector<double> expected(y.size(), 1.0);
          sliced_product(b, x.span(), y);
          reference::sliced_product(b, x.span(), expected);
          ASSERT_TRUE(same_bits(y, expected));
        }
      }
    }
  });
}

TYPED_TEST(SlicedProduct, AddsInTheOrderInWhichEntriesAreStored) {
  // 1 + 2^60 - 2^60 is 0 in this order and 1 in any other that ends with 1.
  const std::vector<std::size_t> steps = {0, 3};
  std::vector<TypeParam> columns;
  for (const int column : {0, 1, 2})
    columns.insert(columns.end(), kSliceRows, static_cast<TypeParam>(column));
  const std::vector<double> x = {1.0, 0x1p60, -0x1p60};
  std::vector<double> y(kSliceRows);
  on_each_target([&] {
    sliced_product(SlicedMatrix<TypeParam>{.steps = steps, .columns = columns}, x, y);
    EXPECT_EQ(y, std::vector<double>(kSliceRows, 0.0));
  });
}

TYPED_TEST(SlicedProduct, RefusesSizesThatDoNotFit) {
  const auto m = random_matrix<TypeParam>(2, 4, 1);
  const SlicedMatrix<TypeParam> a{.steps = m.steps, .columns = m.columns};
  const std::vector<double> x(4);
  std::vector<double> y(3 * kSliceRows);
  EXPECT_THROW(sliced_product(a, x, y), std::logic_error);
  y.resize(2 * kSliceRows);
  EXPECT_THROW(sliced_product(SlicedMatrix<TypeParam>{.steps = m.steps}, x, y), std::logic_error);
}

}  // namespace
}  // namespace laconic::kernels::test
