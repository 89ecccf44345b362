// SPDX-License-Identifier: Apache-2.0
// The training and the test rows of a data set as sparse rows, whatever it stores: dense rows are
// converted once and lose their zeros. Private to this layer.
#pragma once

#include <array>

#include "laconic/data/dataset.hpp"
#include "laconic/problem/example_problem.hpp"

namespace laconic::problem {

class SparseParts {
 public:
  // The data set outlives this.
  explicit SparseParts(const data::Dataset& dataset);
  SparseParts(const SparseParts&) = delete;
  SparseParts& operator=(const SparseParts&) = delete;

  [[nodiscard]] const data::SparseRows& operator[](Part part) const {
    return *rows_[part == Part::kTrain ? 0 : 1];
  }

 private:
  std::array<data::SparseRows, 2> converted_ = {};  // empty where the data set has sparse rows
  std::array<const data::SparseRows*, 2> rows_ = {};
};

}  // namespace laconic::problem
