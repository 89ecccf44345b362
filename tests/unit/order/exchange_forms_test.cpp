// SPDX-License-Identifier: Apache-2.0
// The three exchange forms of cd-grab on 1, 2 and 4 thread ranks: the same bits on any number of
// ranks, (a) = (b), (c) differs only where a decision is within rounding, bytes as the formulas
// say, gradients that are not finite, and messages from an enemy. Numbers are those of cd-grab.md
// section 5.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <optional>

#include "laconic/order/compose.hpp"
#include "laconic/order/order_messages.hpp"
#include "laconic/order/pair_server.hpp"
#include "tests/oracle/order_oracle.hpp"
#include "tests/support/order_loop.hpp"

namespace laconic::test {
namespace {

constexpr const char* kForms[] = {"server", "replicated", "sharded"};

std::string spec_of(const std::string& form, const std::string& more = "") {
  return "cd-grab:exchange=" + form + more;
}

template <class T>
class ExchangeForms : public testing::Test {};
using RealTypes = testing::Types<float, double>;
TYPED_TEST_SUITE(ExchangeForms, RealTypes);

TYPED_TEST(ExchangeForms, CdGrabCheck13AreTheSameOnAnyNumberOfRanksAndForAnyArrival) {
  using T = TypeParam;
  for (const auto& units : std::vector<std::vector<std::uint32_t>>{
           {12, 12, 12, 12}, {7, 12, 3, 10, 1}, {20}, {6, 0, 6}}) {
    for (const std::uint32_t batch : {1U, 2U, 3U}) {
      for (const char* form : kForms) {
        OrderLoop<T> loop{.spec = spec_of(form), .units = units, .dim = 40, .batch = batch};
        const OrderTrace one = run_orders(loop);
        for (const std::uint32_t ranks : {1U, 2U, 4U}) {
          for (const bool shuffles : {false, true}) {
            loop.ranks = ranks;
            loop.shuffles_arrival = shuffles;
            const OrderTrace many = run_orders(loop);
            ASSERT_EQ(many.orders, one.orders) << form << " ranks " << ranks << " batch " << batch;
            for (std::uint32_t e = 0; e < loop.epochs; ++e) {
              const OrderStats& a = one.stats[e][0];
              const OrderStats& b = many.stats[e][0];
              ASSERT_EQ(a.largest_sum, b.largest_sum);
              ASSERT_EQ(a.sum_norm, b.sum_norm);
              ASSERT_EQ(a.plus, b.plus);
              ASSERT_EQ(a.minus, b.minus);
            }
          }
        }
      }
    }
  }
}

TYPED_TEST(ExchangeForms, ServerAndReplicatedGiveTheSameOrdersBitForBit) {
  using T = TypeParam;
  for (const char* more : {"", ",rule=det-lt", ",rule=walk,c=2", ",lone=sign", ",sum=f32",
                           ",reset=5", ",sketch=8", ",initial=identity"}) {
    OrderLoop<T> loop{
        .spec = spec_of("server", more), .units = {15, 16, 9}, .dim = 30, .ranks = 3, .epochs = 4};
    const OrderTrace server = run_orders(loop);
    loop.spec = spec_of("replicated", more);
    EXPECT_EQ(run_orders(loop).orders, server.orders) << more;
  }
}

TYPED_TEST(ExchangeForms, BehindTheTrainingTheOrdersAndTheTrafficAreTheSame) {
  using T = TypeParam;
  for (const char* form : kForms) {
    for (const std::uint32_t ranks : {1U, 2U, 4U}) {
      OrderLoop<T> loop{.spec = spec_of(form),
                        .units = {12, 9, 12, 12, 4},
                        .dim = 50,
                        .ranks = ranks,
                        .epochs = 4,
                        .batch = 2};
      const OrderTrace beside = run_orders(loop);
      loop.spec = spec_of(form, ",behind=true");
      loop.shuffles_arrival = true;
      const OrderTrace behind = run_orders(loop);
      EXPECT_EQ(behind.orders, beside.orders) << form << " " << ranks;
      for (std::uint32_t r = 0; r < ranks; ++r) {
        const OrderStats& a = beside.stats[3][r];
        const OrderStats& b = behind.stats[3][r];
        EXPECT_EQ(a.traffic, b.traffic) << form;
        EXPECT_EQ(a.uplink_bytes, b.uplink_bytes);
        EXPECT_EQ(a.downlink_bytes, b.downlink_bytes);
        EXPECT_EQ(a.largest_sum, b.largest_sum);
      }
    }
  }
}

TYPED_TEST(ExchangeForms, BehindTheTrainingABadGradientIsReportedByTheNextExchangeOnEveryRank) {
  using T = TypeParam;
  for (const char* form : kForms) {
    OrderLoop<T> loop{
        .spec = spec_of(form, ",behind=true"), .units = {6, 6, 6}, .dim = 4, .ranks = 3};
    std::mutex mutex;
    std::vector<std::string> messages;
    run_on_threads(3, [&](Communicator& comm) {
      const auto orders = make_orders(loop, comm.rank());
      orders->begin_epoch(0);
      for (std::uint32_t step = 0; step < 2; ++step) {
        std::vector<T> g(4, T{1});
        if (step == 0 && comm.rank() == 2) g[0] = std::numeric_limits<T>::infinity();
        orders->observe(comm.rank(), step, UnitGradient<T>::dense(g));
        try {
          orders->exchange({.round = step}, comm);
          EXPECT_EQ(step, 0U);
          EXPECT_NO_THROW(static_cast<void>(orders->stats())) << "it is the next exchange's";
        } catch (const UnitDivergedError& e) {
          EXPECT_EQ(step, 1U);
          const std::scoped_lock lock(mutex);
          messages.emplace_back(e.what());
        }
      }
    });
    ASSERT_EQ(messages.size(), 3U) << form;
    for (const std::string& message : messages) EXPECT_EQ(message, messages[0]);
  }
}

// While a step is on its way: states are taken between steps, the rest waits or is released.
TYPED_TEST(ExchangeForms, BehindTheTrainingStatesAndEarlyEndsWaitForWhatIsOnItsWay) {
  using T = TypeParam;
  for (const char* form : kForms) {
    OrderLoop<T> loop{
        .spec = spec_of(form, ",behind=true"), .units = {8, 8}, .dim = 30, .ranks = 2};
    run_on_threads(2, [&](Communicator& comm) {
      const auto first = make_orders(loop, comm.rank());
      first->begin_epoch(0);
      run_steps(loop, *first, comm, 0, 0, 5);
      std::vector<std::byte> state;
      first->save(state);
      const auto second = make_orders(loop, comm.rank());
      second->load(state);
      for (ExampleOrders<T>* orders : {first.get(), second.get()}) {
        run_steps(loop, *orders, comm, 0, 5, 8);
        orders->end_epoch({}, comm);
        orders->begin_epoch(1);
      }
      EXPECT_TRUE(std::ranges::equal(first->order(comm.rank()), second->order(comm.rank())));
      run_steps(loop, *second, comm, 1, 0, 1);  // on its way when `second` goes
    });
    EXPECT_THROW(run_on_threads(2,
                                [&](Communicator& comm) {
                                  const auto orders = make_orders(loop, comm.rank());
                                  orders->begin_epoch(0);
                                  if (comm.rank() == 1) {
                                    run_steps(loop, *orders, comm, 0, 0, 1);
                                    throw std::runtime_error("out of luck");
                                  }
                                  run_steps(loop, *orders, comm, 0, 0, 8);
                                }),
                 std::runtime_error);
  }
}

TYPED_TEST(ExchangeForms, SparseGradientsGiveTheOrdersOfDenseOnes) {
  using T = TypeParam;
  for (const char* form : kForms) {
    OrderLoop<T> loop{.spec = spec_of(form), .units = {8, 8, 8}, .dim = 200, .ranks = 2};
    loop.gradient = [](std::uint32_t w, std::uint32_t unit, std::uint32_t) {
      auto g = normal_vector<T>(21, w, unit, 200);
      for (T& x : g) x = std::abs(x) > T{2} ? x : T{0};
      return g;
    };
    const OrderTrace dense = run_orders(loop);
    loop.is_sparse = true;
    const OrderTrace sparse = run_orders(loop);
    EXPECT_EQ(dense.orders, sparse.orders) << form;
    EXPECT_LT(sparse.stats[2][0].uplink_bytes, dense.stats[2][0].uplink_bytes);
  }
}

// (c) adds up products in another order. Decision by decision from a common state: as long as all
// signs agree the sums agree but for rounding, so that the first sign that differs has to be one
// whose product is within the rounding of its magnitude.
template <Real T>
std::size_t unclear_decisions(const std::vector<std::vector<oracle::Vector>>& vectors,
                              const OrderTrace& a, const OrderTrace& c, std::size_t dim) {
  std::size_t unclear = 0;
  for (std::size_t e = 0; e + 1 < a.orders.size(); ++e) {
    if (a.orders[e] != c.orders[e]) return unclear;  // they went apart before
    auto expected = a.orders[e];
    const auto decisions = oracle::cd_grab_epoch(vectors, expected);
    // Each of the few operations per term rounds once; h has seen all decisions before.
    const double bound = static_cast<double>(decisions.size() + dim + 64) * 0x1p-52;
    bool is_certain = true;
    for (const auto& decision : decisions) {
      if (std::abs(decision.product) <= bound * decision.magnitude && decision.magnitude > 0) {
        ++unclear;
        is_certain = false;
      }
    }
    if (is_certain) {
      EXPECT_EQ(a.orders[e + 1], c.orders[e + 1]) << "epoch " << e;
    }
    if (a.orders[e + 1] != c.orders[e + 1]) {
      EXPECT_FALSE(is_certain);
    }
  }
  return unclear;
}

// A server run, a sharded run on two ranks, and the decisions that are within rounding. `vector`
// gives the vector of (worker, unit).
template <Real T, class Vector>
std::size_t compare_with_sharded(OrderLoop<T> loop, Vector vector, bool& differs) {
  std::vector<std::vector<oracle::Vector>> vectors(loop.units.size());
  for (std::uint32_t w = 0; w < loop.units.size(); ++w) {
    for (std::uint32_t u = 0; u < loop.units[w]; ++u) {
      const std::vector<T> g = vector(w, u);
      vectors[w].emplace_back(g.begin(), g.end());
    }
  }
  loop.gradient = [&](std::uint32_t w, std::uint32_t unit, std::uint32_t) {
    return std::vector<T>(vectors[w][unit].begin(), vectors[w][unit].end());
  };
  loop.spec = spec_of("server");
  const OrderTrace a = run_orders(loop);
  loop.spec = spec_of("sharded");
  loop.ranks = 2;
  const OrderTrace c = run_orders(loop);
  differs = a.orders != c.orders;
  return unclear_decisions<T>(vectors, a, c, loop.dim);
}

// Products of multiples of 1/256 below 2^53 are exact: no rounding, so no difference.
TYPED_TEST(ExchangeForms, ShardedEqualsTheServerOnExactNumbers) {
  using T = TypeParam;
  for (const std::size_t dim : {1U, 5U, 64U, 300U}) {
    for (std::uint64_t seed = 0; seed < 6; ++seed) {
      bool differs = true;
      (void)compare_with_sharded<T>(
          {.units = std::vector<std::uint32_t>(6, 24), .dim = dim, .epochs = 5},
          [&](std::uint32_t w, std::uint32_t u) {
            auto g = normal_vector<T>(100 + seed, w, u, dim);
            for (T& x : g) x = std::round(x * T{256}) / T{256};
            return g;
          },
          differs);
      EXPECT_FALSE(differs) << "dim " << dim << " seed " << seed;
    }
  }
}

TYPED_TEST(ExchangeForms, ShardedEqualsTheServerOnGenericNumbers) {
  using T = TypeParam;
  std::size_t unclear = 0;
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    bool differs = true;
    unclear += compare_with_sharded<T>(
        {.units = {16, 16, 16, 16}, .dim = 100, .epochs = 5},
        [&](std::uint32_t w, std::uint32_t u) { return normal_vector<T>(200 + seed, w, u, 100); },
        differs);
    EXPECT_FALSE(differs) << seed;
  }
  EXPECT_EQ(unclear, 0U) << "of 20 * 5 * 32 decisions";
}

// Differences that are orthogonal but for rounding: p, and p with its halves swapped and one of
// them negated, in lanes and blocks that do not match.
TYPED_TEST(ExchangeForms, ShardedDiffersOnlyWhereADecisionIsWithinRounding) {
  using T = TypeParam;
  std::size_t unclear = 0;
  std::size_t different_runs = 0;
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    bool differs = false;
    unclear += compare_with_sharded<T>(
        {.spec = "", .units = {2, 2}, .dim = 150, .epochs = 2},
        [&](std::uint32_t w, std::uint32_t u) {
          std::vector<T> g(150);
          if (u == 1) return g;
          const auto p = normal_vector<T>(300 + seed, 0, 0, 150);
          for (std::size_t i = 0; i < 148; ++i) {
            const bool lower = i % 74 < 37;
            g[i] = w == 0 ? p[i] : lower ? p[i + 37] : -p[i - 37];
          }
          return g;
        },
        differs);
    different_runs += differs ? 1 : 0;
  }
  EXPECT_GE(unclear, 60U) << "each run has one";
  EXPECT_GE(different_runs, 1U) << "data on which the order of additions shows";
}

