// SPDX-License-Identifier: Apache-2.0
// The table at the end of a run: who reached what with how many bits.
#pragma once

#include <string>

#include "laconic/experiment/run.hpp"

namespace laconic::cli {

// Which count of traffic the table shows.
enum class ShownMeter { kPaper, kWire, kFrame };

// Best first: by test accuracy, else train accuracy, else loss; diverged methods last. At most 80
// columns.
[[nodiscard]] std::string ranking_text(const experiment::Summary& summary,
                                       ShownMeter meter = ShownMeter::kPaper);

}  // namespace laconic::cli
