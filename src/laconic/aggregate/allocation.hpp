// SPDX-License-Identifier: Apache-2.0
// How a transmission over an analog channel divides its power among blocks (laser.md 2.4): the
// share of block b is the mean over the workers of the worker's own share, so that shares add up
// to 1.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace laconic {

// Numbers that are scaled together. Blocks of one group follow one another.
struct AirBlock {
  std::size_t offset = 0;  // first number in the row of symbols
  std::size_t size = 0;
  std::uint32_t group = 0;  // from 0, increasing
};

// What a worker's share of a group is proportional to; d is the number of its entries.
enum class Allocation : std::uint8_t {
  kNorm,       // ||X||, LASER's choice
  kNormSqrtD,  // ||X|| sqrt(d), which makes the noise least (eq. 3)
  kUniform,    // 1
  kNumel,      // d
  kNumel2,     // d^2
  kNorm2,      // ||X||^2
};
// In the order of Allocation.
[[nodiscard]] const std::vector<std::string_view>& allocation_names();

struct AllocationRule {
  Allocation groups = Allocation::kNorm;
  double exponent = 0;  // within a group, block j gets a share proportional to ||X_j||^exponent
};

// norms: of every worker in turn, one per block. A block in which a worker has nothing gets nothing
// from it; a worker without any message is left out of the mean. If all are without, all shares are
// 0. Preconditions: as many norms as blocks times a whole number of workers; norms are finite and
// not negative; one share per block.
void allocate(const AllocationRule& rule, std::span<const AirBlock> blocks,
              std::span<const double> norms, std::span<double> shares);

}  // namespace laconic
