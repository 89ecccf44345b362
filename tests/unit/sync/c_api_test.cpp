// SPDX-License-Identifier: Apache-2.0
// The C interface says the same as the C++ one. examples/least_squares.c compiles it as C99.
#include <gtest/gtest.h>

#include <cstdio>
#include <string>
#include <vector>

#include "laconic/comm/transports.hpp"
#include "laconic/sync/laconic.h"
#include "laconic/sync/synchronizer.hpp"

namespace laconic {
namespace {

constexpr laconic_tensor kTensors[] = {{"w", 4, 6, 0}, {"b", 6, 1, 1}};

struct Job {
  const char* spec = "ef:sign";
  bool early = false;                               // calls ready for one of the tensors
  float bad = 0;                                    // replaces a number of rank 1
  std::vector<std::vector<float>> directions = {};  // by rank
  std::vector<std::uint64_t> sent = {};
  std::vector<std::string> errors = {};
};

void fill(std::uint32_t rank, int step, std::vector<float>& w, std::vector<float>& b) {
  for (std::size_t i = 0; i < w.size(); ++i) {
    w[i] = static_cast<float>(i) - 10 + static_cast<float>(rank) * 3 + static_cast<float>(step);
  }
  for (std::size_t i = 0; i < b.size(); ++i) b[i] = 0.25F * static_cast<float>(i + rank);
}

int body(laconic_communicator* comm, void* context) {
  Job& job = *static_cast<Job*>(context);
  const std::uint32_t rank = laconic_rank(comm);
  EXPECT_EQ(laconic_size(comm), job.directions.size());
  laconic_synchronizer* sync = laconic_create(comm, kTensors, 2, job.spec, 5);
  if (sync == nullptr) {
    job.errors[rank] = laconic_error();
    return 1;
  }
  int code = 0;
  for (int step = 0; step < 3 && code == 0; ++step) {
    std::vector<float> w(24);
    std::vector<float> b(6);
    fill(rank, step, w, b);
    if (rank == 1 && job.bad != 0) w[3] = job.bad;
    float* const gradients[] = {w.data(), b.data()};
    if (job.early) code = laconic_ready(sync, 1, b.data());
    if (code == 0) code = laconic_synchronize(sync, gradients);
    if (code != 0) job.errors[rank] = laconic_error();
    auto& out = job.directions[rank];
    out.insert(out.end(), w.begin(), w.end());
    out.insert(out.end(), b.begin(), b.end());
  }
  job.sent[rank] = laconic_sent_bytes(sync);
  laconic_destroy(sync);
  return code;
}

Job job_of(std::uint32_t ranks) {
  Job job;
  job.directions.resize(ranks);
  job.sent.resize(ranks);
  job.errors.resize(ranks);
  return job;
}

TEST(CApi, GivesTheDirectionsOfTheSynchronizer) {
  for (const bool early : {false, true}) {
    Job job = job_of(3);
    job.early = early;
    ASSERT_EQ(laconic_run(3, body, &job, nullptr), 0) << laconic_error();
    EXPECT_STREQ(laconic_error(), "");
    run_on_threads(3, [&](Communicator& comm) {
      Synchronizer<float> sync(
          {{.name = "w", .shape = {4, 6}}, {.name = "b", .shape = {6, 1}, .role = Role::kBias}},
          {.aggregator = "ef:sign", .seed = 5}, comm);
      std::vector<float> expected;
      for (int step = 0; step < 3; ++step) {
        std::vector<float> w(24);
        std::vector<float> b(6);
        fill(comm.rank(), step, w, b);
        const std::span<float> spans[] = {w, b};
        sync.synchronize(spans);
        expected.insert(expected.end(), w.begin(), w.end());
        expected.insert(expected.end(), b.begin(), b.end());
      }
      EXPECT_EQ(job.directions[comm.rank()], expected);
      EXPECT_EQ(job.sent[comm.rank()], sync.report().uplink.frame_bytes);
    });
  }
}

// A rank that has one batch less takes the last step of the others.
int uneven_body(laconic_communicator* comm, void* context) {
  Job& job = *static_cast<Job*>(context);
  const std::uint32_t rank = laconic_rank(comm);
  laconic_synchronizer* sync = laconic_create(comm, kTensors, 2, "dense", 5);
  std::vector<float> w(24);
  std::vector<float> b(6);
  float* const gradients[] = {w.data(), b.data()};
  int code = sync == nullptr ? 1 : 0;
  for (int step = 0; step < 1 + static_cast<int>(rank) && code == 0; ++step) {
    fill(rank, step, w, b);
    code = laconic_synchronize(sync, gradients);
  }
  int joined = 0;
  while (code == 0 && laconic_join(sync, gradients) == 1) ++joined;
  EXPECT_EQ(joined, rank == 0 ? 1 : 0);
  job.directions[rank] = w;
  laconic_destroy(sync);
  return code;
}

TEST(CApi, ARankWithoutBatchesJoins) {
  Job job = job_of(2);
  ASSERT_EQ(laconic_run(2, uneven_body, &job, nullptr), 0) << laconic_error();
  std::vector<float> w(24);
  std::vector<float> b(6);
  fill(1, 1, w, b);
  EXPECT_EQ(job.directions[0], w);
  EXPECT_EQ(job.directions[1], w);
}

// Saves after the first step, makes the second, goes back, and makes it again.
int saving_body(laconic_communicator* comm, void* context) {
  Job& job = *static_cast<Job*>(context);
  const std::uint32_t rank = laconic_rank(comm);
  const std::string path = testing::TempDir() + "laconic_c_api_state";
  laconic_synchronizer* sync = laconic_create(comm, kTensors, 2, "ef:sign", 5);
  std::vector<float> w(24);
  std::vector<float> b(6);
  float* const gradients[] = {w.data(), b.data()};
  const auto make_step = [&](int step) {
    fill(rank, step, w, b);
    return laconic_synchronize(sync, gradients);
  };
  int code = sync == nullptr ? 1 : make_step(0);
  if (code == 0) code = laconic_save(sync, path.c_str());
  if (code == 0) code = make_step(1);
  const std::vector<float> expected = w;
  EXPECT_EQ(laconic_load(sync, "/nowhere/state"), -1);  // and the run goes on
  job.errors[rank] = laconic_error();
  if (code == 0) code = laconic_load(sync, path.c_str());
  if (code == 0) code = make_step(1);
  EXPECT_EQ(w, expected);
  laconic_destroy(sync);
  std::remove((path + ".rank" + std::to_string(rank)).c_str());
  return code;
}

TEST(CApi, SavesAndLoads) {
  Job job = job_of(2);
  ASSERT_EQ(laconic_run(2, saving_body, &job, nullptr), 0) << laconic_error();
  EXPECT_NE(job.errors[0].find("rank 0: saved state: /nowhere/state.rank0 cannot be read"),
            std::string::npos)
      << job.errors[0];
  EXPECT_EQ(job.errors[1], job.errors[0]);
}

TEST(CApi, SaysWhyItFails) {
  Job job = job_of(2);
  job.spec = "effy";
  EXPECT_NE(laconic_run(2, body, &job, nullptr), 0);
  EXPECT_NE(std::string(laconic_error()).find("effy"), std::string::npos) << laconic_error();
  EXPECT_NE(job.errors[0].find("effy"), std::string::npos);
  Job bad = job_of(2);
  bad.bad = std::numeric_limits<float>::infinity();
  EXPECT_NE(laconic_run(2, body, &bad, nullptr), 0);
  EXPECT_NE(std::string(laconic_error()).find("w"), std::string::npos);
  EXPECT_EQ(bad.errors[0], bad.errors[1]);
  const auto seven = [](laconic_communicator*, void*) { return 7; };
  EXPECT_NE(laconic_run(2, seven, nullptr, nullptr), 0);
  EXPECT_NE(std::string(laconic_error()).find("returned 7"), std::string::npos) << laconic_error();
  const auto alone = [](laconic_communicator* comm, void*) {
    return laconic_size(comm) == 1 ? 0 : 1;
  };
  EXPECT_EQ(laconic_run(0, alone, nullptr, nullptr), 0);
}

}  // namespace
}  // namespace laconic
