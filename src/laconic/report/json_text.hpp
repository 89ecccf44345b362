// SPDX-License-Identifier: Apache-2.0
// JSON of files that may be anybody's: read without exceptions, written in ASCII. Private to this
// layer.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace laconic::report {

using Json = nlohmann::ordered_json;

inline constexpr std::size_t kDeepestJson = 64;

// Discarded if the text is not JSON, or nested deeper than kDeepestJson: writing it again recurses.
[[nodiscard]] Json parse_json(std::string_view text);
// Bytes that are no UTF-8 are replaced.
[[nodiscard]] std::string ascii(const Json& json);
[[nodiscard]] std::string json_string(std::string_view text);

}  // namespace laconic::report
