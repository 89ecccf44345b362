// SPDX-License-Identifier: Apache-2.0
// Softmax regression with cross-entropy: logits W a + b, W of classes x features. Dense rows go
// through matrix products in blocks; sparse rows cost their stored entries times the classes. The
// constants use that the Hessian in the logits is at most 1/2 (its diagonal form: row sums 2 p (1 -
// p) <= 1/2).
#include <algorithm>
#include <variant>

#include "laconic/kernels/kernels.hpp"
#include "laconic/problem/cross_entropy.hpp"
#include "laconic/problem/example_problem.hpp"
#include "laconic/problem/methods.hpp"
#include "laconic/problem/smoothness.hpp"

namespace laconic::problem {
namespace {

constexpr std::size_t kBlock = 128;  // rows per matrix product; part of the order of summation

template <class T>
class Softmax final : public ExampleProblem<T> {
 public:
  Softmax(const Args& args, const ProblemSetup& setup)
      : ExampleProblem<T>(setup, {.l2 = args.real("l2")}),
        classes_(this->dataset().class_count),
        bias_(args.flag("bias")) {
    std::vector<Tensor> tensors = {
        {.name = "w", .shape = {this->dataset().class_count, this->features()}}};
    if (bias_) {
      tensors.push_back(
          {.name = "b", .shape = {this->dataset().class_count, 1}, .role = Role::kBias});
    }
    this->set_layout(Layout(std::move(tensors)));
  }

  void initial_point(std::uint64_t /*seed*/, std::span<T> x) const override {
    LACONIC_EXPECTS(x.size() == this->layout().size());
    std::fill(x.begin(), x.end(), T{0});
  }

 protected:
  void gradient_sums(const RowSet& rows, std::span<const T> x, std::span<double> sums,
                     ProblemScratch<T>& scratch, UnitSink<T>* sink) const override {
    std::fill(sums.begin(), sums.end(), 0.0);
    const bool dense = is_dense(rows.part());
    const Buffers buffers = take(dense, scratch);
    const std::span<double> row = scratch.row.take(classes_);
    for (std::size_t k = 0; k < rows.size(); k += kBlock) {
      const std::size_t count = std::min(kBlock, rows.size() - k);
      const std::span<T> logits = buffers.logits.first(count * classes_);
      fill_logits(rows, k, x, buffers, logits);
      for (std::size_t r = 0; r < count; ++r) {
        cross_entropy_slopes(logits.subspan(r * classes_, classes_),
                             this->labels(rows.part())[rows[k + r]], row);
      }
      if (dense) {
        add_dense(buffers, logits, sums);
      } else {
        add_sparse(rows, k, logits, sums);
      }
      for (std::size_t r = 0; r < count && bias_; ++r) {
        for (std::size_t c = 0; c < classes_; ++c) {
          sums[weights() + c] += static_cast<double>(logits[r * classes_ + c]);
        }
      }
      for (std::size_t r = 0; r < count && sink != nullptr; ++r) {
        const std::span<const T> slopes = logits.subspan(r * classes_, classes_);
        if (dense) {
          const std::size_t width = this->features();
          sink->take(k + r, dense_row(slopes, buffers.block.subspan(r * width, width), scratch));
        } else {
          const auto& matrix = std::get<data::SparseRows>(this->examples(rows.part()).rows);
          sink->take(k + r, sparse_row(slopes, matrix.row(rows[k + r]), scratch));
        }
      }
    }
  }

  [[nodiscard]] Counts counts(const RowSet& rows, std::span<const T> x,
                              ProblemScratch<T>& scratch) const override {
    Counts counts;
    const Buffers buffers = take(is_dense(rows.part()), scratch);
    for (std::size_t k = 0; k < rows.size(); k += kBlock) {
      const std::size_t count = std::min(kBlock, rows.size() - k);
      const std::span<T> logits = buffers.logits.first(count * classes_);
      fill_logits(rows, k, x, buffers, logits);
      for (std::size_t r = 0; r < count; ++r) {
        add_cross_entropy<T>(logits.subspan(r * classes_, classes_),
                             this->labels(rows.part())[rows[k + r]], counts);
      }
    }
    return counts;
  }

