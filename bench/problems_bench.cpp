// SPDX-License-Identifier: Apache-2.0
// Time of one round of full gradients, and of one evaluation of the losses, of all workers of the
// problems of the three-point experiments. Before it is timed a gradient is compared, bit for bit,
// with a plain loop that adds in the promised order (autoencoder: up to rounding, with dense
// products); each iteration times the problem and then that loop, so that both see the same noise.
// The counter of_plain is the median of (time of the loop) / (time of the problem). a9a and mnist
// are read from LACONIC_DATA; without it generated data of the same size take their place, and the
// label says so.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "bench/timing.hpp"
#include "laconic/base/exact_math.hpp"
#include "laconic/data/catalog.hpp"
#include "laconic/data/generate.hpp"
#include "laconic/data/shard.hpp"
#include "laconic/kernels/kernels.hpp"
#include "laconic/problem/problem.hpp"
#include "laconic/rng/stream.hpp"

namespace laconic::bench {
namespace {

using Vector = std::vector<double>;
// g = gradient of the worker at x, by a plain loop.
using Plain = std::function<void(std::uint32_t, const Vector&, Vector&)>;

double seconds_of(const std::function<void()>& work) {
  const double start = thread_seconds();
  work();
  return thread_seconds() - start;
}

std::unique_ptr<Problem<double>> make(const std::string& text, const ProblemSetup& setup) {
  Catalog catalog;
  add_problem_cards(catalog);
  return problems<double>().make(catalog.canonical(parse_spec(text).value_or_throw(), "problem"),
                                 setup);
}

Vector point(const Problem<double>& problem) {
  Vector x(problem.layout().size());
  rng::fill_normal(rng::Stream(7, {.purpose = rng::Purpose::kTest}), {.deviation = 0.1},
                   std::span<double>(x));
  return x;
}

// tolerance: largest difference allowed, as a share of the largest element; 0: the same bits.
void measure_gradients(benchmark::State& state, const Problem<double>& problem, const Plain& plain,
                       double tolerance = 0) {
  const Vector x = point(problem);
  Vector g(x.size());
  Vector expected(x.size());
  ProblemScratch<double> scratch;
  for (std::uint32_t w = 0; plain && w < problem.workers(); ++w) {
    problem.full_gradient(w, x, g, scratch);
    plain(w, x, expected);
    double difference = 0;
    double largest = 0;
    for (std::size_t j = 0; j < g.size(); ++j) {
      difference = std::max(difference, std::fabs(g[j] - expected[j]));
      largest = std::max(largest, std::fabs(expected[j]));
    }
    if (!(difference <= tolerance * largest)) {
      return state.SkipWithError("the gradient differs from the plain loop's");
    }
  }
  Vector of_plain;
  for ([[maybe_unused]] const auto step : state) {
    const double seconds = seconds_of([&] {
      for (std::uint32_t w = 0; w < problem.workers(); ++w) {
        problem.full_gradient(w, x, g, scratch);
        benchmark::DoNotOptimize(g.data());
      }
    });
    state.SetIterationTime(seconds);
    if (!plain) continue;
    const double plain_seconds = seconds_of([&] {
      for (std::uint32_t w = 0; w < problem.workers(); ++w) {
        plain(w, x, expected);
        benchmark::DoNotOptimize(expected.data());
      }
    });
    of_plain.push_back(plain_seconds / seconds);
  }
  if (plain) state.counters["of_plain"] = median(of_plain);
}

// plain: the sum of the losses of the worker's examples.
void measure_losses(benchmark::State& state, const Problem<double>& problem,
                    const std::function<double(std::uint32_t, const Vector&)>& plain) {
  const Vector x = point(problem);
  ProblemScratch<double> scratch;
  for (std::uint32_t w = 0; plain && w < problem.workers(); ++w) {
    if (problem.train_counts(w, x, scratch).loss_sum != plain(w, x)) {
      return state.SkipWithError("the loss differs from the plain loop's");
    }
  }
  Vector of_plain;
  for ([[maybe_unused]] const auto step : state) {
    const auto sum_of = [&](const auto& loss) {
      double sum = 0;
      for (std::uint32_t w = 0; w < problem.workers(); ++w) sum += loss(w);
      benchmark::DoNotOptimize(sum);
    };
    const double seconds =
        seconds_of([&] { sum_of([&](std::uint32_t w) { return problem.loss(w, x, scratch); }); });
    state.SetIterationTime(seconds);
    if (!plain) continue;
    of_plain.push_back(seconds_of([&] { sum_of([&](std::uint32_t w) { return plain(w, x); }); }) /
                       seconds);
  }
  if (plain) state.counters["of_plain"] = median(of_plain);
}

bool has_real_data() { return std::getenv("LACONIC_DATA") != nullptr; }

struct Logistic {
  data::Dataset dataset = {};
  ProblemSetup setup = {};
  std::unique_ptr<Problem<double>> problem = {};

