// SPDX-License-Identifier: Apache-2.0
// Rounds of quantized AdaGrad (quantized-adagrad.md) on sparse rows, with and without their zeros:
// 4 workers with batches of 16 in one process, logistic regression, dual averaging on the server,
// the sparse model down. First both take the same rounds, and their models are compared bit for
// bit.
//
// Arguments: d, entries per row. Counter `nonzeros`: numbers that the gradients and the model hold
// in a round; `rate`: how many of them a second takes.
#include <benchmark/benchmark.h>

#include <cmath>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "laconic/aggregate/aggregator.hpp"
#include "laconic/comm/transports.hpp"
#include "laconic/compress/compressor.hpp"
#include "laconic/data/dataset.hpp"
#include "laconic/data/shard.hpp"
#include "laconic/optim/optimizer.hpp"
#include "laconic/problem/problem.hpp"
#include "laconic/rng/stream.hpp"

namespace laconic::bench {
namespace {

constexpr std::uint32_t kWorkers = 4;
constexpr std::uint32_t kBatch = 16;
constexpr std::uint32_t kRows = 4096;
constexpr std::uint32_t kWarmUp = 100;
constexpr double kStep = 0.2;

const Catalog& catalog() {
  static const Catalog catalog = [] {
    Catalog c;
    add_problem_cards(c);
    add_aggregator_cards(c);
    add_compressor_cards(c);
    add_optimizer_cards(c);
    return c;
  }();
  return catalog;
}

Spec canonical(const std::string& text, const char* kind) {
  return catalog().canonical(parse_spec(text).value_or_throw(), kind);
}

// Rows whose entries lie anywhere among d columns.
data::Dataset rows_of(std::uint32_t d, std::uint32_t entries) {
  data::SparseRows rows;
  rows.features = d;
  data::Dataset out = {.name = "bench"};
  rng::Reader random(rng::Stream(1, {rng::Purpose::kTest, d, entries, 0}));
  for (std::uint32_t i = 0; i < kRows; ++i) {
    const std::uint32_t stride = d / entries;
    for (std::uint32_t k = 0; k < entries; ++k) {
      rows.columns.push_back(k * stride + static_cast<std::uint32_t>(random.below(stride)));
      rows.values.push_back(1 / std::sqrt(static_cast<double>(entries)));
    }
    rows.offsets.push_back(rows.columns.size());
    out.train.signs.push_back(random.below(2) == 0 ? -1 : 1);
  }
  out.train.rows = std::move(rows);
  out.test.rows = data::SparseRows{.features = d};
  return out;
}

class Server {
 public:
  Server(const Problem<float>& problem, const std::string& compressor)
      : problem_(problem),
        aggregator_(aggregators<float>().make(
            canonical("quantized:" + compressor, "aggregator"),
            {.layout = &problem.layout(), .workers = kWorkers, .mine = {0, kWorkers}, .seed = 1})),
        x_(problem.layout().size(), 0.0F) {
    aggregator_->start(x_, [](const Layout& layout) {
      return optimizers<float>().make(canonical("adagrad-rda:l1=1e-4", "optimizer"),
                                      {.layout = &layout});
    });
    units_.resize(kBatch);
  }
  virtual ~Server() = default;
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;
  virtual void round() = 0;
  [[nodiscard]] const AlignedVector<float>& x() const { return x_; }

 protected:
  // The batch of a worker.
  std::span<const std::uint32_t> units(std::uint32_t worker) {
    for (std::uint32_t k = 0; k < kBatch; ++k)
      units_[k] = (made_ * kBatch + k) % problem_.units(worker);
    return units_;
  }
  Round facts() {
    const Round out = {.index = made_, .step_size = kStep, .previous_step_size = kStep};
    ++made_;
    return out;
  }

  const Problem<float>& problem_;
  std::unique_ptr<Aggregator<float>> aggregator_;
  std::unique_ptr<Communicator> comm_ = make_self_communicator();
  AlignedVector<float> x_;
  ProblemScratch<float> scratch_ = {};

