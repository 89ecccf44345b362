// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <stdexcept>

#include "laconic/comm/communicator.hpp"

namespace laconic {
namespace {

TEST(WorkerBlocks, AreContiguousInOrderAndDifferByAtMostOne) {
  for (std::uint32_t workers = 0; workers < 40; ++workers) {
    for (std::uint32_t ranks = 1; ranks < 12; ++ranks) {
      std::uint32_t next = 0;
      for (std::uint32_t rank = 0; rank < ranks; ++rank) {
        const WorkerBlock block = workers_of_rank(workers, rank, ranks);
        EXPECT_EQ(block.begin, next);
        EXPECT_GE(block.size(), workers / ranks);
        EXPECT_LE(block.size(), (workers + ranks - 1) / ranks);
        next = block.end;
      }
      EXPECT_EQ(next, workers);
    }
  }
}

TEST(WorkerBlocks, HoldTheWorkersThatRankOfWorkerSays) {
  for (std::uint32_t workers = 1; workers < 40; ++workers) {
    for (std::uint32_t ranks = 1; ranks < 12; ++ranks) {
      for (std::uint32_t worker = 0; worker < workers; ++worker) {
        const std::uint32_t rank = rank_of_worker(workers, worker, ranks);
        EXPECT_TRUE(workers_of_rank(workers, rank, ranks).contains(worker))
            << worker << " of " << workers << " workers on " << ranks << " ranks";
      }
    }
  }
}

TEST(WorkerBlocks, DoNotOverflowAtTheLargestNumberOfWorkers) {
  constexpr std::uint32_t kMost = 0xffffffff;
  EXPECT_EQ(workers_of_rank(kMost, kMost - 1, kMost).end, kMost);
  EXPECT_EQ(rank_of_worker(kMost, kMost - 1, kMost), kMost - 1);
  EXPECT_EQ(rank_of_worker(kMost, kMost - 1, 2), 1U);
}

TEST(WorkerBlocks, RefuseWhatDoesNotExist) {
  EXPECT_THROW(static_cast<void>(workers_of_rank(3, 2, 2)), std::logic_error);
  EXPECT_THROW(static_cast<void>(rank_of_worker(3, 3, 2)), std::logic_error);
  EXPECT_THROW(static_cast<void>(rank_of_worker(3, 0, 0)), std::logic_error);
}

}  // namespace
}  // namespace laconic
