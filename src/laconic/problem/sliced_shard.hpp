// SPDX-License-Identifier: Apache-2.0
// One worker's rows of a logistic regression, laid out for passes over all of them: sliced by rows
// for the scores and by columns for the sums, so that both are products of kernels. Every score
// adds its row's entries in order of the columns, every sum its column's entries in order of the
// rows: the order, and so the bits, of a plain loop over the rows. Private to this layer.
//
// Thread rule: const methods may run on many threads at once, each with a scratch of its own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <variant>
#include <vector>

#include "laconic/data/dataset.hpp"
#include "laconic/kernels/kernels.hpp"
#include "laconic/problem/problem.hpp"

namespace laconic::problem {

struct ShardRows {
  const data::SparseRows* matrix = nullptr;
  std::span<const std::uint32_t> labels = {};  // 0 or 1, of every row of the matrix
  std::span<const std::uint32_t> rows = {};    // of the shard, in order
  bool with_constant = false;                  // a further feature that is 1 in every row
};

// What kernels::SlicedMatrix views. Lines are sorted by their number of entries, the longest first,
// so that little is filled up.
template <class Index>
struct Slices {
  std::vector<std::size_t> steps = {0};
  std::vector<Index> columns = {};
  std::vector<double> values = {};  // none: all are 1
  [[nodiscard]] std::size_t lines() const { return (steps.size() - 1) * kernels::kSliceRows; }
};

class SlicedShard {
 public:
  explicit SlicedShard(const ShardRows& shard);

  // sums (overwritten) = sum over the rows of the gradient of their loss; one element per feature,
  // then that of the constant.
  template <Real T>
  void gradient_sums(std::span<const T> x, std::span<double> sums, Scratch<double>& scratch) const;
  // Losses added in order of the rows.
  template <Real T>
  [[nodiscard]] Counts counts(std::span<const T> x, Scratch<double>& scratch) const;

 private:
  using AnySlices = std::variant<Slices<std::uint16_t>, Slices<std::uint32_t>>;

  struct Buffers {
    std::span<double> x = {};       // the model and a 0
    std::span<double> scores = {};  // one per place; a 0 behind them
    std::span<double> sums = {};    // one per line of by_column_
  };
  [[nodiscard]] Buffers take(Scratch<double>& scratch) const;
  // Sets x and the scores.
  template <Real T>
  void score(std::span<const T> x, const Buffers& buffers) const;

  std::size_t dimension_ = 0;
  AnySlices by_row_;
  AnySlices by_column_;
  std::vector<double> signs_;             // of the row at each place, 1 where there is none
  std::vector<std::uint32_t> place_of_;   // of row k of the shard, among the lines of by_row_
  std::vector<std::uint32_t> column_at_;  // of each line of by_column_
};

}  // namespace laconic::problem
