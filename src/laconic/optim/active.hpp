// SPDX-License-Identifier: Apache-2.0
// The coordinates that a sparse step has to visit: those with a direction, and those that were not
// 0 before. Private.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "laconic/tensor/sparse.hpp"
#include "laconic/wire/state.hpp"

namespace laconic {

class ActiveSet {
 public:
  // Starts with the coordinates of `count` for which keep(i) holds.
  template <class Keep>
  void start(std::size_t count, Keep keep) {
    members_.clear();
    members_.reserve(count);  // how many there are varies; memory shall not
    next_.reserve(count);
    for (std::size_t i = 0; i < count; ++i) {
      if (keep(i)) members_.push_back(static_cast<std::uint32_t>(i));
    }
  }
  // Calls visit(i, q_i), q_i = 0 where there is no direction, in increasing order of i, once for
  // each of the members and of the direction's indices; those stay for which it is true.
  template <Real T, class Visit>
  std::span<const std::uint32_t> update(const SparseView<T>& direction, Visit visit) {
    next_.clear();
    std::size_t m = 0;
    std::size_t j = 0;
    while (m < members_.size() || j < direction.indices.size()) {
      const bool directed = j < direction.indices.size() &&
                            (m == members_.size() || direction.indices[j] <= members_[m]);
      const std::uint32_t i = directed ? direction.indices[j] : members_[m];
      if (m < members_.size() && members_[m] == i) ++m;
      if (visit(i, directed ? direction.values[j] : T{0})) next_.push_back(i);
      j += directed ? 1U : 0U;
    }
    std::swap(members_, next_);
    return members_;
  }
  // Of `count` coordinates.
  void state(wire::StateArchive& archive, std::size_t count) {
    archive.indices("active", members_, count);
  }

 private:
  std::vector<std::uint32_t> members_ = {};
  std::vector<std::uint32_t> next_ = {};
};

}  // namespace laconic