// Bytes by cd-grab.md 2.9 with our heads: 32 of a frame, 4 of an index.
TYPED_TEST(ExchangeForms, CdGrabCheck21BytesEqualTheFormulas) {
  using T = TypeParam;
  constexpr std::uint64_t kDim = 100;
  constexpr std::uint64_t kUnits = 12;
  constexpr std::uint64_t kHead = 32 + 4;
  for (const std::uint32_t ranks : {1U, 2U, 4U}) {
    for (const std::uint32_t batch : {1U, 2U}) {
      OrderLoop<T> loop{.units = std::vector<std::uint32_t>(4, kUnits),
                        .dim = kDim,
                        .ranks = ranks,
                        .epochs = 2,
                        .batch = batch};
      const std::uint64_t hosted = 4 / ranks;  // workers of a rank
      const std::uint64_t unit_bytes = kHead + kDim * sizeof(T);

      loop.spec = spec_of("server");
      OrderTrace trace = run_orders(loop);
      for (std::uint32_t r = 0; r < ranks; ++r) {
        const OrderStats& stats = trace.stats[1][r];
        EXPECT_EQ(stats.uplink_bytes, 2 * hosted * kUnits * unit_bytes);
        EXPECT_EQ(stats.downlink_bytes, 2 * hosted * (32 + 1)) << "6 sign bits per worker";
        const std::uint64_t to_server = r == 0 ? 0 : stats.uplink_bytes;
        const std::uint64_t from_server = r == 0 ? 2 * (4 - hosted) * 33 : 0;
        EXPECT_EQ(stats.traffic.sent_bytes, to_server + from_server);
      }

      loop.spec = spec_of("replicated");
      trace = run_orders(loop);
      for (std::uint32_t r = 0; r < ranks; ++r) {
        const OrderStats& stats = trace.stats[1][r];
        EXPECT_EQ(stats.uplink_bytes, 2 * hosted * kUnits * unit_bytes);
        EXPECT_EQ(stats.downlink_bytes, 0U);
        EXPECT_EQ(stats.traffic.sent_bytes, (ranks - 1) * stats.uplink_bytes);
      }

      // A difference per pair: d numbers over all ranks, and per step 4 + 6 sums from each rank.
      loop.spec = spec_of("sharded");
      trace = run_orders(loop);
      const std::uint64_t pairs = kUnits / 2;
      for (std::uint32_t r = 0; r < ranks; ++r) {
        const OrderStats& stats = trace.stats[1][r];
        EXPECT_EQ(stats.uplink_bytes, 2 * hosted * pairs * (4 * kHead + kDim * sizeof(T)))
            << "as if each worker were a rank";
        EXPECT_EQ(stats.downlink_bytes, 2 * hosted * pairs * (kHead + 10 * 8));
        // The slices: 7 leaves of 16 coordinates, dealt to ranks by the 64 leaves of the tree.
        const std::uint64_t per_rank = 64 / ranks * 16;
        const std::uint64_t own_begin = std::min<std::uint64_t>(kDim, r * per_rank);
        const std::uint64_t own_end = std::min<std::uint64_t>(kDim, (r + 1) * per_rank);
        const std::uint64_t foreign = kDim - (own_end - own_begin);
        const std::uint64_t slices =
            2 * hosted * pairs * ((ranks - 1) * kHead + foreign * sizeof(T));
        const std::uint64_t sums = 2 * pairs * (kHead + 10 * 8) * (ranks - 1);
        const std::uint64_t ends = 2 * 2 * (kHead + 8) * (ranks - 1);
        EXPECT_EQ(stats.traffic.sent_bytes, slices + sums + ends) << ranks << " ranks, rank " << r;
      }
    }
  }
}

