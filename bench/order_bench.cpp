// SPDX-License-Identifier: Apache-2.0
// What ordering costs per unit: the order server of cd-grab (pair-grab is its case of one worker),
// grab, and the exchange forms on one rank, where every byte is written, moved and parsed. Before
// it is timed the server is compared, bit for bit, with the scalar reference kernels. Counters:
//   us_per_unit   microseconds of one unit's gradient
//   of_passes     median of (time of ordering) / (time of the passes that it must make: one plain
//                 read of the gradients, one read-modify-write of h per pair)
//   of_read       the same over the plain read alone
// Gradients come from a pool of at least 64 MB, or of all units of a step, whichever is larger, up
// to 256 MB: they are read from memory, not from a cache.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "bench/bandwidth.hpp"
#include "bench/timing.hpp"
#include "laconic/comm/transports.hpp"
#include "laconic/kernels/kernels.hpp"
#include "laconic/order/compose.hpp"
#include "laconic/order/example_orders.hpp"
#include "laconic/order/pair_server.hpp"
#include "laconic/rng/stream.hpp"

namespace laconic::bench {
namespace {

template <class Work>
double seconds_of(Work work) {
  const double start = thread_seconds();
  work();
  return thread_seconds() - start;
}

struct Case {
  std::size_t dim = 0;
  std::uint32_t workers = 0;
};
Case case_of(const benchmark::State& state) {
  return {static_cast<std::size_t>(state.range(0)), static_cast<std::uint32_t>(state.range(1))};
}

// Normal gradients, handed out one after the other.
class Pool {
 public:
  explicit Pool(const Case& c) : dim_(c.dim) {
    constexpr std::size_t kLeast = std::size_t{64} << 20;
    constexpr std::size_t kMost = std::size_t{256} << 20;
    const std::size_t row_bytes = c.dim * sizeof(float);
    const std::size_t wanted = std::clamp(2 * c.workers * row_bytes, kLeast, kMost);
    rows_ = wanted / row_bytes;
    values_.resize(rows_ * c.dim);
    rng::fill_normal(rng::Stream(1, {}), {}, std::span<float>(values_));
  }
  std::span<const float> next() {
    at_ = at_ + 1 == rows_ ? 0 : at_ + 1;
    return row(at_);
  }
  [[nodiscard]] std::span<const float> row(std::size_t r) const {
    return std::span<const float>(values_).subspan(r * dim_, dim_);
  }