 private:
  std::vector<std::uint32_t> units_ = {};
  std::uint32_t made_ = 0;
};

class WithZeros final : public Server {
 public:
  WithZeros(const Problem<float>& problem, const std::string& compressor)
      : Server(problem, compressor), gradients_(kWorkers, AlignedVector<float>(x_.size())) {
    for (std::uint32_t w = 0; w < kWorkers; ++w) views_.push_back({w, gradients_[w]});
  }
  void round() override {
    for (std::uint32_t w = 0; w < kWorkers; ++w)
      problem_.batch_gradient(w, units(w), x_, gradients_[w], scratch_);
    aggregator_->aggregate(facts(), views_, x_, *comm_);
  }

 private:
  std::vector<AlignedVector<float>> gradients_;
  std::vector<WorkerGradient<float>> views_ = {};
};

class WithoutZeros final : public Server {
 public:
  using Server::Server;
  void round() override {
    nonzeros_ = 0;
    for (std::uint32_t w = 0; w < kWorkers; ++w) {
      problem_.sparse_gradient(w, units(w), x_, gradients_[w], scratch_);
      views_[w] = {w, gradients_[w].view(x_.size())};
      nonzeros_ += gradients_[w].size();
    }
    for (const std::uint32_t i : model_.indices) x_[i] = 0;
    aggregator_->aggregate_sparse(facts(), views_, model_, *comm_);
    for (std::size_t j = 0; j < model_.size(); ++j) x_[model_.indices[j]] = model_.values[j];
    nonzeros_ += model_.size();
  }
  [[nodiscard]] std::size_t nonzeros() const { return nonzeros_; }

 private:
  std::vector<SparseVector<float>> gradients_ = std::vector<SparseVector<float>>(kWorkers);
  std::vector<SparseGradient<float>> views_ = std::vector<SparseGradient<float>>(kWorkers);
  SparseVector<float> model_ = {};
  std::size_t nonzeros_ = 0;
};

void rounds(benchmark::State& state, const std::string& compressor, bool zeros) {
  const data::Dataset dataset = rows_of(static_cast<std::uint32_t>(state.range(0)),
                                        static_cast<std::uint32_t>(state.range(1)));
  const ProblemSetup setup = {
      .dataset = &dataset,
      .shards = data::shard_rows(dataset.train.label_ids(), {.workers = kWorkers}),
      .workers = kWorkers};
  const auto problem = problems<float>().make(canonical("logistic", "problem"), setup);
  WithZeros with(*problem, compressor);
  WithoutZeros without(*problem, compressor);
  for (std::uint32_t t = 0; t < kWarmUp; ++t) {
    with.round();
    without.round();
  }
  if (std::memcmp(with.x().data(), without.x().data(), with.x().size() * sizeof(float)) != 0)
    throw std::runtime_error("the two models differ");
  Server& server = zeros ? static_cast<Server&>(with) : without;
  for ([[maybe_unused]] const auto step : state) server.round();
  state.counters["nonzeros"] = static_cast<double>(without.nonzeros());
  if (zeros) return;
  state.counters["rate"] = benchmark::Counter(static_cast<double>(without.nonzeros()),
                                              benchmark::Counter::kIsIterationInvariantRate);
}

}  // namespace
}  // namespace laconic::bench

int main(int argc, char** argv) {
  for (const char* compressor : {"nonzeros", "vaninf:levels=7", "thr-clip"}) {
    for (const bool zeros : {false, true}) {
      auto* bench = benchmark::RegisterBenchmark(
          (std::string(compressor) + (zeros ? "/with_zeros" : "/without_zeros")).c_str(),
          [compressor, zeros](benchmark::State& state) {
            laconic::bench::rounds(state, compressor, zeros);
          });
      for (const int d : {10000, 100000, 1000000}) bench->Args({d, 20});
      for (const int entries : {5, 80, 320}) bench->Args({100000, entries});
      bench->Unit(benchmark::kMicrosecond)->Iterations(300);
    }
  }
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
}
