// SPDX-License-Identifier: Apache-2.0
// The communicator contract on self and on threads, 1 to 7 ranks. A hang ends the program: every
// test runs under a watchdog. tests/mpi runs the same cases under mpirun.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <mutex>
#include <ostream>
#include <stdexcept>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

#include "laconic/comm/transports.hpp"
#include "tests/contract/communicator_cases.hpp"

namespace laconic::test {
namespace {

class Watchdog {
 public:
  Watchdog()
      : thread_([this](const std::stop_token& stop) {
          std::unique_lock lock(mutex_);
          changed_.wait_for(lock, stop, kLimit, [] { return false; });
          if (stop.stop_requested()) return;
          std::fputs("communicator contract: a rank hangs\n", stderr);
          std::abort();
        }) {}

 private:
  static constexpr std::chrono::seconds kLimit{120};
  std::mutex mutex_;                     // of changed_; guards nothing else
  std::condition_variable_any changed_;  // notified by the stop token only
  std::jthread thread_;                  // asked to stop and joined first
};

enum class Transport : std::uint8_t { kSelf, kThreads };

void run_on(Transport transport, std::uint32_t ranks,
            const std::function<void(Communicator&)>& body) {
  if (transport == Transport::kSelf) {
    body(*make_self_communicator());
  } else {
    run_on_threads(ranks, body);
  }
}

struct Place {
  Transport transport = Transport::kSelf;
  std::uint32_t ranks = 1;
};
std::string name_of(const Place& place) {
  return place.transport == Transport::kSelf ? "Self" : "Threads" + std::to_string(place.ranks);
}
std::vector<Place> places() {
  std::vector<Place> all = {{Transport::kSelf, 1}};
  for (std::uint32_t ranks = 1; ranks <= 7; ++ranks) all.push_back({Transport::kThreads, ranks});
  return all;
}

struct Combination {
  Place place = {};
  CommunicatorCase contract = {};
};
std::vector<Combination> combinations() {
  std::vector<Combination> all;
  for (const CommunicatorCase& contract : communicator_cases()) {
    for (const Place& place : places()) {
      if (place.ranks >= contract.fewest_ranks) all.push_back({place, contract});
    }
  }
  return all;
}
void PrintTo(const Combination& combination, std::ostream* out) {
  *out << combination.contract.name << " on " << name_of(combination.place);
}

class CommunicatorContract : public testing::TestWithParam<Combination> {
  Watchdog watchdog_;
};

TEST_P(CommunicatorContract, Holds) {
  const auto& combination = GetParam();
  const auto& place = combination.place;  // clang 14 cannot capture structured bindings
  const auto& contract = combination.contract;
  std::atomic<std::uint32_t> ran = 0;
  run_on(place.transport, place.ranks, [&, run = contract.run](Communicator& comm) {
    EXPECT_EQ(comm.size(), place.ranks);
    EXPECT_EQ(comm.transport(), place.transport == Transport::kSelf ? "self" : "threads");
    run(comm);
    ++ran;
  });
  EXPECT_EQ(ran, place.ranks);
}

INSTANTIATE_TEST_SUITE_P(All, CommunicatorContract, testing::ValuesIn(combinations()),
                         [](const auto& tested) {
                           return std::string(tested.param.contract.name) + "On" +
                                  name_of(tested.param.place);
                         });

// What ends a communicator early. Each case on each number of ranks.
class CommunicatorEnd : public testing::TestWithParam<Place> {
 protected:
  void run(const std::function<void(Communicator&)>& body) const {
    run_on(GetParam().transport, GetParam().ranks, body);
  }
  [[nodiscard]] std::uint32_t ranks() const { return GetParam().ranks; }

