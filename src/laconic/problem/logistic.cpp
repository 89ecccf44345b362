// SPDX-License-Identifier: Apache-2.0
// Binary logistic regression: the loss of a row a with label s = +-1 is log(1 + exp(-s (<w,a> +
// b))). The nonconvex regulariser and the constants are those of 3pc.md 5.1. Cost per example: its
// stored entries. Margins and sums are double, each coordinate of a gradient is rounded once.
// Passes over whole shards go through SlicedShard, which gives the same bits in a fraction of the
// time.
#include <algorithm>
#include <memory>
#include <mutex>
#include <optional>

#include "laconic/base/exact_math.hpp"
#include "laconic/problem/example_problem.hpp"
#include "laconic/problem/logistic_minimum.hpp"
#include "laconic/problem/methods.hpp"
#include "laconic/problem/sliced_shard.hpp"
#include "laconic/problem/smoothness.hpp"
#include "laconic/problem/sparse_parts.hpp"

namespace laconic::problem {
namespace {

template <class T>
class Logistic final : public ExampleProblem<T> {
 public:
  Logistic(const Args& args, const ProblemSetup& setup)
      : ExampleProblem<T>(setup, {.l2 = args.real("l2"), .nonconvex = args.real("nonconvex")}),
        rows_(this->dataset()) {
    if (this->dataset().class_count != 2) {
      throw ConfigError("logistic: data set " + this->dataset().name + " has " +
                        std::to_string(this->dataset().class_count) +
                        " classes, not 2; use softmax or mlp");
    }
    std::vector<Tensor> tensors = {{.name = "w", .shape = {this->features(), 1}}};
    if (args.flag("bias")) tensors.push_back({.name = "b", .shape = {1, 1}, .role = Role::kBias});
    bias_ = args.flag("bias");
    this->set_layout(Layout(std::move(tensors)));
    sliced_ = std::make_unique<Sliced[]>(this->shards().size());
    const data::SparseRows& train = rows_[Part::kTrain];
    for (std::size_t i = 0; i < train.rows(); ++i)
      longest_ = std::max(longest_, train.row(i).columns.size());
  }

  void initial_point(std::uint64_t /*seed*/, std::span<T> x) const override {
    LACONIC_EXPECTS(x.size() == this->layout().size());
    std::fill(x.begin(), x.end(), T{0});
  }

  [[nodiscard]] std::optional<double> sparse_entries() const override {
    if (this->regulariser().highest_curvature() != 0) return std::nullopt;
    const data::SparseRows& train = rows_[Part::kTrain];
    return static_cast<double>(train.columns.size()) / static_cast<double>(train.rows()) +
           (bias_ ? 1 : 0);
  }

  void sparse_gradient(std::uint32_t worker, std::span<const std::uint32_t> units,
                       std::span<const T> x, SparseVector<T>& g,
                       ProblemScratch<T>& scratch) const override {
    LACONIC_EXPECTS(worker < this->shards().size() && !units.empty());
    LACONIC_EXPECTS(x.size() == this->layout().size() && sparse_entries());
    const RowSet rows(this->shards()[worker], units);
    const data::SparseRows& matrix = rows_[Part::kTrain];
    const std::span<const std::uint32_t> labels = this->labels(Part::kTrain);
    SparseSums& sums = scratch.sparse_sums;
    sums.resize(x.size());
    for (std::size_t k = 0; k < rows.size(); ++k) {
      const data::SparseRows::Row row = matrix.row(rows[k]);
      const double slope = slope_of(labels[rows[k]], score(row, x));
      for (std::size_t j = 0; j < row.columns.size(); ++j)
        sums.add(row.columns[j], slope * row.values[j]);
      if (bias_) sums.add(this->features(), slope);
    }
    const double share = 1 / static_cast<double>(rows.size());
    g.clear();
    g.reserve(std::min(x.size(), rows.size() * longest_ + 1));
    sums.drain([&](std::uint32_t i, double sum) {
      if (const T value = static_cast<T>(sum * share); value != 0) g.push(i, value);
    });
  }

 protected:
  void gradient_sums(const RowSet& rows, std::span<const T> x, std::span<double> sums,
                     ProblemScratch<T>& scratch, UnitSink<T>* sink) const override {
    std::fill(sums.begin(), sums.end(), 0.0);
    const data::SparseRows& matrix = rows_[rows.part()];
    const std::span<const std::uint32_t> labels = this->labels(rows.part());
    for (std::size_t k = 0; k < rows.size(); ++k) {
      const std::size_t i = rows[k];
      const data::SparseRows::Row row = matrix.row(i);
      const double slope = slope_of(labels[i], score(row, x));
      for (std::size_t j = 0; j < row.columns.size(); ++j) {
        sums[row.columns[j]] += slope * row.values[j];
      }
      if (bias_) sums.back() += slope;
      if (sink != nullptr) sink->take(k, unit_row(row, slope, scratch));
    }
  }

  [[nodiscard]] Counts counts(const RowSet& rows, std::span<const T> x,
                              ProblemScratch<T>& /*scratch*/) const override {
    Counts counts{.examples = rows.size()};
    const data::SparseRows& matrix = rows_[rows.part()];
    const std::span<const std::uint32_t> labels = this->labels(rows.part());
    for (std::size_t k = 0; k < rows.size(); ++k) {
      const std::size_t i = rows[k];
      const double score = this->score(matrix.row(i), x);
      counts.loss_sum += exact::softplus(labels[i] == 1 ? -score : score);
      counts.correct += (score > 0) == (labels[i] == 1) ? 1 : 0;
    }
    return counts;
  }

  void shard_gradient_sums(std::uint32_t worker, std::span<const T> x, std::span<double> sums,
                           ProblemScratch<T>& scratch) const override {
    sliced(worker).gradient_sums(x, sums, scratch.row);
  }