  Logistic() {
    dataset = has_real_data()
                  ? data::load_named("a9a")
                  : data::synthetic_sparse({.rows = 32561, .features = 123, .nonzeros = 14});
    const data::ShardOptions options{.workers = 20, .drop_remainder = true};
    setup = {.dataset = &dataset,
             .shards = data::shard_rows(dataset.train.label_ids(), options),
             .workers = options.workers};
    problem = make("logistic:nonconvex=0.1", setup);
  }

  [[nodiscard]] double plain_loss(std::uint32_t worker, const Vector& x) const {
    const auto& matrix = std::get<data::SparseRows>(dataset.train.rows);
    double sum = 0;
    for (const std::uint32_t row : setup.shards[worker]) {
      const auto [columns, values] = matrix.row(row);
      double score = 0;
      for (std::size_t j = 0; j < columns.size(); ++j) score += values[j] * x[columns[j]];
      sum += exact::softplus(dataset.train.signs[row] > 0 ? -score : score);
    }
    return sum;
  }

  void plain(std::uint32_t worker, const Vector& x, Vector& g) const {
    const auto& matrix = std::get<data::SparseRows>(dataset.train.rows);
    std::fill(g.begin(), g.end(), 0.0);
    for (const std::uint32_t row : setup.shards[worker]) {
      const auto [columns, values] = matrix.row(row);
      double score = 0;
      for (std::size_t j = 0; j < columns.size(); ++j) score += values[j] * x[columns[j]];
      const double slope =
          dataset.train.signs[row] > 0 ? -exact::sigmoid(-score) : exact::sigmoid(score);
      for (std::size_t j = 0; j < columns.size(); ++j) g[columns[j]] += slope * values[j];
    }
    const double share = 1 / static_cast<double>(setup.shards[worker].size());
    for (std::size_t j = 0; j < x.size(); ++j) {
      const double one_plus = 1 + x[j] * x[j];
      g[j] = g[j] * share + (0 * x[j] + 0.1 * (2 * x[j] / (one_plus * one_plus)));
    }
  }
};

const Logistic& logistic() {
  static const Logistic kept;
  return kept;
}

void logistic_gradients(benchmark::State& state) {
  const Logistic& data = logistic();
  state.SetLabel(data.dataset.name + ", 20 workers");
  measure_gradients(state, *data.problem,
                    [&](std::uint32_t w, const Vector& x, Vector& g) { data.plain(w, x, g); });
}

void logistic_losses(benchmark::State& state) {
  const Logistic& data = logistic();
  measure_losses(state, *data.problem,
                 [&](std::uint32_t w, const Vector& x) { return data.plain_loss(w, x); });
}

std::unique_ptr<Problem<double>> quadratic() {
  return make("quadratic:d=1000,lambda=1e-6,s=0", {.workers = 100});
}

// For s=0: nu_i = 1, b_i = -1/4, and the shift is what the gradient at a constant x leaves.
void quadratic_gradients(benchmark::State& state) {
  const auto problem = quadratic();
  Vector ones(problem->layout().size(), 1.0);
  Vector at_ones(ones.size());
  ProblemScratch<double> scratch;
  problem->full_gradient(0, ones, at_ones, scratch);
  const double shift = at_ones[1];
  measure_gradients(state, *problem, [&](std::uint32_t, const Vector& x, Vector& g) {
    for (std::size_t j = 0; j < x.size(); ++j) {
      const double left = j > 0 ? x[j - 1] : 0.0;
      const double right = j + 1 < x.size() ? x[j + 1] : 0.0;
      g[j] = 0.25 * (2 * x[j] - left - right) + shift * x[j];
    }
    g[0] = g[0] + 0.25;
  });
}

void quadratic_losses(benchmark::State& state) { measure_losses(state, *quadratic(), {}); }

constexpr std::size_t kCode = 16;

struct Images {
  data::Dataset dataset = {};
  ProblemSetup setup = {};
  std::unique_ptr<Problem<double>> problem = {};

