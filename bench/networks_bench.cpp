// SPDX-License-Identifier: Apache-2.0
// What orders that look at gradients cost with networks: the gradient of a batch of 32 examples
// alone, with one group that is the batch, with 8 groups of 4, and with the gradients of all 32
// examples. Each iteration times all four, so that they see the same noise; the counters are
// medians of the ratios to the batch's gradient alone. The means of the groups are compared with
// the batch's gradient before anything is timed. Generated data.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <numeric>
#include <string>
#include <vector>

#include "bench/timing.hpp"
#include "laconic/data/load.hpp"
#include "laconic/problem/problem.hpp"

namespace laconic::bench {
namespace {

constexpr std::uint32_t kBatch = 32;

class Sum final : public UnitSink<float> {
 public:
  explicit Sum(std::size_t dimension) : sums(dimension) {}
  void take(std::size_t k, const UnitRow<float>& row) override {
    count = k + 1;
    for (std::size_t i = 0; i < sums.size(); ++i) sums[i] += static_cast<double>(row.values[i]);
  }
  std::vector<double> sums;
  std::size_t count = 0;
};

data::Dataset load(const std::string& text) {
  Catalog catalog;
  for (const Card* card : data::data_cards()) catalog.add(*card);
  return data::load(catalog.canonical(parse_spec(text).value_or_throw(), "data"), {.seed = 1});
}

void groups(benchmark::State& state, const std::string& spec, const std::string& data) {
  const data::Dataset dataset = load(data);
  std::vector<std::uint32_t> shard(kBatch);
  std::iota(shard.begin(), shard.end(), 0U);
  Catalog catalog;
  add_problem_cards(catalog);
  const auto problem =
      problems<float>().make(catalog.canonical(parse_spec(spec).value_or_throw(), "problem"),
                             {.dataset = &dataset, .shards = {shard}});
  const std::size_t d = problem->layout().size();
  std::vector<float> x(d);
  problem->initial_point(1, x);
  std::vector<float> g(d);
  ProblemScratch<float> scratch;
  const std::vector<std::vector<std::uint32_t>> sizes = {
      {kBatch}, std::vector<std::uint32_t>(8, 4), std::vector<std::uint32_t>(kBatch, 1)};
  for (const auto& groups : sizes) {
    Sum sum(d);
    problem->group_gradients(0, shard, groups, x, g, sum, scratch);
    double error = 0;
    double norm = 0;
    for (std::size_t i = 0; i < d; ++i) {
      error = std::max(error, std::fabs(sum.sums[i] / static_cast<double>(sum.count) -
                                        static_cast<double>(g[i])));
      norm = std::max(norm, std::fabs(static_cast<double>(g[i])));
    }
    if (error > 1e-3 * norm) return state.SkipWithError("groups are not the batch");
  }
  std::vector<std::vector<double>> ratios(sizes.size());
  Sum sum(d);
  // Each kind runs once before it is timed: memory and libtorch's plans are those of other shapes.
  const auto timed = [](const auto& work) {
    work();
    const double start = thread_seconds();
    work();
    return thread_seconds() - start;
  };
  for (auto _ : state) {
    const double alone = timed([&] { problem->batch_gradient(0, shard, x, g, scratch); });
    for (std::size_t s = 0; s < sizes.size(); ++s) {
      ratios[s].push_back(
          timed([&] { problem->group_gradients(0, shard, sizes[s], x, g, sum, scratch); }) / alone);
    }
  }
  state.counters["batch_as_unit"] = median(ratios[0]);
  state.counters["units_of_4"] = median(ratios[1]);
  state.counters["units_of_1"] = median(ratios[2]);
  state.counters["parameters"] = static_cast<double>(d);
}

const std::string kText = "synthetic-text:rows=64,test_rows=0,context=64,symbols=64";
BENCHMARK_CAPTURE(groups, lenet, "lenet", "synthetic-images:rows=64,test_rows=0");
BENCHMARK_CAPTURE(groups, resnet20_width8, "resnet:depth=20,width=8,norm=group",
                  "synthetic-images:rows=64,test_rows=0");
BENCHMARK_CAPTURE(groups, lstm, "lstm:layers=1,hidden=96", kText);
BENCHMARK_CAPTURE(groups, gpt, "gpt:layers=2,heads=2,width=64", kText);
BENCHMARK_CAPTURE(groups, autoregressive_mlp, "autoregressive-mlp",
                  "synthetic-series:series=10,length=300");

}  // namespace
}  // namespace laconic::bench

BENCHMARK_MAIN();
