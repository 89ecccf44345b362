// SPDX-License-Identifier: Apache-2.0
#include "laconic/experiment/records.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <system_error>

#include "laconic/base/error.hpp"
#include "laconic/experiment/version.hpp"
#include "laconic/kernels/kernels.hpp"

namespace laconic::experiment {
namespace {

using Json = nlohmann::ordered_json;

constexpr double kLargestExact = 9007199254740992.0;  // 2^53

// JSON has no NaN and no infinity.
Json number(double value) {
  if (!std::isfinite(value)) return nullptr;
  return value;
}
Json number(const std::optional<double>& value) { return value ? number(*value) : Json(nullptr); }

// A count that is a whole number unless it is a mean.
Json count(double value) {
  if (std::floor(value) == value && value < kLargestExact) {
    return static_cast<std::uint64_t>(value);
  }
  return number(value);
}

Json traffic_json(const TrafficPerWorker& traffic) {
  return {{"payload_bits", count(traffic.payload_bits)},
          {"wire_bits", count(traffic.wire_bits)},
          {"frame_bytes", count(traffic.frame_bytes)}};
}

Json metrics_json(const Metrics& metrics) {
  return {{"loss", number(metrics.loss)},
          {"grad_norm2", number(metrics.grad_norm2)},
          {"train_accuracy", number(metrics.train_accuracy)},
          {"test_accuracy", number(metrics.test_accuracy)},
          {"model_mean", number(metrics.model_mean)}};
}

Json seconds_json(const Seconds& seconds) {
  return {{"gradient", number(seconds.gradient)},
          {"aggregate", number(seconds.aggregate)},
          {"other", number(seconds.other)},
          {"gradient_per_worker", number(seconds.gradient_per_worker)}};
}

Json network_json(const std::optional<Network>& network) {
  if (!network) return nullptr;
  return {{"bandwidth_bits_per_second", network->bandwidth_bits_per_second},
          {"latency_seconds", network->latency_seconds}};
}

Json settings_json(const MethodPlan& method) {
  Json out = {{"aggregator", print(method.aggregator)},
              {"optimizer", print(method.optimizer)},
              {"schedule", print(method.schedule)},
              {"order", print(method.order)},
              {"adversary", method.adversary ? print(*method.adversary) : "none"},
              {"workers", method.workers}};
  out["step"] = method.step.kind == StepSize::Kind::kNumber ? Json(method.step.factor)
                                                            : Json(text_of(method.step));
  out["batch"] = method.batch.kind == Batch::Kind::kSize ? Json(method.batch.size)
                                                         : Json(text_of(method.batch));
  if (method.rounds) out["rounds"] = *method.rounds;
  if (method.epochs) out["epochs"] = *method.epochs;
  out["until"] = method.until ? Json(text_of(*method.until)) : Json(nullptr);
  out["budget"] = method.budget ? Json(text_of(*method.budget)) : Json(nullptr);
  out["allow_divergence"] = method.allow_divergence;
  return out;
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
          {"record_every", plan.record_every ? Json(*plan.record_every) : Json(nullptr)},
          {"record_gradient", plan.record_gradient},
          {"network", network_json(plan.network)},
          {"method", std::move(methods)}};
}

// Names may be any UTF-8; what is not is replaced, so that dumping never throws.
std::string dump(const Json& json, int indent = -1) {
  return json.dump(indent, ' ', false, Json::error_handler_t::replace);
}

std::string_view status_name(Status status) {
  switch (status) {
    case Status::kDone:
      return "done";
    case Status::kDiverged:
      return "diverged";
    case Status::kInterrupted:
      return "interrupted";
  }
  return "";
}

Json target_json(const MethodPlan& method, const MethodSummary& summary) {
  if (!method.until) return nullptr;
  return {{"until", text_of(*method.until)},
          {"reached", summary.reached.value_or(false)},
          {"rounds", count(summary.mean_rounds)}};
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
          {"final", metrics_json(summary.final)},
          {"best",
           {{"loss", number(summary.best.loss)},
            {"loss_round", summary.best.loss_round},
            {"test_accuracy", number(summary.best.test_accuracy)},
            {"test_accuracy_round", summary.best.test_accuracy_round}}},
          {"uplink", traffic_json(summary.uplink)},
          {"downlink", traffic_json(summary.downlink)},
          {"compression",
           {{"uplink", number(summary.uplink_compression)},
            {"downlink", number(summary.downlink_compression)}}},
          {"refused_frames", summary.refused_frames},
          {"predicted_network_seconds", number(summary.predicted_network_seconds)},
          {"dense_network_seconds", number(summary.dense_network_seconds)},
          {"seconds", seconds_json(summary.seconds)}};
}

