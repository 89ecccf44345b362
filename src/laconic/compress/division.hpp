// SPDX-License-Identifier: Apache-2.0
// Which worker keeps which coordinates in a round (Perm-K, 3pc.md section 3): all ranks derive the
// same division from the shared stream. docs/reproducibility.md specifies the draws.
#pragma once

#include <cstdint>
#include <span>

#include "laconic/compress/compressor.hpp"

namespace laconic::compress {

// d coordinates among n workers.
//
// d >= n: the coordinates are shuffled and cut into n blocks of q = floor(d/n) coordinates, or, for
// the first d - q n of them, q + 1; a random rotation says which worker has which block, so that
// every worker has every coordinate with probability 1/n. Every coordinate has one keeper.
//
// n > d: coordinates get q = floor(n/d) keepers, or, for n - q d random ones of them, q + 1; every
// worker keeps one coordinate, each with probability 1/d.
//
// `drop` leaves the remainder out, as the authors' code does: the last d - q n shuffled coordinates
// are not sent, or n - q d workers send nothing.
struct Division {
  std::size_t size = 0;  // d
  std::uint32_t workers = 1;
  bool drop = false;

  [[nodiscard]] bool by_blocks() const { return size >= workers; }
  // q, and what is left over.
  [[nodiscard]] std::size_t quotient() const;
  [[nodiscard]] std::size_t remainder() const;
  // The largest number of coordinates that a worker may have.
  [[nodiscard]] std::size_t largest_share() const;
};

struct Share {
  std::span<const std::uint32_t> coordinates = {};
  // The block is made of the places begin ... of the shuffled order; place_of[c] is that of
  // coordinate c. Only with blocks, and only if asked for.
  std::size_t begin = 0;
  std::span<const std::uint32_t> place_of = {};
  std::size_t keepers = 1;  // of each of these coordinates
};

// The share of the context's worker. Linear in d once per round and thread, since the thread keeps
// what it derived for all workers. The spans are valid until the thread's next call. Precondition:
// context.worker < division.workers, 0 < size <= 2^32.
[[nodiscard]] Share share_of(const Division& division, const CompressContext& context,
                             bool with_places = false);

}  // namespace laconic::compress