  Images() {
    dataset = has_real_data() ? data::load_named("mnist")
                              : data::synthetic_images({.rows = 60000, .test_rows = 0});
    const data::ShardOptions options{.workers = 100};
    setup = {.dataset = &dataset,
             .shards = data::shard_rows(dataset.train.label_ids(), options),
             .workers = options.workers};
    problem = make("autoencoder:code=16", setup);
  }

  // Z = A E^T, R = Z D^T - A, then 2 R^T Z / m and 2 (R D)^T A / m: five dense products.
  void dense_products(std::uint32_t worker, const Vector& x, Vector& g) const {
    const auto& pixels = std::get<data::DenseRows>(dataset.train.rows);
    const std::size_t features = pixels.features;
    const std::size_t m = setup.shards[worker].size();
    static Vector a, z, r, y;
    a.clear();
    for (const std::uint32_t row : setup.shards[worker]) {
      a.insert(a.end(), pixels.row(row).begin(), pixels.row(row).end());
    }
    z.assign(m * kCode, 0.0);
    y.assign(m * kCode, 0.0);
    r.resize(a.size());
    for (std::size_t i = 0; i < a.size(); ++i) r[i] = -a[i];
    const std::span<const double> decoder = std::span(x).first(features * kCode);
    const std::span<const double> encoder = std::span(x).subspan(features * kCode);
    std::fill(g.begin(), g.end(), 0.0);
    kernels::gemm_nt<double>({.m = m, .n = kCode, .k = features}, a, encoder, z);
    kernels::gemm_nt<double>({.m = m, .n = features, .k = kCode}, z, decoder, r);
    kernels::gemm_tn<double>({.m = features, .n = kCode, .k = m}, r, z,
                             std::span(g).first(features * kCode));
    kernels::gemm_nn<double>({.m = m, .n = kCode, .k = features}, r, decoder, y);
    kernels::gemm_tn<double>({.m = kCode, .n = features, .k = m}, y, a,
                             std::span(g).subspan(features * kCode));
    for (double& value : g) value *= 2 / static_cast<double>(m);
  }
};

const Images& images() {
  static const Images kept;
  return kept;
}

void autoencoder_gradients(benchmark::State& state) {
  const Images& data = images();
  state.SetLabel(data.dataset.name + ", 100 workers; plain: dense products");
  measure_gradients(
      state, *data.problem,
      [&](std::uint32_t w, const Vector& x, Vector& g) { data.dense_products(w, x, g); }, 1e-12);
}

void autoencoder_losses(benchmark::State& state) { measure_losses(state, *images().problem, {}); }

// What the gradients would take at least with A^T A kept: its product with [E^T, D], the Gram
// matrix of one worker standing for all (and so in cache).
void autoencoder_gram_products(benchmark::State& state) {
  constexpr std::size_t kFeatures = 784;
  Vector gram(kFeatures * kFeatures, 0.5);
  Vector both(kFeatures * 2 * kCode, 0.25);
  Vector out(both.size());
  for ([[maybe_unused]] const auto step : state) {
    state.SetIterationTime(seconds_of([&] {
      for (int worker = 0; worker < 100; ++worker) {
        std::fill(out.begin(), out.end(), 0.0);
        kernels::gemm_nn<double>({.m = kFeatures, .n = 2 * kCode, .k = kFeatures}, gram, both, out);
        benchmark::DoNotOptimize(out.data());
      }
    }));
  }
}

BENCHMARK(autoencoder_gradients)->UseManualTime()->Unit(benchmark::kMicrosecond);
BENCHMARK(autoencoder_losses)->UseManualTime()->Unit(benchmark::kMicrosecond);
BENCHMARK(autoencoder_gram_products)->UseManualTime()->Unit(benchmark::kMicrosecond);
BENCHMARK(logistic_gradients)->UseManualTime()->Unit(benchmark::kMicrosecond);
BENCHMARK(logistic_losses)->UseManualTime()->Unit(benchmark::kMicrosecond);
BENCHMARK(quadratic_gradients)->UseManualTime()->Unit(benchmark::kMicrosecond);
BENCHMARK(quadratic_losses)->UseManualTime()->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace laconic::bench

BENCHMARK_MAIN();
