// SPDX-License-Identifier: Apache-2.0
// What built this library, for records and --version.
#pragma once

#include <string_view>

namespace laconic::experiment {

[[nodiscard]] std::string_view version();   // "0.1.0"
[[nodiscard]] std::string_view compiler();  // "GCC 12.2.0"

}  // namespace laconic::experiment
