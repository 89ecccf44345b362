// SPDX-License-Identifier: Apache-2.0
// Saved states: every order goes on from the middle of an epoch with the same bits, also on another
// SIMD target; a state that does not fit is refused naming both values; damaged bytes change
// nothing.
#include <gtest/gtest.h>

#include <algorithm>

#include "laconic/kernels/kernels.hpp"
#include "tests/support/order_loop.hpp"

namespace laconic::test {
namespace {

std::vector<std::string> all_specs() {
  std::vector<std::string> specs;
  for (const auto& method : orders().methods()) specs.emplace_back(method.card->name);
  for (const char* more :
       {"grab:rule=walk", "grab:sketch=4", "pair-grab:lone=sign", "pair-grab:reset=3",
        "cd-grab:exchange=replicated", "cd-grab:exchange=sharded", "cd-grab:rule=walk,c=2",
        "cd-grab:sketch=6", "cd-grab:sum=f32", "reshuffle:shared=true"}) {
    specs.emplace_back(more);
  }
  return specs;
}

std::vector<Order> orders_of(const ExampleOrders<float>& orders, std::size_t workers) {
  std::vector<Order> out;
  for (std::uint32_t w = 0; w < workers; ++w) {
    const auto order = orders.order(w);
    out.emplace_back(order.begin(), order.end());
  }
  return out;
}

// Epochs `from`.. to 4 in one process, from step `step` of the first on; what orders came out.
std::vector<std::vector<Order>> finish(const OrderLoop<float>& loop, ExampleOrders<float>& orders,
                                       Communicator& comm, std::uint32_t from, std::uint32_t step) {
  std::vector<std::vector<Order>> out;
  for (std::uint32_t e = from; e < 4; ++e) {
    if (e > from) orders.begin_epoch(e);
    out.push_back(orders_of(orders, loop.units.size()));
    run_steps(loop, orders, comm, e, e == from ? step : 0, steps_of(loop));
    orders.end_epoch({}, comm);
  }
  return out;
}

TEST(OrderState, GoesOnFromTheMiddleOfAnEpochWithTheSameOrders) {
  const auto targets = kernels::simd_targets();
  struct Restore {
    ~Restore() { kernels::force_simd_target(""); }
  } restore;
  for (const std::string& spec : all_specs()) {
    OrderLoop<float> loop{.spec = spec, .units = {9, 12, 8}, .dim = 33};
    const auto comm = make_self_communicator();
    std::size_t next_target = 0;
    for (std::uint32_t epoch = 0; epoch < 3; ++epoch) {
      for (std::uint32_t step = 0; step <= steps_of(loop); step += 3) {
        const auto first = make_orders(loop, 0);
        for (std::uint32_t e = 0; e < epoch; ++e) {
          first->begin_epoch(e);
          run_steps(loop, *first, *comm, e, 0, steps_of(loop));
          first->end_epoch({}, *comm);
        }
        first->begin_epoch(epoch);
        run_steps(loop, *first, *comm, epoch, 0, step);
        std::vector<std::byte> state;
        first->save(state);
        const auto second = make_orders(loop, 0);
        second->load(state);
        std::vector<std::byte> again;
        second->save(again);
        ASSERT_EQ(state, again) << spec << " epoch " << epoch << " step " << step;
        const auto expected = finish(loop, *first, *comm, epoch, step);
        kernels::force_simd_target(targets[next_target++ % targets.size()]);
        ASSERT_EQ(finish(loop, *second, *comm, epoch, step), expected)
            << spec << " epoch " << epoch << " step " << step;
        kernels::force_simd_target("");
      }
    }
  }
}

TEST(OrderState, GoesOnBetweenEpochs) {
  for (const std::string& spec : all_specs()) {
    OrderLoop<float> loop{.spec = spec, .units = {8, 8}, .dim = 5};
    const auto comm = make_self_communicator();
    const auto first = make_orders(loop, 0);
    first->begin_epoch(0);
    run_steps(loop, *first, *comm, 0, 0, steps_of(loop));
    first->end_epoch({}, *comm);
    std::vector<std::byte> state;
    first->save(state);
    const auto second = make_orders(loop, 0);
    second->load(state);
    first->begin_epoch(1);
    second->begin_epoch(1);
    EXPECT_EQ(orders_of(*first, 2), orders_of(*second, 2)) << spec;
    EXPECT_EQ(finish(loop, *first, *comm, 1, 0), finish(loop, *second, *comm, 1, 0)) << spec;
  }
}

TEST(OrderState, EveryRankGoesOnByItself) {
  for (const char* form : {"server", "replicated", "sharded"}) {
    OrderLoop<float> loop{.spec = std::string("cd-grab:exchange=") + form,
                          .units = {10, 10, 10},
                          .dim = 100,
                          .ranks = 2};
    run_on_threads(2, [&](Communicator& comm) {
      const auto first = make_orders(loop, comm.rank());
      first->begin_epoch(0);
      run_steps(loop, *first, comm, 0, 0, 7);
      std::vector<std::byte> state;
      first->save(state);
      const auto second = make_orders(loop, comm.rank());
      second->load(state);
      const WorkerBlock mine = workers_of_rank(3, comm.rank(), 2);
      for (ExampleOrders<float>* orders : {first.get(), second.get()}) {
        run_steps(loop, *orders, comm, 0, 7, 10);
        orders->end_epoch({}, comm);
        orders->begin_epoch(1);
      }
      for (std::uint32_t w = mine.begin; w < mine.end; ++w) {
        EXPECT_TRUE(std::ranges::equal(first->order(w), second->order(w))) << form;
      }
    });
  }
}

TEST(OrderState, APolicyInAForeignLoopGoesOnWithTheSameOrders) {
  for (const char* spec : {"grab", "pair-grab", "cd-grab", "herding", "greedy", "once"}) {
    const OrderSetup setup{.units = 11, .worker = 3, .seed = 9, .dim = 6};
    const auto feed = [&](OrderPolicy& policy, std::span<const std::uint32_t> order,
                          std::uint32_t from, std::uint32_t to) {
      if (!policy.observes()) return;
      for (std::uint32_t j = from; j < to; ++j) {
        policy.observe(j, UnitGradient<double>::dense(normal_vector<double>(2, 3, order[j], 6)));
      }
    };
    const auto first = orders().make(canonical_order(spec), setup);
    const auto second = orders().make(canonical_order(spec), setup);
    feed(*first, first->epoch(0), 0, 11);
    feed(*first, first->epoch(1), 0, 5);
    std::vector<std::byte> state;
    first->save(state);
    second->load(state);
    for (std::uint32_t e = 1; e < 5; ++e) {
      const auto a = first->epoch(e);
      const auto b = second->epoch(e);
      ASSERT_TRUE(std::ranges::equal(a, b)) << spec << " epoch " << e;
      feed(*first, a, e == 1 ? 5 : 0, 11);
      feed(*second, b, e == 1 ? 5 : 0, 11);
    }
  }
}

TEST(OrderState, ThatDoesNotFitIsRefusedNamingBothValues) {
  const OrderLoop<float> saved{.spec = "cd-grab", .units = {8, 6}, .dim = 5, .seed = 3};
  std::vector<std::byte> state;
  make_orders(saved, 0)->save(state);
  struct Case {
    OrderLoop<float> loop;
    std::string names;
  };
  std::vector<Case> cases(6, {saved, ""});
  cases[0].loop.spec = "cd-grab:rule=det-lt";
  cases[0].names =
      "order cd-grab:behind=false,bound=0,c=1,exchange=server,initial=random,lone=middle,reset=0,"
      "rule=det-le,sketch=0,sum=f64, but this order has order cd-grab:behind=false,bound=0,c=1,"
      "exchange=server,initial=random,lone=middle,reset=0,rule=det-lt,sketch=0,sum=f64";
  cases[1].loop.units = {8, 6, 6};
  cases[1].names = "m = 2, but this order has m = 3";
  cases[2].loop.units = {8, 7};
  cases[2].names = "worker 1 with n = 6, but this order has worker 1 with n = 7";
  cases[3].loop.dim = 6;
  cases[3].names = "d = 5, but this order has d = 6";
  cases[4].loop.seed = 4;
  cases[4].names = "seed 3, but this order has seed 4";
  cases[5].loop.ranks = 2;
  cases[5].names = "ranks = 1, but this order has ranks = 2";
  for (const Case& c : cases) {
    const auto orders = make_orders(c.loop, 0);
    try {
      orders->load(state);
      ADD_FAILURE() << "accepted: " << c.names;
    } catch (const ConfigError& e) {
      EXPECT_EQ(std::string(e.what()), "order state: it was saved for " + c.names +
                                           "; load it into the experiment that saved it");
    }
  }
}

TEST(OrderState, OfAnotherWorkerIsRefused) {
  const OrderSetup setup{.units = 4, .worker = 1, .seed = 2, .dim = 3};
  std::vector<std::byte> state;
  orders().make(canonical_order("grab"), setup)->save(state);
  OrderSetup other = setup;
  other.worker = 2;
  try {
    orders().make(canonical_order("grab"), other)->load(state);
    FAIL();
  } catch (const ConfigError& e) {
    EXPECT_NE(std::string(e.what()).find("worker 1, but this order has worker 2"),
              std::string::npos)
        << e.what();
  }
}

// Gives what is missing and ends the epoch, if one is under way. Whatever a state says that was
// taken: nothing but numbers that grow out of range may stop it, and the orders are permutations.
void finish_epoch(const OrderLoop<float>& loop, ExampleOrders<float>& orders, Communicator& comm,
                  std::uint32_t epoch) {
  const auto workers = static_cast<std::uint32_t>(loop.units.size());
  try {
    static_cast<void>(orders.order(0));
  } catch (const std::logic_error&) {
    return;  // between epochs
  }
  try {
    for (std::uint32_t w = 0; w < workers; ++w) {
      for (std::uint32_t j = 0; j < loop.units[w] && orders.observes(); ++j) {
        try {
          orders.observe(w, j, UnitGradient<float>::dense(normal_vector<float>(3, w, j, loop.dim)));
        } catch (const std::logic_error&) {  // it was there before
        }
      }
    }
    orders.exchange({}, comm);
    orders.end_epoch({.round = 1}, comm);
  } catch (const UnitDivergedError&) {
    return;
  }
  try {
    orders.begin_epoch(epoch + 1);
  } catch (const std::logic_error&) {
    return;  // it was saved in another epoch
  }
  for (std::uint32_t w = 0; w < workers; ++w) {
    const auto order = orders.order(w);
    ASSERT_TRUE(is_permutation_of_units(Order(order.begin(), order.end()), loop.units[w]));
  }
}

// A slice that waits for the other worker's, as a sparse row without values.
TEST(OrderState, ASparseSliceIsRefused) {
  OrderLoop<float> loop{.spec = "cd-grab:exchange=sharded", .units = {4, 4}, .dim = 3};
  const auto comm = make_self_communicator();
  const auto orders = make_orders(loop, 0);
  orders->begin_epoch(0);
  const std::vector<float> g = {1, 2, 3};
  for (const std::uint32_t j : {0U, 1U}) orders->observe(0, j, UnitGradient<float>::dense(g));
  orders->observe(1, 0, UnitGradient<float>::dense(g));
  orders->exchange({}, *comm);
  std::vector<std::byte> state;
  orders->save(state);
  ASSERT_NO_THROW(make_orders(loop, 0)->load(state));
  // The end: a flag, a u64 size, 3 values, and the number of rows of worker 1, which is 0.
  const std::size_t flag = state.size() - 4 - 12 - 8 - 1;
  ASSERT_EQ(state[flag], std::byte{0});
  ASSERT_EQ(state[flag + 1], std::byte{3});
  state[flag] = std::byte{1};
  state[flag + 1] = std::byte{0};
  state.erase(state.end() - 16, state.end() - 4);
  EXPECT_THROW(make_orders(loop, 0)->load(state), ConfigError);
}

TEST(OrderState, DamagedBytesAreRefusedAndChangeNothing) {
  for (const char* spec :
       {"grab", "pair-grab", "pair-grab:lone=sign", "cd-grab", "cd-grab:lone=sign",
        "cd-grab:exchange=replicated", "cd-grab:exchange=sharded", "herding", "greedy"}) {
    OrderLoop<float> loop{.spec = spec, .units = {5, 6}, .dim = 3};
    const auto comm = make_self_communicator();
    const auto orders = make_orders(loop, 0);
    orders->begin_epoch(0);
    run_steps(loop, *orders, *comm, 0, 0, 3);
    std::vector<std::byte> state;
    orders->save(state);
    const auto target = make_orders(loop, 0);
    std::vector<std::byte> before;
    target->save(before);
    const auto still_the_same = [&] {
      std::vector<std::byte> now;
      target->save(now);
      return now == before;
    };
    for (std::size_t size = 0; size < state.size(); ++size) {
      const std::vector<std::byte> cut(state.begin(),
                                       state.begin() + static_cast<std::ptrdiff_t>(size));
      EXPECT_THROW(target->load(cut), ConfigError) << spec << " " << size;
      ASSERT_TRUE(still_the_same()) << spec << " " << size;
    }
    std::vector<std::byte> longer = state;
    longer.push_back(std::byte{0});
    EXPECT_THROW(target->load(longer), ConfigError) << spec;
    for (std::size_t bit = 0; bit < 8 * state.size(); ++bit) {
      std::vector<std::byte> flipped = state;
      flipped[bit / 8] ^= static_cast<std::byte>(1U << (bit % 8));
      const auto victim = make_orders(loop, 0);
      try {
        victim->load(flipped);
      } catch (const ConfigError&) {
        std::vector<std::byte> now;
        victim->save(now);
        ASSERT_EQ(now, before) << spec << " bit " << bit;
        continue;
      }
      // Another legal state: whatever it says, orders are permutations.
      std::vector<std::byte> now;
      victim->save(now);
      ASSERT_EQ(now, flipped) << spec << " bit " << bit;
      ASSERT_NO_THROW(finish_epoch(loop, *victim, *comm, 0)) << spec << " bit " << bit;
    }
  }
}

}  // namespace
}  // namespace laconic::test
