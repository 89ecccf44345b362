// SPDX-License-Identifier: Apache-2.0
// What it costs that an order looks at the gradients of single units (cd-grab.md 6, E7), per unit,
// in batches of 64 of one worker: the batch's gradient alone, with the units' gradients handed to
// nobody, and to an order. Before anything is timed the batch's gradients are compared bit for bit.
// Each iteration times all three, so that they see the same noise; `of_gradient` is the median of
// what the order costs beyond the units' gradients, over the time of the batch's gradient;
// `of_units` that over the time of the units' gradients. w8a and MNIST are read from LACONIC_DATA;
// without it generated data of the same shape take their place, and the label says so.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <numeric>
#include <string>
#include <vector>

#include "bench/timing.hpp"
#include "laconic/comm/transports.hpp"
#include "laconic/data/catalog.hpp"
#include "laconic/data/generate.hpp"
#include "laconic/data/shard.hpp"
#include "laconic/order/example_orders.hpp"
#include "laconic/problem/problem.hpp"
#include "laconic/rng/stream.hpp"

namespace laconic::bench {
namespace {

constexpr std::uint32_t kBatch = 64;

Spec canonical(const std::string& text, std::string_view kind) {
  static const Catalog catalog = [] {
    Catalog cards;
    add_problem_cards(cards);
    add_order_cards(cards);
    return cards;
  }();
  return catalog.canonical(parse_spec(text).value_or_throw(), kind);
}

struct Case {
  const char* problem;
  const char* order;
  bool images;
};

struct Data {
  data::Dataset dataset = {};
  ProblemSetup setup = {};
};

const Data& data_of(bool images) {
  static const auto make = [](bool of_images) {
    Data out;
    const bool real = std::getenv("LACONIC_DATA") != nullptr;
    if (real) {
      out.dataset = data::load_named(of_images ? "mnist" : "w8a");
    } else if (of_images) {
      out.dataset = data::synthetic_images({.rows = 8192, .side = 28});
    } else {
      out.dataset = data::synthetic_sparse({.rows = 32768, .features = 300, .nonzeros = 12});
    }
    out.setup.dataset = &out.dataset;
    out.setup.shards =
        data::shard_rows(out.dataset.train.label_ids(), {.rows = 8192, .multiple = 2 * kBatch});
    return out;
  };
  static const Data kSparse = make(false);
  static const Data kImages = make(true);
  return images ? kImages : kSparse;
}

template <Real T>
class Nobody final : public UnitSink<T> {
 public:
  void take(std::size_t, const UnitRow<T>& row) override {
    benchmark::DoNotOptimize(row.values.data());
  }
};

template <Real T>
class Order final : public UnitSink<T> {
 public:
  explicit Order(ExampleOrders<T>& orders) : orders_(orders) {}
  void start(std::uint32_t first) { first_ = first; }
  void take(std::size_t k, const UnitRow<T>& row) override {
    orders_.observe(0, first_ + static_cast<std::uint32_t>(k),
                    row.dense() ? UnitGradient<T>::dense(row.values)
                                : UnitGradient<T>::sparse(row.indices, row.values));
  }

 private:
  ExampleOrders<T>& orders_;
  std::uint32_t first_ = 0;
};

// Adds the time of its life to a counter.
class Span {
 public:
  explicit Span(double& seconds) : seconds_(seconds), start_(thread_seconds()) {}
  ~Span() { seconds_ += thread_seconds() - start_; }
  Span(const Span&) = delete;
  Span& operator=(const Span&) = delete;

 private:
  double& seconds_;
  double start_;
};

void measure(benchmark::State& state, const Case& tested) {
  const Data& data = data_of(tested.images);
  // The static's address must be that of the set in use.
  ProblemSetup setup = data.setup;
  setup.dataset = &data.dataset;
  const auto problem = problems<float>().make(canonical(tested.problem, "problem"), setup);
  const std::size_t d = problem->layout().size();
  const std::uint32_t units = problem->units(0);
  state.SetLabel(data.dataset.name + ", d = " + std::to_string(d));
  std::vector<float> x(d);
  rng::fill_normal(rng::Stream(7, {.purpose = rng::Purpose::kTest}), {.deviation = 0.1},
                   std::span<float>(x));
  std::vector<float> g(d);
  std::vector<float> expected(d);
  ProblemScratch<float> scratch;
  const auto orders =
      make_example_orders<float>(canonical(tested.order, "order"), {.units = {units}, .dim = d});
  const auto comm = make_self_communicator();
  Nobody<float> nobody;
  Order<float> order(*orders);
  std::vector<double> of_gradient;
  std::vector<double> of_units;
  double all_gradient = 0;
  double all_ordered = 0;
  std::uint32_t epoch = 0;
  std::uint64_t seen = 0;
  for ([[maybe_unused]] const auto step : state) {  // an epoch
    double gradient = 0;
    double alone = 0;
    double ordered = 0;
    orders->begin_epoch(epoch);
    for (std::uint32_t first = 0; first < units; first += kBatch) {
      const auto batch = orders->order(0).subspan(first, kBatch);
      {
        const Span span(gradient);
        problem->batch_gradient(0, batch, x, expected, scratch);
      }
      {
        const Span span(alone);
        problem->unit_gradients(0, batch, x, g, nobody, scratch);
      }
      if (g != expected) return state.SkipWithError("the batch's gradient has changed");
      order.start(first);
      {
        const Span span(ordered);
        problem->unit_gradients(0, batch, x, g, order, scratch);
        orders->exchange({.round = first, .phase = 0}, *comm);
      }
      if (g != expected) return state.SkipWithError("the batch's gradient has changed");
    }
    {
      const Span span(ordered);
      orders->end_epoch({.round = epoch++, .phase = 4}, *comm);
    }
    state.SetIterationTime(ordered);
    of_gradient.push_back((ordered - alone) / gradient);
    of_units.push_back((ordered - alone) / alone);
    all_gradient += gradient;
    all_ordered += ordered;
    seen += units;
  }
  if (of_gradient.empty()) return;
  state.counters["of_gradient"] = median(of_gradient);
  state.counters["of_units"] = median(of_units);
  state.counters["gradient_ns"] = 1e9 * all_gradient / static_cast<double>(seen);
  state.counters["ordered_ns"] = 1e9 * all_ordered / static_cast<double>(seen);
}

constexpr Case kCases[] = {
    {"logistic:l2=1e-3,bias=true", "pair-grab", false},
    {"logistic:l2=1e-3,bias=true", "cd-grab", false},
    {"logistic:l2=1e-3,bias=true", "grab", false},
    {"softmax", "pair-grab", true},
    {"mlp:hidden=64", "pair-grab", true},
    {"mlp:hidden=64", "cd-grab", true},
    {"mlp:hidden=64", "grab", true},
};

void add_all() {
  for (const Case& tested : kCases) {
    const std::string name = std::string("unit_gradients/") + tested.problem + "/" + tested.order;
    benchmark::RegisterBenchmark(name.c_str(),
                                 [&tested](benchmark::State& state) { measure(state, tested); })
        ->UseManualTime()
        ->Unit(benchmark::kMillisecond);
  }
}

}  // namespace
}  // namespace laconic::bench

int main(int argc, char** argv) {
  laconic::bench::add_all();
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