TYPED_TEST(ExchangeForms, CdGrabCheck21MemoryIsTheSumAndOneGradientPerWorker) {
  using T = TypeParam;
  constexpr std::uint64_t kDim = 320;
  OrderLoop<T> loop{.units = {12, 12, 12, 12}, .dim = kDim, .ranks = 2, .epochs = 2};
  for (const std::uint32_t batch : {1U, 2U, 3U}) {
    loop.batch = batch;
    loop.spec = spec_of("server");
    OrderTrace trace = run_orders(loop);
    // h, the first members of 4 pairs, and the message that is being read.
    EXPECT_EQ(trace.stats[1][0].memory.sum_numbers, kDim);
    EXPECT_EQ(trace.stats[1][0].memory.peak_cached_numbers, (4 + 1) * kDim);
    EXPECT_EQ(trace.stats[1][1].memory.sum_numbers, 0U) << "no server there";
    EXPECT_EQ(trace.stats[1][0].memory.order_indices, 3 * 12U) << "two workers, and one spare";
    loop.spec = spec_of("replicated");
    trace = run_orders(loop);
    for (const OrderStats& stats : trace.stats[1]) {
      EXPECT_EQ(stats.memory.sum_numbers, kDim);
      EXPECT_EQ(stats.memory.peak_cached_numbers, (4 + 1) * kDim);
    }
  }
  // A slice of h, firsts of two hosted workers, slices of four differences.
  loop.batch = 1;
  loop.spec = spec_of("sharded");
  const OrderTrace trace = run_orders(loop);
  for (const OrderStats& stats : trace.stats[1]) {
    EXPECT_LE(stats.memory.sum_numbers, kDim);
    EXPECT_EQ(stats.memory.peak_cached_numbers, 2 * kDim + 4 * stats.memory.sum_numbers);
  }
  EXPECT_EQ(trace.stats[1][0].memory.sum_numbers + trace.stats[1][1].memory.sum_numbers, kDim);
}

