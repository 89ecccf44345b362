// SPDX-License-Identifier: Apache-2.0
// Vectors that are 0 but at some coordinates, and what it takes to add them up without looking at
// all coordinates. Memory that is as long as the vector is asked for once; a call touches as much
// of it as there are numbers. One thread each.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "laconic/base/assert.hpp"
#include "laconic/tensor/layout.hpp"
#include "laconic/tensor/workspace.hpp"

namespace laconic {

// Does not own. Invariant: indices increase strictly and are below dim; as many values as indices.
template <Real T>
struct SparseView {
  std::size_t dim = 0;
  std::span<const std::uint32_t> indices = {};
  std::span<const T> values = {};
};

// Memory of such a vector; keep it, so that it grows once.
template <Real T>
struct SparseVector {
  std::vector<std::uint32_t> indices = {};
  std::vector<T> values = {};
  [[nodiscard]] std::size_t size() const { return indices.size(); }
  void clear() {
    indices.clear();
    values.clear();
  }
  void push(std::uint32_t index, T value) {
    indices.push_back(index);
    values.push_back(value);
  }
  // Room for so many numbers; they are not touched.
  void reserve(std::size_t count) {
    indices.reserve(count);
    values.reserve(count);
  }
  [[nodiscard]] SparseView<T> view(std::size_t dim) const { return {dim, indices, values}; }
};

// A set of numbers below `dim`, as a tree of bits: a bit of a level says that a word of the level
// below is not 0. Going through it in increasing order takes time linear in the members.
class IndexSet {
 public:
  // Precondition: the set is empty.
  void resize(std::size_t dim) {
    levels_.clear();
    do {
      dim = (dim + 63) / 64;
      levels_.emplace_back(dim, std::uint64_t{0});
    } while (dim > 1);
  }
  void insert(std::uint32_t member) {
    for (std::vector<std::uint64_t>& level : levels_) {
      std::uint64_t& word = level[member / 64];
      const bool known = word != 0;
      word |= std::uint64_t{1} << (member % 64);
      if (known) return;
      member /= 64;
    }
  }
  // Calls use(member) in increasing order and empties the set.
  template <class Use>
  void drain(Use use) {
    if (!levels_.empty()) drain(levels_.size() - 1, 0, use);
  }

 private:
  template <class Use>
  void drain(std::size_t level, std::size_t w, Use& use) {
    for (std::uint64_t word = std::exchange(levels_[level][w], 0); word != 0; word &= word - 1) {
      const std::size_t member = w * 64 + static_cast<std::size_t>(std::countr_zero(word));
      if (level == 0) {
        use(static_cast<std::uint32_t>(member));
      } else {
        drain(level - 1, member, use);
      }
    }
  }

  std::vector<std::vector<std::uint64_t>> levels_ = {};
};

// Sums in double at few of many coordinates: each in the order in which its terms are added.
class SparseSums {
 public:
  // Before the first add, and whenever the length changes. Allocates when it does.
  void resize(std::size_t dim) {
    if (sums_.size() == dim) return;
    sums_.assign(dim, 0.0);
    members_.resize(dim);
  }
  // Precondition: index is below dim.
  void add(std::uint32_t index, double term) {
    members_.insert(index);
    sums_[index] += term;
  }
  // Calls use(index, sum) for every coordinate that was added to, in increasing order, and forgets
  // all of them.
  template <class Use>
  void drain(Use use) {
    members_.drain([&](std::uint32_t index) { use(index, std::exchange(sums_[index], 0.0)); });
  }

 private:
  AlignedVector<double> sums_ = {};  // 0 between two rounds
  IndexSet members_ = {};
};

}  // namespace laconic
