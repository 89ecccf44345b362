// SPDX-License-Identifier: Apache-2.0
// How well orders herd (cd-grab.md 1): the parallel herding bound
//
//   H = max over time steps k of | sum over j < k, sum over workers i of (z_i,order_i(j) - mean) |
//
// with the exact mean of all vectors subtracted. One convention: prefixes end after whole time
// steps, in which all workers move at once. A worker whose units are used up adds nothing.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "laconic/tensor/layout.hpp"

namespace laconic {

// The vectors of all workers, one behind the other: worker 0's units 0, 1, ..., then worker 1's.
template <Real T>
struct WorkerVectors {
  std::span<const T> values = {};             // sum of units, times dim
  std::span<const std::uint32_t> units = {};  // by worker
  std::size_t dim = 0;
};

struct HerdingBound {
  double infinity = 0;  // in the largest-magnitude norm
  double euclid = 0;    // in the Euclidean norm
};

// orders[i]: the order of worker i, a permutation of its units. O(sum of units * dim).
// Preconditions: the sizes fit each other, at least one worker.
template <Real T>
[[nodiscard]] HerdingBound herding_bound(const WorkerVectors<T>& vectors,
                                         std::span<const std::vector<std::uint32_t>> orders);

}  // namespace laconic