// What cd-grab.md 2.9 says of the orders without messages, for one worker of 12 units; all arrive
// in turn.
TYPED_TEST(ExchangeForms, CdGrabCheck21MemoryOfUncoordinatedOrdersIsThatOfTheFormulas) {
  using T = TypeParam;
  constexpr std::uint64_t kDim = 320;
  const struct {
    const char* spec;
    OrderMemory memory;
  } kCases[] = {
      {"greedy",  // mean and sum, and all gradients
       {.sum_numbers = 2 * kDim,
        .cached_numbers = 12 * kDim,
        .peak_cached_numbers = 12 * kDim,
        .order_indices = 12}},
      {"herding",
       {.sum_numbers = 2 * kDim,
        .cached_numbers = 12 * kDim,
        .peak_cached_numbers = 12 * kDim,
        .order_indices = 12}},
      {"grab",  // h and two means, nothing waits
       {.sum_numbers = 3 * kDim,
        .cached_numbers = 0,
        .peak_cached_numbers = 0,
        .order_indices = 24}},
      {"pair-grab",  // h and the first of a pair
       {.sum_numbers = kDim,
        .cached_numbers = 0,
        .peak_cached_numbers = kDim,
        .order_indices = 24}},
  };
  for (const auto& tested : kCases) {
    const OrderLoop<T> loop{.spec = tested.spec, .units = {12}, .dim = kDim, .epochs = 2};
    const OrderStats stats = run_orders(loop).stats[1][0];
    EXPECT_EQ(stats.memory, tested.memory)
        << tested.spec << ": " << stats.memory.sum_numbers << " " << stats.memory.cached_numbers
        << " " << stats.memory.peak_cached_numbers << " " << stats.memory.order_indices;
  }
}

