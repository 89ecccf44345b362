// SPDX-License-Identifier: Apache-2.0
#include "laconic/experiment/network.hpp"

#include <gtest/gtest.h>

#include "laconic/experiment/config.hpp"

namespace laconic::experiment {
namespace {

TEST(Network, AddsLatencyAndTransmission) {
  const Network network = {.bandwidth_bits_per_second = 1e6, .latency_seconds = 0.5};
  EXPECT_EQ(predicted_seconds({.latency_steps = 4, .link_bytes = 250000}, network), 2.0 + 2.0);
}

TEST(Network, CountsTwoPhasesOfADenseRound) {
  const NetworkLoad load = dense_load({.rounds = 10, .vector_bytes = 4000, .workers = 4});
  EXPECT_EQ(load.latency_steps, 20U);
  EXPECT_EQ(load.link_bytes, 10U * 2 * 3000);
}

TEST(Network, SendsNothingForOneWorker) {
  const NetworkLoad load = dense_load({.rounds = 10, .vector_bytes = 4000, .workers = 1});
  EXPECT_EQ(load.latency_steps, 0U);
  EXPECT_EQ(load.link_bytes, 0U);
}

}  // namespace
}  // namespace laconic::experiment
