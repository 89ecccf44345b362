// SPDX-License-Identifier: Apache-2.0
// The transports: one rank alone, ranks that are threads of this process, ranks that are MPI
// processes.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>

#include "laconic/comm/communicator.hpp"

namespace laconic {

[[nodiscard]] std::unique_ptr<Communicator> make_self_communicator();

// Runs `body` on `ranks` threads, each with its communicator; returns when all have ended. If a
// body throws, its communicator is aborted, which releases the others; the exception that came
// first (by preference one that is not a CommError) is then rethrown here. A body that returns
// while another is in a collective call is a CommError on both, not a hang. `stop` (may be null) is
// polled by the communicators: when it becomes true all of them see stop_requested().
void run_on_threads(std::uint32_t ranks, const std::function<void(Communicator&)>& body,
                    const std::atomic<bool>* stop = nullptr);

// True when this process was started by mpirun (or srun) as one of several MPI processes and the
// library was built with MPI.
[[nodiscard]] bool started_by_mpi();
[[nodiscard]] bool built_with_mpi();

// Initialises MPI, runs `body` on this process's rank, finalises MPI. If `body` throws, `on_abort`
// gets one line (it should print it), and the job is ended on all ranks with a non-zero exit code;
// the call does not return then. A ConfigError or DivergedError that all ranks throw with the same
// text is rethrown after finalising instead; a rank that throws one waits some seconds for the
// others to do the same before it ends the job. abort() and a body that returns while another rank
// is in a collective call end the job, too. Throws ConfigError when laconic was built without MPI,
// and when MPI was initialised before: it is called at most once per process.
void run_on_mpi(const std::function<void(Communicator&)>& body,
                const std::function<void(std::string_view)>& on_abort,
                const std::atomic<bool>* stop = nullptr);

}  // namespace laconic