  [[nodiscard]] std::size_t score_count() const override { return classes_; }
  void row_scores(const RowSet& rows, std::span<const T> x, std::span<double> out,
                  ProblemScratch<T>& scratch) const override {
    const Buffers buffers = take(is_dense(rows.part()), scratch);
    for (std::size_t k = 0; k < rows.size(); k += kBlock) {
      const std::size_t count = std::min(kBlock, rows.size() - k);
      const std::span<T> logits = buffers.logits.first(count * classes_);
      fill_logits(rows, k, x, buffers, logits);
      std::copy(logits.begin(), logits.end(), out.subspan(k * classes_).begin());
    }
  }

  [[nodiscard]] Constants compute_constants() const override {
    const Features features{.examples = &this->examples(Part::kTrain), .with_constant = bias_};
    const double l2 = this->regulariser().l2;
    Constants constants =
        smoothness_of(features, this->shards(), {.curvature = 0.5, .regulariser = l2});
    const std::vector<double> bound = diagonal_bound(features, mean_groups(this->shards()));
    for (std::size_t i = 0; i < weights(); ++i) {
      constants.l_coordinate.push_back(0.5 * bound[i % this->features()] + l2);
    }
    if (bias_)
      constants.l_coordinate.insert(constants.l_coordinate.end(), classes_, 0.5 * bound.back());
    if (!bias_ && l2 > 0) constants.mu = l2;
    return constants;
  }

  [[nodiscard]] std::string model_name() const override {
    return "softmax regression, " + std::to_string(classes_) + " classes";
  }

 private:
  struct Buffers {
    std::span<T> logits = {};
    std::span<T> block = {};     // rows; dense data only
    std::span<T> gradient = {};  // of one block; dense data only
  };

  [[nodiscard]] std::size_t weights() const { return classes_ * this->features(); }
  [[nodiscard]] bool is_dense(Part part) const {
    return std::holds_alternative<data::DenseRows>(this->examples(part).rows);
  }

  [[nodiscard]] Buffers take(bool dense, ProblemScratch<T>& scratch) const {
    const std::size_t block = dense ? kBlock * this->features() : 0;
    const std::size_t gradient = dense ? weights() : 0;
    const std::span<T> all = scratch.values.take(kBlock * classes_ + block + gradient);
    return {.logits = all.first(kBlock * classes_),
            .block = all.subspan(kBlock * classes_, block),
            .gradient = all.last(gradient)};
  }

  // Logits of as many rows as fit, from row k of the set; dense rows stay behind in buffers.block.
  void fill_logits(const RowSet& rows, std::size_t k, std::span<const T> x, const Buffers& buffers,
                   std::span<T> logits) const {
    const std::size_t count = logits.size() / classes_;
    const std::size_t width = this->features();
    for (std::size_t i = 0; i < logits.size(); ++i) {
      logits[i] = bias_ ? x[weights() + i % classes_] : T{0};
    }
    if (is_dense(rows.part())) {
      const std::span<T> block = buffers.block.first(count * width);
      gather(this->examples(rows.part()), rows, k, count, block);
      kernels::gemm_nt<T>({.m = count, .n = classes_, .k = width}, block, x.first(weights()),
                          logits);
      return;
    }
    const auto& matrix = std::get<data::SparseRows>(this->examples(rows.part()).rows);
    for (std::size_t r = 0; r < count; ++r) {
      const auto [columns, values] = matrix.row(rows[k + r]);
      for (std::size_t c = 0; c < classes_; ++c) {
        auto sum = static_cast<double>(logits[r * classes_ + c]);
        for (std::size_t j = 0; j < columns.size(); ++j) {
          sum += values[j] * static_cast<double>(x[c * width + columns[j]]);
        }
        logits[r * classes_ + c] = static_cast<T>(sum);
      }
    }
  }

