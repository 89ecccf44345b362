// SPDX-License-Identifier: Apache-2.0
#include "laconic/problem/logistic_minimum.hpp"

#include <algorithm>
#include <cmath>

#include "laconic/base/exact_math.hpp"

namespace laconic::problem {
namespace {

constexpr int kMaxSteps = 100;
constexpr int kMaxHalvings = 60;
// Half the squared Newton decrement is the gap that a step promises to close.
constexpr double kRelativeGap = 1e-15;

class Newton {
 public:
  explicit Newton(const LogisticFunction& f)
      : f_(f),
        d_(f.matrix->features + (f.with_constant ? 1U : 0U)),
        x_(d_),
        gradient_(d_),
        step_(d_),
        trial_(d_),
        hessian_(d_ * d_) {}

  std::optional<double> run() {
    double value = this->value(x_);
    for (int t = 0; t < kMaxSteps; ++t) {
      linearise();
      if (!solve()) return std::nullopt;
      double decrement = 0;
      for (std::size_t j = 0; j < d_; ++j) decrement += gradient_[j] * step_[j];
      if (!std::isfinite(decrement)) return std::nullopt;
      if (0.5 * decrement <= kRelativeGap * value) return value;
      const std::optional<double> next = search(value, decrement);
      // No step improves: the value is as low as rounding lets it be, or the model is useless.
      if (!next) return decrement <= 1e3 * kRelativeGap * value ? std::optional(value) : next;
      value = *next;
    }
    return std::nullopt;
  }

 private:
  template <class Use>
  void for_each_row(Use use) const {
    for (const std::vector<std::uint32_t>& shard : f_.shards) {
      const double share =
          1 / (static_cast<double>(f_.shards.size()) * static_cast<double>(shard.size()));
      for (const std::uint32_t i : shard) use(f_.matrix->row(i), f_.labels[i] == 1, share);
    }
  }

  [[nodiscard]] double score(const data::SparseRows::Row& row, std::span<const double> x) const {
    double sum = f_.with_constant ? x.back() : 0.0;
    for (std::size_t j = 0; j < row.columns.size(); ++j) sum += row.values[j] * x[row.columns[j]];
    return sum;
  }

  [[nodiscard]] double value(std::span<const double> x) const {
    double sum = 0;
    for_each_row([&](const data::SparseRows::Row& row, bool positive, double share) {
      const double score = this->score(row, x);
      sum += share * exact::softplus(positive ? -score : score);
    });
    for (const double weight : x.first(f_.matrix->features)) sum += f_.regulariser.value(weight);
    return sum;
  }

  // The gradient at x, and the lower triangle of the Hessian.
  void linearise() {
    std::fill(gradient_.begin(), gradient_.end(), 0.0);
    std::fill(hessian_.begin(), hessian_.end(), 0.0);
    for_each_row([&](const data::SparseRows::Row& row, bool positive, double share) {
      const double probability = exact::sigmoid(score(row, x_));
      const double other = exact::sigmoid(-score(row, x_));  // exact where 1 - p would cancel
      add_row(row, share * (positive ? -other : probability), share * probability * other);
    });
    for (std::size_t j = 0; j < f_.matrix->features; ++j) {
      gradient_[j] += f_.regulariser.slope(x_[j]);
      hessian_[j * d_ + j] += f_.regulariser.curvature(x_[j]);
    }
  }

  void add_row(const data::SparseRows::Row& row, double slope, double curvature) {
    for (std::size_t j = 0; j < row.columns.size(); ++j) {
      gradient_[row.columns[j]] += slope * row.values[j];
      const double factor = curvature * row.values[j];
      double* line = &hessian_[row.columns[j] * d_];
      for (std::size_t k = 0; k <= j; ++k) line[row.columns[k]] += factor * row.values[k];
    }
    if (!f_.with_constant) return;
    gradient_.back() += slope;
    double* line = &hessian_[(d_ - 1) * d_];
    for (std::size_t k = 0; k < row.columns.size(); ++k) {
      line[row.columns[k]] += curvature * row.values[k];
    }
    line[d_ - 1] += curvature;
  }

  // step = H^-1 gradient, by Cholesky in place. False when H is not positive definite.
  bool solve() {
    for (std::size_t i = 0; i < d_; ++i) {
      double* line = &hessian_[i * d_];
      for (std::size_t j = 0; j <= i; ++j) {
        const double* other = &hessian_[j * d_];
        double sum = line[j];
        for (std::size_t k = 0; k < j; ++k) sum -= line[k] * other[k];
        if (j < i) {
          line[j] = sum / other[j];
        } else if (sum > 0) {
          line[i] = std::sqrt(sum);
        } else {
          return false;
        }
      }
    }
    for (std::size_t i = 0; i < d_; ++i) {
      double sum = gradient_[i];
      for (std::size_t k = 0; k < i; ++k) sum -= hessian_[i * d_ + k] * step_[k];
      step_[i] = sum / hessian_[i * d_ + i];
    }
    for (std::size_t i = d_; i-- > 0;) {
      double sum = step_[i];
      for (std::size_t k = i + 1; k < d_; ++k) sum -= hessian_[k * d_ + i] * step_[k];
      step_[i] = sum / hessian_[i * d_ + i];
    }
    return true;
  }

  // Moves x against the step, halved until the value falls by a quarter of what it promises.
  std::optional<double> search(double value, double decrement) {
    double length = 1;
    for (int t = 0; t < kMaxHalvings; ++t, length *= 0.5) {
      for (std::size_t j = 0; j < d_; ++j) trial_[j] = x_[j] - length * step_[j];
      const double next = this->value(trial_);
      if (next <= value - 0.25 * length * decrement) {
        x_.swap(trial_);
        return next;
      }
    }
    return std::nullopt;
  }

  const LogisticFunction& f_;
  std::size_t d_;
  std::vector<double> x_;
  std::vector<double> gradient_;
  std::vector<double> step_;
  std::vector<double> trial_;
  std::vector<double> hessian_;  // row-major, lower triangle; then its Cholesky factor
};

}  // namespace

std::optional<double> logistic_minimum(const LogisticFunction& f) {
  const std::size_t dimension = f.matrix->features + (f.with_constant ? 1U : 0U);
  if (dimension > kMaxNewtonDimension || f.regulariser.lowest_curvature() <= 0) return std::nullopt;
  return Newton(f).run();
}

}  // namespace laconic::problem
