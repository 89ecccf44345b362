// SPDX-License-Identifier: Apache-2.0
#include "laconic/experiment/records_json.hpp"

#include <cmath>

#include "laconic/base/card.hpp"

namespace laconic::experiment::json {

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

Json traffic(const TrafficPerWorker& traffic) {
  return {{"payload_bits", count(traffic.payload_bits)},
          {"wire_bits", count(traffic.wire_bits)},
          {"frame_bytes", count(traffic.frame_bytes)}};
}

Json metrics(const Metrics& metrics) {
  Json out = {{"loss", number(metrics.loss)},
              {"objective", number(metrics.objective)},
              {"grad_norm2", number(metrics.grad_norm2)},
              {"train_accuracy", number(metrics.train_accuracy)},
              {"test_accuracy", number(metrics.test_accuracy)},
              {"density", number(metrics.density)},
              {"model_mean", number(metrics.model_mean)}};
  if (metrics.test_loss) out["test_loss"] = number(*metrics.test_loss);
  if (metrics.test_perplexity) out["test_perplexity"] = number(*metrics.test_perplexity);
  if (metrics.test_smape) out["test_smape"] = number(*metrics.test_smape);
  if (metrics.snr_db) out["snr_db"] = number(*metrics.snr_db);
  if (metrics.excess) out["excess"] = number(*metrics.excess);
  return out;
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

Json assignment(const Assignment& values) {
  Json out = Json::object();
  for (const auto& [key, text] : values) {
    const auto value = parse_real(text);
    out[key] = value ? count(*value) : Json(text);
  }
  return out;
}

std::string dump(const Json& json, int indent) {
  return json.dump(indent, ' ', false, Json::error_handler_t::replace);
}

}  // namespace laconic::experiment::json
