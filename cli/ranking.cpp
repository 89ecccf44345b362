// SPDX-License-Identifier: Apache-2.0
#include "cli/ranking.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <tuple>
#include <vector>

#include "cli/output.hpp"

namespace laconic::cli {
namespace {

using experiment::MethodSummary;
using experiment::Status;
using experiment::Summary;

constexpr std::size_t kNameWidth = 18;

const std::optional<double>& accuracy_of(const MethodSummary& method) {
  return method.final.test_accuracy ? method.final.test_accuracy : method.final.train_accuracy;
}

// Smaller is better.
std::tuple<int, double, double> rank_key(const MethodSummary& method) {
  constexpr double kWorst = std::numeric_limits<double>::infinity();
  const double loss = method.final.loss.value_or(kWorst);
  return {method.status == Status::kDiverged ? 1 : 0, -accuracy_of(method).value_or(0),
          std::isnan(loss) ? kWorst : loss};
}

std::string factors_text(const MethodSummary& method) {
  const auto text = [](const std::optional<double>& factor) {
    return factor ? factor_text(*factor) : std::string("-");
  };
  return text(method.uplink_compression) + "/" + text(method.downlink_compression);
}

std::string line(std::size_t place, const MethodSummary& method, const Summary& summary) {
  std::string reached = "-";
  if (method.status == Status::kDiverged) {
    reached = "diverged";
  } else if (accuracy_of(method)) {
    reached = fmt::format("{:.2f} %", *accuracy_of(method) * 100);
  }
  std::string out = fmt::format(
      "{:>2} {} {} {} {} {} {}", place, left(method.name, kNameWidth), right(reached, 8),
      right(method.final.loss ? short_number(*method.final.loss) : "-", 9),
      right(bits_text(method.uplink.payload_bits), 9),
      right(bits_text(method.downlink.payload_bits), 9), right(factors_text(method), 9));
  if (summary.network) {
    out += ' ' + right(seconds_text(method.predicted_network_seconds.value_or(0)), 8);
  }
  if (method.status == Status::kInterrupted) out += '*';
  return out + '\n';
}

std::string heading(const Summary& summary) {
  const bool tested =
      std::any_of(summary.methods.begin(), summary.methods.end(),
                  [](const MethodSummary& m) { return m.final.test_accuracy.has_value(); });
  std::string out = fmt::format("   {} {} {} {} {} {}", left("method", kNameWidth),
                                right(tested ? "test acc" : "accuracy", 8), right("loss", 9),
                                right("up", 9), right("down", 9), right("factor", 9));
  if (summary.network) out += ' ' + right("network", 8);
  return out + '\n';
}

std::string legend(const Summary& summary) {
  std::string out =
      "up, down: payload bits per worker; factor: uncompressed bits over them, up/down.\n";
  if (!summary.network) return out;
  double dense = 0;
  for (const MethodSummary& method : summary.methods) {
    dense = std::max(dense, method.dense_network_seconds.value_or(0));
  }
  out += fmt::format("network: messages at {}/s and {} latency; uncompressed {}.\n",
                     bits_text(summary.network->bandwidth_bits_per_second),
                     seconds_text(summary.network->latency_seconds), seconds_text(dense));
  return out;
}

}  // namespace

std::string ranking_text(const Summary& summary) {
  std::vector<const MethodSummary*> order;
  for (const MethodSummary& method : summary.methods) order.push_back(&method);
  std::stable_sort(order.begin(), order.end(),
                   [](const auto* a, const auto* b) { return rank_key(*a) < rank_key(*b); });
  std::string out = heading(summary);
  for (std::size_t i = 0; i < order.size(); ++i) out += line(i + 1, *order[i], summary);
  if (summary.interrupted) out += "*: interrupted before its last round\n";
  return out + legend(summary);
}

}  // namespace laconic::cli
