// SPDX-License-Identifier: Apache-2.0
#include "cli/step_table.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "cli/output.hpp"

namespace laconic::cli {
namespace {

using experiment::BreakEven;
using experiment::PlannedMethod;
using experiment::StepReport;

std::string break_even_text(const PlannedMethod& method) {
  const BreakEven& value = method.faster_than_dense;
  switch (value.kind) {
    case BreakEven::Kind::kNever:
      return "-";
    case BreakEven::Kind::kBelow:
      return fmt::format("below {}/s", bits_text(value.bits_per_second));
    case BreakEven::Kind::kAbove:
      return fmt::format("above {}/s", bits_text(value.bits_per_second));
    case BreakEven::Kind::kAlways:
      break;
  }
  return "always";
}

std::string measured_text(const PlannedMethod& method) {
  if (!method.measured) return "-";
  const double measured = method.measured->median_seconds;
  return fmt::format("{} ({:+.0f} %)", seconds_text(measured),
                     100 * (measured / method.seconds.total() - 1));
}

std::vector<std::string> cells_of(const PlannedMethod& method, bool measured) {
  std::vector<std::string> out = {
      seconds_text(method.seconds.total()), seconds_text(method.seconds.codec),
      seconds_text(method.seconds.network), bytes_text(method.load.link_bytes),
      method.load.memory_bytes ? bytes_text(*method.load.memory_bytes) : std::string("-")};
  if (measured) out.insert(out.begin() + 1, measured_text(method));
  out.push_back(break_even_text(method));
  return out;
}

std::string conditions_text(const StepReport& report) {
  const experiment::StepConditions& conditions = report.conditions;
  std::string out = fmt::format(
      "{} workers, {} tensors of {} numbers ({})\n{}/s and {} latency{}; a gradient takes {}",
      report.workers, report.tensors, report.numbers,
      bytes_text(static_cast<double>(report.numbers * report.number_bytes)),
      bits_text(conditions.network.bandwidth_bits_per_second),
      seconds_text(conditions.network.latency_seconds),
      report.network_measured ? ", measured between the ranks" : "",
      seconds_text(conditions.gradient_seconds));
  if (std::fabs(conditions.codec_slowdown - 1) > 0.05)
    out += fmt::format("; codecs slowed down {}", factor_text(conditions.codec_slowdown));
  return out + '\n';
}

}  // namespace

std::string step_table(const StepReport& report) {
  const bool measured = std::any_of(report.methods.begin(), report.methods.end(),
                                    [](const PlannedMethod& m) { return m.measured.has_value(); });
  std::vector<std::vector<std::string>> rows = {
      {"step", "codec", "network", "bytes", "memory", "beats dense"}};
  if (measured) rows.front().insert(rows.front().begin() + 1, "measured");
  for (const PlannedMethod& method : report.methods) rows.push_back(cells_of(method, measured));
  std::vector<std::size_t> widths(rows.front().size(), 0);
  for (const auto& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], columns(row[i]));
  }
  std::string out = conditions_text(report);
  for (std::size_t r = 0; r < rows.size(); ++r) {
    out += r == 0 ? "  " : fmt::format("{:>2}", r);
    for (std::size_t i = 0; i < widths.size(); ++i) out += "  " + right(rows[r][i], widths[i]);
    out += "  " + (r == 0 ? std::string("aggregator") : report.methods[r - 1].aggregator) + '\n';
  }
  out +=
      "step: gradient, codec and network, one after the other; bytes: on a worker's link, per "
      "step;\n"
      "memory: of a worker, beyond model and gradient; beats dense: on which bandwidths.\n"
      "How many steps a method needs is another question: laconic run.\n";
  for (const experiment::RefusedMethod& method : report.refused)
    out += fmt::format("left out {}: {}\n", method.aggregator, method.why);
  return out;
}

}  // namespace laconic::cli
