// SPDX-License-Identifier: Apache-2.0
#include "laconic/experiment/step_report.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string_view>

namespace laconic::experiment {
namespace {

using Json = nlohmann::ordered_json;

std::string_view name_of(BreakEven::Kind kind) {
  switch (kind) {
    case BreakEven::Kind::kNever:
      return "never";
    case BreakEven::Kind::kBelow:
      return "below";
    case BreakEven::Kind::kAbove:
      return "above";
    case BreakEven::Kind::kAlways:
      break;
  }
  return "always";
}

Json break_even_json(const BreakEven& value) {
  const bool bounded =
      value.kind == BreakEven::Kind::kBelow || value.kind == BreakEven::Kind::kAbove;
  return {{"kind", name_of(value.kind)},
          {"bits_per_second", bounded ? Json(value.bits_per_second) : Json(nullptr)}};
}

Json measured_json(const std::optional<TimedSteps>& measured) {
  if (!measured) return nullptr;
  return {{"step_seconds", measured->median_seconds},
          {"fastest_seconds", measured->fastest_seconds},
          {"slowest_seconds", measured->slowest_seconds},
          {"link_bytes", measured->load.link_bytes}};
}

Json method_json(const PlannedMethod& method) {
  const StepLoad& load = method.load;
  return {{"aggregator", method.aggregator},
          {"step_seconds", method.seconds.total()},
          {"codec_seconds", method.seconds.codec},
          {"network_seconds", method.seconds.network},
          {"uplink_bytes", load.uplink_bytes},
          {"downlink_bytes", load.downlink_bytes},
          {"link_bytes", load.link_bytes},
          {"latency_steps", load.latency_steps},
          {"calls", load.calls},
          {"memory_bytes", load.memory_bytes ? Json(*load.memory_bytes) : Json(nullptr)},
          {"faster_than_dense", break_even_json(method.faster_than_dense)},
          {"measured", measured_json(method.measured)}};
}

}  // namespace

void predict(StepReport& report, const StepLoad& dense) {
  for (PlannedMethod& method : report.methods) {
    method.seconds = predict_step(method.load, report.conditions);
    method.faster_than_dense = break_even(method.load, dense, report.conditions);
  }
  std::stable_sort(report.methods.begin(), report.methods.end(),
                   [](const PlannedMethod& a, const PlannedMethod& b) {
                     return a.seconds.total() < b.seconds.total();
                   });
}

std::string step_json(const StepReport& report) {
  const StepConditions& conditions = report.conditions;
  Json methods = Json::array();
  for (const PlannedMethod& method : report.methods) methods.push_back(method_json(method));
  Json refused = Json::array();
  for (const RefusedMethod& method : report.refused)
    refused.push_back({{"aggregator", method.aggregator}, {"why", method.why}});
  const Json out = {{"workers", report.workers},
                    {"tensors", report.tensors},
                    {"numbers", report.numbers},
                    {"number_bytes", report.number_bytes},
                    {"bandwidth_bits_per_second", conditions.network.bandwidth_bits_per_second},
                    {"latency_seconds", conditions.network.latency_seconds},
                    {"network_measured", report.network_measured},
                    {"link_bytes_per_byte", conditions.bytes_per_byte},
                    {"gradient_seconds", conditions.gradient_seconds},
                    {"codec_slowdown", conditions.codec_slowdown},
                    {"methods", std::move(methods)},
                    {"refused", std::move(refused)}};
  return out.dump();
}

}  // namespace laconic::experiment
