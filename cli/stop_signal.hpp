// SPDX-License-Identifier: Apache-2.0
// Ctrl-C and SIGTERM as a flag: the first signal asks for an orderly end, the second one ends the
// process.
#pragma once

#include <atomic>

namespace laconic::cli {

// Signals are taken from here on.
void listen_to_signals();
// Whether one has come.
[[nodiscard]] std::atomic<bool>& stop_wanted();

}  // namespace laconic::cli
