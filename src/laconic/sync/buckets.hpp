// SPDX-License-Identifier: Apache-2.0
// Which tensors of a model are exchanged together. Small tensors share a bucket, because every
// exchange costs latency; a tensor is never cut, because methods may want whole matrices. Buckets
// are filled from the last tensor to the first, the order in which a backward pass finishes
// gradients, so that the first bucket can travel while the rest is still being computed.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "laconic/tensor/layout.hpp"

namespace laconic {

struct Bucket {
  std::vector<std::size_t> tensors = {};  // indices, from the last to the first
  Layout layout = {};                     // of these tensors, in the same order
  bool exempt = false;                    // goes uncompressed
};

struct BucketRules {
  std::size_t numbers = std::size_t{1} << 20;  // a bucket is closed when it holds so many
  bool exempt_vectors = true;                  // tensors of one column have buckets of their own
};

// Every tensor in exactly one bucket. Preconditions: as for Layout; offsets are ignored.
[[nodiscard]] std::vector<Bucket> plan_buckets(std::span<const Tensor> tensors,
                                               const BucketRules& rules);

}  // namespace laconic
