// SPDX-License-Identifier: Apache-2.0
#include "laconic/problem/sliced_shard.hpp"

#include <algorithm>
#include <numeric>

namespace laconic::problem {
namespace {

constexpr std::size_t kNarrowLimit = std::size_t{1} << 16;

struct Entry {
  std::uint32_t index = 0;
  double value = 0;
};
using Lists = std::vector<std::vector<Entry>>;

// Entries of lines[order[p]] for every p; they are below `size`, where x is 0.
template <class Index>
Slices<Index> slice_as(const Lists& lines, std::span<const std::uint32_t> order, std::size_t size) {
  Slices<Index> out;
  bool all_one = true;
  for (std::size_t first = 0; first < order.size(); first += kernels::kSliceRows) {
    const std::size_t depth = lines[order[first]].size();  // the longest of the slice
    for (std::size_t step = 0; step < depth; ++step) {
      for (std::size_t lane = 0; lane < kernels::kSliceRows; ++lane) {
        const std::size_t place = first + lane;
        const bool exists = place < order.size() && step < lines[order[place]].size();
        const Entry entry = exists ? lines[order[place]][step]
                                   : Entry{.index = static_cast<std::uint32_t>(size), .value = 1};
        out.columns.push_back(static_cast<Index>(entry.index));
        out.values.push_back(entry.value);
        all_one = all_one && entry.value == 1;
      }
    }
    out.steps.push_back(out.steps.back() + depth);
  }
  if (all_one) out.values.clear();
  out.columns.shrink_to_fit();
  out.values.shrink_to_fit();
  return out;
}

std::variant<Slices<std::uint16_t>, Slices<std::uint32_t>> slice(
    const Lists& lines, std::span<const std::uint32_t> order, std::size_t size) {
  if (size < kNarrowLimit) return slice_as<std::uint16_t>(lines, order, size);
  return slice_as<std::uint32_t>(lines, order, size);
}

template <class AnySlices>
void multiply(const AnySlices& slices, std::span<const double> x, std::span<double> y) {
  std::visit(
      [&]<class Index>(const Slices<Index>& s) {
        kernels::sliced_product<Index>({.steps = s.steps, .columns = s.columns, .values = s.values},
                                       x, y);
      },
      slices);
}

}  // namespace

SlicedShard::SlicedShard(const ShardRows& shard)
    : dimension_(shard.matrix->features + (shard.with_constant ? 1U : 0U)),
      place_of_(shard.rows.size()) {
  const auto longest_first = [](const Lists& lines, std::span<std::uint32_t> order) {
    std::sort(order.begin(), order.end(), [&](std::uint32_t a, std::uint32_t b) {
      return lines[a].size() != lines[b].size() ? lines[a].size() > lines[b].size() : a < b;
    });
  };
  Lists rows(shard.rows.size());
  for (std::size_t k = 0; k < rows.size(); ++k) {
    const auto [columns, values] = shard.matrix->row(shard.rows[k]);
    if (shard.with_constant) rows[k].push_back({.index = shard.matrix->features, .value = 1});
    for (std::size_t j = 0; j < columns.size(); ++j) {
      rows[k].push_back({.index = columns[j], .value = values[j]});
    }
  }
  std::vector<std::uint32_t> order(rows.size());
  std::iota(order.begin(), order.end(), 0U);
  longest_first(rows, order);
  by_row_ = slice(rows, order, dimension_);
  const std::size_t places = std::visit([](const auto& s) { return s.lines(); }, by_row_);
  signs_.assign(places, 1.0);
  for (std::uint32_t place = 0; place < order.size(); ++place) {
    place_of_[order[place]] = place;
    signs_[place] = shard.labels[shard.rows[order[place]]] == 1 ? 1.0 : -1.0;
  }

  Lists columns(dimension_);
  for (std::size_t k = 0; k < rows.size(); ++k) {
    for (const Entry& entry : rows[k]) {
      columns[entry.index].push_back({.index = place_of_[k], .value = entry.value});
    }
  }
  for (std::uint32_t j = 0; j < dimension_; ++j) {
    if (!columns[j].empty()) column_at_.push_back(j);
  }
  longest_first(columns, column_at_);
  by_column_ = slice(columns, column_at_, places);
}

SlicedShard::Buffers SlicedShard::take(Scratch<double>& scratch) const {
  const std::size_t lines = std::visit([](const auto& s) { return s.lines(); }, by_column_);
  const std::span<double> all = scratch.take(dimension_ + 1 + signs_.size() + 1 + lines);
  return {.x = all.first(dimension_ + 1),
          .scores = all.subspan(dimension_ + 1, signs_.size() + 1),
          .sums = all.subspan(dimension_ + 1 + signs_.size() + 1, lines)};
}

template <Real T>
void SlicedShard::score(std::span<const T> x, const Buffers& buffers) const {
  LACONIC_EXPECTS(x.size() == dimension_);
  std::copy(x.begin(), x.end(), buffers.x.begin());
  buffers.x.back() = 0;
  multiply(by_row_, buffers.x, buffers.scores.first(signs_.size()));
}

template <Real T>
void SlicedShard::gradient_sums(std::span<const T> x, std::span<double> sums,
                                Scratch<double>& scratch) const {
  LACONIC_EXPECTS(sums.size() == dimension_);
  const Buffers buffers = take(scratch);
  score(x, buffers);
  kernels::logistic_slopes(signs_, buffers.scores.first(signs_.size()));
  buffers.scores.back() = 0;
  multiply(by_column_, buffers.scores, buffers.sums);
  std::fill(sums.begin(), sums.end(), 0.0);
  for (std::size_t line = 0; line < column_at_.size(); ++line) {
    sums[column_at_[line]] = buffers.sums[line];
  }
}

template <Real T>
Counts SlicedShard::counts(std::span<const T> x, Scratch<double>& scratch) const {
  const Buffers buffers = take(scratch);
  score(x, buffers);
  const std::span<double> scores = buffers.scores.first(signs_.size());
  Counts counts{.examples = place_of_.size()};
  for (const std::uint32_t place : place_of_) {
    counts.correct += (scores[place] > 0) == (signs_[place] > 0) ? 1 : 0;
  }
  kernels::logistic_losses(signs_, scores);
  for (const std::uint32_t place : place_of_) counts.loss_sum += scores[place];
  return counts;
}

#define LACONIC_INSTANTIATE(T)                                                    \
  template void SlicedShard::gradient_sums(std::span<const T>, std::span<double>, \
                                           Scratch<double>&) const;               \
  template Counts SlicedShard::counts(std::span<const T>, Scratch<double>&) const
LACONIC_INSTANTIATE(float);
LACONIC_INSTANTIATE(double);
#undef LACONIC_INSTANTIATE

}  // namespace laconic::problem
