// SPDX-License-Identifier: Apache-2.0
// Pieces of JSON that several files of a run share. Private to this layer.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "laconic/experiment/observer.hpp"
#include "laconic/experiment/plan.hpp"
#include "laconic/experiment/run.hpp"

namespace laconic::experiment::json {

using Json = nlohmann::ordered_json;

[[nodiscard]] Json number(double value);  // null unless finite
[[nodiscard]] Json number(const std::optional<double>& value);
[[nodiscard]] Json count(double value);  // a whole number unless it is a mean
[[nodiscard]] Json traffic(const TrafficPerWorker& traffic);
[[nodiscard]] Json metrics(const Metrics& metrics);
[[nodiscard]] std::string_view status_name(Status status);
// {"k": 10, "order": "once"}: numbers where they are some.
[[nodiscard]] Json assignment(const Assignment& values);
// Names may be any UTF-8; what is not is replaced, so that dumping never throws.
[[nodiscard]] std::string dump(const Json& json, int indent = -1);

}  // namespace laconic::experiment::json
