// SPDX-License-Identifier: Apache-2.0
// A second communicator, and a thread that uses it while the ranks' own threads go on.
#include "laconic/comm/background.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <stdexcept>
#include <string>
#include <vector>

#include "laconic/comm/transports.hpp"

namespace laconic {
namespace {

std::vector<std::byte> bytes_of(std::uint32_t rank, std::uint32_t step) {
  return std::vector<std::byte>(rank + 1, static_cast<std::byte>(step));
}

// Gathers something on the communicator and checks what came.
void gather(Communicator& comm, std::uint32_t step) {
  Gathered out;
  const auto mine = bytes_of(comm.rank(), step);
  comm.all_gather({.round = step}, mine, out);
  ASSERT_EQ(out.size(), comm.size());
  for (std::uint32_t r = 0; r < comm.size(); ++r) {
    EXPECT_TRUE(std::ranges::equal(out.part(r), bytes_of(r, step)));
  }
}

TEST(Background, CarriesCallsBesideThoseOfTheRanks) {
  for (const std::uint32_t ranks : {1U, 2U, 5U}) {
    run_on_threads(ranks, [](Communicator& comm) {
      Background background(comm.open_second({}));
      for (std::uint32_t step = 0; step < 50; ++step) {
        background.start([step](Communicator& second) { gather(second, step); });
        // Calls of another number: the two do not wait for each other.
        gather(comm, step + 100);
        comm.barrier({.round = step, .phase = 1});
      }
      background.wait();
      EXPECT_EQ(comm.traffic().calls, 101U) << "and the barrier of open_second";
    });
  }
}

TEST(Background, WorksOnOneRankAlone) {
  const auto comm = make_self_communicator();
  int done = 0;
  {
    Background background(comm->open_second({}));
    for (std::uint32_t step = 0; step < 3; ++step) {
      background.start([&done, step](Communicator& second) {
        gather(second, step);
        ++done;
      });
    }
  }
  EXPECT_EQ(done, 3) << "the destructor waits";
}

TEST(Background, HandsOverWhatTheWorkThrewOnce) {
  const auto comm = make_self_communicator();
  Background background(comm->open_second({}));
  background.start([](Communicator&) { throw std::runtime_error("the ferry has left"); });
  try {
    background.wait();
    FAIL();
  } catch (const std::runtime_error& e) {
    EXPECT_EQ(std::string(e.what()), "the ferry has left");
  }
  EXPECT_NO_THROW(background.wait());
  background.start([](Communicator&) { throw std::runtime_error("again"); });
  EXPECT_THROW(background.start([](Communicator&) {}), std::runtime_error);
}

TEST(Background, RestKeepsWhatTheWorkThrewForWait) {
  const auto comm = make_self_communicator();
  Background background(comm->open_second({}));
  background.start([](Communicator&) { throw std::runtime_error("first"); });
  background.rest();
  background.rest();
  EXPECT_THROW(background.wait(), std::runtime_error);
  EXPECT_NO_THROW(background.wait());
}

TEST(Background, IsReleasedWhenARankFails) {
  std::atomic<int> released = 0;
  try {
    run_on_threads(3, [&released](Communicator& comm) {
      Background background(comm.open_second({}));
      if (comm.rank() == 1) throw std::runtime_error("out of luck");
      background.start([](Communicator& second) { second.barrier({}); });
      try {
        background.wait();
      } catch (const CommError&) {
        ++released;
        throw;
      }
    });
    FAIL();
  } catch (const std::runtime_error& e) {
    EXPECT_EQ(std::string(e.what()), "out of luck");
  }
  EXPECT_EQ(released, 2);
}

TEST(Background, ItsFailureLeavesTheFirstCommunicatorAlone) {
  run_on_threads(2, [](Communicator& comm) {
    Background background(comm.open_second({}));
    background.start([](Communicator& second) { second.barrier({.round = second.rank()}); });
    EXPECT_THROW(background.wait(), CommError);
    EXPECT_NO_THROW(comm.barrier({.round = 3}));
    const auto other = comm.open_second({.round = 4});
    EXPECT_NO_THROW(gather(*other, 5));
  });
}

}  // namespace
}  // namespace laconic
