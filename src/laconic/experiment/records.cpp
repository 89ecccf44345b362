// SPDX-License-Identifier: Apache-2.0
#include "laconic/experiment/records.hpp"

#include <fmt/format.h>

#include <cmath>
#include <system_error>

#include "laconic/base/error.hpp"
#include "laconic/experiment/line_file.hpp"
#include "laconic/experiment/records_json.hpp"
#include "laconic/experiment/version.hpp"
#include "laconic/kernels/kernels.hpp"

namespace laconic::experiment {
namespace {

using json::count;
using json::dump;
using json::Json;
using json::number;
using json::status_name;

Json seconds_json(const Seconds& seconds) {
  return {{"gradient", number(seconds.gradient)},
          {"aggregate", number(seconds.aggregate)},
          {"order", number(seconds.order)},
          {"other", number(seconds.other)},
          {"gradient_per_worker", number(seconds.gradient_per_worker)}};
}

Json network_json(const std::optional<Network>& network) {
  if (!network) return nullptr;
  return {{"bandwidth_bits_per_second", network->bandwidth_bits_per_second},
          {"latency_seconds", network->latency_seconds}};
}

Json channel_json(const ChannelRecord& channel) {
  return {{"uses", count(channel.uses)},
          {"power", number(channel.power)},
          {"energy", number(channel.energy)},
          {"largest_energy", number(channel.largest_energy)},
          {"lambda", number(channel.lambda)},
          {"predicted_lambda", number(channel.predicted_lambda)},
          {"run_lambda", number(channel.run_lambda)}};
}

Json settings_json(const MethodPlan& method) {
  Json out = {{"aggregator", print(method.aggregator)},
              {"optimizer", print(method.optimizer)},
              {"schedule", print(method.schedule)},
              {"order", print(method.order)},
              {"order_from", text_of(method.order_from)},
              {"adversary", method.adversary ? print(*method.adversary) : "none"},
              {"estimator", method.estimator ? print(*method.estimator) : "none"},
              {"link", method.link ? print(*method.link) : "none"},
              {"workers", method.workers}};
  out["step"] = method.step.kind == StepSize::Kind::kNumber ? Json(method.step.factor)
                                                            : Json(text_of(method.step));
  out["batch"] = method.batch.kind == Batch::Kind::kSize ? Json(method.batch.size)
                                                         : Json(text_of(method.batch));
  out["unit"] = method.unit;
  if (method.rounds) out["rounds"] = *method.rounds;
  if (method.epochs) out["epochs"] = *method.epochs;
  out["until"] = method.until ? Json(text_of(*method.until)) : Json(nullptr);
  out["budget"] = method.budget ? Json(text_of(*method.budget)) : Json(nullptr);
  out["allow_divergence"] = method.allow_divergence;
  return out;
}

Json sweep_json(const std::optional<SweepPlan>& plan) {
  if (!plan) return nullptr;
  Json keys = Json::object();
  for (const SweepKey& key : plan->sweep.keys) keys[key.name] = key.values;
  return {{"keys", std::move(keys)},
          {"select", plan->sweep.select},
          {"criterion", criterion_name(plan->sweep.criterion)},
          {"cells", plan->cells()}};
}

Json config_json(const Plan& plan) {
  Json methods = Json::array();
  for (const MethodPlan& method : plan.methods) {
    Json entry = {{"name", method.name}};
    entry.update(settings_json(method));
    methods.push_back(std::move(entry));
  }
  return {{"name", plan.name},
          {"seed", plan.seed},
          {"repeats", plan.repeats},
          {"precision", plan.precision == Precision::kFloat ? "float" : "double"},
          {"workers", plan.workers},
          {"problem", print(plan.problem)},
          {"data", plan.data ? Json(print(*plan.data)) : Json(nullptr)},
          {"shard", print(plan.shard)},
          {"record_every", plan.record_each_epoch ? Json("epoch")
                           : plan.record_every    ? Json(*plan.record_every)
                                                  : Json(nullptr)},
          {"record_gradient", plan.record_gradient},
          {"record_excess", plan.record_excess},
          {"network", network_json(plan.network)},
          {"sweep", sweep_json(plan.sweep)},
          {"method", std::move(methods)}};
}

Json channel_summary_json(const ChannelSummary& channel) {
  return {{"uses", count(channel.uses)},
          {"power", number(channel.power)},
          {"energy", number(channel.energy)},
          {"largest_energy", number(channel.largest_energy)},
          {"utilisation", number(channel.power > 0 ? channel.energy / channel.power : 0)},
          {"lambda", number(channel.lambda)}};
}

Json target_json(const MethodPlan& method, const MethodSummary& summary) {
  if (!method.until) return nullptr;
  return {{"until", text_of(*method.until)},
          {"reached", summary.reached.value_or(false)},
          {"rounds", count(summary.mean_rounds)}};
}

Json order_json(const std::optional<OrderSummary>& order) {
  if (!order) return nullptr;
  return {{"uplink_bytes", count(order->uplink_bytes)},
          {"downlink_bytes", count(order->downlink_bytes)},
          {"memory",
           {{"sum_numbers", order->memory.sum_numbers},
            {"peak_cached_numbers", order->memory.peak_cached_numbers},
            {"order_indices", order->memory.order_indices}}}};
}

Json method_json(const MethodPlan& method, const MethodSummary& summary) {
  return {{"name", summary.name},
          {"spec", summary.spec},
          {"settings", settings_json(method)},
          {"status", status_name(summary.status)},
          {"stopped", summary.stopped ? Json(stopped_name(*summary.stopped)) : Json(nullptr)},
          {"target", target_json(method, summary)},
          {"rounds", summary.rounds},
          {"epochs", number(summary.epochs)},
          {"final", json::metrics(summary.final)},
          {"best",
           {{"loss", number(summary.best.loss)},
            {"loss_round", summary.best.loss_round},
            {"test_accuracy", number(summary.best.test_accuracy)},
            {"test_accuracy_round", summary.best.test_accuracy_round}}},
          {"uplink", json::traffic(summary.uplink)},
          {"downlink", json::traffic(summary.downlink)},
          {"compression",
           {{"uplink", number(summary.uplink_compression)},
            {"downlink", number(summary.downlink_compression)}}},
          {"order", order_json(summary.order)},
          {"refused_frames", summary.refused_frames},
          {"channel", summary.channel ? channel_summary_json(*summary.channel) : Json(nullptr)},
          {"remark", summary.remark.empty() ? Json(nullptr) : Json(summary.remark)},
          {"sparse", summary.sparse},
          {"predicted_network_seconds", number(summary.predicted_network_seconds)},
          {"dense_network_seconds", number(summary.dense_network_seconds)},
          {"seconds", seconds_json(summary.seconds)}};
}

// The best cell of every method and group.
Json best_json(const Plan& plan, const SweepOutcome& outcome) {
  Json out = Json::array();
  for (const BestCell& one : outcome.best) {
    Json entry = {{"method", plan.sweep->methods[one.method].title},
                  {"group", json::assignment(one.group)}};
    if (one.cell) {
      const Cell cell = plan.sweep->cell(one.cell->index);
      entry.update({{"cell", one.cell->index},
                    {"settings", json::assignment(cell.values)},
                    {"value", number(one.cell->value)},
                    {"rounds", count(one.cell->rounds)},
                    {"uplink", json::traffic(one.cell->uplink)}});
    } else {
      entry.update({{"cell", nullptr}, {"settings", nullptr}, {"value", nullptr}});
    }
    out.push_back(std::move(entry));
  }
  return {{"criterion", criterion_name(plan.sweep->sweep.criterion)},
          {"cells", plan.sweep->cells()},
          {"cells_done", outcome.cells.size()},
          {"best", std::move(out)}};
}

}  // namespace

std::string plan_json(const Plan& plan) { return dump(config_json(plan)); }

std::string header_json(const Plan& plan, const RunFacts& facts) {
  return dump({{"schema", kRecordSchema},
               {"config", config_json(plan)},
               {"seed", plan.seed},
               {"version", version()},
               {"compiler", compiler()},
               {"simd_target", kernels::simd_target()},
               {"ranks", facts.ranks},
               {"transport", facts.transport},
               {"command", facts.command}});
}

std::string record_json(const Plan& plan, const Record& record) {
  const MethodPlan& method = plan.methods[record.method];
  Json out = {{"method", method.name},
              {"spec", spec_text(method)},
              {"repeat", record.repeat},
              {"round", record.round},
              {"epoch", number(record.epoch)}};
  out.update(json::metrics(record.metrics));
  out["uplink"] = json::traffic(record.uplink);
  out["downlink"] = json::traffic(record.downlink);
  out["refused_frames"] = record.refused_frames;
  out["clamped_messages"] = record.clamped_messages;
  out["gradient_evaluations"] = count(record.gradient_evaluations);
  out["agreement"] = number(record.agreement);
  if (record.order) {
    out["order"] = {{"uplink_bytes", count(record.order->uplink_bytes)},
                    {"downlink_bytes", count(record.order->downlink_bytes)},
                    {"largest_sum", number(record.order->largest_sum)}};
  }
  if (record.channel) out["channel"] = channel_json(*record.channel);
  if (method.link) {
    out["lost_frames"] = record.lost_frames;
    out["resent_frames"] = record.resent_frames;
  }
  out["network"] = {{"latency_steps", record.load.latency_steps},
                    {"link_bytes", record.load.link_bytes}};
  out["step_size"] = number(record.step_size);
  if (record.stopped) out["stopped"] = stopped_name(*record.stopped);
  out["seconds"] = seconds_json(record.seconds);
  return dump(out);
}

std::string divergence_json(const Plan& plan, const Divergence& divergence) {
  const MethodPlan& method = plan.methods[divergence.method];
  Json where = {
      {"worker", divergence.worker}, {"tensor", divergence.tensor}, {"round", divergence.round}};
  if (divergence.unit) {
    where["epoch"] = divergence.unit->epoch;
    where["position"] = divergence.unit->position;
  }
  return dump({{"method", method.name},
               {"spec", spec_text(method)},
               {"repeat", divergence.repeat},
               {"round", divergence.round},
               {"diverged", std::move(where)}});
}

std::string summary_json(const Plan& plan, const Summary& summary, const SweepOutcome* sweep) {
  Json methods = Json::array();
  for (std::size_t m = 0; m < summary.methods.size(); ++m) {
    methods.push_back(method_json(plan.methods[m], summary.methods[m]));
  }
  return dump({{"schema", kRecordSchema},
               {"name", summary.name},
               {"seed", summary.seed},
               {"repeats", summary.repeats},
               {"version", version()},
               {"network", network_json(summary.network)},
               {"interrupted", summary.interrupted},
               {"sweep", sweep != nullptr ? best_json(plan, *sweep) : Json(nullptr)},
               {"methods", std::move(methods)}},
              2) +
         "\n";
}

std::string output_problem(const std::filesystem::path& folder, bool force) {
  std::error_code code;
  const auto status = std::filesystem::status(folder, code);
  if (status.type() == std::filesystem::file_type::not_found) return {};
  if (code) return fmt::format("output folder '{}': {}", folder.string(), code.message());
  if (status.type() != std::filesystem::file_type::directory) {
    return fmt::format("output folder '{}' is a file; choose another --out", folder.string());
  }
  const bool empty = std::filesystem::is_empty(folder, code);
  if (code) return fmt::format("output folder '{}': {}", folder.string(), code.message());
  if (empty || force) return {};
  return fmt::format(
      "output folder '{}' is not empty; choose another --out, or use --force to replace its "
      "records.jsonl, summary.json and report.html",
      folder.string());
}

RecordFile::RecordFile(const std::filesystem::path& folder, const Plan& plan, const RunFacts& facts)
    : folder_(folder), plan_(plan) {
  make_output_folder(folder_);
  std::error_code code;
  std::filesystem::remove(folder_ / "summary.json", code);
  file_ = std::make_unique<LineFile>(folder_ / "records.jsonl");
  file_->write(header_json(plan_, facts));
}

RecordFile::~RecordFile() = default;

void RecordFile::advanced(const Progress&) {}

void RecordFile::recorded(const Record& record) { file_->write(record_json(plan_, record)); }

void RecordFile::diverged(const Divergence& divergence) {
  file_->write(divergence_json(plan_, divergence));
}

void RecordFile::write_summary(const Summary& summary, const SweepOutcome* sweep) {
  write_whole_file(folder_ / "summary.json", summary_json(plan_, summary, sweep));
}

}  // namespace laconic::experiment
