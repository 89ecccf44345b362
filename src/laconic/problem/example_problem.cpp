// SPDX-License-Identifier: Apache-2.0
#include "laconic/problem/example_problem.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <variant>

#include "laconic/data/shard.hpp"

namespace laconic::problem {

template <Real T>
ExampleProblem<T>::ExampleProblem(const ProblemSetup& setup, Regulariser regulariser)
    : dataset_(setup.dataset), shards_(setup.shards), regulariser_(regulariser) {
  LACONIC_EXPECTS(dataset_ != nullptr);
  LACONIC_EXPECTS(setup.workers > 0 && shards_.size() == setup.workers);
  const std::size_t row_count = dataset_->train.size();
  for (const auto& shard : shards_) {
    LACONIC_EXPECTS(!shard.empty());
    LACONIC_EXPECTS(*std::max_element(shard.begin(), shard.end()) < row_count);
  }
  const std::size_t test_rows = dataset_->test.size();
  LACONIC_EXPECTS(test_rows == 0 || dataset_->test.features() == features());
  train_labels_ = dataset_->train.label_ids();
  test_labels_ = dataset_->test.label_ids();
}

template <Real T>
std::uint32_t ExampleProblem<T>::units(std::uint32_t worker) const {
  LACONIC_EXPECTS(worker < shards_.size());
  return static_cast<std::uint32_t>(shards_[worker].size());
}

template <Real T>
void ExampleProblem<T>::set_mean_gradient(std::span<const double> sums, std::size_t rows,
                                          std::span<const T> x, std::span<T> g) const {
  const double share = 1 / static_cast<double>(rows);
  const auto set = [&](const Tensor& tensor, auto slope) {
    const std::size_t end = tensor.offset + tensor.shape.size();
    for (std::size_t j = tensor.offset; j < end; ++j) {
      g[j] = static_cast<T>(sums[j] * share + slope(static_cast<double>(x[j])));
    }
  };
  for (const Tensor& tensor : layout_.tensors()) {
    if (tensor.role == Role::kBias) {
      set(tensor, [](double) { return 0.0; });
    } else if (regulariser_.nonconvex == 0) {  // spares a division per coordinate
      set(tensor, [l2 = regulariser_.l2](double value) { return l2 * value; });
    } else {
      set(tensor, [this](double value) { return regulariser_.slope(value); });
    }
  }
}

template <Real T>
void ExampleProblem<T>::batch_gradient(std::uint32_t worker, std::span<const std::uint32_t> units,
                                       std::span<const T> x, std::span<T> g,
                                       ProblemScratch<T>& scratch) const {
  LACONIC_EXPECTS(worker < shards_.size());
  LACONIC_EXPECTS(!units.empty());
  LACONIC_EXPECTS(x.size() == layout_.size() && g.size() == layout_.size());
  const std::span<double> sums = scratch.sums.take(x.size());
  gradient_sums(RowSet(shards_[worker], units), x, sums, scratch, nullptr);
  set_mean_gradient(sums, units.size(), x, g);
}

template <Real T>
void ExampleProblem<T>::unit_gradients(std::uint32_t worker, std::span<const std::uint32_t> units,
                                       std::span<const T> x, std::span<T> g, UnitSink<T>& sink,
                                       ProblemScratch<T>& scratch) const {
  LACONIC_EXPECTS(worker < shards_.size());
  LACONIC_EXPECTS(!units.empty());
  LACONIC_EXPECTS(x.size() == layout_.size() && g.size() == layout_.size());
  const std::span<double> sums = scratch.sums.take(x.size());
  gradient_sums(RowSet(shards_[worker], units), x, sums, scratch, &sink);
  set_mean_gradient(sums, units.size(), x, g);
}

template <Real T>
void ExampleProblem<T>::group_gradients(std::uint32_t worker, std::span<const std::uint32_t> units,
                                        std::span<const std::uint32_t> sizes, std::span<const T> x,
                                        std::span<T> g, UnitSink<T>& sink,
                                        ProblemScratch<T>& scratch) const {
  LACONIC_EXPECTS(worker < shards_.size());
  LACONIC_EXPECTS(!units.empty() && this->takes_groups());
  LACONIC_EXPECTS(x.size() == layout_.size() && g.size() == layout_.size());
  const std::span<double> sums = scratch.sums.take(x.size());
  group_sums(RowSet(shards_[worker], units), sizes, x, sums, scratch, sink);
  set_mean_gradient(sums, units.size(), x, g);
}

template <Real T>
void ExampleProblem<T>::full_gradient(std::uint32_t worker, std::span<const T> x, std::span<T> g,
                                      ProblemScratch<T>& scratch) const {
  LACONIC_EXPECTS(worker < shards_.size());
  LACONIC_EXPECTS(x.size() == layout_.size() && g.size() == layout_.size());
  const std::span<double> sums = scratch.sums.take(x.size());
  shard_gradient_sums(worker, x, sums, scratch);
  set_mean_gradient(sums, shards_[worker].size(), x, g);
}

template <Real T>
double ExampleProblem<T>::loss(std::uint32_t worker, std::span<const T> x,
                               ProblemScratch<T>& scratch) const {
  LACONIC_EXPECTS(worker < shards_.size());
  LACONIC_EXPECTS(x.size() == layout_.size());
  return loss_of(shard_counts(worker, x, scratch), x);
}

template <Real T>
Measured ExampleProblem<T>::measure(std::uint32_t worker, std::span<const T> x,
                                    ProblemScratch<T>& scratch) const {
  LACONIC_EXPECTS(worker < shards_.size());
  LACONIC_EXPECTS(x.size() == layout_.size());
  const Counts sums = shard_counts(worker, x, scratch);
  return {.loss = loss_of(sums, x), .train = has_accuracy() ? sums : Counts{}};
}

template <Real T>
double ExampleProblem<T>::loss_of(const Counts& sums, std::span<const T> x) const {
  double penalty = 0;
  for (const Tensor& tensor : layout_.tensors()) {
    if (tensor.role == Role::kBias) continue;
    for (const T value : x.subspan(tensor.offset, tensor.shape.size())) {
      penalty += regulariser_.value(static_cast<double>(value));
    }
  }
  return sums.loss_sum / static_cast<double>(sums.examples) + penalty;
}

template <Real T>
Counts ExampleProblem<T>::train_counts(std::uint32_t worker, std::span<const T> x,
                                       ProblemScratch<T>& scratch) const {
  LACONIC_EXPECTS(worker < shards_.size());
  LACONIC_EXPECTS(x.size() == layout_.size());
  return has_accuracy() ? shard_counts(worker, x, scratch) : Counts{};
}

template <Real T>
Counts ExampleProblem<T>::test_counts(std::uint32_t worker, std::span<const T> x,
                                      ProblemScratch<T>& scratch) const {
  LACONIC_EXPECTS(worker < shards_.size());
  LACONIC_EXPECTS(x.size() == layout_.size());
  if (!has_accuracy()) return {};
  const data::Blocks blocks{.rows = dataset_->test.size(), .workers = workers()};
  const std::size_t first = blocks.begin(worker);
  return counts(RowSet(first, blocks.begin(worker + 1) - first), x, scratch);
}

template <Real T>
void ExampleProblem<T>::scores(std::uint32_t worker, std::span<const T> x, std::span<double> out,
                               ProblemScratch<T>& scratch) const {
  LACONIC_EXPECTS(worker < shards_.size());
  LACONIC_EXPECTS(x.size() == layout_.size());
  LACONIC_EXPECTS(out.size() == shards_[worker].size() * this->score_count());
  row_scores(RowSet(shards_[worker]), x, out, scratch);
}

template <Real T>
const Constants& ExampleProblem<T>::constants() const {
  std::call_once(constants_once_, [this] { constants_ = compute_constants(); });
  return constants_;
}

template <Real T>
std::optional<double> ExampleProblem<T>::minimum() const {
  std::call_once(minimum_once_, [this] { minimum_ = compute_minimum(); });
  return minimum_;
}

template <Real T>
std::string ExampleProblem<T>::description() const {
  std::size_t count = 0;
  for (const auto& shard : shards_) count += shard.size();
  return fmt::format("{}, {} examples, {} features, {} workers", model_name(), count, features(),
                     shards_.size());
}

template <Real T>
void gather(const data::Examples& examples, const RowSet& rows, std::size_t k, std::size_t count,
            std::span<T> out) {
  const std::size_t features = examples.features();
  LACONIC_EXPECTS(out.size() == count * features);
  if (const auto* dense = std::get_if<data::DenseRows>(&examples.rows)) {
    for (std::size_t r = 0; r < count; ++r) {
      const std::span<const float> from = dense->row(rows[k + r]);
      std::copy(from.begin(), from.end(), out.begin() + static_cast<std::ptrdiff_t>(r * features));
    }
    return;
  }
  const auto& sparse = std::get<data::SparseRows>(examples.rows);
  std::fill(out.begin(), out.end(), T{0});
  for (std::size_t r = 0; r < count; ++r) {
    const auto [columns, values] = sparse.row(rows[k + r]);
    for (std::size_t j = 0; j < columns.size(); ++j) {
      out[r * features + columns[j]] = static_cast<T>(values[j]);
    }
  }
}

template class ExampleProblem<float>;
template class ExampleProblem<double>;
template void gather<float>(const data::Examples&, const RowSet&, std::size_t, std::size_t,
                            std::span<float>);
template void gather<double>(const data::Examples&, const RowSet&, std::size_t, std::size_t,
                             std::span<double>);

}  // namespace laconic::problem
