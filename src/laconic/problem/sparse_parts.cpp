// SPDX-License-Identifier: Apache-2.0
#include "laconic/problem/sparse_parts.hpp"

#include <algorithm>
#include <variant>

namespace laconic::problem {
namespace {

data::SparseRows without_zeros(const data::DenseRows& dense) {
  data::SparseRows sparse;
  sparse.features = dense.features;
  const auto zeros = std::count(dense.values.begin(), dense.values.end(), 0.0F);
  sparse.columns.reserve(dense.values.size() - static_cast<std::size_t>(zeros));
  sparse.values.reserve(dense.values.size() - static_cast<std::size_t>(zeros));
  sparse.offsets.reserve(dense.rows() + 1);
  for (std::size_t i = 0; i < dense.rows(); ++i) {
    for (std::uint32_t j = 0; j < dense.features; ++j) {
      const float value = dense.row(i)[j];
      if (value == 0) continue;
      sparse.columns.push_back(j);
      sparse.values.push_back(static_cast<double>(value));
    }
    sparse.offsets.push_back(sparse.columns.size());
  }
  return sparse;
}

}  // namespace

SparseParts::SparseParts(const data::Dataset& dataset) {
  const std::array<const data::Examples*, 2> parts = {&dataset.train, &dataset.test};
  for (std::size_t k = 0; k < parts.size(); ++k) {
    if (const auto* dense = std::get_if<data::DenseRows>(&parts[k]->rows)) {
      converted_[k] = without_zeros(*dense);
      rows_[k] = &converted_[k];
    } else {
      rows_[k] = &std::get<data::SparseRows>(parts[k]->rows);
    }
  }
}

}  // namespace laconic::problem