  void add_dense(const Buffers& buffers, std::span<const T> slopes, std::span<double> sums) const {
    const std::size_t count = slopes.size() / classes_;
    std::fill(buffers.gradient.begin(), buffers.gradient.end(), T{0});
    kernels::gemm_tn<T>({.m = classes_, .n = this->features(), .k = count}, slopes,
                        buffers.block.first(count * this->features()), buffers.gradient);
    for (std::size_t i = 0; i < weights(); ++i) {
      sums[i] += static_cast<double>(buffers.gradient[i]);
    }
  }

  void add_sparse(const RowSet& rows, std::size_t k, std::span<const T> slopes,
                  std::span<double> sums) const {
    const auto& matrix = std::get<data::SparseRows>(this->examples(rows.part()).rows);
    for (std::size_t r = 0; r < slopes.size() / classes_; ++r) {
      const auto [columns, values] = matrix.row(rows[k + r]);
      for (std::size_t c = 0; c < classes_; ++c) {
        const auto slope = static_cast<double>(slopes[r * classes_ + c]);
        const std::span<double> out = sums.subspan(c * this->features(), this->features());
        for (std::size_t j = 0; j < columns.size(); ++j) out[columns[j]] += slope * values[j];
      }
    }
  }

  // The gradient of one row a: slopes a^T, then the slopes themselves for the intercepts.
  [[nodiscard]] UnitRow<T> dense_row(std::span<const T> slopes, std::span<const T> a,
                                     ProblemScratch<T>& scratch) const {
    const std::span<T> values = scratch.unit.take(this->layout().size());
    for (std::size_t c = 0; c < classes_; ++c) {
      const std::span<T> out = values.subspan(c * a.size(), a.size());
      for (std::size_t j = 0; j < a.size(); ++j) out[j] = slopes[c] * a[j];
    }
    if (bias_) std::copy(slopes.begin(), slopes.end(), values.last(classes_).begin());
    return {.indices = {}, .values = values};
  }

  [[nodiscard]] UnitRow<T> sparse_row(std::span<const T> slopes, const data::SparseRows::Row& a,
                                      ProblemScratch<T>& scratch) const {
    const std::size_t stored = a.columns.size();
    const std::size_t count = classes_ * (stored + (bias_ ? 1U : 0U));
    const std::span<std::uint32_t> indices = scratch.unit_indices.take(count);
    const std::span<T> values = scratch.unit.take(count);
    for (std::size_t c = 0; c < classes_; ++c) {
      const auto slope = static_cast<double>(slopes[c]);
      const auto first = static_cast<std::uint32_t>(c) * this->features();
      for (std::size_t j = 0; j < stored; ++j) {
        indices[c * stored + j] = first + a.columns[j];
        values[c * stored + j] = static_cast<T>(slope * a.values[j]);
      }
      if (!bias_) continue;
      indices[classes_ * stored + c] = static_cast<std::uint32_t>(weights() + c);
      values[classes_ * stored + c] = slopes[c];
    }
    return {.indices = indices, .values = values};
  }

  std::size_t classes_;
  bool bias_;
};

const Card kSoftmaxCard = {
    .kind = "problem",
    .name = "softmax",
    .summary = "softmax regression with cross-entropy",
    .params =
        {
            {.key = "l2",
             .type = ParamType::kReal,
             .default_text = "0",
             .help = "adds l2/2 |W|^2",
             .min = 0,
             .max = 1000000},
            {.key = "bias",
             .type = ParamType::kFlag,
             .default_text = "true",
             .help = "adds an intercept per class, which is not regularised"},
        },
    .promises = "L_-, L_i, L_+ by power iteration; mu = l2 without bias",
};

}  // namespace

ProblemMethod softmax_method() {
  return method_of<Softmax>(
      kSoftmaxCard,
      {.needs_dataset = true, .needs_labels = true, .unit_gradients = true, .predicts = true});
}

}  // namespace laconic::problem
