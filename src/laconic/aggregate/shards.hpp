// SPDX-License-Identifier: Apache-2.0
// The server, cut into shards so that no rank is a bottleneck: shard s serves one slice of the
// coordinates and is hosted by the rank of its owner, a worker. Shards are facts of the experiment
// (of the layout and the number of workers), never of the ranks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "laconic/tensor/layout.hpp"

namespace laconic {

struct Shard {
  std::size_t begin = 0;
  std::size_t end = 0;
  std::uint32_t owner = 0;       // worker on whose machine the shard lives
  std::size_t first_tensor = 0;  // tensor shards only: the tensors of the slice
  std::size_t last_tensor = 0;   // one behind
  [[nodiscard]] std::size_t size() const { return end - begin; }
};

// signsgd.md 2.8: a single server up to 4 workers, one shard per worker beyond.
[[nodiscard]] std::uint32_t default_shards(std::uint32_t workers);

// Up to `count` slices of nearly equal size whose boundaries are multiples of 64; empty ones are
// left out.
[[nodiscard]] std::vector<Shard> even_shards(std::size_t dim, std::uint32_t count,
                                             std::uint32_t workers);
// Up to `count` slices of whole consecutive tensors, of sizes as equal as whole tensors allow.
[[nodiscard]] std::vector<Shard> tensor_shards(const Layout& layout, std::uint32_t count,
                                               std::uint32_t workers);

}  // namespace laconic