 private:
  std::size_t dim_;
  std::size_t rows_ = 0;
  std::size_t at_ = 0;
  AlignedVector<float> values_ = {};
};

// What cannot be avoided for `units` units.
double passes(Pool& pool, std::uint32_t units, std::span<double> h, double& read) {
  read = seconds_of([&] {
    for (std::uint32_t u = 0; u < units; ++u) {
      const std::span<const float> g = pool.next();
      // An odd last float is left out.
      const auto* words = reinterpret_cast<const std::uint64_t*>(g.data());
      benchmark::DoNotOptimize(plain_read({words, g.size() / 2}));
    }
  });
  return read + seconds_of([&] {
           for (std::uint32_t k = 0; k < units / 2; ++k) {
             kernels::scale<double>(1.0, h);
             benchmark::DoNotOptimize(h.data());
           }
         });
}

// One epoch of `units` per worker, whose length keeps an iteration short.
std::uint32_t units_for(const Case& c) {
  const std::size_t wanted = 8'000'000 / (c.dim * c.workers);
  return static_cast<std::uint32_t>(std::clamp<std::size_t>(wanted / 2 * 2, 2, 2000));
}

bool equals_reference(const Case& c, Pool& pool) {
  constexpr std::uint32_t kUnits = 4;
  order::PairServer<float> server(
      {.units = std::vector<std::uint32_t>(c.workers, kUnits), .dim = c.dim});
  server.begin_epoch(0);
  std::vector<std::span<const float>> rows;
  for (std::uint32_t u = 0; u < kUnits * c.workers; ++u) rows.push_back(pool.next());
  std::vector<double> h(c.dim);
  std::vector<float> v(c.dim);
  for (std::uint32_t j = 0; j < kUnits; ++j) {
    for (std::uint32_t w = 0; w < c.workers; ++w) {
      const std::span<const float> g = rows[j * c.workers + w];
      server.push(w, j, UnitGradient<float>::dense(g));
      if (j % 2 == 0) continue;
      const bool negative =
          kernels::reference::difference_dot<float>(rows[(j - 1) * c.workers + w], g, h, v) > 0;
      kernels::reference::add_signed<float>(negative, v, h);
      if (sign_bit(server.signs(w), j / 2) != negative) return false;
    }
  }
  return server.sum() == h;
}

struct Timings {
  std::vector<double> of_passes = {};
  std::vector<double> of_read = {};
  double seconds = 0;
  double units = 0;
};

template <class Epoch>
void measure(benchmark::State& state, const Case& c, Pool& pool, Epoch epoch) {
  const std::uint32_t units = units_for(c) * c.workers;
  AlignedVector<double> h(c.dim);
  Timings timings;
  epoch();  // warm-up
  for (auto _ : state) {
    const double seconds = seconds_of(epoch);
    double read = 0;
    const double needed = passes(pool, units, h, read);
    timings.of_passes.push_back(seconds / needed);
    timings.of_read.push_back(seconds / read);
    timings.seconds += seconds;
    timings.units += units;
    state.SetIterationTime(seconds);
  }
  state.counters["us_per_unit"] = 1e6 * timings.seconds / timings.units;
  state.counters["of_passes"] = median(timings.of_passes);
  state.counters["of_read"] = median(timings.of_read);
}

void order_server(benchmark::State& state) {
  const Case c = case_of(state);
  Pool pool(c);
  if (!equals_reference(c, pool)) return state.SkipWithError("differs from the reference");
  const std::uint32_t units = units_for(c);
  order::PairServer<float> server(
      {.units = std::vector<std::uint32_t>(c.workers, units), .dim = c.dim});
  std::uint32_t e = 0;
  measure(state, c, pool, [&] {
    server.begin_epoch(e++);
    for (std::uint32_t j = 0; j < units; ++j) {
      for (std::uint32_t w = 0; w < c.workers; ++w) {
        server.push(w, j, UnitGradient<float>::dense(pool.next()));
      }
    }
  });
}

Spec canonical(const std::string& text) {
  Catalog catalog;
  add_order_cards(catalog);
  return catalog.canonical(parse_spec(text).value_or_throw(), "order");
}

void example_orders(benchmark::State& state, const std::string& spec) {
  const Case c = case_of(state);
  Pool pool(c);
  const std::uint32_t units = units_for(c);
  const auto orders = make_example_orders<float>(
      canonical(spec),
      {.units = std::vector<std::uint32_t>(c.workers, units), .dim = c.dim, .seed = 1});
  const auto comm = make_self_communicator();
  std::uint32_t e = 0;
  measure(state, c, pool, [&] {
    orders->begin_epoch(e++);
    for (std::uint32_t j = 0; j < units; ++j) {
      for (std::uint32_t w = 0; w < c.workers; ++w) {
        orders->observe(w, j, UnitGradient<float>::dense(pool.next()));
      }
      orders->exchange({.round = j}, *comm);
    }
    orders->end_epoch({}, *comm);
  });
}

void all_cases(benchmark::internal::Benchmark* b) {
  b->ArgNames({"d", "m"})->UseManualTime()->Unit(benchmark::kMillisecond);
  for (const std::int64_t dim : {100, 10'000, 1'000'000}) {
    for (const std::int64_t workers : {4, 16, 64}) b->Args({dim, workers});
  }
}
void small_cases(benchmark::internal::Benchmark* b) {
  b->ArgNames({"d", "m"})->UseManualTime()->Unit(benchmark::kMillisecond);
  for (const std::int64_t dim : {100, 10'000, 1'000'000}) b->Args({dim, 4});
  b->Args({100, 16})->Args({10'000, 16});
}

BENCHMARK(order_server)->Apply(all_cases);
BENCHMARK_CAPTURE(example_orders, grab, "grab")->Apply(small_cases);
BENCHMARK_CAPTURE(example_orders, pair_grab, "pair-grab")->Apply(small_cases);
BENCHMARK_CAPTURE(example_orders, server, "cd-grab:exchange=server")->Apply(small_cases);
BENCHMARK_CAPTURE(example_orders, replicated, "cd-grab:exchange=replicated")->Apply(small_cases);
BENCHMARK_CAPTURE(example_orders, sharded, "cd-grab:exchange=sharded")->Apply(small_cases);
BENCHMARK_CAPTURE(example_orders, sketch, "cd-grab:sketch=64")->Apply(small_cases);

}  // namespace
}  // namespace laconic::bench

BENCHMARK_MAIN();