// Who knows what, as order_policy.hpp says.
TYPED_TEST(ExchangeForms, StatisticsOfDecisionsAreWhereTheyAreMade) {
  using T = TypeParam;
  for (const std::string form : kForms) {
    const OrderLoop<T> loop{
        .spec = spec_of(form), .units = {8, 8, 8}, .dim = 40, .ranks = 3, .epochs = 1};
    std::mutex mutex;  // guards within and ended
    std::vector<OrderStats> within(3);
    std::vector<OrderStats> ended(3);
    run_on_threads(3, [&](Communicator& comm) {
      const auto orders = make_orders(loop, comm.rank());
      orders->begin_epoch(0);
      run_steps(loop, *orders, comm, 0, 0, 6);
      {
        const std::scoped_lock lock(mutex);
        within[comm.rank()] = orders->stats();
      }
      run_steps(loop, *orders, comm, 0, 6, 8);
      orders->end_epoch({.round = 8}, comm);
      const std::scoped_lock lock(mutex);
      ended[comm.rank()] = orders->stats();
    });
    for (std::uint32_t r = 0; r < 3; ++r) {
      const bool decides = form != "server" || r == 0;
      EXPECT_EQ(within[r].plus + within[r].minus, decides ? 9U : 0U) << form;
      EXPECT_EQ(ended[r].plus + ended[r].minus, decides ? 12U : 0U) << form;
      EXPECT_EQ(ended[r].largest_sum, decides ? ended[0].largest_sum : 0) << form;
      EXPECT_EQ(ended[r].sum_norm, decides ? ended[0].sum_norm : 0) << form;
      EXPECT_EQ(ended[r].smallest_margin, decides ? ended[0].smallest_margin : 0) << form;
      EXPECT_EQ(within[r].sum_norm > 0, decides && form != "sharded") << form;
      EXPECT_GT(within[r].uplink_bytes, 0U) << form;
    }
    EXPECT_GT(ended[0].sum_norm, 0) << form;
  }
}

// What herding decides at the end of an epoch is told of that epoch: 10 rounds of 12 decisions, of
// which the last are kept. The first epoch has them, too.
TYPED_TEST(ExchangeForms, HerdingTellsOfTheEpochThatEnded) {
  using T = TypeParam;
  OrderLoop<T> loop{.spec = "herding", .units = {12, 12}, .dim = 6, .ranks = 2, .epochs = 2};
  loop.gradient = [](std::uint32_t w, std::uint32_t unit, std::uint32_t epoch) {
    auto g = normal_vector<T>(7, w, unit, 6);
    for (T& x : g) x *= epoch == 0 ? T{1} : T{1024};
    return g;
  };
  const OrderTrace trace = run_orders(loop);
  for (std::uint32_t r = 0; r < 2; ++r) {
    const OrderStats& first = trace.stats[0][r];
    EXPECT_EQ(first.plus + first.minus, 12U);
    EXPECT_GT(first.largest_sum, 0);
    EXPECT_GT(trace.stats[1][r].largest_sum, 50 * first.largest_sum) << "gradients are 1024 times";
  }
}

TYPED_TEST(ExchangeForms, EveryRankThrowsTheSameErrorForAGradientThatIsNotFinite) {
  using T = TypeParam;
  for (const char* spec : {"cd-grab:exchange=server", "cd-grab:exchange=replicated",
                           "cd-grab:exchange=sharded", "grab", "pair-grab", "herding"}) {
    for (const std::uint32_t ranks : {1U, 3U}) {
      OrderLoop<T> loop{.spec = spec, .units = {6, 6, 6}, .dim = 4, .ranks = ranks};
      std::mutex mutex;
      std::vector<std::string> messages;
      run_on_threads(ranks, [&](Communicator& comm) {
        const auto orders = make_orders(loop, comm.rank());
        orders->begin_epoch(0);
        const WorkerBlock mine = workers_of_rank(3, comm.rank(), ranks);
        for (std::uint32_t w = mine.begin; w < mine.end; ++w) {
          std::vector<T> g(4, T{1});
          if (w >= 1) g[2] = std::numeric_limits<T>::quiet_NaN();
          orders->observe(w, 0, UnitGradient<T>::dense(g));
        }
        try {
          orders->exchange({}, comm);
          ADD_FAILURE() << spec << ": rank " << comm.rank() << " heard of nothing";
        } catch (const UnitDivergedError& e) {
          const std::scoped_lock lock(mutex);
          messages.emplace_back(e.what());
          EXPECT_EQ(e.unit().worker, 1U);
          EXPECT_EQ(e.unit().position, 0U);
        }
      });
      ASSERT_EQ(messages.size(), ranks) << spec;
      for (const std::string& message : messages) EXPECT_EQ(message, messages[0]);
    }
  }
}

