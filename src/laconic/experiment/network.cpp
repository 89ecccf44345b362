// SPDX-License-Identifier: Apache-2.0
#include "laconic/experiment/network.hpp"

namespace laconic::experiment {

double predicted_seconds(const NetworkLoad& load, const Network& network) {
  return static_cast<double>(load.latency_steps) * network.latency_seconds +
         static_cast<double>(load.link_bytes) * 8 / network.bandwidth_bits_per_second;
}

NetworkLoad dense_load(const DenseRounds& dense) {
  // Reduce-scatter and all-gather, n - 1 steps each, an n-th of the vector per step and direction.
  const std::uint64_t steps = 2 * (std::uint64_t{dense.workers} - 1);
  return {.latency_steps = dense.rounds * steps,
          .link_bytes = dense.rounds * (dense.vector_bytes * steps / dense.workers)};
}

}  // namespace laconic::experiment
