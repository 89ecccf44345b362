// SPDX-License-Identifier: Apache-2.0
#include "laconic/experiment/stopping.hpp"

#include <fmt/format.h>

#include <array>
#include <cmath>

#include "laconic/base/card.hpp"

namespace laconic::experiment {
namespace {

constexpr std::string_view kUntilForm =
    "QUANTITY <= NUMBER, e.g. 'grad_norm2 <= 1e-12'; quantities are grad_norm2, grad_norm, loss "
    "and "
    "loss_gap";
constexpr std::string_view kBudgetForm =
    "a positive number and bit, kbit, Mbit or Gbit, e.g. '5Mbit' or '5Mbit wire'; meters are "
    "paper, "
    "wire and frame";
constexpr std::size_t kShown = 60;

struct QuantityName {
  std::string_view name;
  Until::Quantity quantity;
};
constexpr std::array<QuantityName, 4> kQuantities = {{{"grad_norm2", Until::Quantity::kGradNorm2},
                                                      {"grad_norm", Until::Quantity::kGradNorm},
                                                      {"loss", Until::Quantity::kLoss},
                                                      {"loss_gap", Until::Quantity::kLossGap}}};
struct MeterName {
  std::string_view name;
  Budget::Meter meter;
};
constexpr std::array<MeterName, 3> kMeters = {{{"paper", Budget::Meter::kPaper},
                                               {"wire", Budget::Meter::kWire},
                                               {"frame", Budget::Meter::kFrame}}};
struct Unit {
  std::string_view name;
  double bits;
};
// Longer names first: "kbit" ends with "bit".
constexpr std::array<Unit, 4> kUnits = {{{"kbit", 1e3}, {"Mbit", 1e6}, {"Gbit", 1e9}, {"bit", 1}}};

std::string_view trimmed(std::string_view text) {
  while (text.starts_with(' ')) text.remove_prefix(1);
  while (text.ends_with(' ')) text.remove_suffix(1);
  return text;
}

// Fit to stand in a one-line message.
std::string shown(std::string_view text) {
  std::string out(text.substr(0, kShown));
  for (char& c : out) c = c < ' ' || c >= 0x7f ? '?' : c;
  return text.size() > kShown ? out + "..." : out;
}

}  // namespace

Result<Until> parse_until(std::string_view text) {
  const std::size_t sign = text.find("<=");
  if (sign == std::string_view::npos) {
    return Failure{fmt::format("until = '{}' is not {}", shown(text), kUntilForm)};
  }
  const std::string_view name = trimmed(text.substr(0, sign));
  const std::string_view limit_text = trimmed(text.substr(sign + 2));
  for (const QuantityName& known : kQuantities) {
    if (known.name != name) continue;
    const auto limit = parse_real(limit_text);
    if (!limit) {
      return Failure{
          fmt::format("until: '{}' is not a number; write {}", shown(limit_text), kUntilForm)};
    }
    if (known.quantity != Until::Quantity::kLoss && *limit < 0) {
      return Failure{
          fmt::format("until: {} is never below 0, so it is not <= {}; use a limit of at "
                      "least 0",
                      name, shortest(*limit))};
    }
    return Until{.quantity = known.quantity, .at_most = *limit};
  }
  return Failure{
      fmt::format("until: '{}' is not a known quantity; write {}", shown(name), kUntilForm)};
}

Result<Budget> parse_budget(std::string_view text) {
  Budget budget;
  std::string_view amount = trimmed(text);
  for (const MeterName& known : kMeters) {
    if (!amount.ends_with(known.name)) continue;
    budget.meter = known.meter;
    amount = trimmed(amount.substr(0, amount.size() - known.name.size()));
    break;
  }
  for (const Unit& unit : kUnits) {
    if (!amount.ends_with(unit.name)) continue;
    const auto number = parse_real(trimmed(amount.substr(0, amount.size() - unit.name.size())));
    if (!number || *number <= 0 || !std::isfinite(*number * unit.bits)) break;
    budget.bits = *number * unit.bits;
    return budget;
  }
  return Failure{fmt::format("budget = '{}' is not {}", shown(text), kBudgetForm)};
}

std::string text_of(const Until& until) {
  for (const QuantityName& known : kQuantities) {
    if (known.quantity == until.quantity) {
      return fmt::format("{} <= {}", known.name, shortest(until.at_most));
    }
  }
  return {};
}

std::string text_of(const Budget& budget) {
  std::string out = shortest(budget.bits) + "bit";
  for (const MeterName& known : kMeters) {
    if (known.meter == budget.meter && budget.meter != Budget::Meter::kPaper) {
      out += fmt::format(" {}", known.name);
    }
  }
  return out;
}

std::string_view stopped_name(Stopped stopped) {
  switch (stopped) {
    case Stopped::kRounds:
      return "rounds";
    case Stopped::kUntil:
      return "until";
    case Stopped::kBudget:
      return "budget";
  }
  return "";
}

bool holds_for_gradient(const Until& until, double grad_norm2) {
  if (until.quantity == Until::Quantity::kGradNorm2) return grad_norm2 <= until.at_most;
  return until.quantity == Until::Quantity::kGradNorm && std::sqrt(grad_norm2) <= until.at_most;
}

bool holds_for_loss(const Until& until, double loss, double f_star) {
  if (until.quantity == Until::Quantity::kLoss) return loss <= until.at_most;
  return until.quantity == Until::Quantity::kLossGap && loss - f_star <= until.at_most;
}

bool holds(const Until& until, const Metrics& metrics, const std::optional<double>& f_star) {
  if (is_gradient(until.quantity)) {
    return metrics.grad_norm2 && holds_for_gradient(until, *metrics.grad_norm2);
  }
  const bool known = metrics.loss && (until.quantity == Until::Quantity::kLoss || f_star);
  return known && holds_for_loss(until, *metrics.loss, f_star.value_or(0));
}

double spent(const Budget& budget, const TrafficPerWorker& uplink) {
  switch (budget.meter) {
    case Budget::Meter::kPaper:
      return uplink.payload_bits;
    case Budget::Meter::kWire:
      return uplink.wire_bits;
    case Budget::Meter::kFrame:
      return 8 * uplink.frame_bytes;
  }
  return 0;
}

}  // namespace laconic::experiment
