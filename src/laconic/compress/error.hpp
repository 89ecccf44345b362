// SPDX-License-Identifier: Apache-2.0
// How much a compressor changed vectors.
#pragma once

#include <span>

#include "laconic/tensor/layout.hpp"

namespace laconic {

// Sums over what was compressed. Whoever adds up those of several workers does so in order of the
// worker, so that the bits do not depend on ranks.
struct Distortion {
  double signal = 0;  // |x|^2
  double noise = 0;   // |Q(x) - x|^2
  Distortion& operator+=(const Distortion& other) {
    signal += other.signal;
    noise += other.noise;
    return *this;
  }
  bool operator==(const Distortion&) const = default;
};
// Of one vector x, of which q arrives; sums in the canonical order. Precondition: as many numbers
// in q as in x, all finite.
template <Real T>
[[nodiscard]] Distortion distortion(std::span<const T> x, std::span<const T> q);

// Signal-to-noise ratio in dB, -10 log10(noise / signal) (quantized-adagrad.md section 3). Infinite
// without noise; minus infinite where there is noise only.
[[nodiscard]] double snr_db(const Distortion& distortion);

}  // namespace laconic
