// SPDX-License-Identifier: Apache-2.0
#include "laconic/tensor/layout.hpp"

#include <gtest/gtest.h>

#include <numeric>

namespace laconic {
namespace {

Layout three() {
  return Layout({{.name = "weight", .shape = {3, 4}},
                 {.name = "bias", .shape = {5}, .role = Role::kBias},
                 {.name = "one", .shape = {1, 1}}});
}

TEST(Layout, PlacesTensorsOneBehindTheOther) {
  const Layout layout = three();
  EXPECT_EQ(layout.size(), 18U);
  ASSERT_EQ(layout.tensors().size(), 3U);
  EXPECT_EQ(layout.tensors()[0].offset, 0U);
  EXPECT_EQ(layout.tensors()[1].offset, 12U);
  EXPECT_EQ(layout.tensors()[2].offset, 17U);
  EXPECT_EQ(layout.tensors()[1].role, Role::kBias);
}

TEST(Layout, FindsTheTensorOfEveryCoordinate) {
  const Layout layout = three();
  for (std::size_t i = 0; i < layout.size(); ++i) {
    const Tensor& tensor = layout.tensor_of(i);
    EXPECT_LE(tensor.offset, i);
    EXPECT_LT(i, tensor.offset + tensor.shape.size());
  }
  EXPECT_EQ(layout.tensor_of(11).name, "weight");
  EXPECT_EQ(layout.tensor_of(12).name, "bias");
  EXPECT_THROW(static_cast<void>(layout.tensor_of(18)), std::logic_error);
}

TEST(Layout, WithoutTensorsIsEmpty) {
  EXPECT_EQ(Layout().size(), 0U);
  EXPECT_EQ(Layout(std::vector<Tensor>{}).size(), 0U);
  EXPECT_THROW(static_cast<void>(Layout().tensor_of(0)), std::logic_error);
}

TEST(Layout, RefusesEmptyTensorsAndEqualNames) {
  EXPECT_THROW(Layout({{.name = "a", .shape = {0, 4}}}), std::logic_error);
  EXPECT_THROW(Layout({{.name = "a", .shape = {4, 0}}}), std::logic_error);
  EXPECT_THROW(
      Layout(
          {{.name = "a", .shape = {1}}, {.name = "b", .shape = {1}}, {.name = "a", .shape = {2}}}),
      std::logic_error);
}

TEST(Layout, HoldsFewerThan2To32Coordinates) {
  EXPECT_EQ(Layout({{.name = "a", .shape = {0xffffffff}}}).size(), 0xffffffffU);
  EXPECT_THROW(Layout({{.name = "a", .shape = {0xffffffff}}, {.name = "b", .shape = {1}}}),
               std::logic_error);
  EXPECT_THROW(Layout({{.name = "a", .shape = {1U << 16, 1U << 16}}}), std::logic_error);
}

TEST(Layout, ASumOfSizesThatWrapsAroundIsRefused) {
  const Shape huge{1U << 31, 1U << 31};  // 2^62 coordinates, four of them 2^64
  EXPECT_THROW(Layout({{.name = "a", .shape = huge},
                       {.name = "b", .shape = huge},
                       {.name = "c", .shape = huge},
                       {.name = "d", .shape = huge},
                       {.name = "e", .shape = {1}}}),
               std::logic_error);
}

TEST(Views, AreTheTensorsPartOfTheFlatVector) {
  const Layout layout = three();
  std::vector<float> flat(layout.size());
  std::iota(flat.begin(), flat.end(), 0.0F);
  const auto view = view_of<float>(layout.tensors()[1], flat);
  EXPECT_EQ(view.values.size(), 5U);
  EXPECT_EQ(view.values.front(), 12.0F);
  EXPECT_EQ(view.shape, (Shape{5, 1}));
  const auto span = span_of<float>(layout.tensors()[2], flat);
  span.values[0] = -1;
  EXPECT_EQ(flat[17], -1.0F);
}

TEST(Views, OfAVectorThatIsTooShortAreRefused) {
  const Layout layout = three();
  std::vector<float> flat(layout.size() - 1);
  EXPECT_NO_THROW(static_cast<void>(view_of<float>(layout.tensors()[1], flat)));
  EXPECT_THROW(static_cast<void>(view_of<float>(layout.tensors()[2], flat)), std::logic_error);
  EXPECT_THROW(static_cast<void>(span_of<float>(layout.tensors()[2], flat)), std::logic_error);
}

TEST(Shape, AVectorIsAColumn) {
  EXPECT_EQ((Shape{7}), (Shape{7, 1}));
  EXPECT_EQ((Shape{0xffffffff, 0xffffffff}).size(), 0xffffffffULL * 0xffffffffULL);
}

}  // namespace
}  // namespace laconic
