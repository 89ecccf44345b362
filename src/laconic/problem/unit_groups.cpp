// SPDX-License-Identifier: Apache-2.0
#include "laconic/problem/unit_groups.hpp"

#include <algorithm>

#include "laconic/base/assert.hpp"

namespace laconic {

template <Real T>
UnitGroups<T>::UnitGroups(std::size_t dimension) : sums_(dimension), touched_(dimension) {
  LACONIC_EXPECTS(dimension > 0);
}

template <Real T>
void UnitGroups<T>::begin(std::span<const std::uint32_t> sizes, UnitSink<T>& next) {
  sizes_ = sizes;
  next_ = &next;
  group_ = 0;
  if (seen_ == 0 && indices_.empty() && !dense_) return;
  // An exception has left something of the last batch.
  std::fill(sums_.begin(), sums_.end(), 0.0);
  std::fill(touched_.begin(), touched_.end(), char{0});
  indices_.clear();
  dense_ = false;
  seen_ = 0;
}

template <Real T>
void UnitGroups<T>::take(std::size_t /*k*/, const UnitRow<T>& row) {
  LACONIC_EXPECTS(group_ < sizes_.size());
  const std::uint32_t size = sizes_[group_];
  LACONIC_EXPECTS(size > 0);
  if (size == 1) {
    next_->take(group_++, row);
    return;
  }
  add(row);
  if (++seen_ == size) finish(1 / static_cast<double>(size));
}

template <Real T>
void UnitGroups<T>::add(const UnitRow<T>& row) {
  if (row.dense()) {
    LACONIC_EXPECTS(row.values.size() == sums_.size());
    dense_ = true;
    for (std::size_t j = 0; j < sums_.size(); ++j) sums_[j] += static_cast<double>(row.values[j]);
    return;
  }
  LACONIC_EXPECTS(row.indices.size() == row.values.size());
  for (std::size_t e = 0; e < row.indices.size(); ++e) {
    const std::uint32_t j = row.indices[e];
    LACONIC_EXPECTS(j < sums_.size());
    sums_[j] += static_cast<double>(row.values[e]);
    if (touched_[j] != 0) continue;
    touched_[j] = 1;
    indices_.push_back(j);
  }
}

template <Real T>
void UnitGroups<T>::finish(double share) {
  const std::size_t group = group_++;
  seen_ = 0;
  if (dense_) {
    values_.resize(sums_.size());
    for (std::size_t j = 0; j < sums_.size(); ++j) {
      values_[j] = static_cast<T>(sums_[j] * share);
      sums_[j] = 0;
    }
    for (const std::uint32_t j : indices_) touched_[j] = 0;
    indices_.clear();
    dense_ = false;
    next_->take(group, {.indices = {}, .values = values_});
    return;
  }
  std::sort(indices_.begin(), indices_.end());
  values_.resize(indices_.size());
  for (std::size_t e = 0; e < indices_.size(); ++e) {
    const std::uint32_t j = indices_[e];
    values_[e] = static_cast<T>(sums_[j] * share);
    sums_[j] = 0;
    touched_[j] = 0;
  }
  next_->take(group, {.indices = indices_, .values = values_});
  indices_.clear();
}

template class UnitGroups<float>;
template class UnitGroups<double>;

}  // namespace laconic
