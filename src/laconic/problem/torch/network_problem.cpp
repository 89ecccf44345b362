// SPDX-License-Identifier: Apache-2.0
// A gradient is a function of the point and the examples alone, so that runs have the same bits on
// any number of ranks: one thread per replica, libtorch's deterministic algorithms, no dropout, and
// no running statistics. Batch normalisation takes the statistics of the block of examples in
// training. In measurements it takes, per channel, the mean over the workers of the statistics of
// each one's first kCalibration examples at the point that is measured.
//
// A batch is gone through in blocks of kBlock examples; the gradients of blocks are added in
// double. libtorch allocates in every pass, so rounds of networks do.
#include "laconic/problem/torch/network_problem.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "laconic/base/error.hpp"
#include "laconic/problem/example_problem.hpp"
#include "laconic/problem/torch/replica.hpp"
#include "laconic/rng/stream.hpp"

namespace laconic::problem {
namespace {

constexpr std::size_t kBlock = 128;  // examples per pass; part of the order of summation
constexpr std::size_t kCalibration = 128;

Layout layout_of(const Network& network, const std::string& name) {
  std::vector<Tensor> tensors;
  std::uint64_t count = 0;
  for (const Parameter& parameter : network.parameters()) {
    std::uint64_t cols = 1;
    for (std::size_t i = 1; i < parameter.sizes.size(); ++i) {
      cols *= static_cast<std::uint64_t>(parameter.sizes[i]);
    }
    const auto rows = static_cast<std::uint64_t>(parameter.sizes[0]);
    count += rows * cols;
    if (count > UINT32_MAX) {
      throw ConfigError(
          fmt::format("{}: more than {} parameters; choose smaller sizes", name, UINT32_MAX));
    }
    tensors.push_back(
        {.name = parameter.name,
         .shape = {static_cast<std::uint32_t>(rows), static_cast<std::uint32_t>(cols)},
         .role = parameter.sizes.size() == 1 ? Role::kBias : Role::kWeight});
  }
  return Layout(std::move(tensors));
}

template <Real T>
void fill(const rng::Stream& stream, const Start& start, std::span<T> values) {
  switch (start.kind) {
    case Start::Kind::kConstant:
      std::fill(values.begin(), values.end(), static_cast<T>(start.scale));
      return;
    case Start::Kind::kNormal:
      rng::fill_normal(stream, {.deviation = start.scale}, values);
      return;
    case Start::Kind::kUniform: {
      rng::Reader reader(stream);
      for (T& value : values) {
        value = static_cast<T>(start.scale * (2 * reader.unit_double() - 1));
      }
    }
  }
}

// A block's examples as a network takes them, and what it is to say of them.
struct Block {
  at::Tensor inputs = {};
  at::Tensor targets = {};  // images: examples; tokens: examples x context; series: x horizon
  at::Tensor scale = {};    // of series: examples x 2, mean and deviation
};

template <class T>
class NetworkProblem final : public ExampleProblem<T> {
 public:
  NetworkProblem(std::unique_ptr<Network> network, const Args& args, const ProblemSetup& setup)
      : ExampleProblem<T>(setup, {.l2 = args.real("l2")}),
        network_(std::move(network)),
        measured_(static_cast<std::size_t>(args.integer("measure"))),
        pool_(*network_) {
    this->set_layout(layout_of(*network_, args.spec().name));
  }

  void initial_point(std::uint64_t seed, std::span<T> x) const override {
    LACONIC_EXPECTS(x.size() == this->layout().size());
    std::uint32_t number = 0;
    for (const Tensor& tensor : this->layout().tensors()) {
      const rng::Stream stream(seed, {.purpose = rng::Purpose::kInitial, .tensor = number});
      fill(stream, network_->parameters()[number].start, span_of(tensor, x).values);
      ++number;
    }
  }

