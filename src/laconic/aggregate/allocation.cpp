// SPDX-License-Identifier: Apache-2.0
#include "laconic/aggregate/allocation.hpp"

#include <algorithm>
#include <cmath>

#include "laconic/base/assert.hpp"
#include "laconic/base/exact_math.hpp"

namespace laconic {
namespace {

double group_weight(Allocation rule, double norm, double size) {
  switch (rule) {
    case Allocation::kNorm:
      return norm;
    case Allocation::kNormSqrtD:
      return norm * std::sqrt(size);
    case Allocation::kUniform:
      return 1;
    case Allocation::kNumel:
      return size;
    case Allocation::kNumel2:
      return size * size;
    case Allocation::kNorm2:
      return norm * norm;
  }
  return 0;
}

double power_of(double norm, double exponent) {
  if (exponent == 0) return 1;
  if (exponent == 1) return norm;
  if (exponent == 2) return norm * norm;
  return exact::exp(exponent * exact::log(norm));
}

// One past the last block of the group that starts at `begin`.
std::size_t end_of_group(std::span<const AirBlock> blocks, std::size_t begin) {
  std::size_t end = begin + 1;
  while (end < blocks.size() && blocks[end].group == blocks[begin].group) ++end;
  return end;
}

// The weights of one worker's groups: visit(begin, end, weight) for each that has a message.
template <class Visit>
void for_groups(const AllocationRule& rule, std::span<const AirBlock> blocks,
                std::span<const double> norms, double unit, Visit visit) {
  for (std::size_t begin = 0; begin < blocks.size();) {
    const std::size_t end = end_of_group(blocks, begin);
    double squared = 0;
    double size = 0;
    for (std::size_t b = begin; b < end; ++b) {
      const double norm = norms[b] / unit;
      squared += norm * norm;
      size += static_cast<double>(blocks[b].size);
    }
    if (squared > 0) visit(begin, end, group_weight(rule.groups, std::sqrt(squared), size));
    begin = end;
  }
}

void add_worker(const AllocationRule& rule, std::span<const AirBlock> blocks,
                std::span<const double> norms, double unit, std::span<double> shares) {
  double total = 0;
  for_groups(rule, blocks, norms, unit,
             [&total](std::size_t, std::size_t, double weight) { total += weight; });
  for_groups(rule, blocks, norms, unit, [&](std::size_t begin, std::size_t end, double weight) {
    double inside = 0;
    for (std::size_t b = begin; b < end; ++b) {
      if (norms[b] > 0) inside += power_of(norms[b] / unit, rule.exponent);
    }
    for (std::size_t b = begin; b < end; ++b) {
      if (norms[b] == 0) continue;
      shares[b] += weight / total * (power_of(norms[b] / unit, rule.exponent) / inside);
    }
  });
}

}  // namespace

const std::vector<std::string_view>& allocation_names() {
  static const std::vector<std::string_view> names = {"norm",  "norm-sqrtd", "uniform",
                                                      "numel", "numel2",     "norm2"};
  return names;
}

void allocate(const AllocationRule& rule, std::span<const AirBlock> blocks,
              std::span<const double> norms, std::span<double> shares) {
  LACONIC_EXPECTS(shares.size() == blocks.size());
  LACONIC_EXPECTS(blocks.empty() ? norms.empty() : norms.size() % blocks.size() == 0);
  std::fill(shares.begin(), shares.end(), 0.0);
  std::size_t speaking = 0;
  for (std::size_t at = 0; at < norms.size(); at += blocks.size()) {
    const std::span<const double> own = norms.subspan(at, blocks.size());
    // Shares do not depend on the unit of the norms; the largest one as unit keeps squares of tiny
    // and huge norms in range.
    const double unit = *std::max_element(own.begin(), own.end());
    if (unit == 0) continue;
    ++speaking;
    add_worker(rule, blocks, own, unit, shares);
  }
  for (double& share : shares) share /= static_cast<double>(std::max<std::size_t>(speaking, 1));
}

}  // namespace laconic
