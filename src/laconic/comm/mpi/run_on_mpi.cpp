// SPDX-License-Identifier: Apache-2.0
// The life of an MPI process: initialise, run the body, end in agreement with the other ranks.
#include <fmt/format.h>
#include <mpi.h>

#include <cstdlib>
#include <exception>

#include "laconic/base/error.hpp"
#include "laconic/comm/launch.hpp"
#include "laconic/comm/mpi/mpi_communicator.hpp"
#include "laconic/comm/transports.hpp"

namespace laconic {
namespace {

void initialise() {
  int initialised = 0;
  MPI_Initialized(&initialised);
  if (initialised != 0) {
    throw ConfigError(
        "transport mpi: MPI was initialised before in this process; run_on_mpi does that itself, "
        "once per process");
  }
  // Another thread may call abort() at any time, hence MULTIPLE; without it all else still works.
  int provided = MPI_THREAD_SINGLE;
  const int code = MPI_Init_thread(nullptr, nullptr, MPI_THREAD_MULTIPLE, &provided);
  if (code != MPI_SUCCESS)
    throw CommError(fmt::format("MPI_Init_thread failed with code {}", code));
  if (provided < MPI_THREAD_SERIALIZED) {
    throw ConfigError(
        "transport mpi: this MPI library was built without support for threads "
        "(MPI_THREAD_SERIALIZED); use another build of it");
  }
}

// Runs the body to an end that all ranks share; null when it returned. Any other end ends the job.
std::exception_ptr run_to_common_end(MpiCommunicator& comm,
                                     const std::function<void(Communicator&)>& body) {
  using Ending = MpiCommunicator::Ending;
  try {
    body(comm);
    comm.leave(Ending::kReturned, {});
    return nullptr;
  } catch (const ConfigError& e) {
    comm.leave(Ending::kConfigError, e.what());
    return std::current_exception();
  } catch (const DivergedError& e) {
    comm.leave(Ending::kDivergedError, e.what());
    return std::current_exception();
  } catch (const CommError& e) {
    if (comm.disagreed()) comm.abort_together(e.what());
    comm.abort(e.what());
  } catch (const std::exception& e) {
    comm.abort(e.what());
  } catch (...) {
    comm.abort("an exception of unknown type");
  }
  return nullptr;
}

}  // namespace

bool started_by_mpi() {
  return launched_as_one_of_several([](const char* name) { return std::getenv(name); });
}

bool built_with_mpi() { return true; }

void run_on_mpi(const std::function<void(Communicator&)>& body,
                const std::function<void(std::string_view)>& on_abort,
                const std::atomic<bool>* stop) {
  run_on_mpi_with({}, body, on_abort, stop);
}

void run_on_mpi_with(const MpiOptions& options, const std::function<void(Communicator&)>& body,
                     const std::function<void(std::string_view)>& on_abort,
                     const std::atomic<bool>* stop) {
  initialise();
  std::exception_ptr failure;
  {
    MpiCommunicator comm(options, on_abort, stop);
    failure = run_to_common_end(comm, body);
  }
  MPI_Finalize();
  if (failure != nullptr) std::rethrow_exception(failure);
}

}  // namespace laconic
