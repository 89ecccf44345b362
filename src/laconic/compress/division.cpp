// SPDX-License-Identifier: Apache-2.0
#include "laconic/compress/division.hpp"

#include <algorithm>
#include <numeric>
#include <vector>

#include "laconic/base/assert.hpp"

namespace laconic::compress {
namespace {

// More tensors than this, or more coordinates in all, take the places of others.
constexpr std::size_t kMostEntries = 64;
constexpr std::size_t kMostNumbers = std::size_t{1} << 26;

// What all workers have in common in one round.
struct Shuffled {
  rng::PhiloxKey key = {};
  std::uint32_t tensor = 0;
  std::size_t size = 0;
  std::uint32_t workers = 0;
  std::uint32_t round = 0;
  std::vector<std::uint32_t> coordinates = {};
  std::uint32_t rotation = 0;                // with blocks
  std::vector<std::uint32_t> slots = {};     // of the workers, else
  std::vector<std::uint32_t> place_of = {};  // filled when it is asked for
  bool has_places = false;
};

void shuffle_from(rng::Reader& reader, std::vector<std::uint32_t>& values, std::size_t count) {
  values.resize(count);
  std::iota(values.begin(), values.end(), 0U);
  for (std::size_t i = count; i > 1; --i) std::swap(values[i - 1], values[reader.below(i)]);
}

void derive(const rng::Stream& stream, const Division& division, Shuffled& entry) {
  rng::Reader reader(stream);
  if (division.by_blocks()) {
    entry.rotation = static_cast<std::uint32_t>(reader.below(division.workers));
  } else {
    shuffle_from(reader, entry.slots, division.workers);
  }
  shuffle_from(reader, entry.coordinates, division.size);
  entry.has_places = false;
}

// Entries of this thread: one per tensor, reused round after round.
class Cache {
 public:
  Shuffled& find(const Division& division, const CompressContext& context) {
    const rng::Stream stream = shared_stream(context);
    Shuffled& entry = place_for(division, context.tensor, stream.key());
    if (entry.workers == division.workers && entry.round == context.round) return entry;
    entry.workers = division.workers;
    entry.round = context.round;
    derive(stream, division, entry);
    return entry;
  }

 private:
  // The entry of this tensor, or one that may be overwritten, with workers = 0.
  Shuffled& place_for(const Division& division, std::uint32_t tensor, rng::PhiloxKey key) {
    const auto known = std::find_if(entries_.begin(), entries_.end(), [&](const Shuffled& entry) {
      return entry.tensor == tensor && entry.size == division.size &&
             entry.workers == division.workers && entry.key == key;
    });
    if (known != entries_.end()) return *known;
    const bool room = entries_.size() < kMostEntries && numbers_ + division.size <= kMostNumbers;
    if (room || entries_.empty()) entries_.emplace_back();
    Shuffled& entry =
        room || entries_.size() == 1 ? entries_.back() : entries_[next_++ % entries_.size()];
    numbers_ += division.size - entry.size;
    entry.workers = 0;
    entry.size = division.size;
    entry.tensor = tensor;
    entry.key = key;
    return entry;
  }

  std::vector<Shuffled> entries_;
  std::size_t numbers_ = 0;  // coordinates in all entries
  std::size_t next_ = 0;
};

Shuffled& shuffled(const Division& division, const CompressContext& context) {
  thread_local Cache cache;
  return cache.find(division, context);
}

}  // namespace

std::size_t Division::quotient() const { return by_blocks() ? size / workers : workers / size; }
std::size_t Division::remainder() const { return by_blocks() ? size % workers : workers % size; }
std::size_t Division::largest_share() const {
  if (!by_blocks()) return 1;
  return quotient() + (remainder() > 0 && !drop ? 1 : 0);
}

Share share_of(const Division& division, const CompressContext& context, bool with_places) {
  LACONIC_EXPECTS(context.worker < division.workers);
  LACONIC_EXPECTS(division.size > 0);
  LACONIC_EXPECTS(division.size <= (std::uint64_t{1} << 32));
  Shuffled& entry = shuffled(division, context);
  const std::span<const std::uint32_t> coordinates = entry.coordinates;
  const std::size_t q = division.quotient();
  const std::size_t extra = division.drop ? 0 : division.remainder();
  if (!division.by_blocks()) {
    const std::size_t slot = entry.slots[context.worker];
    if (division.drop && slot >= q * division.size) return {};
    const std::size_t place = slot % division.size;
    return {.coordinates = coordinates.subspan(place, 1), .keepers = q + (place < extra ? 1 : 0)};
  }
  if (with_places && !entry.has_places) {
    entry.place_of.resize(division.size);
    for (std::size_t place = 0; place < division.size; ++place)
      entry.place_of[coordinates[place]] = static_cast<std::uint32_t>(place);
    entry.has_places = true;
  }
  const std::size_t block = (std::size_t{context.worker} + entry.rotation) % division.workers;
  const std::size_t begin = block * q + std::min(block, extra);
  return {.coordinates = coordinates.subspan(begin, q + (block < extra ? 1 : 0)),
          .begin = begin,
          .place_of = entry.place_of};
}

}  // namespace laconic::compress
