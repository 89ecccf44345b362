// SPDX-License-Identifier: Apache-2.0
// The result of a sweep over two keys, as text.
#pragma once

#include <string>

#include "laconic/experiment/sweep_records.hpp"

namespace laconic::cli {

// Rows by columns, at most 80 wide: what does not fit continues below. '*' marks the best value,
// '-' a place where every cell loses.
[[nodiscard]] std::string heat_map_text(const experiment::HeatMap& map,
                                        experiment::Criterion criterion);

}  // namespace laconic::cli
