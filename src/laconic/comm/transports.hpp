// SPDX-License-Identifier: Apache-2.0
// The transports: one rank alone, ranks that are threads of this process, ranks that are MPI processes.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>

#include "laconic/comm/communicator.hpp"

namespace laconic {

[[nodiscard]] std::unique_ptr<Communicator> make_self_communicator();

// Runs `body` on `ranks` threads, each with its communicator; returns when all have ended. If a body
// throws, its communicator is aborted, which releases the others; the exception that came first (by
// preference one that is not a CommError) is then rethrown here. `stop` (may be null) is polled by the
// communicators: when it becomes true all of them see stop_requested().
void run_on_threads(std::uint32_t ranks, const std::function<void(Communicator&)>& body,
                    const std::atomic<bool>* stop = nullptr);

// True when this process was started by mpirun (or srun) as one of several MPI processes and the library
// was built with MPI.
[[nodiscard]] bool started_by_mpi();
[[nodiscard]] bool built_with_mpi();

// Initialises MPI, runs `body` on this process's rank, finalises MPI. If `body` throws, `on_abort` gets
// one line (it should print it), and the job is ended on all ranks with a non-zero exit code; the call
// does not return then. An exception that all ranks throw alike (ConfigError, DivergedError) is rethrown
// after finalising instead. Precondition: built_with_mpi(); called at most once per process.
void run_on_mpi(const std::function<void(Communicator&)>& body,
                const std::function<void(std::string_view)>& on_abort, const std::atomic<bool>* stop = nullptr);

}  // namespace laconic
