// SPDX-License-Identifier: Apache-2.0
#include "laconic/comm/launch.hpp"

#include <gtest/gtest.h>

#include <map>
#include <string>

#include "laconic/base/error.hpp"
#include "laconic/comm/transports.hpp"

namespace laconic {
namespace {

bool launched(const std::map<std::string, std::string>& variables) {
  return launched_as_one_of_several([&](const char* name) -> const char* {
    const auto found = variables.find(name);
    return found == variables.end() ? nullptr : found->second.c_str();
  });
}

TEST(Launch, SeesSeveralProcessesOfEachLauncher) {
  EXPECT_TRUE(launched({{"OMPI_COMM_WORLD_SIZE", "2"}}));
  EXPECT_TRUE(launched({{"PMI_SIZE", "16"}}));
  EXPECT_TRUE(launched({{"MV2_COMM_WORLD_SIZE", "3"}}));
  EXPECT_TRUE(launched({{"PMIX_RANK", "0"}, {"SLURM_STEP_NUM_TASKS", "2"}}));
}

TEST(Launch, TakesOneProcessForOneAlone) {
  EXPECT_FALSE(launched({}));
  EXPECT_FALSE(launched({{"OMPI_COMM_WORLD_SIZE", "1"}}));
  EXPECT_FALSE(launched({{"PMIX_RANK", "0"}, {"SLURM_STEP_NUM_TASKS", "1"}}));
}

TEST(Launch, DoesNotTakeTheShellOfAnAllocationForARank) {
  EXPECT_FALSE(launched({{"SLURM_NTASKS", "8"}, {"SLURM_STEP_NUM_TASKS", "8"}}));
}

TEST(Launch, IgnoresWhatIsNotANumber) {
  EXPECT_FALSE(launched({{"PMI_SIZE", ""}}));
  EXPECT_FALSE(launched({{"PMI_SIZE", "two"}}));
  EXPECT_FALSE(launched({{"PMI_SIZE", "2x"}}));
}

TEST(Launch, WithoutMpiSaysHowToGetIt) {
  if (built_with_mpi()) GTEST_SKIP() << "this build has MPI";
  EXPECT_FALSE(started_by_mpi());
  try {
    run_on_mpi([](Communicator&) {}, [](std::string_view) {});
    FAIL() << "no error";
  } catch (const ConfigError& e) {
    EXPECT_NE(std::string(e.what()).find("built without MPI"), std::string::npos);
  }
}

}  // namespace
}  // namespace laconic
