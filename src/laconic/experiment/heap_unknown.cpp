// SPDX-License-Identifier: Apache-2.0
#include "laconic/experiment/heap.hpp"

namespace laconic::experiment {

std::optional<std::uint64_t> heap_bytes() { return std::nullopt; }

}  // namespace laconic::experiment
