// SPDX-License-Identifier: Apache-2.0
// How much a compressor changed a vector.
#pragma once

#include <span>

#include "laconic/tensor/layout.hpp"

namespace laconic {

// Signal-to-noise ratio in dB, -10 log10(|q - x|^2 / |x|^2) (quantized-adagrad.md section 3), sums
// in the canonical order. Infinite where q is x; minus infinite where x is 0 and q is not.
// Precondition: as many numbers in q as in x, all finite.
template <Real T>
[[nodiscard]] double snr_db(std::span<const T> x, std::span<const T> q);

}  // namespace laconic