  [[nodiscard]] bool takes_groups() const override { return true; }
  [[nodiscard]] std::size_t score_count() const override {
    return network_->task() == Task::kImages ? this->dataset().class_count : 0;
  }

 protected:
  void gradient_sums(const RowSet& rows, std::span<const T> x, std::span<double> sums,
                     ProblemScratch<T>& /*scratch*/, UnitSink<T>* sink) const override {
    const auto replica = pool_.borrow();
    const std::span<T> gradient = replica->block_gradient.take(x.size());
    std::fill(sums.begin(), sums.end(), 0.0);
    for (std::size_t k = 0; k < rows.size(); k += kBlock) {
      set_gradient(rows, k, std::min(kBlock, rows.size() - k), x, gradient, *replica);
      for (std::size_t i = 0; i < sums.size(); ++i) sums[i] += static_cast<double>(gradient[i]);
    }
    const std::span<T> unit = replica->unit_gradient.take(sink == nullptr ? 0 : x.size());
    for (std::size_t k = 0; k < rows.size() && sink != nullptr; ++k) {
      set_gradient(rows, k, 1, x, unit, *replica);
      sink->take(k, {.indices = {}, .values = unit});
    }
  }

  // A group that is the whole batch is gone through once; else groups come after the batch.
  void group_sums(const RowSet& rows, std::span<const std::uint32_t> sizes, std::span<const T> x,
                  std::span<double> sums, ProblemScratch<T>& scratch,
                  UnitSink<T>& sink) const override {
    gradient_sums(rows, x, sums, scratch, nullptr);
    const auto replica = pool_.borrow();
    const std::span<T> unit = replica->unit_gradient.take(x.size());
    std::size_t first = 0;
    for (std::size_t k = 0; k < sizes.size(); ++k) {
      const double share = 1 / static_cast<double>(sizes[k]);
      if (sizes.size() > 1) {
        set_gradient(rows, first, sizes[k], x, unit, *replica);
        for (T& value : unit) value = static_cast<T>(static_cast<double>(value) * share);
      } else {
        for (std::size_t i = 0; i < unit.size(); ++i) unit[i] = static_cast<T>(sums[i] * share);
      }
      sink.take(k, {.indices = {}, .values = unit});
      first += sizes[k];
    }
  }

  [[nodiscard]] Counts shard_counts(std::uint32_t worker, std::span<const T> x,
                                    ProblemScratch<T>& scratch) const override {
    const std::span<const std::uint32_t> shard = this->shards()[worker];
    const std::size_t count = measured_ == 0 ? shard.size() : std::min(measured_, shard.size());
    return counts(RowSet(shard.first(count)), x, scratch);
  }

  [[nodiscard]] Counts counts(const RowSet& rows, std::span<const T> x,
                              ProblemScratch<T>& /*scratch*/) const override {
    const at::NoGradGuard no_gradients;
    Counts counts;
    for_each_block(rows, x,
                   [&](const Block& block, const at::Tensor& out) { count(block, out, counts); });
    return counts;
  }

  void row_scores(const RowSet& rows, std::span<const T> x, std::span<double> out,
                  ProblemScratch<T>& /*scratch*/) const override {
    const at::NoGradGuard no_gradients;
    auto next = out.begin();
    for_each_block(rows, x, [&](const Block&, const at::Tensor& logits) {
      const at::Tensor plain = logits.contiguous();
      next = std::copy_n(plain.template data_ptr<T>(), plain.numel(), next);
    });
  }

  [[nodiscard]] Constants compute_constants() const override { return {}; }
  [[nodiscard]] std::string model_name() const override {
    return fmt::format("{} of {} parameters", network_->description(), this->layout().size());
  }

