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
  // MPI counts in int: broadcasts of more bytes are cut. At least 1.
  std::size_t largest_message_bytes = std::size_t{1} << 30;
  // Messages from rank to rank are cut into pieces of this size, so that they can be handed on
  // before they are complete. The default is below what MPI libraries send over TCP without asking
  // the receiver first: waiting for that answer costs a fifth of a link of 100 Mbit/s. At least 1.
  std::size_t piece_bytes = std::size_t{1} << 15;
  // Pieces of so many bytes are under way at once, each way. At least 1.
  std::size_t window_bytes = std::size_t{1} << 20;
  // Gathered parts up to this size go straight to everybody, larger ones round a ring.
  std::size_t at_once_bytes = std::size_t{1} << 16;
  // A rank that waits looks for so long without a pause, then with pauses that grow up to the
  // second value: ranks may share their cores with each other and with a backward pass of the same
  // process.
  double spin_seconds = 30e-6;
  double longest_pause_seconds = 200e-6;
  // How long a rank whose body threw ConfigError or DivergedError waits for the others to do the
  // same.
  double leave_wait_seconds = 10;
};

// As run_on_mpi.
void run_on_mpi_with(const MpiOptions& options, const std::function<void(Communicator&)>& body,
                     const std::function<void(std::string_view)>& on_abort,
                     const std::atomic<bool>* stop);

}  // namespace laconic
