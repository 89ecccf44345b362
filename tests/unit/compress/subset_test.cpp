// SPDX-License-Identifier: Apache-2.0
// Random subsets and divisions: what docs/reproducibility.md says, uniform, and kept apart.
#include "laconic/compress/subset.hpp"

#include <set>

#include "laconic/compress/division.hpp"
#include "tests/unit/compress/support.hpp"

namespace laconic::compress {
namespace {

rng::Stream stream(std::uint32_t round) {
  return rng::Stream(5, {rng::Purpose::kTest, 0, round, 1});
}

TEST(RandomSubset, IsFloydsAlgorithm) {
  // Both memories: a bitmap where k >= size / 512, a hash table elsewhere.
  for (const std::size_t size : {1U, 2U, 63U, 64U, 65U, 1000U, 5000U, 200000U}) {
    for (const std::size_t k : {std::size_t{1}, std::size_t{2}, std::size_t{10}, size / 3, size}) {
      if (k > size) continue;
      const auto expected = oracle::subset(stream(7), size, k);
      const auto actual = random_subset(stream(7), size, k);
      ASSERT_EQ(actual.size(), k);
      ASSERT_TRUE(std::equal(actual.begin(), actual.end(), expected.begin())) << size << " " << k;
    }
  }
}

TEST(RandomSubset, EveryPairIsEquallyLikely) {
  constexpr std::size_t kSize = 9;
  constexpr std::uint32_t kDraws = 20000;
  std::vector<double> pairs(kSize * kSize, 0.0);
  for (std::uint32_t round = 0; round < kDraws; ++round) {
    const auto drawn = random_subset(stream(round), kSize, 4);
    for (const std::uint32_t a : drawn) {
      for (const std::uint32_t b : drawn) pairs[a * kSize + b] += 1;
    }
  }
  for (std::size_t a = 0; a < kSize; ++a) {
    for (std::size_t b = 0; b < kSize; ++b) {
      const double p = a == b ? 4.0 / 9 : 4.0 * 3 / (9 * 8);
      EXPECT_NEAR(pairs[a * kSize + b] / kDraws, p, 5 * std::sqrt(p * (1 - p) / kDraws));
    }
  }
}

CompressContext facts(std::uint32_t round, std::uint32_t worker, std::uint32_t tensor = 0) {
  return {.seed = 3, .worker = worker, .workers = 4, .round = round, .tensor = tensor};
}

// From the documentation, one worker at a time.
TEST(Division, IsThatOfTheDocumentation) {
  for (const auto& [size, workers] : std::initializer_list<std::pair<std::size_t, std::uint32_t>>{
           {20, 4}, {22, 4}, {3, 7}, {4, 12}, {5, 1}}) {
    for (std::uint32_t worker = 0; worker < workers; ++worker) {
      rng::Reader reader(shared_stream(facts(6, worker)));
      const auto permutation = [&](std::size_t count) {
        std::vector<std::uint32_t> out(count);
        for (std::uint32_t i = 0; i < count; ++i) out[i] = i;
        for (std::size_t i = count; i > 1; --i) std::swap(out[i - 1], out[reader.below(i)]);
        return out;
      };
      std::vector<std::uint32_t> expected;
      if (size >= workers) {
        const std::uint64_t rotation = reader.below(workers);
        const auto order = permutation(size);
        const std::size_t block = (worker + rotation) % workers;
        std::size_t at = 0;
        for (std::size_t b = 0; b <= block; ++b) {
          const std::size_t count = size / workers + (b < size % workers ? 1 : 0);
          if (b == block)
            expected.assign(order.begin() + static_cast<std::ptrdiff_t>(at),
                            order.begin() + static_cast<std::ptrdiff_t>(at + count));
          at += count;
        }
      } else {
        const auto slots = permutation(workers);
        const auto order = permutation(size);
        expected = {order[slots[worker] % size]};
      }
      const Share share = share_of({.size = size, .workers = workers}, facts(6, worker));
      EXPECT_EQ(std::vector<std::uint32_t>(share.coordinates.begin(), share.coordinates.end()),
                expected);
    }
  }
}

TEST(Division, TensorsRoundsAndPathsHaveTheirOwn) {
  const auto coordinates = [](const CompressContext& context) {
    const auto share = share_of({.size = 64, .workers = 4}, context).coordinates;
    return std::vector<std::uint32_t>(share.begin(), share.end());
  };
  std::set<std::vector<std::uint32_t>> seen;
  std::vector<CompressContext> contexts;
  for (std::uint32_t tensor = 0; tensor < 100; ++tensor)  // more than are kept
    for (std::uint32_t round = 0; round < 2; ++round) contexts.push_back(facts(round, 1, tensor));
  contexts.push_back(child(facts(0, 1, 5), 0));
  contexts.push_back(child(facts(0, 1, 5), 1));
  std::vector<std::vector<std::uint32_t>> first;
  for (const CompressContext& context : contexts) first.push_back(coordinates(context));
  for (const auto& share : first) seen.insert(share);
  EXPECT_EQ(seen.size(), contexts.size());
  for (std::size_t i = 0; i < contexts.size(); ++i) EXPECT_EQ(coordinates(contexts[i]), first[i]);
}

TEST(Division, PlacesAreTheInverse) {
  for (std::uint32_t worker = 0; worker < 4; ++worker) {
    const Share share = share_of({.size = 30, .workers = 4}, facts(2, worker), true);
    for (std::size_t i = 0; i < share.coordinates.size(); ++i)
      EXPECT_EQ(share.place_of[share.coordinates[i]], share.begin + i);
  }
}

}  // namespace
}  // namespace laconic::compress