std::string reason(int code) { return std::error_code(code, std::generic_category()).message(); }

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
               {"transport", facts.transport}});
}

std::string record_json(const Plan& plan, const Record& record) {
  const MethodPlan& method = plan.methods[record.method];
  Json out = {{"method", method.name},
              {"spec", spec_text(method)},
              {"repeat", record.repeat},
              {"round", record.round},
              {"epoch", number(record.epoch)}};
  out.update(metrics_json(record.metrics));
  out["uplink"] = traffic_json(record.uplink);
  out["downlink"] = traffic_json(record.downlink);
  out["refused_frames"] = record.refused_frames;
  out["clamped_messages"] = record.clamped_messages;
  out["agreement"] = number(record.agreement);
  out["step_size"] = number(record.step_size);
  if (record.stopped) out["stopped"] = stopped_name(*record.stopped);
  out["seconds"] = seconds_json(record.seconds);
  return dump(out);
}

std::string divergence_json(const Plan& plan, const Divergence& divergence) {
  const MethodPlan& method = plan.methods[divergence.method];
  return dump({{"method", method.name},
               {"spec", spec_text(method)},
               {"repeat", divergence.repeat},
               {"round", divergence.round},
               {"diverged",
                {{"worker", divergence.worker},
                 {"tensor", divergence.tensor},
                 {"round", divergence.round}}}});
}

std::string summary_json(const Plan& plan, const Summary& summary) {
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
      "records.jsonl and summary.json",
      folder.string());
}

struct RecordFile::File {
  explicit File(std::FILE* opened) : stream(opened) {}
  ~File() {
    if (stream != nullptr) static_cast<void>(std::fclose(stream));
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  std::FILE* stream;
};

RecordFile::RecordFile(const std::filesystem::path& folder, const Plan& plan, const RunFacts& facts)
    : folder_(folder), plan_(plan) {
  std::error_code code;
  std::filesystem::create_directories(folder_, code);
  if (code) {
    throw ConfigError(fmt::format("output folder '{}' cannot be made: {}; choose another --out",
                                  folder_.string(), code.message()));
  }
  std::filesystem::remove(folder_ / "summary.json", code);
  const std::filesystem::path path = folder_ / "records.jsonl";
  // Unlinked first: a link that lies there is replaced, not followed.
  std::filesystem::remove(path, code);
  file_ = std::make_unique<File>(std::fopen(path.c_str(), "wbx"));
  if (file_->stream == nullptr) {
    throw ConfigError(fmt::format("'{}' cannot be written: {}; choose another --out", path.string(),
                                  reason(errno)));
  }
  write_line(header_json(plan_, facts));
}

RecordFile::~RecordFile() = default;

void RecordFile::write_line(std::string_view line) {
  std::FILE* stream = file_->stream;
  const bool written = std::fwrite(line.data(), 1, line.size(), stream) == line.size() &&
                       std::fputc('\n', stream) != EOF && std::fflush(stream) == 0;
  if (!written) {
    throw Error(fmt::format("'{}' cannot be written: {}", (folder_ / "records.jsonl").string(),
                            reason(errno)));
  }
}

void RecordFile::advanced(const Progress&) {}

void RecordFile::recorded(const Record& record) { write_line(record_json(plan_, record)); }

void RecordFile::diverged(const Divergence& divergence) {
  write_line(divergence_json(plan_, divergence));
}

void RecordFile::write_summary(const Summary& summary) {
  const std::filesystem::path target = folder_ / "summary.json";
  const std::filesystem::path part = folder_ / ".summary.json.part";
  const std::string text = summary_json(plan_, summary);
  std::error_code code;
  std::filesystem::remove(part, code);
  bool written = false;
  {
    const File file(std::fopen(part.c_str(), "wbx"));
    written = file.stream != nullptr &&
              std::fwrite(text.data(), 1, text.size(), file.stream) == text.size() &&
              std::fflush(file.stream) == 0 && ::fsync(::fileno(file.stream)) == 0;
  }
  if (written) std::filesystem::rename(part, target, code);
  if (!written || code) {
    const std::string why = code ? code.message() : reason(errno);
    std::filesystem::remove(part, code);
    throw Error(fmt::format("'{}' cannot be written: {}", target.string(), why));
  }
}

}  // namespace laconic::experiment
