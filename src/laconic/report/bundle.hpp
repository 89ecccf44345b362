// SPDX-License-Identifier: Apache-2.0
// report/bundle.html, embedded by CMake: the front end without data. Private to this layer.
#pragma once

#include <string_view>

namespace laconic::report {

// Stands where the data belong, exactly once.
inline constexpr std::string_view kDataMark = "LACONIC-DATA-BELONGS-HERE";

[[nodiscard]] std::string_view bundle();

}  // namespace laconic::report
