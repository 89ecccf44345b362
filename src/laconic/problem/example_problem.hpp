// SPDX-License-Identifier: Apache-2.0
// What problems with examples have in common: f_i is the mean loss over worker i's rows plus a
// regulariser on the weights (never on biases). A derived class says what one set of rows
// contributes; sums over rows are formed in double, in order of the rows. Private to this layer.
#pragma once

#include <cstddef>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "laconic/data/dataset.hpp"
#include "laconic/problem/problem.hpp"

namespace laconic::problem {

// l2/2 sum x_j^2 + nonconvex sum x_j^2 / (1 + x_j^2), over the weights.
struct Regulariser {
  double l2 = 0;
  double nonconvex = 0;
  [[nodiscard]] double value(double x) const {
    const double square = x * x;
    return 0.5 * l2 * square + nonconvex * (square / (1 + square));
  }
  [[nodiscard]] double slope(double x) const {
    const double one_plus = 1 + x * x;
    return l2 * x + nonconvex * (2 * x / (one_plus * one_plus));
  }
  [[nodiscard]] double curvature(double x) const {
    const double one_plus = 1 + x * x;
    return l2 + 2 * nonconvex * ((1 - 3 * x * x) / (one_plus * one_plus * one_plus));
  }
  // The second derivative lies in [lowest_curvature, highest_curvature].
  [[nodiscard]] double highest_curvature() const { return l2 + 2 * nonconvex; }
  [[nodiscard]] double lowest_curvature() const { return l2 - 0.5 * nonconvex; }  // at |x| = 1
};

enum class Part : std::uint8_t { kTrain, kTest };

// Rows of the training or test set, in the order in which they are summed.
class RowSet {
 public:
  // The rows shard[u] for u in units.
  RowSet(std::span<const std::uint32_t> shard, std::span<const std::uint32_t> units)
      : shard_(shard), units_(units), count_(units.size()) {}
  // All rows of a shard of the training set.
  explicit RowSet(std::span<const std::uint32_t> shard) : shard_(shard), count_(shard.size()) {}
  // Rows first .. first + count - 1 of the test set.
  RowSet(std::size_t first, std::size_t count) : first_(first), count_(count), part_(Part::kTest) {}

  [[nodiscard]] Part part() const { return part_; }
  [[nodiscard]] std::size_t size() const { return count_; }
  [[nodiscard]] std::size_t operator[](std::size_t k) const {
    if (part_ == Part::kTest) return first_ + k;
    if (units_.empty()) return shard_[k];
    LACONIC_EXPECTS(units_[k] < shard_.size());
    return shard_[units_[k]];
  }

 private:
  std::span<const std::uint32_t> shard_ = {};
  std::span<const std::uint32_t> units_ = {};
  std::size_t first_ = 0;
  std::size_t count_ = 0;
  Part part_ = Part::kTrain;
};

template <Real T>
class ExampleProblem : public Problem<T> {
 public:
  ExampleProblem(const ProblemSetup& setup, Regulariser regulariser);

  [[nodiscard]] const Layout& layout() const final { return layout_; }
  [[nodiscard]] std::uint32_t workers() const final {
    return static_cast<std::uint32_t>(shards_.size());
  }
  [[nodiscard]] std::uint32_t units(std::uint32_t worker) const final;
  void batch_gradient(std::uint32_t worker, std::span<const std::uint32_t> units,
                      std::span<const T> x, std::span<T> g, ProblemScratch<T>& scratch) const final;
  void unit_gradients(std::uint32_t worker, std::span<const std::uint32_t> units,
                      std::span<const T> x, std::span<T> g, UnitSink<T>& sink,
                      ProblemScratch<T>& scratch) const final;
  void group_gradients(std::uint32_t worker, std::span<const std::uint32_t> units,
                       std::span<const std::uint32_t> sizes, std::span<const T> x, std::span<T> g,
                       UnitSink<T>& sink, ProblemScratch<T>& scratch) const final;
  void full_gradient(std::uint32_t worker, std::span<const T> x, std::span<T> g,
                     ProblemScratch<T>& scratch) const final;
  [[nodiscard]] double loss(std::uint32_t worker, std::span<const T> x,
                            ProblemScratch<T>& scratch) const final;
  [[nodiscard]] Counts train_counts(std::uint32_t worker, std::span<const T> x,
                                    ProblemScratch<T>& scratch) const final;
  [[nodiscard]] Counts test_counts(std::uint32_t worker, std::span<const T> x,
                                   ProblemScratch<T>& scratch) const final;
  [[nodiscard]] Measured measure(std::uint32_t worker, std::span<const T> x,
                                 ProblemScratch<T>& scratch) const final;
  void scores(std::uint32_t worker, std::span<const T> x, std::span<double> out,
              ProblemScratch<T>& scratch) const final;
  [[nodiscard]] const Constants& constants() const final;
  [[nodiscard]] std::optional<double> minimum() const final;
  [[nodiscard]] std::string description() const final;

