// SPDX-License-Identifier: Apache-2.0
// The trigger of LAG (2018) and LAQ (2019): changes are compared with how far the model has moved
// of late, (1 / gamma^2) sum_{j=1..D} xi |x^{t+1-j} - x^{t-j}|^2 (3pc.md 4; for the mean instead of
// the sum over M workers the factor 1 / M^2 is in gamma). Private to this layer.
#pragma once

#include "laconic/mechanism/support.hpp"

namespace laconic::mechanism {

struct LagTrigger {
  std::uint32_t memory = 10;  // D
  double weight = 0.1;        // xi
  // Until D steps were made nothing is compared: everybody sends.
  template <Real T>
  [[nodiscard]] bool is_warm(const Movement<T>& movement) const {
    return movement.squared_steps.size() >= memory;
  }
  template <Real T>
  [[nodiscard]] double threshold(const Movement<T>& movement) const {
    double sum = 0;
    for (const double square : movement.squared_steps) sum += weight * square;
    return movement.step_size > 0 ? sum / (movement.step_size * movement.step_size) : 0;
  }
};

// `memory` and `xi` with this default; xi = 0 stands for `factor` / memory.
[[nodiscard]] std::vector<ParamCard> lag_trigger_params(std::string_view xi_help);
[[nodiscard]] LagTrigger lag_trigger(const Args& args, double factor);

}  // namespace laconic::mechanism
