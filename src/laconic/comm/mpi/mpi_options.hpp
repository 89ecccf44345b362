// SPDX-License-Identifier: Apache-2.0
// Limits of the MPI transport. run_on_mpi uses the defaults; tests use smaller ones.
#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <string_view>

#include "laconic/comm/communicator.hpp"

namespace laconic {

struct MpiOptions {
  // MPI counts in int: larger messages are sent in pieces of at most this size. At least 8.
  std::size_t largest_message_bytes = std::size_t{1} << 30;
  // Parts up to this size travel all at once, larger ones in steps of one partner each. The default
  // is about what MPI libraries send without asking the receiver first.
  std::size_t at_once_bytes = std::size_t{1} << 16;
  // How long a rank whose body threw ConfigError or DivergedError waits for the others to do the
  // same.
  double leave_wait_seconds = 10;
};

// As run_on_mpi.
void run_on_mpi_with(const MpiOptions& options, const std::function<void(Communicator&)>& body,
                     const std::function<void(std::string_view)>& on_abort,
                     const std::atomic<bool>* stop);

}  // namespace laconic
