// SPDX-License-Identifier: Apache-2.0
// The number of rounds for which the convergence theorem of Signum steps along sgn(g) while it
// accumulates the momentum (signsgd.md 4.4).
#pragma once

#include <cstdint>

namespace laconic {

inline constexpr double kMaxWarmupBeta = 0.999999;

// C(beta): the smallest C >= 1 with (C/2) beta^C <= 1/((1 - beta^2)(C + 1)) and beta^(C+1) <= 1/2.
// Linear in C, about 20 million for the largest beta. Precondition: 0 <= beta <= kMaxWarmupBeta.
[[nodiscard]] std::uint64_t signum_warmup_rounds(double beta);

}  // namespace laconic
