// SPDX-License-Identifier: Apache-2.0
#include "laconic/experiment/network.hpp"

#include "laconic/experiment/config.hpp"

namespace laconic::experiment {

double predicted_seconds(const NetworkLoad& load, const Network& network) {
  return static_cast<double>(load.latency_steps) * network.latency_seconds +
         static_cast<double>(load.link_bytes) * 8 / network.bandwidth_bits_per_second;
}

NetworkLoad dense_load(const DenseRounds& dense) {
  if (dense.workers < 2) return {};
  // Two phases: every worker sends the others their slices, then every worker sends its sum to all.
  const std::uint64_t others = std::uint64_t{dense.workers} - 1;
  const std::uint64_t phase_bytes = dense.vector_bytes * others / dense.workers;
  return {.latency_steps = dense.rounds * 2, .link_bytes = dense.rounds * 2 * phase_bytes};
}

}  // namespace laconic::experiment
