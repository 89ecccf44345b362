// SPDX-License-Identifier: Apache-2.0
// Softmax cross-entropy of one example. Private to this layer.
#pragma once

#include <cstdint>
#include <span>

#include "laconic/problem/problem.hpp"

namespace laconic::problem {

// Adds the example's loss and hit (the largest logit, the first of equals, is the label's) to
// counts.
template <Real T>
void add_cross_entropy(std::span<const T> logits, std::uint32_t label, Counts& counts);

// logits <- gradient of the loss with respect to the logits: softmax minus one at the label. row is
// scratch of as many elements.
template <Real T>
void cross_entropy_slopes(std::span<T> logits, std::uint32_t label, std::span<double> row);

}  // namespace laconic::problem
