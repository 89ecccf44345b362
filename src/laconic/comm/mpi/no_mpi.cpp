// SPDX-License-Identifier: Apache-2.0
// Stands in for the MPI transport in a build without MPI.
#include "laconic/base/error.hpp"
#include "laconic/comm/mpi/mpi_options.hpp"
#include "laconic/comm/transports.hpp"

namespace laconic {

bool started_by_mpi() { return false; }
bool built_with_mpi() { return false; }

void run_on_mpi(const std::function<void(Communicator&)>& body,
                const std::function<void(std::string_view)>& on_abort,
                const std::atomic<bool>* stop) {
  run_on_mpi_with({}, body, on_abort, stop);
}

void run_on_mpi_with(const MpiOptions&, const std::function<void(Communicator&)>&,
                     const std::function<void(std::string_view)>&, const std::atomic<bool>*) {
  throw ConfigError(
      "transport mpi: laconic was built without MPI; install an MPI library and configure with "
      "-DLACONIC_MPI=ON, or use threads");
}

}  // namespace laconic
