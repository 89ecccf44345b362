// SPDX-License-Identifier: Apache-2.0
// What standard output is, which decides how progress is shown.
#pragma once

namespace laconic::cli {

struct Terminal {
  bool live = false;   // the cursor can be moved: progress is redrawn in place
  bool color = false;  // never without `live`; off when NO_COLOR is set
};

// A terminal that is not "dumb" is live.
[[nodiscard]] Terminal terminal_of_stdout();

}  // namespace laconic::cli
