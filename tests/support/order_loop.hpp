// SPDX-License-Identifier: Apache-2.0
// Runs the example orders of all workers for some epochs on thread ranks, with gradients that the
// test gives, and collects what every rank saw.
#pragma once

#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <vector>

#include "laconic/base/card.hpp"
#include "laconic/comm/transports.hpp"
#include "laconic/order/example_orders.hpp"
#include "laconic/rng/stream.hpp"

namespace laconic::test {

using Order = std::vector<std::uint32_t>;

inline Spec canonical_order(const std::string& text) {
  static const Catalog catalog = [] {
    Catalog c;
    add_order_cards(c);
    return c;
  }();
  const Spec spec = parse_spec(text).value_or_throw();
  const auto problems = catalog.problems(spec, "order");
  if (!problems.empty()) throw ConfigError(problems.front());
  return catalog.canonical(spec, "order");
}

// A normal vector named by (seed, worker, unit).
template <Real T>
std::vector<T> normal_vector(std::uint64_t seed, std::uint32_t worker, std::uint32_t unit,
                             std::size_t dim) {
  std::vector<T> out(dim);
  rng::fill_normal(
      rng::Stream(seed, {.purpose = rng::Purpose::kTest, .worker = worker, .round = unit}), {},
      std::span<T>(out));
  return out;
}

template <Real T>
struct OrderLoop {
  std::string spec = "cd-grab";
  std::vector<std::uint32_t> units = {8};
  std::size_t dim = 5;
  std::uint64_t seed = 1;
  std::uint32_t ranks = 1;
  std::uint32_t epochs = 3;
  std::uint32_t batch = 1;        // units per worker and step
  bool shuffles_arrival = false;  // the order in which a rank observes the units of a step
  bool is_sparse = false;         // zeros are left out
  std::function<std::vector<T>(std::uint32_t worker, std::uint32_t unit, std::uint32_t epoch)>
      gradient = {};  // normal vectors when empty
};

struct OrderTrace {
  std::vector<std::vector<Order>> orders = {};      // by epoch (one more than was run), worker
  std::vector<std::vector<OrderStats>> stats = {};  // by epoch, rank; at the end of the epoch
};

template <Real T>
void observe_vector(ExampleOrders<T>& orders, std::uint32_t worker, std::uint32_t position,
                    const std::vector<T>& g, bool is_sparse) {
  if (!is_sparse) {
    orders.observe(worker, position, UnitGradient<T>::dense(g));
    return;
  }
  std::vector<std::uint32_t> indices;
  std::vector<T> values;
  for (std::size_t i = 0; i < g.size(); ++i) {
    if (g[i] == 0) continue;
    indices.push_back(static_cast<std::uint32_t>(i));
    values.push_back(g[i]);
  }
  orders.observe(worker, position, UnitGradient<T>::sparse(indices, values));
}

// One epoch's steps from `position` on, of the workers that this rank hosts.
template <Real T>
void run_steps(const OrderLoop<T>& loop, ExampleOrders<T>& orders, Communicator& comm,
               std::uint32_t epoch, std::uint32_t first_step, std::uint32_t end_step) {
  const auto workers = static_cast<std::uint32_t>(loop.units.size());
  const WorkerBlock mine = workers_of_rank(workers, comm.rank(), comm.size());
  for (std::uint32_t step = first_step; step < end_step; ++step) {
    std::vector<std::pair<std::uint32_t, std::uint32_t>> due;
    for (std::uint32_t w = mine.begin; w < mine.end; ++w) {
      for (std::uint32_t q = 0; q < loop.batch; ++q) {
        const std::uint32_t position = step * loop.batch + q;
        if (position < loop.units[w]) due.emplace_back(w, position);
      }
    }
    Order arrival(due.size());
    for (std::uint32_t i = 0; i < arrival.size(); ++i) arrival[i] = i;
    if (loop.shuffles_arrival) {
      rng::permute(rng::Stream(99, {.purpose = rng::Purpose::kTest,
                                    .worker = comm.rank(),
                                    .round = epoch,
                                    .tensor = step}),
                   arrival);
    }
    for (const std::uint32_t i : arrival) {
      const auto [w, position] = due[i];
      if (!orders.observes()) continue;
      const std::uint32_t unit = orders.order(w)[position];
      const std::vector<T> g =
          loop.gradient ? loop.gradient(w, unit, epoch) : normal_vector<T>(7, w, unit, loop.dim);
      observe_vector<T>(orders, w, position, g, loop.is_sparse);
    }
    orders.exchange({.round = step, .phase = 0}, comm);
  }
}

template <Real T>
std::uint32_t steps_of(const OrderLoop<T>& loop) {
  std::uint32_t longest = 0;
  for (const std::uint32_t n : loop.units) longest = std::max(longest, n);
  return (longest + loop.batch - 1) / loop.batch;
}

template <Real T>
std::unique_ptr<ExampleOrders<T>> make_orders(const OrderLoop<T>& loop, std::uint32_t rank) {
  return make_example_orders<T>(
      canonical_order(loop.spec),
      {.units = loop.units, .dim = loop.dim, .seed = loop.seed, .rank = rank, .ranks = loop.ranks});
}

template <Real T>
OrderTrace run_orders(const OrderLoop<T>& loop) {
  OrderTrace trace;
  trace.orders.assign(loop.epochs + 1, std::vector<Order>(loop.units.size()));
  trace.stats.assign(loop.epochs, std::vector<OrderStats>(loop.ranks));
  std::mutex mutex;  // guards trace
  run_on_threads(loop.ranks, [&](Communicator& comm) {
    const auto orders = make_orders(loop, comm.rank());
    const WorkerBlock mine =
        workers_of_rank(static_cast<std::uint32_t>(loop.units.size()), comm.rank(), comm.size());
    for (std::uint32_t e = 0; e <= loop.epochs; ++e) {
      orders->begin_epoch(e);
      {
        const std::scoped_lock lock(mutex);
        for (std::uint32_t w = mine.begin; w < mine.end; ++w) {
          const auto order = orders->order(w);
          trace.orders[e][w].assign(order.begin(), order.end());
        }
      }
      if (e == loop.epochs) break;
      run_steps(loop, *orders, comm, e, 0, steps_of(loop));
      orders->end_epoch({.round = e, .phase = 8}, comm);
      const std::scoped_lock lock(mutex);
      trace.stats[e][comm.rank()] = orders->stats();
    }
  });
  return trace;
}

[[nodiscard]] inline bool is_permutation_of_units(Order order, std::uint32_t units) {
  if (order.size() != units) return false;
  std::vector<bool> seen(units);
  for (const std::uint32_t unit : order) {
    if (unit >= units || seen[unit]) return false;
    seen[unit] = true;
  }
  return true;
}

}  // namespace laconic::test