 private:
  // gradient = that of the sum of the losses of rows k .. k + count - 1.
  void set_gradient(const RowSet& rows, std::size_t k, std::size_t count, std::span<const T> x,
                    std::span<T> gradient, Replica<T>& replica) const {
    std::fill(gradient.begin(), gradient.end(), T{0});
    replica.bind(x, gradient);
    const Block block = take(rows, k, count, replica);
    Normaliser normaliser;
    const at::Tensor out = network_->forward(replica.parameters(), block.inputs, normaliser);
    losses(block, out).sum().backward();
    const T* view = gradient.data();
    for (const at::Tensor& parameter : replica.parameters()) {
      LACONIC_ASSERT(parameter.grad().template data_ptr<T>() == view);
      view += parameter.numel();
    }
  }

  // visit(block, what the network makes of it) for all rows in order, at rest: batch normalisation
  // with the statistics of all workers.
  template <class Visit>
  void for_each_block(const RowSet& rows, std::span<const T> x, Visit visit) const {
    const std::shared_ptr<const Moments> moments =
        network_->normalises_batches() ? moments_at(x) : std::make_shared<const Moments>();
    const auto replica = pool_.borrow();
    replica->bind(x);
    for (std::size_t k = 0; k < rows.size(); k += kBlock) {
      const Block block = take(rows, k, std::min(kBlock, rows.size() - k), *replica);
      Normaliser normaliser(*moments);
      visit(block, network_->forward(replica->parameters(), block.inputs, normaliser));
    }
  }

  Block take(const RowSet& rows, std::size_t k, std::size_t count, Replica<T>& replica) const {
    const data::Dataset& dataset = this->dataset();
    const std::size_t features = this->features();
    const std::span<T> values = replica.rows.take(count * features);
    gather(this->examples(rows.part()), rows, k, count, values);
    const auto n = static_cast<std::int64_t>(count);
    const at::Tensor all = at::from_blob(values.data(), {n, static_cast<std::int64_t>(features)},
                                         at::TensorOptions(c10::CppTypeToScalarType<T>::value));
    if (network_->task() == Task::kSeries) {
      const std::int64_t lags = dataset.series_lags;
      const std::int64_t horizon = dataset.series_horizon;
      return {.inputs = all.narrow(1, 0, lags),
              .targets = all.narrow(1, lags, horizon),
              .scale = all.narrow(1, lags + horizon, 2)};
    }
    replica.labels.clear();
    for (std::size_t r = 0; r < count; ++r) {
      replica.labels.push_back(this->labels(rows.part())[rows[k + r]]);
    }
    const at::Tensor labels = at::from_blob(replica.labels.data(), {n}, at::kLong);
    if (network_->task() == Task::kTokens) {
      const at::Tensor ids = all.to(at::kLong);
      return {.inputs = ids, .targets = at::cat({ids.slice(1, 1), labels.unsqueeze(1)}, 1)};
    }
    return {.inputs = all.view({n, -1, dataset.image_height, dataset.image_width}),
            .targets = labels};
  }

  // Of every example: cross-entropy, for tokens its mean over the window, or the mean squared error
  // over the horizon.
  [[nodiscard]] at::Tensor losses(const Block& block, const at::Tensor& out) const {
    if (network_->task() == Task::kSeries) {
      return at::mse_loss(out, block.targets, at::Reduction::None).mean(1);
    }
    if (network_->task() == Task::kImages) {
      return at::cross_entropy_loss(out, block.targets, {}, at::Reduction::None);
    }
    return at::cross_entropy_loss(out.flatten(0, 1), block.targets.flatten(), {},
                                  at::Reduction::None)
        .view_as(block.targets)
        .mean(1);
  }

