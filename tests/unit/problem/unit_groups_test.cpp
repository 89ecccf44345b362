// SPDX-License-Identifier: Apache-2.0
#include "laconic/problem/unit_groups.hpp"

#include <gtest/gtest.h>

#include <stdexcept>
#include <utility>

#include "tests/unit/problem/fixture.hpp"

namespace laconic {
namespace {

using namespace testing_problem;

constexpr std::size_t kDimension = 9;

struct Kept {
  std::vector<std::uint32_t> indices = {};
  std::vector<double> values = {};
  bool operator==(const Kept&) const = default;
};

class Keeper final : public UnitSink<double> {
 public:
  void take(std::size_t k, const UnitRow<double>& row) override {
    EXPECT_EQ(k, kept.size());
    if (throws) throw std::runtime_error("refused");
    kept.push_back({.indices = {row.indices.begin(), row.indices.end()},
                    .values = {row.values.begin(), row.values.end()}});
  }
  std::vector<Kept> kept = {};
  bool throws = false;
};

// Example k: dense, or with some of the coordinates; halves, so that sums are exact.
Kept example(std::uint32_t k, bool dense) {
  rng::Reader random(rng::Stream(3, {.purpose = rng::Purpose::kTest, .round = k}));
  Kept out;
  for (std::uint32_t j = 0; j < kDimension; ++j) {
    const double value = 0.5 * (static_cast<double>(random.below(41)) - 20);
    if (!dense && random.below(3) > 0) continue;
    if (!dense) out.indices.push_back(j);
    out.values.push_back(value);
  }
  return out;
}

TEST(UnitGroups, GiveTheMeanOfTheirExamples) {
  const std::vector<std::uint32_t> sizes = {1, 4, 2, 1, 8};
  for (const bool mixed : {false, true}) {
    UnitGroups<double> groups(kDimension);
    for (std::uint32_t batch = 0; batch < 3; ++batch) {
      Keeper keeper;
      groups.begin(sizes, keeper);
      std::vector<std::vector<double>> expected;
      std::uint32_t k = 0;
      for (const std::uint32_t size : sizes) {
        std::vector<double> mean(kDimension);
        for (std::uint32_t i = 0; i < size; ++i, ++k) {
          const Kept row = example(100 * batch + k, mixed && k % 3 == 1);
          groups.take(k, {.indices = row.indices, .values = row.values});
          for (std::size_t e = 0; e < row.values.size(); ++e) {
            mean[row.indices.empty() ? e : row.indices[e]] += row.values[e] / size;
          }
        }
        expected.push_back(std::move(mean));
      }
      ASSERT_EQ(keeper.kept.size(), sizes.size());
      for (std::size_t g = 0; g < sizes.size(); ++g) {
        const Kept& kept = keeper.kept[g];
        std::vector<double> values(kDimension);
        const bool dense = kept.indices.empty() && !kept.values.empty();
        EXPECT_TRUE(dense || !mixed || sizes[g] < 3);
        EXPECT_TRUE(!dense || mixed);
        for (std::size_t e = 0; e < kept.values.size(); ++e) {
          values[dense ? e : kept.indices[e]] = kept.values[e];
          EXPECT_TRUE(dense || e == 0 || kept.indices[e - 1] < kept.indices[e]);
        }
        EXPECT_EQ(values, expected[g]) << "group " << g;
      }
    }
  }
}

TEST(UnitGroups, PassSingleExamplesOnAsTheyAre) {
  UnitGroups<double> groups(kDimension);
  Keeper keeper;
  const std::vector<std::uint32_t> sizes = {1, 1};
  groups.begin(sizes, keeper);
  const Kept sparse = example(1, false);
  const Kept dense = example(2, true);
  groups.take(0, {.indices = sparse.indices, .values = sparse.values});
  groups.take(1, {.indices = dense.indices, .values = dense.values});
  EXPECT_EQ(keeper.kept, (std::vector<Kept>{sparse, dense}));
}

TEST(UnitGroups, StartAfreshWhenABatchWasBrokenOff) {
  UnitGroups<double> groups(kDimension);
  const std::vector<std::uint32_t> sizes = {2};
  const Kept a = example(3, false);
  const Kept b = example(4, true);
  const auto means = [&](const Kept& first, const Kept& second) {
    Keeper keeper;
    groups.begin(sizes, keeper);
    groups.take(0, {.indices = first.indices, .values = first.values});
    groups.take(1, {.indices = second.indices, .values = second.values});
    return keeper.kept;
  };
  const std::vector<Kept> expected = means(a, a);
  Keeper broken;
  broken.throws = true;
  groups.begin(sizes, broken);
  groups.take(0, {.indices = a.indices, .values = a.values});
  EXPECT_THROW(groups.take(1, {.indices = b.indices, .values = b.values}), std::runtime_error);
  EXPECT_EQ(means(a, a), expected);
  groups.begin(sizes, broken);
  groups.take(0, {.indices = {}, .values = b.values});
  EXPECT_EQ(means(a, a), expected);
}

TEST(UnitGroups, RefuseRowsThatDoNotFitTheModel) {
  UnitGroups<double> groups(kDimension);
  Keeper keeper;
  const std::vector<std::uint32_t> sizes = {2};
  groups.begin(sizes, keeper);
  const std::vector<double> values(kDimension + 1);
  const std::vector<std::uint32_t> beyond = {kDimension};
  EXPECT_THROW(groups.take(0, {.indices = {}, .values = values}), std::logic_error);
  EXPECT_THROW(groups.take(0, {.indices = beyond, .values = std::span(values).first(1)}),
               std::logic_error);
}

}  // namespace
}  // namespace laconic
