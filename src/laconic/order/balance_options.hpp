// SPDX-License-Identifier: Apache-2.0
// The parameters that grab, pair-grab and cd-grab have in common. Private to the layer.
#pragma once

#include <cstdint>
#include <vector>

#include "laconic/base/args.hpp"
#include "laconic/order/sign_rule.hpp"

namespace laconic::order {

enum class Lone : std::uint8_t { kMiddle, kSign };

struct BalanceOptions {
  RuleSetup rule = {};
  bool random_start = true;
  Lone lone = Lone::kMiddle;  // pairs only
  std::uint64_t reset = 0;    // the sum starts anew every so many vectors; 0: never in an epoch
  bool float_sum = false;     // the sum is rounded to f32 after every vector
  std::uint32_t sketch = 0;   // numbers of a sketch; 0: whole gradients
};

// rule, c, bound, initial, reset, sum, sketch; for pairs also lone.
[[nodiscard]] std::vector<ParamCard> balance_params(bool pairs);
[[nodiscard]] BalanceOptions balance_options(const Args& args, std::uint64_t seed, bool pairs);

}  // namespace laconic::order
