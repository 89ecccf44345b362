// SPDX-License-Identifier: Apache-2.0
// The random-vector experiment of CD-GraB (Figure 10; cd-grab.md 4.3): fixed vectors take the place
// of gradients, and the herding bound is measured round by round.
#pragma once

#include <cstdint>
#include <vector>

#include "laconic/base/spec.hpp"
#include "laconic/order/herding_bound.hpp"

namespace laconic {

struct RandomVectors {
  std::uint32_t vectors = 64'000;  // of all workers; must be a multiple of workers
  std::uint32_t dim = 16;
  std::uint32_t workers = 8;
  std::uint64_t seed = 0;
};

// Standard normal vectors, scaled to Euclidean length 1; then each worker's own mean is subtracted,
// as the authors' script does. Laid out as WorkerVectors. vectors * dim numbers.
[[nodiscard]] std::vector<double> draw_random_vectors(const RandomVectors& setup);

struct RandomVectorRounds {
  std::vector<HerdingBound> bounds = {};  // of the orders of epochs 0 to rounds
  double ordering_seconds = 0;            // in observing and reordering, of one core
};
// Runs an order of the registry for `rounds` epochs on the vectors, in one process, with a time
// step of one unit per worker. Throws ConfigError when vectors is not a multiple of workers or a
// number is 0. Preconditions: canonical was returned by Catalog::canonical for kind "order";
// order_problems is empty.
[[nodiscard]] RandomVectorRounds random_vector_bounds(const Spec& canonical,
                                                      const RandomVectors& setup,
                                                      std::uint32_t rounds);

}  // namespace laconic