// Finite gradients of worker 1 whose difference or sum is not, at two positions of epoch 0. What
// all ranks threw.
struct Overflow {
  std::string spec;
  std::uint32_t first = 2;  // the positions are first and first + 1
  bool same_sign = false;   // of the two
  std::uint32_t ranks = 1;
};
template <Real T>
std::vector<UnitDivergedError> errors_of(const Overflow& overflow) {
  const OrderLoop<T> loop{
      .spec = overflow.spec, .units = {6, 6, 6}, .dim = 4, .ranks = overflow.ranks};
  std::mutex mutex;  // guards errors
  std::vector<UnitDivergedError> errors;
  run_on_threads(overflow.ranks, [&](Communicator& comm) {
    const auto orders = make_orders(loop, comm.rank());
    orders->begin_epoch(0);
    const WorkerBlock mine = workers_of_rank(3, comm.rank(), overflow.ranks);
    try {
      for (std::uint32_t j = 0; j < 6; ++j) {
        for (std::uint32_t w = mine.begin; w < mine.end; ++w) {
          std::vector<T> g(4, static_cast<T>(j));
          if (w == 1 && j == overflow.first) g[0] = std::numeric_limits<T>::max();
          if (w == 1 && j == overflow.first + 1) {
            g[0] = std::numeric_limits<T>::max() * (overflow.same_sign ? T{1} : T{-1});
          }
          orders->observe(w, j, UnitGradient<T>::dense(g));
        }
        orders->exchange({.round = j}, comm);
      }
      orders->end_epoch({.round = 6}, comm);
    } catch (const UnitDivergedError& e) {
      const std::scoped_lock lock(mutex);
      errors.push_back(e);
    }
  });
  return errors;
}

TYPED_TEST(ExchangeForms, EveryRankThrowsTheSameErrorForADifferenceThatOverflows) {
  using T = TypeParam;
  for (const char* spec :
       {"cd-grab:exchange=server", "cd-grab:exchange=server,behind=true",
        "cd-grab:exchange=replicated", "cd-grab:exchange=replicated,behind=true",
        "cd-grab:exchange=sharded", "cd-grab:exchange=sharded,behind=true", "pair-grab"}) {
    for (const std::uint32_t first : {0U, 2U, 4U}) {  // 4: heard of at the end of the epoch
      for (const std::uint32_t ranks : {1U, 3U}) {
        const auto errors = errors_of<T>({.spec = spec, .first = first, .ranks = ranks});
        ASSERT_EQ(errors.size(), ranks) << spec << " " << first;
        for (const UnitDivergedError& e : errors) {
          EXPECT_EQ(std::string(e.what()), errors[0].what());
          EXPECT_EQ(e.unit().worker, 1U);
          EXPECT_EQ(e.unit().epoch, 0U);
          EXPECT_EQ(e.unit().position, first + 1);
        }
      }
    }
  }
}

// The same unit in every form: a gradient that is not finite itself, the second of two whose
// difference is not, and one whose projection is not.
TYPED_TEST(ExchangeForms, NamesTheUnitWhoseProductsAreNotFinite) {
  using T = TypeParam;
  constexpr T kMax = std::numeric_limits<T>::max();
  const auto unit_of = [](const OrderLoop<T>& loop, T first, T second) {
    std::optional<UnitDivergedError::Unit> unit;
    const auto comm = make_self_communicator();
    const auto orders = make_orders(loop, 0);
    orders->begin_epoch(0);
    try {
      for (std::uint32_t j = 0; j < 4; ++j) {
        for (std::uint32_t w = 0; w < 2; ++w) {
          const T value = w == 0 || j >= 2 ? static_cast<T>(j) : j == 0 ? first : second;
          std::vector<T> g(loop.dim, value);
          orders->observe(w, j, UnitGradient<T>::dense(g));
        }
        orders->exchange({.round = j}, *comm);
      }
    } catch (const UnitDivergedError& e) {
      unit = e.unit();
    }
    return unit;
  };
  for (const char* form : kForms) {
    for (const char* more : {"", ",behind=true"}) {
      OrderLoop<T> loop{.spec = spec_of(form, more), .units = {4, 4}, .dim = 2};
      for (const T bad :
           {std::numeric_limits<T>::infinity(), std::numeric_limits<T>::quiet_NaN(), kMax}) {
        const auto unit = unit_of(loop, -bad, bad);
        ASSERT_TRUE(unit) << loop.spec << " " << bad;
        EXPECT_EQ(unit->worker, 1U);
        EXPECT_EQ(unit->epoch, 0U);
        EXPECT_EQ(unit->position, bad == kMax ? 1U : 0U) << loop.spec << " " << bad;
      }
      loop.dim = 50;
      loop.spec += ",sketch=2";
      const auto unit = unit_of(loop, T{1}, kMax);
      ASSERT_TRUE(unit) << loop.spec;
      EXPECT_EQ(unit->worker, 1U);
      EXPECT_EQ(unit->position, 1U) << loop.spec;
    }
  }
  for (const char* spec : {"grab:sketch=2", "pair-grab:sketch=2"}) {
    const auto unit = unit_of({.spec = spec, .units = {4, 4}, .dim = 50}, T{1}, kMax);
    ASSERT_TRUE(unit) << spec;
    EXPECT_EQ(unit->position, 1U) << spec;
  }
}

// Sums of double gradients can overflow, of which the rank that hosts the worker alone knows.
TEST(ExchangeFormsOfDoubles, EveryRankThrowsTheSameErrorForAMeanThatOverflows) {
  for (const char* spec : {"herding", "greedy"}) {
    for (const std::uint32_t ranks : {1U, 3U}) {
      const auto errors = errors_of<double>({.spec = spec, .same_sign = true, .ranks = ranks});
      ASSERT_EQ(errors.size(), ranks) << spec;
      for (const UnitDivergedError& e : errors) {
        EXPECT_EQ(std::string(e.what()), errors[0].what());
        EXPECT_EQ(e.unit().worker, 1U);
        EXPECT_EQ(e.unit().epoch, 0U);
      }
    }
  }
}

