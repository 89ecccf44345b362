// SPDX-License-Identifier: Apache-2.0
// How long the messages of a run would take on a given network: the alpha-beta model of
// docs/network-model.md.
#pragma once

#include <cstdint>

namespace laconic::experiment {

struct Network;  // bandwidth and latency of a configuration

// What a run put on the network: latency_steps dependent messages one after the other, and
// link_bytes on the link of the busiest worker.
struct NetworkLoad {
  std::uint64_t latency_steps = 0;
  std::uint64_t link_bytes = 0;
};

[[nodiscard]] double predicted_seconds(const NetworkLoad& load, const Network& network);

// The yardstick: the sum of uncompressed vectors, reduce-scatter and all-gather in every round. As
// many bytes as a ring all-reduce, in two steps instead of 2 (n - 1): the harder yardstick.
struct DenseRounds {
  std::uint64_t rounds = 0;
  std::uint64_t vector_bytes = 0;  // of one gradient
  std::uint32_t workers = 1;
};
[[nodiscard]] NetworkLoad dense_load(const DenseRounds& dense);

}  // namespace laconic::experiment