  // Adds what a block's examples say. Losses are added in double, in order.
  void count(const Block& block, const at::Tensor& out, Counts& counts) const {
    const at::Tensor of_rows = losses(block, out).contiguous();
    const std::span<const T> losses_of(of_rows.template data_ptr<T>(),
                                       static_cast<std::size_t>(of_rows.numel()));
    for (const T loss : losses_of) counts.loss_sum += static_cast<double>(loss);
    counts.examples += losses_of.size();
    if (network_->task() == Task::kSeries) counts.smape_sum += smape(block, out);
    if (network_->task() != Task::kImages) return;
    const at::Tensor plain = out.contiguous();
    const auto classes = static_cast<std::size_t>(plain.size(1));
    const std::span<const T> logits(plain.template data_ptr<T>(), losses_of.size() * classes);
    const std::int64_t* label = block.targets.template data_ptr<std::int64_t>();
    for (std::size_t r = 0; r < losses_of.size(); ++r) {
      const std::span<const T> row = logits.subspan(r * classes, classes);
      const auto best = std::max_element(row.begin(), row.end());  // the first of equals
      if (best - row.begin() == label[r]) ++counts.correct;
    }
  }

  // The sum over the examples of (200 / horizon) sum |y - p| / (|y| + |p|), in the units of the
  // series (cd-grab.md 4.1); 0 / 0 is 0.
  [[nodiscard]] double smape(const Block& block, const at::Tensor& out) const {
    const at::Tensor mean = block.scale.narrow(1, 0, 1).to(at::kDouble);
    const at::Tensor deviation = block.scale.narrow(1, 1, 1).to(at::kDouble);
    const at::Tensor p = out.to(at::kDouble) * deviation + mean;
    const at::Tensor y = block.targets.to(at::kDouble) * deviation + mean;
    const at::Tensor whole = y.abs() + p.abs();
    const at::Tensor parts = at::where(whole > 0, (y - p).abs() / whole, at::zeros_like(whole));
    return 200.0 * parts.mean(1).sum().template item<double>();
  }

  // The statistics for x, kept until they are asked for another point.
  std::shared_ptr<const Moments> moments_at(std::span<const T> x) const {
    const std::lock_guard lock(moments_mutex_);
    if (moments_ && std::equal(x.begin(), x.end(), moments_point_.begin(), moments_point_.end())) {
      return moments_;
    }
    const auto replica = pool_.borrow();
    replica->bind(x);
    Moments mean;
    for (const std::vector<std::uint32_t>& shard : this->shards()) {
      const std::span<const std::uint32_t> all(shard);
      const RowSet rows(all.first(std::min(kCalibration, all.size())));
      const Block block = take(rows, 0, rows.size(), *replica);
      Moments of_worker;
      Normaliser normaliser(&of_worker);
      network_->forward(replica->parameters(), block.inputs, normaliser);
      if (mean.empty()) {
        mean = std::move(of_worker);
        continue;
      }
      for (std::size_t i = 0; i < mean.size(); ++i) {
        mean[i].first += of_worker[i].first;
        mean[i].second += of_worker[i].second;
      }
    }
    const double share = 1 / static_cast<double>(this->shards().size());
    for (auto& moments : mean) {
      moments.first *= share;
      moments.second *= share;
    }
    moments_point_.assign(x.begin(), x.end());
    moments_ = std::make_shared<const Moments>(std::move(mean));
    return moments_;
  }

  std::unique_ptr<Network> network_;
  std::size_t measured_;  // training examples of a worker that measure its loss; 0: all
  mutable ReplicaPool<T> pool_;
  mutable std::mutex moments_mutex_ = {};  // guards the two below
  mutable std::vector<T> moments_point_ = {};
  mutable std::shared_ptr<const Moments> moments_ = {};
};

}  // namespace

template <Real T>
std::unique_ptr<Problem<T>> make_network_problem(std::unique_ptr<Network> network, const Args& args,
                                                 const ProblemSetup& setup) {
  return std::make_unique<NetworkProblem<T>>(std::move(network), args, setup);
}
template std::unique_ptr<Problem<float>> make_network_problem<float>(std::unique_ptr<Network>,
                                                                     const Args&,
                                                                     const ProblemSetup&);
template std::unique_ptr<Problem<double>> make_network_problem<double>(std::unique_ptr<Network>,
                                                                       const Args&,
                                                                       const ProblemSetup&);

}  // namespace laconic::problem