TYPED_TEST(ExchangeForms, AMissingOrRepeatedGradientIsRefusedByName) {
  using T = TypeParam;
  for (const char* form : kForms) {
    OrderLoop<T> loop{.spec = spec_of(form), .units = {4, 4}, .dim = 2};
    const auto comm = make_self_communicator();
    const auto orders = make_orders(loop, 0);
    orders->begin_epoch(0);
    const std::vector<T> g = {1, 2};
    orders->observe(1, 0, UnitGradient<T>::dense(g));
    EXPECT_THROW(orders->observe(1, 0, UnitGradient<T>::dense(g)), std::logic_error);
    EXPECT_THROW(orders->observe(1, 4, UnitGradient<T>::dense(g)), std::logic_error);
    EXPECT_THROW(orders->observe(2, 0, UnitGradient<T>::dense(g)), std::logic_error);
    orders->exchange({}, *comm);
    try {
      orders->end_epoch({}, *comm);
      FAIL();
    } catch (const std::logic_error& e) {
      EXPECT_EQ(std::string(e.what()),
                "cd-grab: worker 0: epoch 0 cannot end: the gradient at position 0 of 4 is "
                "missing; observe every position once");
    }
  }
}

TYPED_TEST(ExchangeForms, CdGrabCheck12WithOneWorkerAreThePolicyPairGrab) {
  using T = TypeParam;
  for (const char* more : {"", ",rule=det-lt", ",rule=walk"}) {
    OrderLoop<T> loop{.units = {50}, .dim = 20, .epochs = 5};
    // Gradients of a moving model, so that orders feed back: w follows the sum of what it saw.
    for (const char* form : {"server", "replicated"}) {
      loop.spec = spec_of(form, more);
      const auto comm = make_self_communicator();
      const auto coordinated = make_orders(loop, 0);
      const std::string parameters = *more == '\0' ? "" : ":" + std::string(more + 1);
      const OrderSetup setup{.units = 50, .worker = 0, .seed = loop.seed, .dim = 20};
      const auto pair = orders().make(canonical_order("pair-grab" + parameters), setup);
      const auto alone = orders().make(canonical_order("cd-grab" + parameters), setup);
      std::vector<T> x(20, T{1});
      std::vector<T> y = x;
      std::vector<T> z = x;
      const auto step = [](std::vector<T>& model, std::uint32_t unit) {
        const auto b = normal_vector<T>(31, 0, unit, model.size());
        std::vector<T> g(model.size());
        for (std::size_t i = 0; i < g.size(); ++i) g[i] = model[i] - b[i];
        for (std::size_t i = 0; i < g.size(); ++i) model[i] -= T(0.0078125) * g[i];
        return g;
      };
      for (std::uint32_t e = 0; e < 5; ++e) {
        coordinated->begin_epoch(e);
        const auto order = coordinated->order(0);
        const auto paired = pair->epoch(e);
        const auto lonely = alone->epoch(e);
        ASSERT_TRUE(std::ranges::equal(order, paired)) << "epoch " << e;
        ASSERT_TRUE(std::ranges::equal(order, lonely)) << "epoch " << e;
        for (std::uint32_t j = 0; j < 50; ++j) {
          coordinated->observe(0, j, UnitGradient<T>::dense(step(x, order[j])));
          coordinated->exchange({}, *comm);
          pair->observe(j, UnitGradient<T>::dense(step(y, paired[j])));
          alone->observe(j, UnitGradient<T>::dense(step(z, lonely[j])));
        }
        ASSERT_EQ(x, y);
        ASSERT_EQ(x, z);
        coordinated->end_epoch({}, *comm);
        // The state of the same sums: norms of h, S and the decisions.
        const OrderStats a = coordinated->stats();
        const OrderStats b = pair->stats();
        ASSERT_EQ(a.sum_norm, b.sum_norm);
        ASSERT_EQ(a.largest_sum, b.largest_sum);
        ASSERT_EQ(a.minus, b.minus);
        ASSERT_EQ(a.smallest_margin, b.smallest_margin);
      }
    }
  }
}

// --- Messages ---

struct Arrived {
  Status status = {};
  order::Received message = {};
  bool diverged = false;
  order::Row<float> row = {};
};
constexpr order::Awaited kAwaited{.kind = wire::Kind::kOrderUnit,
                                  .format = 0,
                                  .epoch = 3,
                                  .first_worker = 2,
                                  .end_worker = 4,
                                  .slice = {.begin = 0, .size = 5}};
Arrived receive(std::span<const std::byte> bytes) {
  Arrived out;
  wire::Bytes rest = bytes;
  out.status = take_message(rest, kAwaited, out.message, out.diverged);
  if (out.status && !out.diverged) {
    out.status = read_gradient(out.message, kAwaited.slice, out.row);
  }
  if (out.status && !rest.empty()) out.status = {Fault::kTrailingBytes, 0};
  return out;
}
std::vector<std::byte> unit_message(bool sparse) {
  const std::vector<float> values = {1, -2, 3, 4, 5};
  const std::vector<std::uint32_t> indices = {1, 3};
  const UnitGradient<float> g =
      sparse ? UnitGradient<float>::sparse(indices, std::span(values).first(2))
             : UnitGradient<float>::dense(values);
  std::vector<std::byte> bytes;
  (void)order::write_gradient<float>(wire::Kind::kOrderUnit, {.epoch = 3, .worker = 2, .index = 6},
                                     kAwaited.slice, g, bytes);
  return bytes;
}

