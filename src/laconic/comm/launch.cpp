// SPDX-License-Identifier: Apache-2.0
#include "laconic/comm/launch.hpp"

#include <charconv>
#include <cstdint>
#include <string_view>

namespace laconic {
namespace {

std::uint32_t number_in(const char* text) {
  if (text == nullptr) return 0;
  const std::string_view view(text);
  std::uint32_t number = 0;
  const auto [end, error] = std::from_chars(view.data(), view.data() + view.size(), number);
  return error == std::errc() && end == view.data() + view.size() ? number : 0;
}

}  // namespace

bool launched_as_one_of_several(const Environment& environment) {
  for (const char* name : {"OMPI_COMM_WORLD_SIZE", "MV2_COMM_WORLD_SIZE", "PMI_SIZE"}) {
    if (number_in(environment(name)) > 1) return true;
  }
  // srun --mpi=pmix names the rank in PMIX_RANK and the number of processes only in its own
  // variable.
  return environment("PMIX_RANK") != nullptr && number_in(environment("SLURM_STEP_NUM_TASKS")) > 1;
}

}  // namespace laconic
