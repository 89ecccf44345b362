// SPDX-License-Identifier: Apache-2.0
#include "laconic/data/shard.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "laconic/base/error.hpp"
#include "tests/unit/data/support.hpp"

namespace laconic::data {
namespace {

using testing::error_of;
using Shards = std::vector<std::vector<std::uint32_t>>;

// 0, 1, ..., classes - 1, 0, 1, ...
std::vector<std::uint32_t> cyclic_labels(std::uint32_t rows, std::uint32_t classes) {
  std::vector<std::uint32_t> out(rows);
  for (std::uint32_t i = 0; i < rows; ++i) out[i] = i % classes;
  return out;
}

std::vector<std::uint32_t> united(const Shards& shards) {
  std::vector<std::uint32_t> out;
  for (const auto& shard : shards) out.insert(out.end(), shard.begin(), shard.end());
  std::sort(out.begin(), out.end());
  return out;
}

std::vector<std::uint32_t> first(std::size_t count) {
  std::vector<std::uint32_t> out(count);
  std::iota(out.begin(), out.end(), 0U);
  return out;
}

TEST(Shard, CutsFileOrderIntoNearEqualBlocks) {
  const Shards shards = shard_rows(cyclic_labels(8, 2), {.workers = 3});
  EXPECT_EQ(shards, (Shards{{0, 1, 2}, {3, 4, 5}, {6, 7}}));
}

TEST(Shard, DropsTheRemainder) {
  const Shards shards = shard_rows(cyclic_labels(8, 2), {.workers = 3, .drop_remainder = true});
  EXPECT_EQ(shards, (Shards{{0, 1}, {2, 3}, {4, 5}}));
}

TEST(Shard, KeepsEveryRowWhenThereIsNoRemainder) {
  const Shards shards = shard_rows(cyclic_labels(6, 2), {.workers = 3, .drop_remainder = true});
  EXPECT_EQ(shards, (Shards{{0, 1}, {2, 3}, {4, 5}}));
}

TEST(Shard, LeavesOutWhatIsNoMultiple) {
  EXPECT_EQ(shard_rows(cyclic_labels(11, 2), {.workers = 2, .multiple = 4}),
            (Shards{{0, 1, 2, 3}, {4, 5, 6, 7}}));
  EXPECT_EQ(shard_rows(cyclic_labels(11, 2), {.workers = 3, .multiple = 5}),
            (Shards{{0, 1, 2, 3}, {4, 5, 6}, {7, 8, 9}}));
  EXPECT_EQ(shard_rows(cyclic_labels(11, 2), {.workers = 3, .drop_remainder = true, .multiple = 5}),
            (Shards{{0, 1, 2}, {3, 4, 5}, {6, 7, 8}}));
  try {
    static_cast<void>(shard_rows(cyclic_labels(11, 2), {.workers = 3, .multiple = 12}));
    FAIL() << "accepted";
  } catch (const ConfigError& e) {
    EXPECT_STREQ(
        e.what(),
        "sharding: 0 of 11 rows are a multiple of 12, too few for 3 workers; use a smaller "
        "multiple");
  }
}

TEST(Shard, UsesTheFirstRowsOnly) {
  const Shards shards =
      shard_rows(cyclic_labels(1003, 10),
                 {.sharding = Sharding::kShuffled, .workers = 3, .seed = 4, .rows = 90});
  EXPECT_EQ(united(shards), first(90));
  // More than there are: all of them.
  EXPECT_EQ(shard_rows(cyclic_labels(6, 2), {.workers = 2, .rows = 9}),
            (Shards{{0, 1, 2}, {3, 4, 5}}));
}

TEST(Shard, EveryKindIsAPartition) {
  for (const Sharding sharding :
       {Sharding::kContiguous, Sharding::kShuffled, Sharding::kDirichlet, Sharding::kByLabel}) {
    for (const std::uint32_t workers : {1U, 2U, 7U, 20U}) {
      const Shards shards = shard_rows(cyclic_labels(1003, 10),
                                       {.sharding = sharding, .workers = workers, .seed = 5});
      ASSERT_EQ(shards.size(), workers);
      EXPECT_EQ(united(shards), first(1003));
    }
  }
}

TEST(Shard, ShufflesAllRowsBeforeItDropsSome) {
  const Shards shards = shard_rows(
      cyclic_labels(1003, 10),
      {.sharding = Sharding::kShuffled, .workers = 10, .seed = 1, .drop_remainder = true});
  std::vector<std::uint32_t> used = united(shards);
  EXPECT_EQ(used.size(), 1000U);
  EXPECT_EQ(std::unique(used.begin(), used.end()), used.end());
  for (const auto& shard : shards) EXPECT_EQ(shard.size(), 100U);
  EXPECT_NE(used, first(1000));
}

TEST(Shard, DependsOnTheSeedAlone) {
  for (const Sharding sharding : {Sharding::kShuffled, Sharding::kDirichlet}) {
    const auto labels = cyclic_labels(500, 10);
    const Shards one = shard_rows(labels, {.sharding = sharding, .workers = 5, .seed = 1});
    EXPECT_EQ(one, shard_rows(labels, {.sharding = sharding, .workers = 5, .seed = 1}));
    EXPECT_NE(one, shard_rows(labels, {.sharding = sharding, .workers = 5, .seed = 2}));
  }
}

// Mean over workers and labels of the squared deviation of a worker's part of a label from
// 1/workers. For Dirichlet(alpha, ...) it is (1/w) (1 - 1/w) / (w alpha + 1).
double measured_variance(double alpha) {
  constexpr std::uint32_t kWorkers = 4;
  constexpr std::uint32_t kClasses = 400;
  constexpr std::uint32_t kRowsPerClass = 500;
  const auto labels = cyclic_labels(kClasses * kRowsPerClass, kClasses);
  const Shards shards =
      shard_rows(labels, {.sharding = Sharding::kDirichlet, .workers = kWorkers, .alpha = alpha});
  double sum = 0;
  for (const auto& shard : shards) {
    std::vector<double> count(kClasses);
    for (const std::uint32_t row : shard) count[labels[row]] += 1;
    for (const double c : count) sum += (c / kRowsPerClass - 0.25) * (c / kRowsPerClass - 0.25);
  }
  return sum / (kWorkers * kClasses);
}

TEST(Shard, DirichletHasTheVarianceOfItsAlpha) {
  for (const double alpha : {0.05, 0.5, 1.0, 10.0}) {
    const double expected = 0.25 * 0.75 / (4 * alpha + 1);
    EXPECT_LE(std::fabs(measured_variance(alpha) - expected), 0.15 * expected) << "alpha=" << alpha;
  }
}

TEST(Shard, GivesTheSameRowsOnEveryMachine) {
  const Shards shards =
      shard_rows(cyclic_labels(12, 2), {.sharding = Sharding::kShuffled, .workers = 3, .seed = 7});
  EXPECT_EQ(shards, (Shards{{2, 3, 10, 7}, {8, 5, 11, 9}, {6, 4, 1, 0}}));
  const Shards unequal =
      shard_rows(cyclic_labels(12, 2),
                 {.sharding = Sharding::kDirichlet, .workers = 3, .seed = 7, .alpha = 0.5});
  EXPECT_EQ(unequal, (Shards{{2, 4, 5, 6, 7, 8, 10}, {1, 11}, {0, 3, 9}}));
}

TEST(Shard, SortsByLabelAndKeepsFileOrderWithinALabel) {
  const std::vector<std::uint32_t> labels = {2, 0, 1, 0, 2, 1, 0};
  EXPECT_EQ(shard_rows(labels, {.sharding = Sharding::kByLabel, .workers = 3}),
            (Shards{{1, 3, 6}, {2, 5}, {0, 4}}));
  EXPECT_EQ(
      shard_rows(labels, {.sharding = Sharding::kByLabel, .workers = 3, .drop_remainder = true}),
      (Shards{{1, 3}, {6, 2}, {5, 0}}));
}

// methods/3pc, section 5.3: one part more than there are workers, the first one common.
TEST(Shard, HomogeneousLevelsZeroAndOneAreTheOwnAndTheCommonPart) {
  const auto labels = cyclic_labels(14, 2);
  EXPECT_EQ(shard_rows(labels, {.sharding = Sharding::kHomogeneous, .workers = 3, .level = 0}),
            (Shards{{3, 4, 5}, {6, 7, 8}, {9, 10, 11}}));
  EXPECT_EQ(shard_rows(labels, {.sharding = Sharding::kHomogeneous, .workers = 3, .level = 1}),
            (Shards{{0, 1, 2}, {0, 1, 2}, {0, 1, 2}}));
}

TEST(Shard, HomogeneousTakesTheCommonPartWithTheProbabilityOfItsLevel) {
  constexpr std::uint32_t kWorkers = 4000;
  const auto labels = cyclic_labels(kWorkers + 1, 1);
  for (const double level : {0.1, 0.5, 0.9}) {
    const ShardOptions options{
        .sharding = Sharding::kHomogeneous, .workers = kWorkers, .seed = 3, .level = level};
    const Shards shards = shard_rows(labels, options);
    double common = 0;
    for (std::uint32_t w = 0; w < kWorkers; ++w) {
      ASSERT_EQ(shards[w].size(), 1U);
      ASSERT_TRUE(shards[w][0] == 0 || shards[w][0] == w + 1);
      common += shards[w][0] == 0 ? 1.0 / kWorkers : 0.0;
    }
    EXPECT_NEAR(common, level, 5 * std::sqrt(level * (1 - level) / kWorkers));
    EXPECT_EQ(shards, shard_rows(labels, options));
    ShardOptions other = options;
    other.seed = 4;
    EXPECT_NE(shards, shard_rows(labels, other));
  }
}

// The same uniform number is compared with every level.
TEST(Shard, AHigherLevelLeavesWorkersInTheCommonPart) {
  const auto labels = cyclic_labels(101, 1);
  const auto at = [&](double level) {
    return shard_rows(
        labels, {.sharding = Sharding::kHomogeneous, .workers = 100, .seed = 9, .level = level});
  };
  const Shards low = at(0.3);
  const Shards high = at(0.7);
  for (std::size_t w = 0; w < 100; ++w) {
    if (low[w][0] == 0) {
      EXPECT_EQ(high[w][0], 0U);
    }
  }
}

TEST(Shard, RefusesAnEmptyWorker) {
  EXPECT_EQ(error_of<ConfigError>([] {
              (void)shard_rows(
                  cyclic_labels(100, 1),
                  {.sharding = Sharding::kDirichlet, .workers = 20, .seed = 3, .alpha = 1e-6});
            }),
            "sharding: worker 0 of 20 gets no row with dirichlet alpha=1e-06 and seed 3; raise "
            "alpha, take fewer "
            "workers or another seed");
}

TEST(Shard, RefusesOptionsOutOfRange) {
  EXPECT_EQ(error_of<ConfigError>([] { (void)shard_rows(cyclic_labels(3, 1), {.workers = 0}); }),
            "sharding: workers=0; there must be at least one");
  EXPECT_EQ(error_of<ConfigError>([] { (void)shard_rows(cyclic_labels(3, 1), {.workers = 4}); }),
            "sharding: 4 workers for 3 rows; each needs at least one, take fewer workers");
  EXPECT_EQ(error_of<ConfigError>([] {
              (void)shard_rows(cyclic_labels(3, 1),
                               {.sharding = Sharding::kDirichlet, .workers = 2, .alpha = 0});
            }),
            "sharding: dirichlet alpha=0 is not in [1e-06, 1000000]");
  EXPECT_EQ(error_of<ConfigError>([] {
              (void)shard_rows(cyclic_labels(3, 1),
                               {.sharding = Sharding::kHomogeneous, .workers = 2, .level = 1.5});
            }),
            "sharding: homogeneous level=1.5 is not in [0, 1]");
  EXPECT_EQ(error_of<ConfigError>([] {
              (void)shard_rows(cyclic_labels(3, 1),
                               {.sharding = Sharding::kHomogeneous, .workers = 3});
            }),
            "sharding: homogeneous cuts 3 rows into 4 parts, one more than there are workers; each "
            "needs at least one row, take fewer workers");
}

}  // namespace
}  // namespace laconic::data
