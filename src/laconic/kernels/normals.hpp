// SPDX-License-Identifier: Apache-2.0
// random_normals for spans of float or double: the same numbers, made in float.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "laconic/kernels/kernels.hpp"

namespace laconic::kernels {

template <Real T>
void fill_normals(const rng::Stream& stream, std::uint64_t first, std::span<T> out) {
  if constexpr (std::same_as<T, float>) {
    random_normals(stream, first, out);
  } else {
    std::array<float, 512> part;
    for (std::size_t done = 0; done < out.size(); done += part.size()) {
      const std::size_t count = std::min(part.size(), out.size() - done);
      const std::span<float> values = std::span<float>(part).first(count);
      random_normals(stream, first + done, values);
      std::copy(values.begin(), values.end(), out.subspan(done, count).begin());
    }
  }
}

}  // namespace laconic::kernels
