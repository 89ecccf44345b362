// SPDX-License-Identifier: Apache-2.0
#include "laconic/compress/subset.hpp"

#include <algorithm>
#include <bit>
#include <numeric>
#include <vector>

#include "laconic/base/assert.hpp"

namespace laconic::compress {
namespace {

// One bit per coordinate. All zero between calls.
class Bitmap {
 public:
  void fit(std::size_t size) {
    if (words_.size() < (size + 63) / 64) words_.resize((size + 63) / 64, 0);
  }
  // False if it was there.
  bool insert(std::uint32_t value) {
    std::uint64_t& word = words_[value / 64];
    const std::uint64_t bit = std::uint64_t{1} << (value % 64);
    const bool fresh = (word & bit) == 0;
    word |= bit;
    return fresh;
  }
  // Moves the elements out, in increasing order.
  void drain(std::size_t size, std::span<std::uint32_t> out) {
    std::size_t count = 0;
    for (std::size_t w = 0; w < (size + 63) / 64; ++w) {
      for (std::uint64_t word = words_[w]; word != 0; word &= word - 1) {
        out[count++] =
            static_cast<std::uint32_t>(w * 64 + static_cast<std::size_t>(std::countr_zero(word)));
      }
      words_[w] = 0;
    }
  }

 private:
  std::vector<std::uint64_t> words_;
};

// Open addressing. Slots of earlier calls count as empty, so that nothing is cleared.
class HashSet {
 public:
  void start(std::size_t count) {
    const std::size_t needed = std::bit_ceil(2 * count + 1);
    if (slots_.size() < needed) slots_.assign(needed, 0);
    // The upper half of a slot is the call that wrote it.
    if (++call_ == 0) {
      std::fill(slots_.begin(), slots_.end(), 0);
      call_ = 1;
    }
  }
  bool insert(std::uint32_t value) {
    const std::size_t mask = slots_.size() - 1;
    const std::uint64_t entry = (std::uint64_t{call_} << 32) | value;
    for (std::size_t at = (value * 0x9E3779B97F4A7C15U) >> 32;; ++at) {
      std::uint64_t& slot = slots_[at & mask];
      if (slot == entry) return false;
      if (slot >> 32 == call_) continue;
      slot = entry;
      return true;
    }
  }

 private:
  std::vector<std::uint64_t> slots_;
  std::uint32_t call_ = 0;
};

template <class Insert>
void floyd(const rng::Stream& stream, std::size_t size, std::size_t k, Insert insert) {
  rng::Reader reader(stream);
  for (std::size_t j = size - k; j < size; ++j) {
    const auto drawn = static_cast<std::uint32_t>(reader.below(j + 1));
    if (!insert(drawn)) insert(static_cast<std::uint32_t>(j));
  }
}

}  // namespace

std::span<const std::uint32_t> random_subset(const rng::Stream& stream, std::size_t size,
                                             std::size_t k) {
  LACONIC_EXPECTS(k <= size);
  LACONIC_EXPECTS(size <= (std::uint64_t{1} << 32));
  thread_local std::vector<std::uint32_t> result;  // these grow to the largest set, then stay
  thread_local Bitmap bitmap;
  thread_local HashSet hashes;
  if (result.size() < k) result.resize(k);
  const std::span<std::uint32_t> out = std::span(result).first(k);
  if (k == size) {
    std::iota(out.begin(), out.end(), 0U);
  } else if (size / 512 <= k) {
    bitmap.fit(size);
    floyd(stream, size, k, [](std::uint32_t value) { return bitmap.insert(value); });
    bitmap.drain(size, out);
  } else {
    hashes.start(k);
    std::size_t count = 0;
    floyd(stream, size, k, [&](std::uint32_t value) {
      const bool fresh = hashes.insert(value);
      if (fresh) out[count++] = value;
      return fresh;
    });
    std::sort(out.begin(), out.end());
  }
  return out;
}

}  // namespace laconic::compress
