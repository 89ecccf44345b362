// SPDX-License-Identifier: Apache-2.0
// Which worker owns which rows. A sharding is a function of the labels, the options and the seed
// alone, so every rank derives the same one without a message.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace laconic::data {

enum class Sharding : std::uint8_t {
  kContiguous,  // file order, cut into blocks
  kShuffled,    // a random permutation, cut into blocks
  kDirichlet,   // per label, proportions over the workers drawn from Dirichlet(alpha, ..., alpha)
};

struct ShardOptions {
  Sharding sharding = Sharding::kContiguous;
  std::uint32_t workers = 1;
  std::uint64_t seed = 0;  // of kShuffled and kDirichlet
  // kContiguous and kShuffled: the last rows % workers rows are left out and all blocks are equal
  // (methods/3pc, section 5.1). Otherwise block sizes differ by at most one, the longer ones first.
  bool drop_remainder = false;
  double alpha = 1;  // of kDirichlet, > 0: small means that a worker sees few labels
};

// Element w: the rows of worker w, increasing except with kShuffled. No row is in two shards; all
// rows are in one unless drop_remainder says otherwise. labels: one class per row
// (Examples::label_ids). ConfigError if a worker would get no row or an option is out of range.
[[nodiscard]] std::vector<std::vector<std::uint32_t>> shard_rows(
    std::span<const std::uint32_t> labels, const ShardOptions& options);

// First row of block `worker` when `rows` rows are cut into near-equal blocks; worker == workers
// gives the end of the last one. Precondition: worker <= workers, workers > 0.
struct Blocks {
  std::size_t rows = 0;
  std::uint32_t workers = 1;
  [[nodiscard]] std::size_t begin(std::uint32_t worker) const;
};

}  // namespace laconic::data
