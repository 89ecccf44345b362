// SPDX-License-Identifier: Apache-2.0
#include "laconic/problem/smoothness.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <variant>

namespace laconic::problem {
namespace {

constexpr double kResidual = 1e-8;
constexpr int kMaxIterations = 20000;

// Eight partial sums, so that the loop is not one chain of dependent additions.
double inner(std::span<const float> a, std::span<const double> v) {
  std::array<double, 8> lane{};
  const std::size_t whole = a.size() / 8 * 8;
  for (std::size_t j = 0; j < whole; j += 8) {
    for (std::size_t l = 0; l < 8; ++l) lane[l] += static_cast<double>(a[j + l]) * v[j + l];
  }
  double sum = 0;
  for (const double part : lane) sum += part;
  for (std::size_t j = whole; j < a.size(); ++j) sum += static_cast<double>(a[j]) * v[j];
  return sum;
}

double inner(const data::SparseRows::Row& a, std::span<const double> v) {
  double sum = 0;
  for (std::size_t j = 0; j < a.columns.size(); ++j) sum += a.values[j] * v[a.columns[j]];
  return sum;
}

void add_multiple(double factor, std::span<const float> a, std::span<double> out) {
  for (std::size_t j = 0; j < a.size(); ++j) out[j] += factor * static_cast<double>(a[j]);
}

void add_multiple(double factor, const data::SparseRows::Row& a, std::span<double> out) {
  for (std::size_t j = 0; j < a.columns.size(); ++j) out[a.columns[j]] += factor * a.values[j];
}

// Calls use(row, weight) for every row of every group.
template <class Use>
void for_each_row(const data::Examples& examples, std::span<const RowGroup> groups, Use use) {
  std::visit(
      [&](const auto& matrix) {
        for (const RowGroup& group : groups) {
          for (const std::uint32_t row : group.rows) use(matrix.row(row), group.weight);
        }
      },
      examples.rows);
}

std::size_t dimension(const Features& features) {
  return features.examples->features() + (features.with_constant ? 1U : 0U);
}

// out = (sum_k weight_k a_k a_k^T) v
void apply(const Features& features, std::span<const RowGroup> groups, std::span<const double> v,
           std::span<double> out) {
  std::fill(out.begin(), out.end(), 0.0);
  for_each_row(*features.examples, groups, [&](const auto& row, double weight) {
    const double product = inner(row, v) + (features.with_constant ? v.back() : 0.0);
    add_multiple(weight * product, row, out);
    if (features.with_constant) out.back() += weight * product;
  });
}

double norm(std::span<const double> v) {
  double sum = 0;
  for (const double value : v) sum += value * value;
  return std::sqrt(sum);
}

}  // namespace

double largest_eigenvalue(const Features& features, std::span<const RowGroup> groups) {
  std::vector<double> v(dimension(features));
  std::vector<double> next(v.size());
  for (std::size_t j = 0; j < v.size(); ++j) {
    // Positive and without a pattern: multiples of the golden ratio modulo 1.
    const double multiple = 0.6180339887498949 * static_cast<double>(j + 1);
    v[j] = 1 + (multiple - std::floor(multiple));
  }
  double length = norm(v);
  double eigenvalue = 0;
  for (int iteration = 0; iteration < kMaxIterations && length > 0; ++iteration) {
    for (double& value : v) value /= length;
    apply(features, groups, v, next);
    eigenvalue = 0;
    for (std::size_t j = 0; j < v.size(); ++j) eigenvalue += v[j] * next[j];
    double residual = 0;
    for (std::size_t j = 0; j < v.size(); ++j) {
      const double difference = next[j] - eigenvalue * v[j];
      residual += difference * difference;
    }
    if (std::sqrt(residual) <= kResidual * eigenvalue) break;
    v.swap(next);
    length = norm(v);
  }
  return eigenvalue;
}

std::vector<double> diagonal_bound(const Features& features, std::span<const RowGroup> groups) {
  std::vector<double> bound(dimension(features));
  const double constant = features.with_constant ? 1.0 : 0.0;
  const auto& rows = features.examples->rows;
  const auto* dense = std::get_if<data::DenseRows>(&rows);
  for (const RowGroup& group : groups) {
    for (const std::uint32_t k : group.rows) {
      double l1 = constant;
      if (dense != nullptr) {
        for (const float value : dense->row(k)) l1 += std::fabs(static_cast<double>(value));
        const double factor = group.weight * l1;
        for (std::size_t j = 0; j < dense->features; ++j) {
          bound[j] += factor * std::fabs(static_cast<double>(dense->row(k)[j]));
        }
      } else {
        const auto [columns, values] = std::get<data::SparseRows>(rows).row(k);
        for (const double value : values) l1 += std::fabs(value);
        for (std::size_t j = 0; j < columns.size(); ++j) {
          bound[columns[j]] += group.weight * l1 * std::fabs(values[j]);
        }
      }
      if (features.with_constant) bound.back() += group.weight * l1;
    }
  }
  return bound;
}

std::vector<RowGroup> mean_groups(std::span<const std::vector<std::uint32_t>> shards) {
  std::vector<RowGroup> groups;
  for (const auto& shard : shards) {
    const double rows = static_cast<double>(shards.size()) * static_cast<double>(shard.size());
    groups.push_back({.rows = shard, .weight = 1 / rows});
  }
  return groups;
}

Constants smoothness_of(const Features& features,
                        std::span<const std::vector<std::uint32_t>> shards,
                        SmoothnessBounds bounds) {
  Constants constants;
  double squares = 0;
  for (const auto& shard : shards) {
    const RowGroup group{.rows = shard, .weight = 1 / static_cast<double>(shard.size())};
    const double eigenvalue = largest_eigenvalue(features, {&group, 1});
    constants.l_worker.push_back(bounds.curvature * eigenvalue + bounds.regulariser);
    squares += constants.l_worker.back() * constants.l_worker.back();
  }
  constants.l_plus = std::sqrt(squares / static_cast<double>(shards.size()));
  const double eigenvalue = largest_eigenvalue(features, mean_groups(shards));
  constants.l_minus = bounds.curvature * eigenvalue + bounds.regulariser;
  return constants;
}

}  // namespace laconic::problem
