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
  kByLabel,     // sorted by label (in file order within a label), cut into blocks
  // File order, cut into workers + 1 equal parts; worker w takes part 0, which is common to all,
  // with probability `level`, else part w + 1 (methods/3pc, section 5.3). The only kind in which
  // workers can share rows. The last rows mod (workers + 1) rows are left out.
  kHomogeneous,
};

struct ShardOptions {
  Sharding sharding = Sharding::kContiguous;
  std::uint32_t workers = 1;
  std::uint64_t seed = 0;  // of kShuffled, kDirichlet and kHomogeneous
  // kContiguous, kShuffled and kByLabel: the last rows % workers rows are left out and all blocks
  // are equal (methods/3pc, section 5.1). Otherwise block sizes differ by at most one, the longer
  // ones first.
  bool drop_remainder = false;
  // Those three kinds: only the first `rows` rows of the data set (0: all), and of these, after the
  // shuffle, as many as are a multiple of `multiple` (0: all).
  std::uint32_t rows = 0;
  std::uint32_t multiple = 0;
  double alpha = 1;  // of kDirichlet, > 0: small means that a worker sees few labels
  double level = 1;  // of kHomogeneous, in [0, 1]: 1 means that all workers are alike
};

// Element w: the rows of worker w, increasing except with kShuffled and kByLabel. Except with
// kHomogeneous no row is in two shards, and all rows are in one unless drop_remainder, rows or
// multiple say otherwise. labels: one class per row (Examples::label_ids). ConfigError if a worker
// would get no row or an option is out of range.
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
