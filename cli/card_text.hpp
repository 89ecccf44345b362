// SPDX-License-Identifier: Apache-2.0
// Words for cards, as describe and reference say them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "laconic/base/card.hpp"

namespace laconic::cli {

// "number above 0, at most 1", "a, b or c".
[[nodiscard]] std::string range_text(const ParamCard& param);
// "default 0.5", "must be given".
[[nodiscard]] std::string default_text(const ParamCard& param);
[[nodiscard]] std::vector<std::string_view> lines_of(std::string_view text);

}  // namespace laconic::cli
