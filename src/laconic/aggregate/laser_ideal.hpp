// SPDX-License-Identifier: Apache-2.0
// What the theory of LASER describes (laser.md 2.3, end): one worker, exact truncated singular
// value decomposition, p_j = sqrt(sigma_j) u_j and q_j = sqrt(sigma_j) v_j, both sent over the
// channel; the direction is the product of what arrives.
#pragma once

#include <memory>

#include "laconic/aggregate/low_rank.hpp"

namespace laconic::aggregate {

// Precondition: setup.workers == 1.
template <Real T>
[[nodiscard]] std::unique_ptr<Aggregator<T>> make_ideal_low_rank(
    const AggregatorSetup& setup, const LowRankOptions& options,
    std::unique_ptr<SymbolMean<T>> mean);

}  // namespace laconic::aggregate
