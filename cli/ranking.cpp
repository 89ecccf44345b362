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
using experiment::TrafficPerWorker;

// The line is 80 wide: without the column of the network names have its place.
std::size_t name_width(const Summary& summary) { return summary.network ? 18 : 27; }

const std::optional<double>& accuracy_of(const MethodSummary& method) {
  return method.final.test_accuracy ? method.final.test_accuracy : method.final.train_accuracy;
}

// How good the model is, as the column shows it and, smaller being better, as methods are ranked.
struct Quality {
  std::string_view column = "accuracy";
  std::string text = {};
  double rank = 0;
};

std::optional<Quality> quality_of(const MethodSummary& method) {
  const experiment::Metrics& final = method.final;
  if (final.test_perplexity) {
    return Quality{.column = "perplex.",
                   .text = short_number(*final.test_perplexity),
                   .rank = *final.test_perplexity};
  }
  if (final.test_smape) {
    return Quality{.column = "sMAPE",
                   .text = fmt::format("{:.2f} %", *final.test_smape),
                   .rank = *final.test_smape};
  }
  const auto& accuracy = accuracy_of(method);
  if (!accuracy) return std::nullopt;
  return Quality{.column = final.test_accuracy ? "test acc" : "accuracy",
                 .text = fmt::format("{:.2f} %", *accuracy * 100),
                 .rank = -*accuracy};
}

double bits_of(const TrafficPerWorker& traffic, ShownMeter meter) {
  switch (meter) {
    case ShownMeter::kPaper:
      return traffic.payload_bits;
    case ShownMeter::kWire:
      return traffic.wire_bits;
    case ShownMeter::kFrame:
      return 8 * traffic.frame_bytes;
  }
  return 0;
}

bool has_targets(const Summary& summary) {
  return std::any_of(summary.methods.begin(), summary.methods.end(),
                     [](const MethodSummary& m) { return m.reached.has_value(); });
}

// Smaller is better. With targets those who reached theirs come first, by uplink traffic.
std::tuple<int, double, double> rank_key(const MethodSummary& method, bool by_target,
                                         ShownMeter meter) {
  constexpr double kWorst = std::numeric_limits<double>::infinity();
  const double loss = method.final.loss.value_or(kWorst);
  if (by_target && method.reached.value_or(false)) {
    return {-1, bits_of(method.uplink, meter), method.mean_rounds};
  }
  const std::optional<Quality> quality = quality_of(method);
  return {method.status == Status::kDiverged ? 1 : 0,
          quality && !std::isnan(quality->rank) ? quality->rank : 0.0,
          std::isnan(loss) ? kWorst : loss};
}

// The summary's factors are of payload bits.
std::string factors_text(const MethodSummary& method, ShownMeter meter) {
  const auto text = [meter](const std::optional<double>& factor, const TrafficPerWorker& traffic) {
    if (!factor) return std::string("-");
    const double bits = bits_of(traffic, meter);
    if (bits <= 0) return std::string("-");
    const double shown = *factor * traffic.payload_bits / bits;
    return shown < 0.995 ? fmt::format("{:.1f}x", shown) : factor_text(shown);
  };
  return text(method.uplink_compression, method.uplink) + "/" +
         text(method.downlink_compression, method.downlink);
}

std::string line(std::size_t place, const MethodSummary& method, const Summary& summary,
                 ShownMeter meter) {
  std::string reached = "-";
  if (method.status == Status::kDiverged) {
    reached = "diverged";
  } else if (method.reached) {
    reached = *method.reached ? fmt::format("{:.6g}", method.mean_rounds) : "no";
  } else if (const std::optional<Quality> quality = quality_of(method)) {
    reached = quality->text;
  }
  std::string out = fmt::format(
      "{:>2} {} {} {} {} {} {}", place, left(method.name, name_width(summary)), right(reached, 8),
      right(method.final.loss ? short_number(*method.final.loss) : "-", 9),
      right(bits_text(bits_of(method.uplink, meter)), 9),
      right(bits_text(bits_of(method.downlink, meter)), 9), right(factors_text(method, meter), 9));
  if (summary.network) {
    out += ' ' + right(seconds_text(method.predicted_network_seconds.value_or(0)), 8);
  }
  if (method.status == Status::kInterrupted) out += '*';
  return out + '\n';
}

std::string ranking_heading(const Summary& summary) {
  std::string_view column = "accuracy";
  for (const MethodSummary& method : summary.methods) {
    if (const std::optional<Quality> quality = quality_of(method)) column = quality->column;
  }
  std::string out =
      fmt::format("   {} {} {} {} {} {}", left("method", name_width(summary)),
                  right(has_targets(summary) ? "rounds" : column, 8), right("loss", 9),
                  right("up", 9), right("down", 9), right("factor", 9));
  if (summary.network) out += ' ' + right("network", 8);
  return out + '\n';
}

std::string_view meter_name(ShownMeter meter) {
  switch (meter) {
    case ShownMeter::kPaper:
      return "payload bits";
    case ShownMeter::kWire:
      return "bits of encoded messages";
    case ShownMeter::kFrame:
      return "bits with frame headers";
  }
  return "";
}

std::string legend(const Summary& summary, ShownMeter meter) {
  std::string out =
      fmt::format("up, down: {} per worker;{}factor: uncompressed bits over them, up/down.\n",
                  meter_name(meter), meter == ShownMeter::kPaper ? ' ' : '\n');
  if (has_targets(summary)) {
    out += "rounds, up, down: until the target was reached; no: not reached.\n";
  }
  const bool orders_exchange =
      std::any_of(summary.methods.begin(), summary.methods.end(),
                  [](const MethodSummary& m) { return m.order && m.order->uplink_bytes > 0; });
  if (orders_exchange) {
    out += "What orders exchange is counted apart: `order` in summary.json.\n";
  }
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

std::string ranking_text(const Summary& summary, ShownMeter meter) {
  std::vector<const MethodSummary*> order;
  for (const MethodSummary& method : summary.methods) order.push_back(&method);
  std::stable_sort(order.begin(), order.end(),
                   [by_target = has_targets(summary), meter](const auto* a, const auto* b) {
                     return rank_key(*a, by_target, meter) < rank_key(*b, by_target, meter);
                   });
  std::string out = ranking_heading(summary);
  for (std::size_t i = 0; i < order.size(); ++i) out += line(i + 1, *order[i], summary, meter);
  for (const MethodSummary* method : order) {
    if (!method->remark.empty()) out += fmt::format("{}: {}\n", method->name, method->remark);
  }
  if (summary.interrupted) out += "*: interrupted before its last round\n";
  return out + legend(summary, meter);
}

}  // namespace laconic::cli
