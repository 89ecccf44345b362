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

// What a network is made for, and whether a model of it, its numbers alone, says what an example
// is.
struct NetworkTraits {
  Takes takes = Takes::kImages;
  Metric metric = Metric::kAccuracy;
  bool predicts = false;
};

// The card outlives the method.
[[nodiscard]] ProblemMethod network_of(const Card& card, const NetworkTraits& traits);

}  // namespace laconic::problem
