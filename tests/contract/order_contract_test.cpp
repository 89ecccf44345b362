// SPDX-License-Identifier: Apache-2.0
// What every order promises, whatever the method: each epoch is a permutation of the worker's
// units, and the orders are a function of (spec, units, worker, seed, gradients) alone.
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "laconic/order/order_policy.hpp"
#include "laconic/rng/stream.hpp"
#include "tests/contract/allocations.hpp"
#include "tests/support/order_loop.hpp"

namespace laconic {
namespace {

using Order = std::vector<std::uint32_t>;

Order identity(std::uint32_t units) {
  Order order(units);
  std::iota(order.begin(), order.end(), 0U);
  return order;
}

// The method with its defaults, and with what changes the way of its bytes.
std::vector<std::string> specs_of(const std::string& name) {
  std::vector<std::string> specs = {name};
  if (name == "cd-grab") {
    for (const char* more :
         {"exchange=replicated", "exchange=sharded", "sketch=8", "exchange=sharded,behind=true"}) {
      specs.push_back(name + ":" + more);
    }
  }
  return specs;
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

// The same through the interface of a training loop, for shapes that cd-grab.md asks for.
TEST_P(OrderContract, CdGrabCheck01ExampleOrdersArePermutationsInEveryEpoch) {
  std::vector<std::vector<std::uint32_t>> shapes = {{5, 3, 8}, {1, 0, 2, 7}, {100, 99, 1}};
  for (const std::uint32_t n : {1U, 2U, 3U, 4U, 6U, 7U, 100U}) {
    for (const std::uint32_t m : {1U, 2U, 3U, 8U}) shapes.emplace_back(m, n);
  }
  for (const auto& units : shapes) {
    for (const std::uint32_t ranks : {1U, 2U}) {
      const test::OrderLoop<float> loop{.spec = std::string(GetParam()->name),
                                        .units = units,
                                        .dim = 4,
                                        .ranks = ranks,
                                        .epochs = 3};
      const test::OrderTrace trace = test::run_orders(loop);
      for (const auto& epoch : trace.orders) {
        for (std::size_t w = 0; w < units.size(); ++w) {
          ASSERT_TRUE(test::is_permutation_of_units(epoch[w], units[w]))
              << GetParam()->name << " ranks " << ranks << " worker " << w << " of "
              << units.size();
        }
      }
    }
  }
}

TEST_P(OrderContract, ExampleOrdersDoNotDependOnTheNumberOfRanksOrTheArrival) {
  test::OrderLoop<double> loop{
      .spec = std::string(GetParam()->name), .units = {10, 9, 10, 4, 10}, .dim = 20, .batch = 2};
  const auto expected = test::run_orders(loop).orders;
  loop.shuffles_arrival = true;
  for (const std::uint32_t ranks : {1U, 2U, 4U}) {
    loop.ranks = ranks;
    EXPECT_EQ(test::run_orders(loop).orders, expected) << GetParam()->name << " " << ranks;
  }
}

TEST_P(OrderContract, TheWireOfAnOrderThatDoesNotObserveIsSilent) {
  const test::OrderLoop<float> loop{
      .spec = std::string(GetParam()->name), .units = {6, 6}, .dim = 4, .ranks = 2};
  const test::OrderTrace trace = test::run_orders(loop);
  const bool observes = order_observes(test::canonical_order(loop.spec));
  const OrderStats& stats = trace.stats.back()[0];
  if (!observes) {
    EXPECT_EQ(stats.traffic, Traffic{});
  }
  if (GetParam()->name != "cd-grab") {
    EXPECT_EQ(stats.traffic.sent_bytes, 0U) << "nothing but the question whether all is well";
  }
}

TEST_P(OrderContract, AfterTwoEpochsAStepAllocatesNothing) {
  for (const std::string& spec : specs_of(std::string(GetParam()->name))) {
    const test::OrderLoop<float> loop{.spec = spec, .units = {8, 8, 8}, .dim = 50, .batch = 2};
    const auto orders = test::make_orders(loop, 0);
    const auto comm = make_self_communicator();
    std::vector<std::vector<float>> g;
    for (std::uint32_t u = 0; u < 8; ++u) g.push_back(test::normal_vector<float>(1, 0, u, 50));
    for (std::uint32_t e = 0; e < 4; ++e) {
      orders->begin_epoch(e);
      const std::size_t before = test::allocations();
      for (std::uint32_t step = 0; step < 4; ++step) {
        for (std::uint32_t w = 0; w < 3 && orders->observes(); ++w) {
          for (std::uint32_t q = 0; q < 2; ++q) {
            const std::uint32_t position = 2 * step + q;
            orders->observe(w, position, UnitGradient<float>::dense(g[orders->order(w)[position]]));
          }
        }
        orders->exchange({.round = step}, *comm);
      }
      if (e >= 2) {
        EXPECT_EQ(test::allocations(), before) << spec << " epoch " << e;
      }
      orders->end_epoch({}, *comm);
    }
  }
}

std::vector<const Card*> all_cards() {
  std::vector<const Card*> cards;
  for (const auto& method : orders().methods()) cards.push_back(method.card);
  return cards;
}

INSTANTIATE_TEST_SUITE_P(All, OrderContract, testing::ValuesIn(all_cards()), [](const auto& test) {
  std::string name(test.param->name);
  std::ranges::replace(name, '-', '_');
  return name;
});

}  // namespace
}  // namespace laconic
