// SPDX-License-Identifier: Apache-2.0
// One rank of an MPI job that plays one scene, named on the command line; CMakeLists.txt says how
// each job must end. Exit code 0: the scene went as it should; 1: an expectation failed; 2 and 3:
// ConfigError and DivergedError came out of run_on_mpi.
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdio>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>

#include "laconic/base/error.hpp"
#include "laconic/comm/mpi/mpi_options.hpp"
#include "laconic/comm/transports.hpp"
#include "tests/contract/communicator_cases.hpp"

namespace laconic::test {
namespace {

std::atomic<bool> stop_flag = false;

void call_for_ever(Communicator& comm) {
  for (std::uint32_t step = 0;; ++step) make_call(comm, step);
}

void keep_contract(Communicator& comm) {
  int cases = 0;
  EXPECT_EQ(comm.transport(), "mpi");
  for (const CommunicatorCase& contract : communicator_cases()) {
    if (contract.finishes) continue;
    contract.run(comm);
    ++cases;
  }
  if (comm.rank() == 0) std::printf("contract: %d cases\n", cases);
}

void play_case(Communicator& comm, std::string_view name) {
  for (const CommunicatorCase& contract : communicator_cases()) {
    if (contract.name != name) continue;
    contract.run(comm);
    return;
  }
  throw std::invalid_argument("no such case");
}

void stop_by_flag(Communicator& comm) {
  std::uint32_t step = 0;
  for (; !comm.stop_requested(); ++step) {
    if (comm.rank() + 1 == comm.size() && step == 20) stop_flag = true;
    make_call(comm, step);
  }
  EXPECT_EQ(step, 21U);
}

// Scenes in which rank 0 does something and the others wait for it, in a call or elsewhere.
void throw_config_error_alone(Communicator& comm) {
  if (comm.rank() == 0) throw ConfigError("only here");
  comm.barrier({5, 0});
}

void throw_config_error_while_others_are_busy(Communicator& comm) {
  if (comm.rank() == 0) throw ConfigError("only here");
  while (true) pause();
}

void return_early(Communicator& comm) {
  if (comm.rank() != 0) comm.barrier({5, 0});
}

void abort_from_another_thread(Communicator& comm) {
  if (comm.rank() == 0) {
    const std::jthread outsider([&comm] { comm.abort("from outside"); });
    while (true) pause();
  }
  call_for_ever(comm);
}

void kill_rank_0(Communicator& comm) {
  make_call(comm, 0);
  if (comm.rank() == 0) std::raise(SIGKILL);
  call_for_ever(comm);
}

void play(std::string_view scene, std::string_view name, Communicator& comm) {
  if (scene.starts_with("contract")) {
    keep_contract(comm);
  } else if (scene == "case") {
    play_case(comm, name);
  } else if (scene == "stop-flag") {
    stop_by_flag(comm);
  } else if (scene == "config-error") {
    throw ConfigError("alike on all ranks");
  } else if (scene == "diverged-error") {
    make_call(comm, 0);
    throw DivergedError({.worker = 1, .tensor = "w"});
  } else if (scene == "config-errors-differ") {
    throw ConfigError("on rank " + std::to_string(comm.rank()));
  } else if (scene == "config-error-alone") {
    throw_config_error_alone(comm);
  } else if (scene == "config-error-others-busy") {
    throw_config_error_while_others_are_busy(comm);
  } else if (scene == "return-early") {
    return_early(comm);
  } else if (scene == "disagree") {
    comm.barrier({comm.rank(), 0});
  } else if (scene == "abort") {
    if (comm.rank() == 0) comm.abort("the lake is dry");
    call_for_ever(comm);
  } else if (scene == "abort-outside") {
    abort_from_another_thread(comm);
  } else if (scene == "throw") {
    if (comm.rank() == 0) throw std::runtime_error("out of luck");
    call_for_ever(comm);
  } else if (scene == "kill") {
    kill_rank_0(comm);
  } else {
    throw std::invalid_argument("no such scene");
  }
}

MpiOptions options_for(std::string_view scene) {
  MpiOptions options;
  if (scene == "contract-in-pieces") {
    options.largest_message_bytes = 72;
    options.piece_bytes = 40;
    options.window_bytes = 64;
  }
  if (scene == "contract-in-steps") options.at_once_bytes = 0;
  if (scene == "config-error-others-busy") options.leave_wait_seconds = 1;
  return options;
}

int run(std::string_view scene, std::string_view name) {
  const auto report = [](std::string_view line) {
    std::fprintf(stderr, "%.*s\n", static_cast<int>(line.size()), line.data());
  };
  try {
    run_on_mpi_with(
        options_for(scene), [&](Communicator& comm) { play(scene, name, comm); }, report,
        &stop_flag);
  } catch (const ConfigError& e) {
    report(e.what());
    return 2;
  } catch (const DivergedError& e) {
    report(e.what());
    return 3;
  }
  // The expectations lie outside any TEST: gtest keeps them under "ad hoc".
  return testing::UnitTest::GetInstance()->ad_hoc_test_result().Failed() ? 1 : 0;
}

}  // namespace
}  // namespace laconic::test

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  return laconic::test::run(argc > 1 ? argv[1] : "", argc > 2 ? argv[2] : "");
}
