// SPDX-License-Identifier: Apache-2.0
#include <stdexcept>

#include "tests/unit/kernels/support.hpp"

namespace laconic::kernels::test {
namespace {

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

struct Compressed {
  std::vector<std::uint64_t> offsets = {0};
  std::vector<std::uint32_t> columns = {};
  std::vector<double> values = {};
  [[nodiscard]] CompressedRows view() const {
    return {.offsets = offsets, .columns = columns, .values = values};
  }
};

constexpr std::uint32_t kDenseRows = 13;

Compressed random_rows(std::size_t rows) {
  Compressed out;
  rng::Reader random = reader(5);
  for (std::size_t i = 0; i < rows; ++i) {
    for (std::uint64_t k = random.below(9); k > 0; --k) {
      out.columns.push_back(static_cast<std::uint32_t>(random.below(kDenseRows)));
      out.values.push_back(draw<double>(random, Values::kModerate));
    }
    out.offsets.push_back(out.columns.size());
  }
  return out;
}

// Every edge of every number of vectors.
const std::vector<std::size_t> kWidths = {0, 1, 2, 3, 5, 8, 9, 16, 17, 31, 32, 33, 64, 70};

TEST(CompressedRows, GatheringProductEqualsTheReference) {
  const Compressed a = random_rows(20);
  const std::vector<std::uint32_t> rows = {3, 0, 19, 3, 7};
  on_each_target([&] {
    for (const std::size_t width : kWidths) {
      const auto b = random_values<double>(kDenseRows * width, 1, Values::kModerate);
      std::vector<double> c(rows.size() * width, -1.0);
      std::vector<double> expected(c.size(), 1.0);
      sparse_nn(a.view(), rows, width, b.span(), c);
      reference::sparse_nn(a.view(), rows, width, b.span(), expected);
      ASSERT_TRUE(same_bits(c, expected)) << width;
    }
  });
}

TEST(CompressedRows, ScatteringProductEqualsTheReference) {
  const Compressed a = random_rows(20);
  const std::vector<std::uint32_t> rows = {3, 0, 19, 3, 7};
  on_each_target([&] {
    for (const std::size_t width : kWidths) {
      const auto b = random_values<double>(rows.size() * width, 2, Values::kModerate);
      auto c = random_values<double>(kDenseRows * width, 3, Values::kModerate);
      auto expected = c;
      sparse_tn(a.view(), rows, width, b.span(), c.span());
      reference::sparse_tn(a.view(), rows, width, b.span(), expected.span());
      ASSERT_TRUE(same_bits(c, expected)) << width;
    }
  });
}

TEST(CompressedRows, RefuseRowsAndSizesThatDoNotExist) {
  const Compressed a = random_rows(4);
  const std::vector<double> dense(kDenseRows * 2);
  std::vector<double> out(2);
  const std::vector<std::uint32_t> behind = {4};
  const std::vector<std::uint32_t> two = {0, 1};
  EXPECT_THROW(sparse_nn(a.view(), behind, 2, dense, out), std::logic_error);
  EXPECT_THROW(sparse_nn(a.view(), two, 2, dense, out), std::logic_error);
  EXPECT_THROW(sparse_tn(a.view(), two, 2, dense, out), std::logic_error);
}

}  // namespace
}  // namespace laconic::kernels::test