  [[nodiscard]] Counts shard_counts(std::uint32_t worker, std::span<const T> x,
                                    ProblemScratch<T>& scratch) const override {
    return sliced(worker).counts(x, scratch.row);
  }

  [[nodiscard]] std::size_t score_count() const override { return 1; }
  void row_scores(const RowSet& rows, std::span<const T> x, std::span<double> out,
                  ProblemScratch<T>& /*scratch*/) const override {
    for (std::size_t k = 0; k < rows.size(); ++k)
      out[k] = score(rows_[rows.part()].row(rows[k]), x);
  }

  [[nodiscard]] Constants compute_constants() const override {
    const Features features{.examples = &this->examples(Part::kTrain), .with_constant = bias_};
    const Regulariser& regulariser = this->regulariser();
    Constants constants =
        smoothness_of(features, this->shards(),
                      {.curvature = 0.25, .regulariser = regulariser.highest_curvature()});
    constants.l_coordinate = diagonal_bound(features, mean_groups(this->shards()));
    for (std::size_t j = 0; j < constants.l_coordinate.size(); ++j) {
      const bool is_weight = j < this->features();
      constants.l_coordinate[j] =
          0.25 * constants.l_coordinate[j] + (is_weight ? regulariser.highest_curvature() : 0.0);
    }
    // The intercept has no curvature of its own.
    if (!bias_ && regulariser.lowest_curvature() > 0) constants.mu = regulariser.lowest_curvature();
    return constants;
  }

  [[nodiscard]] std::optional<double> compute_minimum() const override {
    return logistic_minimum({.matrix = &rows_[Part::kTrain],
                             .labels = this->labels(Part::kTrain),
                             .shards = this->shards(),
                             .with_constant = bias_,
                             .regulariser = this->regulariser()});
  }

  [[nodiscard]] std::string model_name() const override { return "logistic regression"; }

 private:
  struct Sliced {
    std::once_flag once;  // guards shard, which is made at the first pass over the worker's rows
    std::optional<SlicedShard> shard = {};
  };

  [[nodiscard]] const SlicedShard& sliced(std::uint32_t worker) const {
    Sliced& sliced = sliced_[worker];
    std::call_once(sliced.once, [&] {
      sliced.shard.emplace(ShardRows{.matrix = &rows_[Part::kTrain],
                                     .labels = this->labels(Part::kTrain),
                                     .rows = this->shards()[worker],
                                     .with_constant = bias_});
    });
    return *sliced.shard;
  }

  // The gradient slope * (a, 1) of one row, as sparse as the row.
  [[nodiscard]] UnitRow<T> unit_row(const data::SparseRows::Row& row, double slope,
                                    ProblemScratch<T>& scratch) const {
    const std::size_t count = row.columns.size() + (bias_ ? 1U : 0U);
    const std::span<T> values = scratch.unit.take(count);
    for (std::size_t j = 0; j < row.columns.size(); ++j) {
      values[j] = static_cast<T>(slope * row.values[j]);
    }
    if (!bias_) return {.indices = row.columns, .values = values};
    values.back() = static_cast<T>(slope);
    const std::span<std::uint32_t> indices = scratch.unit_indices.take(count);
    std::copy(row.columns.begin(), row.columns.end(), indices.begin());
    indices.back() = this->features();
    return {.indices = indices, .values = values};
  }

  // The slope -s / (1 + exp(s score)) of the loss.
  [[nodiscard]] static double slope_of(std::uint32_t label, double score) {
    return label == 1 ? -exact::sigmoid(-score) : exact::sigmoid(score);
  }

  [[nodiscard]] double score(const data::SparseRows::Row& row, std::span<const T> x) const {
    double sum = bias_ ? static_cast<double>(x.back()) : 0.0;
    for (std::size_t j = 0; j < row.columns.size(); ++j) {
      sum += row.values[j] * static_cast<double>(x[row.columns[j]]);
    }
    return sum;
  }

  SparseParts rows_;
  bool bias_ = false;
  std::size_t longest_ = 0;           // entries of a row
  std::unique_ptr<Sliced[]> sliced_;  // one per worker: each rank pays for those that it hosts
};

const Card kLogisticCard = {
    .kind = "problem",
    .name = "logistic",
    .summary = "binary logistic regression on sparse rows",
    .formula =
        "f_i(w, b) = mean of log(1 + exp(-s (<w, a> + b))) over rows a of label s = +-1\n"
        "          + l2/2 |w|^2 + nonconvex sum w_j^2 / (1 + w_j^2)",
    .paper = "Richtarik et al. 2022, 3PC (arXiv 2202.00998), section on logistic regression",
    .params =
        {
            {.key = "l2",
             .type = ParamType::kReal,
             .default_text = "0",
             .help = "adds l2/2 |w|^2",
             .min = 0,
             .max = 1000000},
            {.key = "nonconvex",
             .type = ParamType::kReal,
             .default_text = "0",
             .help = "lambda of the regulariser lambda * sum w_j^2 / (1 + w_j^2)",
             .min = 0,
             .max = 1000000},
            {.key = "bias",
             .type = ParamType::kFlag,
             .default_text = "false",
             .help = "adds an intercept, which is not regularised"},
        },
    .promises =
        "L_-, L_i, L_+ by power iteration; mu when l2 > nonconvex / 2, and then, up to 2048 "
        "features, f* by Newton's method",
};

}  // namespace

ProblemMethod logistic_method() {
  return method_of<Logistic>(kLogisticCard, {.needs_dataset = true,
                                             .needs_two_classes = true,
                                             .needs_labels = true,
                                             .unit_gradients = true,
                                             .predicts = true});
}

}  // namespace laconic::problem