TEST(OrderMessages, EveryTruncationIsRefused) {
  for (const bool sparse : {false, true}) {
    const auto bytes = unit_message(sparse);
    ASSERT_TRUE(receive(bytes).status);
    EXPECT_EQ(bytes.size(),
              sparse ? order::sparse_frame_bytes(2, 4) : order::dense_frame_bytes(5, 4));
    for (std::size_t size = 0; size < bytes.size(); ++size) {
      const std::vector<std::byte> cut(bytes.begin(),
                                       bytes.begin() + static_cast<std::ptrdiff_t>(size));
      EXPECT_FALSE(receive(cut).status) << size;
    }
  }
}

TEST(OrderMessages, AFlippedBitIsRefusedOrGivesAnotherLegalMessage) {
  for (const bool sparse : {false, true}) {
    const auto bytes = unit_message(sparse);
    for (std::size_t bit = 0; bit < 8 * bytes.size(); ++bit) {
      auto flipped = bytes;
      flipped[bit / 8] ^= static_cast<std::byte>(1U << (bit % 8));
      const Arrived arrived = receive(flipped);
      if (!arrived.status) continue;
      EXPECT_GE(arrived.message.item.worker, 2U);
      EXPECT_LT(arrived.message.item.worker, 4U);
      EXPECT_FALSE(arrived.diverged) << "the payload has another length";
      EXPECT_NO_THROW(order::expect_form(arrived.row.view(), 5));
      EXPECT_TRUE(order::is_finite(arrived.row.view()));
    }
  }
}

TEST(OrderMessages, OnlyTheServerTellsOfUnitsOfOtherRanks) {
  std::vector<std::byte> bytes;
  (void)order::write_diverged({.epoch = 3, .worker = 1, .index = 6}, bytes);
  EXPECT_TRUE(order::begins_with_note(bytes));
  EXPECT_FALSE(order::begins_with_note(unit_message(false)));
  order::Awaited awaited = kAwaited;
  const auto take = [&] {
    wire::Bytes rest = bytes;
    order::Received out;
    bool diverged = false;
    return order::take_message(rest, awaited, out, diverged);
  };
  EXPECT_EQ(take().fault(), Fault::kBadSender);
  awaited.noted_workers = 2;
  EXPECT_TRUE(take());
  awaited.noted_workers = 1;
  awaited.end_worker = 1;
  EXPECT_EQ(take().fault(), Fault::kBadSender);
}

TEST(OrderMessages, SignsOfAnotherWorkerOrWithPaddingAreRefused) {
  const std::vector<std::uint64_t> signs = {0x5b};
  std::vector<std::byte> bytes;
  (void)order::write_signs({.epoch = 1, .worker = 2}, 7, signs, bytes);
  const auto take = [](std::span<const std::byte> message, std::uint32_t worker,
                       std::uint32_t pairs, std::vector<std::uint64_t>& out) {
    wire::Bytes rest = message;
    return order::take_signs(rest, {.epoch = 1, .worker = worker}, pairs, out);
  };
  std::vector<std::uint64_t> out = {~std::uint64_t{0}};
  ASSERT_TRUE(take(bytes, 2, 7, out));
  EXPECT_EQ(out, signs);
  EXPECT_EQ(take(bytes, 3, 7, out).fault(), Fault::kBadSender);
  EXPECT_EQ(take(bytes, 1, 7, out).fault(), Fault::kBadSender);
  EXPECT_EQ(take(bytes, 2, 8, out).fault(), Fault::kBadDimension);
  bytes.back() |= std::byte{0x80};
  EXPECT_EQ(take(bytes, 2, 7, out).fault(), Fault::kNonZeroPadding);
  EXPECT_EQ(out, signs) << "unchanged by what was refused";
}

TEST(OrderMessages, SumsOfAnotherStepOrNumberAreRefused) {
  const std::vector<double> sums = {1.5, -2};
  std::vector<std::byte> bytes;
  (void)order::write_sums({.epoch = 1, .worker = 0, .index = 4}, sums, bytes);
  const auto take = [&bytes](std::uint32_t step, std::size_t count) {
    std::vector<double> out(count);
    wire::Bytes rest = bytes;
    return order::take_sums(rest, {.epoch = 1, .worker = 0, .index = step}, out);
  };
  EXPECT_TRUE(take(4, 2));
  EXPECT_EQ(take(5, 2).fault(), Fault::kBadIndex);
  EXPECT_EQ(take(4, 3).fault(), Fault::kBadDimension);
}

TEST(OrderProblems, ShardedRefusesWhatItCannotDoWithARemedy) {
  for (const char* param : {"rule=walk", "sum=f32", "lone=sign"}) {
    const auto problems =
        order_problems(canonical_order(std::string("cd-grab:exchange=sharded,") + param));
    ASSERT_EQ(problems.size(), 1U) << param;
    EXPECT_NE(problems[0].find(param), std::string::npos);
    EXPECT_NE(problems[0].find("use exchange=server or exchange=replicated"), std::string::npos);
    EXPECT_TRUE(order_problems(canonical_order(std::string("cd-grab:") + param)).empty());
  }
}

}  // namespace
}  // namespace laconic::test
