// SPDX-License-Identifier: Apache-2.0
#include "laconic/tensor/sparse.hpp"

#include <gtest/gtest.h>

#include <map>
#include <set>

namespace laconic {
namespace {

// A small generator of its own: this layer is below rng.
std::uint32_t next_of(std::uint64_t& state, std::uint32_t bound) {
  state = state * 6364136223846793005U + 1442695040888963407U;
  return static_cast<std::uint32_t>((state >> 33) % bound);
}

TEST(IndexSet, DrainsItsMembersInIncreasingOrderAndIsEmptyThen) {
  std::uint64_t state = 1;
  for (const std::uint32_t dim : {1U, 63U, 64U, 65U, 4096U, 4097U, 300000U, 20000000U}) {
    IndexSet set;
    set.resize(dim);
    for (const std::uint32_t count : {0U, 1U, 70U, 1000U}) {
      std::set<std::uint32_t> expected = {};
      if (count > 1) expected = {0, dim - 1};
      for (std::uint32_t k = 0; k < count; ++k) expected.insert(next_of(state, dim));
      // In some other order, every member twice.
      for (int pass = 0; pass < 2; ++pass) {
        for (auto it = expected.rbegin(); it != expected.rend(); ++it) set.insert(*it);
      }
      std::vector<std::uint32_t> found;
      set.drain([&](std::uint32_t member) { found.push_back(member); });
      EXPECT_EQ(found, std::vector<std::uint32_t>(expected.begin(), expected.end())) << dim;
      set.drain([&](std::uint32_t member) { ADD_FAILURE() << member << " is still there"; });
    }
  }
}

TEST(SparseSums, AddsInTheOrderOfTheTermsAndStartsAnewAfterwards) {
  std::uint64_t state = 2;
  SparseSums sums;
  for (const std::uint32_t dim : {1U, 100U, 5000U}) {
    sums.resize(dim);
    for (int round = 0; round < 3; ++round) {
      std::map<std::uint32_t, double> expected;
      for (int k = 0; k < 500; ++k) {
        const std::uint32_t i = next_of(state, dim);
        const double term = 1.0 / (1 + next_of(state, 1000)) - 0.01;
        expected[i] += term;
        sums.add(i, term);
      }
      std::map<std::uint32_t, double> found;
      sums.drain([&](std::uint32_t i, double sum) {
        EXPECT_TRUE(found.empty() || found.rbegin()->first < i);
        found[i] = sum;
      });
      EXPECT_EQ(found, expected);
    }
  }
}

}  // namespace
}  // namespace laconic
