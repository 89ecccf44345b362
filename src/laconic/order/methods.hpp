// SPDX-License-Identifier: Apache-2.0
// What every order's .cpp defines for the registry, and what the random ones share. Private.
#pragma once

#include <cstdint>
#include <span>

#include "laconic/order/order_policy.hpp"

namespace laconic::order_methods {

#define X(name) Method<OrderPolicy, OrderSetup> name();
#include "laconic/order/methods.def"
#undef X

// 0, 1, ..., size - 1.
void fill_identity(std::span<std::uint32_t> order);
// The permutation that the worker's stream of epoch e gives. A function of (setup, e) alone, which
// is what lets epochs be asked for in any order.
void fill_shuffled(const OrderSetup& setup, std::uint32_t e, std::span<std::uint32_t> order);

}  // namespace laconic::order_methods
