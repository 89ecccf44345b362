// SPDX-License-Identifier: Apache-2.0
// All gradients of a worker's epoch, by position: what greedy and offline herding work on. O(n d)
// memory. Private to the layer.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "laconic/order/order_policy.hpp"
#include "laconic/order/unit_store.hpp"
#include "laconic/tensor/workspace.hpp"
#include "laconic/wire/values.hpp"

namespace laconic::order {

template <Real T>
class Collected {
 public:
  Collected(std::uint32_t units, std::size_t dim)
      : units_(units), dim_(dim), values_(std::size_t{units} * dim) {}
  [[nodiscard]] std::uint32_t units() const { return units_; }
  [[nodiscard]] std::size_t dim() const { return dim_; }
  [[nodiscard]] std::size_t numbers() const { return values_.size(); }
  [[nodiscard]] std::span<const T> row(std::size_t position) const {
    return std::span<const T>(values_).subspan(position * dim_, dim_);
  }
  void set(std::uint32_t position, const UnitGradient<T>& gradient) {
    const std::span<T> row = std::span<T>(values_).subspan(position * dim_, dim_);
    if (!gradient.is_sparse) {
      std::ranges::copy(gradient.values, row.begin());
      return;
    }
    std::ranges::fill(row, T{0});
    for (std::size_t e = 0; e < gradient.indices.size(); ++e) {
      row[gradient.indices[e]] = gradient.values[e];
    }
  }
  // The mean of all rows, added in double in order of the position.
  void mean(std::span<double> out) const {
    std::ranges::fill(out, 0.0);
    for (std::uint32_t j = 0; j < units_; ++j) {
      const std::span<const T> r = row(j);
      for (std::size_t i = 0; i < dim_; ++i) out[i] += static_cast<double>(r[i]);
    }
    for (double& x : out) x /= units_;
  }
  void save(wire::WireWriter& out) const {
    for (const T value : values_) {
      if constexpr (std::same_as<T, float>) {
        out.f32(value);
      } else {
        out.f64(value);
      }
    }
  }
  void load(wire::WireReader& in) {
    wire::read_values<T>(wire::native_format<T>(), in, std::span<T>(values_));
  }

 private:
  std::uint32_t units_;
  std::size_t dim_;
  AlignedVector<T> values_;
};

}  // namespace laconic::order
