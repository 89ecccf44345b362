// SPDX-License-Identifier: Apache-2.0
// Mean and deviation of numbers, by which they are scaled. Sums are formed in double, in order.
// Private to this layer.
#pragma once

#include <cmath>
#include <span>

namespace laconic::data {

struct Moments {
  double mean = 0;
  double deviation = 0;
};

// Precondition: there are values.
template <class T>
[[nodiscard]] Moments moments_of(std::span<const T> values) {
  const auto count = static_cast<double>(values.size());
  double sum = 0;
  for (const T value : values) sum += static_cast<double>(value);
  const double mean = sum / count;
  double squares = 0;
  for (const T value : values) {
    const double difference = static_cast<double>(value) - mean;
    squares += difference * difference;
  }
  return {.mean = mean, .deviation = std::sqrt(squares / count)};
}

}  // namespace laconic::data