 protected:
  // sums (overwritten, layout().size() elements) = sum over the rows of the gradient of their loss.
  // The sink (may be null) gets every row's gradient; the sums do not depend on there being one.
  virtual void gradient_sums(const RowSet& rows, std::span<const T> x, std::span<double> sums,
                             ProblemScratch<T>& scratch, UnitSink<T>* sink) const = 0;
  // As gradient_sums, with the mean gradients of groups of consecutive rows for the sink; only
  // where takes_groups.
  virtual void group_sums(const RowSet& rows, std::span<const std::uint32_t> sizes,
                          std::span<const T> x, std::span<double> sums, ProblemScratch<T>& scratch,
                          UnitSink<T>& sink) const {
    static_cast<void>(rows);
    static_cast<void>(sizes);
    static_cast<void>(x);
    static_cast<void>(sums);
    static_cast<void>(scratch);
    static_cast<void>(sink);
    LACONIC_EXPECTS(this->takes_groups());
  }
  // gradient_sums over all rows of a worker's shard, bit for bit; overridden where there is a
  // faster way.
  virtual void shard_gradient_sums(std::uint32_t worker, std::span<const T> x,
                                   std::span<double> sums, ProblemScratch<T>& scratch) const {
    gradient_sums(RowSet(shards_[worker]), x, sums, scratch, nullptr);
  }
  [[nodiscard]] virtual Counts shard_counts(std::uint32_t worker, std::span<const T> x,
                                            ProblemScratch<T>& scratch) const {
    return counts(RowSet(shards_[worker]), x, scratch);
  }
  [[nodiscard]] virtual Counts counts(const RowSet& rows, std::span<const T> x,
                                      ProblemScratch<T>& scratch) const = 0;
  // Problem::scores of these rows; only where score_count is not 0.
  virtual void row_scores(const RowSet& rows, std::span<const T> x, std::span<double> out,
                          ProblemScratch<T>& scratch) const {
    static_cast<void>(rows);
    static_cast<void>(x);
    static_cast<void>(scratch);
    LACONIC_EXPECTS(out.empty());
  }
  // Without accuracy the problem's train_counts and test_counts are empty.
  [[nodiscard]] virtual bool has_accuracy() const { return true; }
  [[nodiscard]] virtual Constants compute_constants() const = 0;
  [[nodiscard]] virtual std::optional<double> compute_minimum() const { return std::nullopt; }
  [[nodiscard]] virtual std::string model_name() const = 0;  // "logistic regression"

  void set_layout(Layout layout) { layout_ = std::move(layout); }
  [[nodiscard]] const data::Dataset& dataset() const { return *dataset_; }
  [[nodiscard]] const data::Examples& examples(Part part) const {
    return part == Part::kTrain ? dataset_->train : dataset_->test;
  }
  // One class per row.
  [[nodiscard]] std::span<const std::uint32_t> labels(Part part) const {
    return part == Part::kTrain ? train_labels_ : test_labels_;
  }
  [[nodiscard]] std::uint32_t features() const { return dataset_->train.features(); }
  [[nodiscard]] const std::vector<std::vector<std::uint32_t>>& shards() const { return shards_; }
  [[nodiscard]] const Regulariser& regulariser() const { return regulariser_; }

 private:
  // The mean loss that an example of `sums` has, and the regulariser's value.
  [[nodiscard]] double loss_of(const Counts& sums, std::span<const T> x) const;
  // g = sums / rows + the regulariser's gradient.
  void set_mean_gradient(std::span<const double> sums, std::size_t rows, std::span<const T> x,
                         std::span<T> g) const;

  const data::Dataset* dataset_;
  std::vector<std::vector<std::uint32_t>> shards_;
  Regulariser regulariser_;
  std::vector<std::uint32_t> train_labels_;
  std::vector<std::uint32_t> test_labels_;
  Layout layout_;
  mutable std::once_flag constants_once_;  // guards constants_
  mutable Constants constants_;
  mutable std::once_flag minimum_once_;  // guards minimum_
  mutable std::optional<double> minimum_;
};

// Rows k .. k + count - 1 of the set as a dense count x features matrix.
template <Real T>
void gather(const data::Examples& examples, const RowSet& rows, std::size_t k, std::size_t count,
            std::span<T> out);

}  // namespace laconic::problem
