// SPDX-License-Identifier: Apache-2.0
// Kernels of kernels.hpp on vectors that are 0 but at some coordinates: the same bits as the dense
// ones on the vector with its zeros, in time linear in the numbers. That works because the
// canonical order keeps every coordinate in a lane of its own choice, to which a 0 adds nothing,
// and because random draws are named by coordinates.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "laconic/kernels/kernels.hpp"
#include "laconic/tensor/sparse.hpp"

namespace laconic::kernels {

template <Real T>
[[nodiscard]] double squared_norm(const SparseView<T>& x);
// Values that are 0 are not there.
template <Real T>
MagnitudeSums bracket_magnitudes(T low, T high, const SparseView<T>& x, std::vector<T>& bracketed);
// As round_to_codes with first = 0, also for one level: one code per value. Precondition: all
// finite.
template <Real T>
void round_to_codes(const RandomRounding<T>& rounding, const SparseView<T>& x,
                    const rng::Stream& stream, std::span<std::uint16_t> codes);

}  // namespace laconic::kernels
