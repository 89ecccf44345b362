// SPDX-License-Identifier: Apache-2.0
// Gradients of ordering units that are fixed groups of examples (cd-grab.md 2.8): the mean over the
// group, made from the gradients of its examples as they come.
//
// Sums are formed in double in order of the examples and rounded once. A group whose examples are
// sparse is sparse, on the union of their coordinates. One thread; owns its memory, which grows in
// the first batches.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "laconic/problem/problem.hpp"
#include "laconic/tensor/workspace.hpp"

namespace laconic {

template <Real T>
class UnitGroups final : public UnitSink<T> {
 public:
  // Precondition: dimension > 0, that of the model.
  explicit UnitGroups(std::size_t dimension);

  // A batch of groups with these numbers of examples, none 0, whose means go to `next`. Both
  // outlive the batch. Groups of one example are passed on as they are.
  void begin(std::span<const std::uint32_t> sizes, UnitSink<T>& next);
  // Examples k = 0, 1, 2, ... of the batch. Precondition: the groups have as many.
  void take(std::size_t k, const UnitRow<T>& row) override;

 private:
  void add(const UnitRow<T>& row);
  void finish(double share);

  std::span<const std::uint32_t> sizes_ = {};
  UnitSink<T>* next_ = nullptr;
  std::size_t group_ = 0;                    // of the batch
  std::uint32_t seen_ = 0;                   // examples of this group
  AlignedVector<double> sums_;               // 0 wherever no example has been
  std::vector<char> touched_;                // which coordinates the sparse examples have
  std::vector<std::uint32_t> indices_ = {};  // those coordinates, then sorted
  bool dense_ = false;                       // an example of this group was dense
  AlignedVector<T> values_ = {};
};

}  // namespace laconic
