// SPDX-License-Identifier: Apache-2.0
#include "laconic/aggregate/shards.hpp"

#include <algorithm>

#include "laconic/base/assert.hpp"

namespace laconic {

std::uint32_t default_shards(std::uint32_t workers) { return workers <= 4 ? 1 : workers; }

std::vector<Shard> even_shards(std::size_t dim, std::uint32_t count, std::uint32_t workers) {
  LACONIC_EXPECTS(dim > 0 && count > 0 && workers > 0);
  const std::size_t words = (dim + 63) / 64;
  std::vector<Shard> out;
  for (std::uint32_t s = 0; s < count; ++s) {
    const std::size_t begin = words * s / count * 64;
    const std::size_t end = std::min(dim, words * (s + std::size_t{1}) / count * 64);
    if (begin < end)
      out.push_back(
          {.begin = begin, .end = end, .owner = static_cast<std::uint32_t>(out.size()) % workers});
  }
  return out;
}

std::vector<Shard> tensor_shards(const Layout& layout, std::uint32_t count, std::uint32_t workers) {
  LACONIC_EXPECTS(layout.size() > 0 && count > 0 && workers > 0);
  std::vector<Shard> out;
  std::size_t t = 0;
  for (std::uint32_t s = 0; s < count && t < layout.tensors().size(); ++s) {
    // A shard takes tensors until it reaches its share of what is left; the last one takes the
    // rest.
    const std::size_t begin = layout.tensors()[t].offset;
    const std::size_t share = (layout.size() - begin) / (count - s);
    Shard shard = {.begin = begin,
                   .end = begin,
                   .owner = static_cast<std::uint32_t>(out.size()) % workers,
                   .first_tensor = t};
    do {
      shard.end += layout.tensors()[t].shape.size();
      ++t;
    } while (t < layout.tensors().size() &&
             (s + 1 == count || shard.end + layout.tensors()[t].shape.size() / 2 <= begin + share));
    shard.last_tensor = t;
    out.push_back(shard);
  }
  return out;
}

}  // namespace laconic
