// SPDX-License-Identifier: Apache-2.0
// What every order promises, whatever the method: each epoch is a permutation of the worker's
// units, and the orders are a function of (spec, units, worker, seed, gradients) alone.
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "laconic/order/order_policy.hpp"
#include "laconic/rng/stream.hpp"

namespace laconic {
namespace {

using Order = std::vector<std::uint32_t>;

Order identity(std::uint32_t units) {
  Order order(units);
  std::iota(order.begin(), order.end(), 0U);
  return order;
}

class OrderContract : public testing::TestWithParam<const Card*> {
 protected:
  void SetUp() override { add_order_cards(catalog_); }
  [[nodiscard]] std::unique_ptr<OrderPolicy> make(const OrderSetup& setup) const {
    const Spec spec = catalog_.canonical(parse_spec(GetParam()->name).value_or_throw(), "order");
    return orders().make(spec, setup);
  }
  // Gives the policy a gradient of every position of the epoch, where it wants them.
  static void feed(OrderPolicy& policy, const OrderSetup& setup,
                   std::span<const std::uint32_t> order) {
    if (!policy.observes()) return;
    std::vector<double> gradient(setup.dim);
    for (std::uint32_t j = 0; j < order.size(); ++j) {
      rng::fill_normal(
          rng::Stream(17,
                      {.purpose = rng::Purpose::kTest, .worker = setup.worker, .round = order[j]}),
          {}, gradient);
      policy.observe(j, UnitGradient<double>::dense(gradient));
    }
  }
  // Asks for epochs 0..epochs-1 in turn.
  [[nodiscard]] std::vector<Order> run(const OrderSetup& setup, std::uint32_t epochs) const {
    const auto policy = make(setup);
    std::vector<Order> out;
    for (std::uint32_t e = 0; e < epochs; ++e) {
      const auto order = policy->epoch(e);
      out.emplace_back(order.begin(), order.end());
      feed(*policy, setup, order);
    }
    return out;
  }

 private:
  Catalog catalog_;
};

TEST_P(OrderContract, EveryEpochIsAPermutationOfTheUnits) {
  Order sizes = identity(51);
  sizes.push_back(1000);
  for (const std::uint32_t units : sizes) {
    for (const std::uint32_t worker : {0U, 1U, 999U}) {
      for (const std::uint64_t seed : {0ULL, 7ULL, 0xfedcba9876543210ULL}) {
        const auto epochs = run({.units = units, .worker = worker, .seed = seed, .dim = 3}, 5);
        for (Order order : epochs) {
          std::sort(order.begin(), order.end());
          ASSERT_EQ(order, identity(units))
              << GetParam()->name << " units=" << units << " worker=" << worker;
        }
      }
    }
  }
}

TEST_P(OrderContract, TheSameSetupGivesTheSameOrders) {
  const OrderSetup setup{.units = 97, .worker = 3, .seed = 11, .dim = 3};
  EXPECT_EQ(run(setup, 6), run(setup, 6));
}

TEST_P(OrderContract, AskingForAnEpochAgainGivesTheSameOrder) {
  const OrderSetup setup{.units = 64, .worker = 1, .seed = 5, .dim = 3};
  const auto policy = make(setup);
  for (std::uint32_t e = 0; e < 5; ++e) {
    const auto first = policy->epoch(e);
    const Order kept(first.begin(), first.end());
    const auto again = policy->epoch(e);
    EXPECT_EQ(kept, Order(again.begin(), again.end())) << "epoch " << e;
    feed(*policy, setup, again);
  }
}

TEST_P(OrderContract, IsReachedThroughACanonicalSpecAndDescribed) {
  Catalog catalog;
  add_order_cards(catalog);
  const Spec spec = parse_spec(GetParam()->name).value_or_throw();
  EXPECT_TRUE(catalog.problems(spec, "order").empty());
  EXPECT_FALSE(GetParam()->summary.empty());
  EXPECT_FALSE(GetParam()->promises.empty());
}

std::vector<const Card*> all_cards() {
  std::vector<const Card*> cards;
  for (const auto& method : orders().methods()) cards.push_back(method.card);
  return cards;
}

INSTANTIATE_TEST_SUITE_P(All, OrderContract, testing::ValuesIn(all_cards()),
                         [](const auto& test) {
                           std::string name(test.param->name);
                           std::ranges::replace(name, '-', '_');
                           return name;
                         });

}  // namespace
}  // namespace laconic
