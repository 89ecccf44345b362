// SPDX-License-Identifier: Apache-2.0
// Bytes that the process has allocated and not freed, where the C library can say. Private to this
// layer; the build chooses one of two files.
#pragma once

#include <cstdint>
#include <optional>

namespace laconic::experiment {

[[nodiscard]] std::optional<std::uint64_t> heap_bytes();

}  // namespace laconic::experiment
