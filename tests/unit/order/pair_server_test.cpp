// SPDX-License-Identifier: Apache-2.0
// The order server against the naive oracle, over many shapes and seeds; arrival in any order;
// golden traces; sparse and dense gradients; refusals. Numbers are those of cd-grab.md section 5.
#include "laconic/order/pair_server.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "laconic/kernels/kernels.hpp"
#include "laconic/order/compose.hpp"
#include "tests/oracle/order_oracle.hpp"
#include "tests/support/order_loop.hpp"

namespace laconic::order {
namespace {

using oracle::Vector;
using test::Order;

Order identity(std::uint32_t units) {
  Order order(units);
  std::iota(order.begin(), order.end(), 0U);
  return order;
}

template <Real T>
std::vector<std::vector<Vector>> random_vectors(std::uint64_t seed,
                                                const std::vector<std::uint32_t>& units,
                                                std::size_t dim) {
  std::vector<std::vector<Vector>> out(units.size());
  for (std::uint32_t w = 0; w < units.size(); ++w) {
    for (std::uint32_t u = 0; u < units[w]; ++u) {
      const auto v = test::normal_vector<T>(seed, w, u, dim);
      out[w].emplace_back(v.begin(), v.end());
    }
  }
  return out;
}

template <Real T>
void push(PairServer<T>& server, std::size_t worker, std::uint32_t position, const Vector& g) {
  const std::vector<T> values(g.begin(), g.end());
  server.push(worker, position, UnitGradient<T>::dense(values));
}

Order next_order(const Order& order, std::span<const std::uint64_t> signs) {
  Order next(order.size());
  reorder_by_pairs(order, signs, next);
  return next;
}

template <class T>
class PairServerOf : public testing::Test {};
using RealTypes = testing::Types<float, double>;
TYPED_TEST_SUITE(PairServerOf, RealTypes);

// Differences of floats are rounded to float, so that vectors are drawn on a grid on which they are
// exact in both types.
Vector on_grid(const Vector& v) {
  Vector out;
  for (const double x : v) out.push_back(std::round(x * 1024) / 1024);
  return out;
}

TYPED_TEST(PairServerOf, DecidesAsTheOracleOverManyShapesAndSeeds) {
  using T = TypeParam;
  const std::vector<std::vector<std::uint32_t>> shapes = {
      {2}, {8}, {7}, {1}, {6, 6}, {5, 5, 5}, {4, 6, 2}, {9, 1, 0, 4}, {10, 10, 10, 10, 10, 10, 10}};
  for (const auto& units : shapes) {
    for (const std::size_t dim : {1U, 2U, 15U, 16U, 33U, 100U}) {
      for (std::uint64_t seed = 0; seed < 8; ++seed) {
        for (const bool strict : {false, true}) {
          auto vectors = random_vectors<T>(seed, units, dim);
          for (auto& of_worker : vectors) {
            for (Vector& v : of_worker) v = on_grid(v);
          }
          BalanceOptions options;
          options.rule.kind = strict ? RuleKind::kDetLt : RuleKind::kDetLe;
          PairServer<T> server({.units = units, .dim = dim, .options = options});
          std::vector<Order> orders;
          for (const std::uint32_t n : units) orders.push_back(identity(n));
          for (std::uint32_t e = 0; e < 3; ++e) {
            std::vector<Order> expected = orders;
            const auto decisions = oracle::cd_grab_epoch(vectors, expected, strict);
            server.begin_epoch(e);
            const std::uint32_t longest = *std::ranges::max_element(units);
            for (std::uint32_t j = 0; j < longest; ++j) {
              for (std::size_t w = 0; w < units.size(); ++w) {
                if (j < units[w]) push(server, w, j, vectors[w][orders[w][j]]);
              }
            }
            server.expect_complete();
            bool is_clear = true;  // no decision within rounding of 0
            for (const auto& decision : decisions) {
              is_clear = is_clear && (decision.magnitude == 0 ||
                                      std::abs(decision.product) > 1e-12 * decision.magnitude);
            }
            ASSERT_TRUE(is_clear) << "choose other seeds";
            for (const auto& decision : decisions) {
              ASSERT_EQ(sign_bit(server.signs(decision.worker), decision.pair), decision.sign < 0)
                  << "dim " << dim << " seed " << seed << " worker " << decision.worker << " pair "
                  << decision.pair;
            }
            for (std::size_t w = 0; w < units.size(); ++w) {
              orders[w] = next_order(orders[w], server.signs(w));
            }
            ASSERT_EQ(orders, expected);
          }
        }
      }
    }
  }
}

// Positions of all workers in a shuffled order.
TYPED_TEST(PairServerOf, CdGrabCheck13ArrivalInAnyOrderGivesTheSameSignsAndSum) {
  using T = TypeParam;
  const std::vector<std::uint32_t> units = {10, 7, 12, 10};
  constexpr std::size_t kDim = 37;
  const auto vectors = random_vectors<T>(3, units, kDim);
  std::vector<std::pair<std::uint32_t, std::uint32_t>> all;
  for (std::uint32_t j = 0; j < 12; ++j) {
    for (std::uint32_t w = 0; w < units.size(); ++w) {
      if (j < units[w]) all.emplace_back(w, j);
    }
  }
  PairServer<T> straight({.units = units, .dim = kDim});
  straight.begin_epoch(0);
  for (const auto& [w, j] : all) push(straight, w, j, vectors[w][j]);
  for (std::uint32_t trial = 0; trial < 50; ++trial) {
    Order arrival = identity(static_cast<std::uint32_t>(all.size()));
    rng::permute(rng::Stream(5, {.purpose = rng::Purpose::kTest, .round = trial}), arrival);
    PairServer<T> shuffled({.units = units, .dim = kDim});
    shuffled.begin_epoch(0);
    for (const std::uint32_t i : arrival) {
      push(shuffled, all[i].first, all[i].second, vectors[all[i].first][all[i].second]);
    }
    shuffled.expect_complete();
    EXPECT_EQ(shuffled.sum(), straight.sum());
    for (std::size_t w = 0; w < units.size(); ++w) {
      EXPECT_TRUE(std::ranges::equal(shuffled.signs(w), straight.signs(w)));
    }
    EXPECT_EQ(shuffled.stats().largest_sum, straight.stats().largest_sum);
    EXPECT_EQ(shuffled.stats().memory.cached_numbers, 0U);
  }
}

TYPED_TEST(PairServerOf, SparseDenseAndMixedGradientsGiveTheSameBits) {
  using T = TypeParam;
  const std::vector<std::uint32_t> units = {20, 20, 20};
  constexpr std::size_t kDim = 61;
  auto vectors = random_vectors<T>(4, units, kDim);
  rng::Reader random(rng::Stream(6, {}));
  for (auto& of_worker : vectors) {
    for (Vector& v : of_worker) {
      for (double& x : v) x = random.below(5) == 0 ? x : 0.0;
    }
  }
  const auto run = [&](int form) {
    PairServer<T> server({.units = units, .dim = kDim});
    server.begin_epoch(0);
    rng::Reader coin(rng::Stream(8, {}));
    for (std::uint32_t j = 0; j < 20; ++j) {
      for (std::uint32_t w = 0; w < units.size(); ++w) {
        if (form == 0 || (form == 2 && coin.below(2) == 0)) {
          push(server, w, j, vectors[w][j]);
          continue;
        }
        std::vector<std::uint32_t> indices;
        std::vector<T> values;
        for (std::uint32_t i = 0; i < kDim; ++i) {
          if (vectors[w][j][i] == 0) continue;
          indices.push_back(i);
          values.push_back(static_cast<T>(vectors[w][j][i]));
        }
        server.push(w, j, UnitGradient<T>::sparse(indices, values));
      }
    }
    return std::pair(server.sum(),
                     std::vector<std::uint64_t>(server.signs(0).begin(), server.signs(0).end()));
  };
  EXPECT_EQ(run(0), run(1));
  EXPECT_EQ(run(0), run(2));
}

// cd-grab.md 2.6, the integer trace: signs in processing order, h after each, and the orders.
TYPED_TEST(PairServerOf, CdGrabCheck03ReproducesTheIntegerTrace) {
  using T = TypeParam;
  const std::vector<std::vector<Vector>> vectors = {
      {{3, 0}, {0, 2}, {-1, -1}, {2, 1}, {0, -3}, {1, 1}},
      {{1, -2}, {-2, 0}, {4, 1}, {0, 0}, {-1, 2}, {2, -1}}};
  const std::vector<std::string> signs = {"+-++--", "++++--", "++--++"};
  const std::vector<std::vector<Order>> orders = {{{0, 2, 5, 4, 3, 1}, {1, 2, 5, 4, 3, 0}},
                                                  {{0, 5, 1, 3, 4, 2}, {1, 5, 0, 3, 4, 2}},
                                                  {{0, 3, 4, 2, 1, 5}, {1, 3, 4, 2, 0, 5}}};
  const std::vector<Vector> sums = {{3, -2}, {0, 0}, {-3, -2}, {1, -1}, {2, 3}, {5, 0}};
  std::vector<Order> current = {identity(6), identity(6)};
  PairServer<T> server({.units = {6, 6}, .dim = 2});
  for (std::uint32_t e = 0; e < 3; ++e) {
    server.begin_epoch(e);
    std::size_t decided = 0;
    for (std::uint32_t j = 0; j < 6; ++j) {
      for (std::size_t w = 0; w < 2; ++w) {
        push(server, w, j, vectors[w][current[w][j]]);
        if (j % 2 == 0) continue;
        EXPECT_EQ(sign_bit(server.signs(w), j / 2), signs[e][decided] == '-')
            << "round " << e << " decision " << decided;
        if (e == 0) {
          EXPECT_EQ(server.sum(), sums[decided]) << decided;
        }
        ++decided;
      }
    }
    for (std::size_t w = 0; w < 2; ++w) current[w] = next_order(current[w], server.signs(w));
    EXPECT_EQ(current, orders[e]) << "round " << e;
  }
}

TYPED_TEST(PairServerOf, CdGrabCheck05TheSumNeverOutgrowsTheEnergyOfTheDifferences) {
  using T = TypeParam;
  for (const RuleKind kind : {RuleKind::kDetLe, RuleKind::kDetLt}) {
    for (const std::size_t dim : {1U, 3U, 40U}) {
      const std::vector<std::uint32_t> units(4, 100);
      const auto vectors = random_vectors<T>(11, units, dim);
      BalanceOptions options;
      options.rule.kind = kind;
      PairServer<T> server({.units = units, .dim = dim, .options = options});
      server.begin_epoch(0);
      double energy = 0;
      double largest = 0;
      for (std::uint32_t j = 0; j < 100; ++j) {
        for (std::size_t w = 0; w < 4; ++w) {
          push(server, w, j, vectors[w][j]);
          if (j % 2 == 0) continue;
          std::vector<double> y;
          for (std::size_t i = 0; i < dim; ++i) {
            y.push_back(static_cast<T>(static_cast<T>(vectors[w][j - 1][i]) -
                                       static_cast<T>(vectors[w][j][i])));
            largest = std::max(largest, std::abs(y.back()));
          }
          energy += kernels::squared_norm<double>(y);
          const auto h = server.sum();
          ASSERT_LE(kernels::squared_norm<double>(h), (1 + 1e-12) * energy);
          if (dim == 1) {
            ASSERT_LE(std::abs(h[0]), largest + 1e-12);
          }
        }
      }
    }
  }
}

// The step's buffer is overwritten by the next one, as receive buffers are.
TYPED_TEST(PairServerOf, CdGrabCheck06AReusedBufferGivesTheOrdersOfFreshOnes) {
  using T = TypeParam;
  const std::vector<std::uint32_t> units(3, 200);
  const auto vectors = random_vectors<T>(12, units, 20);
  PairServer<T> fresh({.units = units, .dim = 20});
  PairServer<T> reused({.units = units, .dim = 20});
  fresh.begin_epoch(0);
  reused.begin_epoch(0);
  std::vector<T> buffer(20);
  for (std::uint32_t j = 0; j < 200; ++j) {
    for (std::size_t w = 0; w < 3; ++w) {
      push(fresh, w, j, vectors[w][j]);
      std::ranges::transform(vectors[w][j], buffer.begin(),
                             [](double x) { return static_cast<T>(x); });
      reused.push(w, j, UnitGradient<T>::dense(buffer));
    }
  }
  EXPECT_EQ(fresh.sum(), reused.sum());
  EXPECT_NE(fresh.sum(), std::vector<double>(20, 0.0));
  const OrderStats stats = reused.stats();
  EXPECT_EQ(stats.plus + stats.minus, 300U);
  EXPECT_EQ(stats.ties, 1U) << "the first decision, of h = 0, and no other";
  EXPECT_GE(static_cast<double>(stats.minus), 0.2 * 300);
  EXPECT_EQ(stats.minus, fresh.stats().minus);
}

TYPED_TEST(PairServerOf, CdGrabCheck14IsInvariantToSignAndPowersOfTwo) {
  using T = TypeParam;
  const std::vector<std::uint32_t> units = {30, 30, 29};
  const auto vectors = random_vectors<T>(13, units, 33);
  const auto signs_of = [&](double factor, double shift, bool whole) {
    PairServer<T> server({.units = units, .dim = 33});
    server.begin_epoch(0);
    for (std::uint32_t j = 0; j < 30; ++j) {
      for (std::size_t w = 0; w < units.size(); ++w) {
        if (j >= units[w]) continue;
        Vector g = vectors[w][j];
        for (double& x : g) x = factor * (whole ? std::round(8 * x) : x) + shift;
        push(server, w, j, g);
      }
    }
    std::vector<std::uint64_t> all;
    for (std::size_t w = 0; w < units.size(); ++w) all.push_back(server.signs(w)[0]);
    return all;
  };
  const auto base = signs_of(1, 0, false);
  for (const double factor : {-1.0, 2.0, 0.25, -1024.0}) {
    EXPECT_EQ(signs_of(factor, 0, false), base) << factor;
  }
  const auto whole = signs_of(1, 0, true);
  for (const double shift : {1.0, -77.0, 4096.0}) EXPECT_EQ(signs_of(1, shift, true), whole);
}

TYPED_TEST(PairServerOf, CdGrabCheck15SecondMinusFirstGivesTheSameSigns) {
  using T = TypeParam;
  const std::vector<std::uint32_t> units = {40, 40};
  const auto vectors = random_vectors<T>(14, units, 21);
  PairServer<T> straight({.units = units, .dim = 21});
  PairServer<T> swapped({.units = units, .dim = 21});
  straight.begin_epoch(0);
  swapped.begin_epoch(0);
  for (std::uint32_t j = 0; j < 40; ++j) {
    for (std::size_t w = 0; w < 2; ++w) {
      push(straight, w, j, vectors[w][j]);
      push(swapped, w, j, vectors[w][j ^ 1]);
    }
  }
  for (std::size_t w = 0; w < 2; ++w) {
    EXPECT_TRUE(std::ranges::equal(straight.signs(w), swapped.signs(w)));
  }
  auto negated = swapped.sum();
  for (double& x : negated) x = -x;
  EXPECT_EQ(straight.sum(), negated);
}

TYPED_TEST(PairServerOf, CdGrabCheck20ALoneUnitThatComesLastLeavesTheOtherSignsAlone) {
  using T = TypeParam;
  for (const Lone lone : {Lone::kMiddle, Lone::kSign}) {
    BalanceOptions options;
    options.lone = lone;
    const auto vectors = random_vectors<T>(15, {9, 9}, 12);
    PairServer<T> odd({.units = {9, 9}, .dim = 12, .options = options});
    PairServer<T> even({.units = {8, 8}, .dim = 12, .options = options});
    odd.begin_epoch(0);
    even.begin_epoch(0);
    for (std::uint32_t j = 0; j < 9; ++j) {
      for (std::size_t w = 0; w < 2; ++w) {
        push(odd, w, j, vectors[w][j]);
        if (j < 8) push(even, w, j, vectors[w][j]);
      }
    }
    odd.expect_complete();
    for (std::size_t w = 0; w < 2; ++w) {
      EXPECT_EQ(odd.signs(w)[0], even.signs(w)[0]);
      EXPECT_EQ(next_order(identity(9), odd.signs(w))[4], 8U) << "in the middle";
    }
    EXPECT_EQ(odd.sum(), even.sum());
    // lone=sign decides about it, without adding it to the sum.
    const std::uint64_t lone_decisions = lone == Lone::kSign ? 2 : 0;
    EXPECT_EQ(odd.stats().plus + odd.stats().minus, 8 + lone_decisions);
  }
}

// Server state of 2.9: h, and one gradient per worker between the members of a pair.
TYPED_TEST(PairServerOf, CdGrabCheck21KeepsAtMostOneGradientPerWorkerBesidesTheSum) {
  using T = TypeParam;
  constexpr std::size_t kDim = 50;
  for (const std::uint32_t workers : {1U, 4U, 9U}) {
    const std::vector<std::uint32_t> units(workers, 10);
    const auto vectors = random_vectors<T>(16, units, kDim);
    PairServer<T> server({.units = units, .dim = kDim});
    for (std::uint32_t e = 0; e < 3; ++e) {
      server.begin_epoch(e);
      for (std::uint32_t j = 0; j < 10; ++j) {
        for (std::size_t w = 0; w < workers; ++w) push(server, w, j, vectors[w][j]);
        EXPECT_EQ(server.stats().memory.cached_numbers, j % 2 == 0 ? workers * kDim : 0);
      }
    }
    EXPECT_EQ(server.stats().memory.sum_numbers, kDim);
    EXPECT_EQ(server.stats().memory.peak_cached_numbers, workers * kDim);
  }
}

TYPED_TEST(PairServerOf, RestartsTheSumWhereAResetIsAskedFor) {
  using T = TypeParam;
  BalanceOptions options;
  options.reset = 3;
  const auto vectors = random_vectors<T>(17, {24, 24}, 6);
  PairServer<T> server({.units = {24, 24}, .dim = 6, .options = options});
  server.begin_epoch(0);
  for (std::uint32_t j = 0; j < 24; ++j) {
    for (std::size_t w = 0; w < 2; ++w) push(server, w, j, vectors[w][j]);
  }
  EXPECT_EQ(server.stats().ties, 8U) << "one per restart: 24 differences, every 3rd meets h = 0";
}

TYPED_TEST(PairServerOf, ASumInFloatHoldsOnlyFloats) {
  using T = TypeParam;
  BalanceOptions options;
  options.float_sum = true;
  const auto vectors = random_vectors<T>(18, {30, 30}, 9);
  PairServer<T> server({.units = {30, 30}, .dim = 9, .options = options});
  server.begin_epoch(0);
  for (std::uint32_t j = 0; j < 30; ++j) {
    for (std::size_t w = 0; w < 2; ++w) push(server, w, j, vectors[w][j]);
    for (const double x : server.sum()) ASSERT_EQ(x, static_cast<double>(static_cast<float>(x)));
  }
}

TYPED_TEST(PairServerOf, RefusesWhatWasObservedBeforeOrDoesNotFit) {
  using T = TypeParam;
  PairServer<T> server({.units = {4, 4}, .dim = 3});
  server.begin_epoch(2);
  push(server, 1, 0, {1, 2, 3});
  const auto message_of = [](auto call) -> std::string {
    try {
      call();
    } catch (const std::exception& e) {
      return e.what();
    }
    return "nothing was thrown";
  };
  EXPECT_EQ(message_of([&] {
              push(server, 1, 0, {1, 2, 3});
            }),
            "order: worker 1: position 0 of epoch 2 was observed before; observe every position of "
            "0 to 3 once");
  EXPECT_EQ(message_of([&] {
              push(server, 0, 4, {1, 2, 3});
            }),
            "order: worker 0: position 4 of epoch 2 lies behind the end; observe every position of "
            "0 to 3 once");
  EXPECT_EQ(message_of([&] {
              push(server, 0, 0, {1, 2});
            }),
            "order: a gradient has 2 numbers, but the order was made for 3; give OrderSetup the "
            "dimension of the model");
  EXPECT_EQ(message_of([&] { server.expect_complete(); }),
            "order: worker 0: epoch 2 cannot end: the gradient at position 0 of 4 is missing; "
            "observe every position once");
  const std::vector<std::uint32_t> unsorted = {2, 1};
  const std::vector<T> two(2, T{1});
  EXPECT_THROW(server.push(0, 0, UnitGradient<T>::sparse(unsorted, two)), std::logic_error);
  const std::vector<std::uint32_t> one = {2};
  EXPECT_THROW(server.push(0, 0, UnitGradient<T>::sparse(one, two)), std::logic_error);
  EXPECT_FALSE(server.has(0, 0)) << "a refused gradient leaves no trace";
}

TYPED_TEST(PairServerOf, NamesTheUnitWhoseProductsAreNotFinite) {
  using T = TypeParam;
  for (const T bad : {std::numeric_limits<T>::infinity(), std::numeric_limits<T>::quiet_NaN(),
                      std::numeric_limits<T>::max()}) {
    PairServer<T> server({.units = {2, 2}, .dim = 2});
    server.begin_epoch(5);
    push(server, 0, 0, {1, 1});
    push(server, 0, 1, {0, 0});
    push(server, 1, 0, {-static_cast<double>(bad), 0});
    try {
      push(server, 1, 1, {static_cast<double>(bad), 0});
      FAIL() << "accepted " << bad;
    } catch (const UnitDivergedError& e) {
      EXPECT_EQ(e.unit().worker, 1U);
      EXPECT_EQ(e.unit().epoch, 5U);
      EXPECT_EQ(e.unit().position, 1U);
      EXPECT_NE(std::string(e.what()).find("epoch 5: worker 1"), std::string::npos) << e.what();
    }
  }
}

}  // namespace
}  // namespace laconic::order
