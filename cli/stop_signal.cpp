// SPDX-License-Identifier: Apache-2.0
#include "cli/stop_signal.hpp"

#include <csignal>

namespace laconic::cli {
namespace {

std::atomic<bool> wanted{false};  // NOLINT: a signal handler reaches nothing else
static_assert(std::atomic<bool>::is_always_lock_free);

extern "C" void ask_to_stop(int number) {
  wanted.store(true);
  static_cast<void>(std::signal(number, SIG_DFL));
}

}  // namespace

void listen_to_signals() {
  static_cast<void>(std::signal(SIGINT, ask_to_stop));
  static_cast<void>(std::signal(SIGTERM, ask_to_stop));
}

std::atomic<bool>& stop_wanted() { return wanted; }

}  // namespace laconic::cli