 private:
  Watchdog watchdog_;
};
INSTANTIATE_TEST_SUITE_P(All, CommunicatorEnd, testing::ValuesIn(places()),
                         [](const auto& tested) { return name_of(tested.param); });

// Makes calls until one throws; returns its text.
std::string error_of_calls(Communicator& comm, std::uint32_t first_step) {
  try {
    for (std::uint32_t step = first_step; step < first_step + 1000; ++step) make_call(comm, step);
  } catch (const CommError& e) {
    return e.what();
  }
  return "no error";
}

TEST_P(CommunicatorEnd, AbortOfAnyRankAtAnyStepReachesAllRanks) {
  for (std::uint32_t aborter = 0; aborter < ranks(); ++aborter) {
    for (std::uint32_t step = 0; step < kSteps; ++step) {
      std::atomic<std::uint32_t> told = 0;
      run([&](Communicator& comm) {
        for (std::uint32_t s = 0; s < step; ++s) make_call(comm, s);
        if (comm.rank() == aborter) {
          comm.abort("the lake is dry");
          comm.abort("a second reason");
        }
        EXPECT_EQ(error_of_calls(comm, step), "the lake is dry");
        EXPECT_EQ(error_of_calls(comm, 0), "the lake is dry") << "later calls throw, too";
        ++told;
      });
      EXPECT_EQ(told, ranks());
    }
  }
}

TEST_P(CommunicatorEnd, AbortFromAnotherThreadReleasesRanksThatWait) {
  std::atomic<std::uint32_t> told = 0;
  run([&](Communicator& comm) {
    // The last rank makes no call, so the others wait until the outsider aborts.
    std::jthread outsider;
    if (comm.rank() + 1 == comm.size()) {
      outsider = std::jthread([&comm] { comm.abort("from outside"); });
      outsider.join();
    }
    EXPECT_EQ(error_of_calls(comm, 0), "from outside");
    ++told;
  });
  EXPECT_EQ(told, ranks());
}

TEST_P(CommunicatorEnd, ExceptionOfAnyRankReleasesTheOthersAndIsRethrown) {
  for (std::uint32_t thrower = 0; thrower < ranks(); ++thrower) {
    for (std::uint32_t step = 0; step < kSteps; ++step) {
      try {
        run([&](Communicator& comm) {
          for (std::uint32_t s = 0; s < step; ++s) make_call(comm, s);
          if (comm.rank() == thrower)
            throw DivergedError({.worker = thrower, .tensor = "w", .round = step});
          for (std::uint32_t s = step;; ++s) make_call(comm, s);
        });
        FAIL() << "rank " << thrower << " threw nothing at step " << step;
      } catch (const DivergedError& e) {
        EXPECT_EQ(e.place().worker, thrower);
        EXPECT_EQ(e.place().round, step);
      }
    }
  }
}

TEST_P(CommunicatorEnd, ExceptionThrownAlikeByAllRanksIsRethrown) {
  EXPECT_THROW(run([](Communicator& comm) {
                 make_call(comm, 0);
                 throw ConfigError("all alike");
               }),
               ConfigError);
}

TEST_P(CommunicatorEnd, ViolatedPreconditionsThrowAndReleaseTheOthers) {
  EXPECT_THROW(run([](Communicator& comm) {
                 Gathered out;
                 comm.all_to_all({}, std::vector<std::span<const std::byte>>(comm.size() + 1), out);
               }),
               std::logic_error);
  EXPECT_THROW(run([](Communicator& comm) {
                 std::vector<std::byte> bytes;
                 comm.broadcast({}, comm.size(), bytes);
               }),
               std::logic_error);
}

class ThreadRanks : public testing::Test {
  Watchdog watchdog_;
};

TEST_F(ThreadRanks, ReportARankThatReturnedWhileOthersCall) {
  for (std::uint32_t early = 0; early < 4; ++early) {
    try {
      run_on_threads(4, [&](Communicator& comm) {
        comm.barrier({1, 0});
        if (comm.rank() != early) comm.barrier({2, 5});
      });
      FAIL() << "no error";
    } catch (const CommError& e) {
      const std::string text = e.what();
      EXPECT_NE(text.find("rank " + std::to_string(early) + " has returned"), std::string::npos)
          << text;
      EXPECT_NE(text.find("is in barrier of round 2, phase 5"), std::string::npos) << text;
    }
  }
}

TEST_F(ThreadRanks, SeeTheSharedStopFlagAfterTheSameCall) {
  std::atomic<bool> stop = false;
  std::vector<std::uint32_t> last_steps(5);
  run_on_threads(
      5,
      [&](Communicator& comm) {
        std::uint32_t step = 0;
        for (; !comm.stop_requested(); ++step) {
          if (comm.rank() == 2 && step == 20) stop = true;
          make_call(comm, step);
        }
        last_steps[comm.rank()] = step;
      },
      &stop);
  // Rank 2 sets the flag between calls 19 and 20.
  EXPECT_EQ(last_steps, std::vector<std::uint32_t>(5, 21));
}

TEST_F(ThreadRanks, SeeAStopFlagThatWasSetBeforeTheyStarted) {
  const std::atomic<bool> stop = true;
  run_on_threads(
      3,
      [](Communicator& comm) {
        EXPECT_FALSE(comm.stop_requested());
        comm.barrier({});
        EXPECT_TRUE(comm.stop_requested());
      },
      &stop);
}

TEST_F(ThreadRanks, MayDropTheirBuffersRightAfterACall) {
  // A sanitizer would see a peer that still reads them.
  run_on_threads(7, [](Communicator& comm) {
    for (std::uint32_t round = 0; round < 300; ++round) {
      const std::vector<std::byte> mine(1000 + comm.rank() + round,
                                        static_cast<std::byte>(comm.rank()));
      Gathered out;
      comm.all_gather({round, 0}, mine, out);
      for (std::uint32_t r = 0; r < comm.size(); ++r) {
        ASSERT_EQ(out.part(r).back(), static_cast<std::byte>(r));
      }
    }
  });
}

TEST_F(ThreadRanks, NeedAtLeastOneRank) {
  EXPECT_THROW(run_on_threads(0, [](Communicator&) {}), std::logic_error);
}

}  // namespace
}  // namespace laconic::test
