// SPDX-License-Identifier: Apache-2.0
// When a method has come far enough: a target for the state, a budget of uplink traffic.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "laconic/base/error.hpp"
#include "laconic/experiment/observer.hpp"

namespace laconic::experiment {

// "grad_norm2 <= 1e-12".
struct Until {
  enum class Quantity : std::uint8_t {
    kGradNorm2,  // |grad f(x)|^2
    kGradNorm,   // |grad f(x)|
    kLoss,       // f(x)
    kLossGap,    // f(x) - f*
  };
  Quantity quantity = Quantity::kGradNorm2;
  double at_most = 0;
  bool operator==(const Until&) const = default;
};

// "5Mbit", "5Mbit wire": uplink bits per worker, in the mean over the workers.
struct Budget {
  enum class Meter : std::uint8_t { kPaper, kWire, kFrame };
  double bits = 0;
  Meter meter = Meter::kPaper;
  bool operator==(const Budget&) const = default;
};

// On failure the message names the value and what is expected.
[[nodiscard]] Result<Until> parse_until(std::string_view text);
[[nodiscard]] Result<Budget> parse_budget(std::string_view text);
// What parse_until and parse_budget read back.
[[nodiscard]] std::string text_of(const Until& until);
[[nodiscard]] std::string text_of(const Budget& budget);

[[nodiscard]] inline bool is_gradient(Until::Quantity quantity) {
  return quantity == Until::Quantity::kGradNorm2 || quantity == Until::Quantity::kGradNorm;
}
// Of a state whose squared gradient norm is known.
[[nodiscard]] bool holds_for_gradient(const Until& until, double grad_norm2);
// Of a state whose loss is known. f_star matters to kLossGap only.
[[nodiscard]] bool holds_for_loss(const Until& until, double loss, double f_star);
// Of a state that was measured; false when the quantity was not measured or is not a number.
[[nodiscard]] bool holds(const Until& until, const Metrics& metrics,
                         const std::optional<double>& f_star);

// Uplink bits per worker as the budget counts them.
[[nodiscard]] double spent(const Budget& budget, const TrafficPerWorker& uplink);

}  // namespace laconic::experiment
