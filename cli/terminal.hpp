// SPDX-License-Identifier: Apache-2.0
// What standard output is, which decides how progress is shown.
#pragma once

#include <cstddef>

namespace laconic::cli {

struct Terminal {
  bool live = false;       // the cursor can be moved: progress is redrawn in place
  bool color = false;      // never without `live`; off when NO_COLOR is set
  std::size_t width = 80;  // columns, of a terminal that does not say 80
};

// A terminal that is not "dumb" is live.
[[nodiscard]] Terminal terminal_of_stdout();

}  // namespace laconic::cli
