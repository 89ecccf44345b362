// SPDX-License-Identifier: Apache-2.0
#include "laconic/order/sketch.hpp"

#include <algorithm>

#include "laconic/base/assert.hpp"
#include "laconic/kernels/kernels.hpp"
#include "laconic/order/draws.hpp"

namespace laconic {

SignSketch::SignSketch(std::uint64_t seed, std::size_t dim, std::uint32_t size)
    : size_(size), copies_(size >= 4 ? 4 : 1), places_(dim * copies_), sums_(size) {
  LACONIC_EXPECTS(size > 0 && size <= (1U << 24));
  const rng::Stream stream(seed, {.purpose = rng::Purpose::kOrder, .tensor = order::kSketchDraws});
  kernels::random_words(stream, 0, places_);
  for (std::size_t i = 0; i < places_.size(); ++i) {
    const std::uint64_t part = i % copies_;
    const std::uint64_t begin = part * size / copies_;
    const std::uint64_t count = (part + 1) * size / copies_ - begin;
    const std::uint32_t word = places_[i];
    const auto place = static_cast<std::uint32_t>(begin + (((word >> 1) * count) >> 31));
    places_[i] = 2 * place + (word & 1);
  }
}

template <Real T>
UnitGradient<T> SignSketch::project(const UnitGradient<T>& gradient) {
  std::ranges::fill(sums_, 0.0);
  const double factor = copies_ == 4 ? 0.5 : 1.0;  // exact
  for (std::size_t e = 0; e < gradient.values.size(); ++e) {
    const std::size_t i = gradient.is_sparse ? gradient.indices[e] : e;
    const double value = factor * static_cast<double>(gradient.values[e]);
    for (std::size_t c = i * copies_; c < (i + 1) * copies_; ++c) {
      sums_[places_[c] / 2] += (places_[c] & 1) != 0 ? -value : value;
    }
  }
  AlignedVector<T>* out = nullptr;
  if constexpr (std::same_as<T, float>) {
    out = &floats_;
  } else {
    out = &doubles_;
  }
  out->resize(size_);
  for (std::size_t i = 0; i < size_; ++i) (*out)[i] = static_cast<T>(sums_[i]);
  return UnitGradient<T>::dense(*out);
}
template UnitGradient<float> SignSketch::project(const UnitGradient<float>&);
template UnitGradient<double> SignSketch::project(const UnitGradient<double>&);

}  // namespace laconic
