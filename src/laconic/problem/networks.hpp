// SPDX-License-Identifier: Apache-2.0
// What the cards of networks have in common. They exist, and are validated, in every build; making
// a network loads the module that holds libtorch (torch_module.hpp). Private to this layer.
#pragma once

#include <string_view>

#include "laconic/problem/methods.hpp"

namespace laconic::problem {

[[nodiscard]] ParamCard network_l2();
[[nodiscard]] ParamCard network_measure();
inline constexpr std::string_view kNetworkPromises =
    "a gradient depends on the point and the examples alone; libtorch's bits may differ between "
    "CPUs";

// The card outlives the method.
[[nodiscard]] ProblemMethod network_of(const Card& card, Takes takes, Metric metric);

}  // namespace laconic::problem
