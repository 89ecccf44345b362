// SPDX-License-Identifier: Apache-2.0
// incremental, once, reshuffle, flipflop: what sets each of them apart, and the bits they are made
// of.
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "laconic/order/order_policy.hpp"
#include "laconic/rng/stream.hpp"

namespace laconic {
namespace {

using Order = std::vector<std::uint32_t>;

std::unique_ptr<OrderPolicy> make(const std::string& text, const OrderSetup& setup) {
  Catalog catalog;
  add_order_cards(catalog);
  return orders().make(catalog.canonical(parse_spec(text).value_or_throw(), "order"), setup);
}

Order epoch(OrderPolicy& policy, std::uint32_t e) {
  const auto order = policy.epoch(e);
  return Order(order.begin(), order.end());
}

Order identity(std::uint32_t units) {
  Order order(units);
  std::iota(order.begin(), order.end(), 0U);
  return order;
}

// The permutation of the stream (seed, kOrder, worker, round), by which all random orders are
// defined.
Order stream_permutation(const OrderSetup& setup, std::uint32_t round) {
  Order order = identity(setup.units);
  rng::permute(rng::Stream(setup.seed, {rng::Purpose::kOrder, setup.worker, round, 0}), order);
  return order;
}

Order reversed(Order order) {
  std::reverse(order.begin(), order.end());
  return order;
}

constexpr OrderSetup kSetup{.units = 40, .worker = 2, .seed = 17};

TEST(Incremental, KeepsTheOrderOfTheData) {
  const auto policy = make("incremental", kSetup);
  for (std::uint32_t e = 0; e < 3; ++e) EXPECT_EQ(epoch(*policy, e), identity(kSetup.units));
}

TEST(Once, UsesOnePermutationInEveryEpoch) {
  const auto policy = make("once", kSetup);
  for (std::uint32_t e = 0; e < 4; ++e) EXPECT_EQ(epoch(*policy, e), stream_permutation(kSetup, 0));
}

TEST(Reshuffle, DrawsTheStreamOfEachEpoch) {
  const auto policy = make("reshuffle", kSetup);
  for (std::uint32_t e = 0; e < 6; ++e) EXPECT_EQ(epoch(*policy, e), stream_permutation(kSetup, e));
  EXPECT_NE(epoch(*policy, 0), epoch(*policy, 1));
}

TEST(FlipFlop, DrawsInEvenEpochsAndReversesInOddOnes) {
  const auto policy = make("flipflop", kSetup);
  for (std::uint32_t e = 0; e < 8; e += 2) {
    EXPECT_EQ(epoch(*policy, e), stream_permutation(kSetup, e));
    EXPECT_EQ(epoch(*policy, e + 1), reversed(stream_permutation(kSetup, e)));
  }
}

TEST(BaselineOrders, EpochsMayBeAskedForInAnyOrder) {
  for (const char* name : {"incremental", "once", "reshuffle", "flipflop"}) {
    const auto straight = make(name, kSetup);
    std::vector<Order> expected;
    for (std::uint32_t e = 0; e < 8; ++e) expected.push_back(epoch(*straight, e));
    const auto jumping = make(name, kSetup);
    for (const std::uint32_t e : {7U, 0U, 3U, 3U, 6U, 1U, 5U})
      EXPECT_EQ(epoch(*jumping, e), expected[e]) << name;
  }
}

TEST(BaselineOrders, WorkersAndSeedsGetDifferentPermutations) {
  for (const char* name : {"once", "reshuffle", "flipflop"}) {
    const Order base = epoch(*make(name, kSetup), 0);
    EXPECT_NE(base, epoch(*make(name, {.units = 40, .worker = 3, .seed = 17}), 0)) << name;
    EXPECT_NE(base, epoch(*make(name, {.units = 40, .worker = 2, .seed = 18}), 0)) << name;
  }
}

TEST(BaselineOrders, NoUnitsGiveAnEmptyEpoch) {
  for (const char* name : {"incremental", "once", "reshuffle", "flipflop"}) {
    EXPECT_TRUE(epoch(*make(name, {.units = 0}), 1).empty()) << name;
  }
}

TEST(BaselineOrders, RecordedPermutationsStayAsTheyAre) {
  const OrderSetup setup{.units = 10, .worker = 1, .seed = 42};
  EXPECT_EQ(epoch(*make("once", setup), 0), (Order{7, 2, 3, 5, 6, 9, 4, 8, 1, 0}));
  EXPECT_EQ(epoch(*make("reshuffle", setup), 5), (Order{8, 2, 0, 9, 1, 7, 4, 6, 3, 5}));
  EXPECT_EQ(epoch(*make("flipflop", setup), 5), (Order{6, 9, 1, 4, 0, 3, 2, 8, 7, 5}));
}

}  // namespace
}  // namespace laconic
