// SPDX-License-Identifier: Apache-2.0
#include "laconic/sync/buckets.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "laconic/rng/stream.hpp"

namespace laconic {
namespace {

std::vector<Tensor> random_model(std::uint32_t seed) {
  rng::Reader reader(rng::Stream(seed, {}));
  std::vector<Tensor> out;
  const auto count = 1 + reader.below(30);
  for (std::uint64_t i = 0; i < count; ++i) {
    out.push_back({.name = "t" + std::to_string(i),
                   .shape = {static_cast<std::uint32_t>(1 + reader.below(50)),
                             static_cast<std::uint32_t>(1 + reader.below(3) * 7)}});
  }
  return out;
}

TEST(Buckets, HoldEveryTensorOnceFromTheLastToTheFirst) {
  for (std::uint32_t seed = 0; seed < 200; ++seed) {
    const std::vector<Tensor> model = random_model(seed);
    const BucketRules rules = {.numbers = 1 + seed * 13, .exempt_vectors = seed % 2 == 0};
    std::vector<std::size_t> seen;
    for (const Bucket& bucket : plan_buckets(model, rules)) {
      ASSERT_EQ(bucket.tensors.size(), bucket.layout.tensors().size());
      EXPECT_TRUE(std::is_sorted(bucket.tensors.rbegin(), bucket.tensors.rend()));
      // Only the last tensor may take a bucket beyond the limit.
      const Tensor& last = bucket.layout.tensors().back();
      EXPECT_LT(bucket.layout.size() - last.shape.size(), rules.numbers);
      for (std::size_t t = 0; t < bucket.tensors.size(); ++t) {
        seen.push_back(bucket.tensors[t]);
        EXPECT_EQ(bucket.layout.tensors()[t].name, model[bucket.tensors[t]].name);
        EXPECT_EQ(bucket.layout.tensors()[t].shape, model[bucket.tensors[t]].shape);
        EXPECT_EQ(bucket.exempt, rules.exempt_vectors && model[bucket.tensors[t]].shape.cols == 1);
      }
    }
    std::sort(seen.begin(), seen.end());
    ASSERT_EQ(seen.size(), model.size());
    for (std::size_t i = 0; i < seen.size(); ++i) EXPECT_EQ(seen[i], i);
  }
}

TEST(Buckets, AreClosedInTheOrderOfABackwardPass) {
  const std::vector<Tensor> model = {{.name = "a", .shape = {10, 10}},
                                     {.name = "a.b", .shape = {10, 1}},
                                     {.name = "b", .shape = {10, 20}},
                                     {.name = "b.b", .shape = {20, 1}}};
  const auto buckets = plan_buckets(model, {.numbers = 150});
  ASSERT_EQ(buckets.size(), 3U);
  EXPECT_EQ(buckets[0].tensors, std::vector<std::size_t>{2});
  EXPECT_EQ(buckets[1].tensors, std::vector<std::size_t>{0});
  EXPECT_EQ(buckets[2].tensors, (std::vector<std::size_t>{3, 1}));
  EXPECT_TRUE(buckets[2].exempt);
}

}  // namespace
}  // namespace laconic
