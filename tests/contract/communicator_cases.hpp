// SPDX-License-Identifier: Apache-2.0
// What every Communicator must do, written once: communicator_contract_test runs these on self and
// on threads, tests/mpi under mpirun. A case is a body that all ranks run; it reports through
// EXPECT_.
#pragma once

#include <cstdint>
#include <span>

#include "laconic/comm/communicator.hpp"

namespace laconic::test {

struct CommunicatorCase {
  const char* name = "";
  void (*run)(Communicator&) = nullptr;
  std::uint32_t fewest_ranks = 1;
  bool finishes = false;  // the communicator cannot be used afterwards
};
[[nodiscard]] std::span<const CommunicatorCase> communicator_cases();

// One of each collective call in turn, by `step`; steps beyond kSteps begin again.
inline constexpr std::uint32_t kSteps = 6;
void make_call(Communicator& comm, std::uint32_t step);

}  // namespace laconic::test
