// SPDX-License-Identifier: Apache-2.0
#include "laconic/compress/level_body.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>
#include <vector>

#include "laconic/base/assert.hpp"
#include "laconic/kernels/kernels.hpp"
#include "laconic/tensor/workspace.hpp"
#include "laconic/wire/bits.hpp"
#include "laconic/wire/sparse.hpp"
#include "laconic/wire/values.hpp"

namespace laconic::compress {
namespace {

constexpr std::size_t kTritsPerByte = 5;
constexpr unsigned kTritBytes = 243;

// The byte of five numbers, from their mask bits and above these their sign bits.
constexpr std::array<std::uint8_t, 1024> make_trit_bytes() {
  std::array<std::uint8_t, 1024> out{};
  for (unsigned planes = 0; planes < out.size(); ++planes) {
    unsigned byte = 0;
    for (unsigned j = kTritsPerByte; j-- > 0;) {
      const unsigned kept = planes >> j & 1;
      const unsigned negative = planes >> (j + kTritsPerByte) & 1;
      byte = 3 * byte + (kept == 0 ? 0 : 1 + negative);
    }
    out[planes] = static_cast<std::uint8_t>(byte);
  }
  return out;
}
constexpr std::array<std::uint8_t, 1024> kTritBytesOfPlanes = make_trit_bytes();

std::size_t trit_bytes(std::size_t size) { return (size + kTritsPerByte - 1) / kTritsPerByte; }
std::uint32_t code_bits(std::uint32_t levels) {
  return 1 + static_cast<std::uint32_t>(std::bit_width(levels));
}

std::size_t count_bits(std::span<const std::uint64_t> plane) {
  std::size_t count = 0;
  for (const std::uint64_t word : plane) count += static_cast<std::size_t>(std::popcount(word));
  return count;
}

// Places and what stands at them; kept from finding the shortest kind to writing it. Not for
// sharing between threads.
struct Places {
  std::vector<std::uint32_t> small = {};  // levels
  std::vector<std::uint32_t> exact = {};
  wire::IndexPlan small_plan = {};
  wire::IndexPlan exact_plan = {};
};

void places_of(std::span<const std::uint64_t> mask, std::span<const std::uint64_t> without,
               std::vector<std::uint32_t>& out) {
  for (std::size_t w = 0; w < mask.size(); ++w) {
    std::uint64_t word = mask[w] & ~(without.empty() ? 0 : without[w]);
    for (; word != 0; word &= word - 1)
      out.push_back(static_cast<std::uint32_t>(w * 64) +
                    static_cast<std::uint32_t>(std::countr_zero(word)));
  }
}

template <Real T>
void find_places(const LevelBucket<T>& bucket, Places& out) {
  const std::size_t size = bucket.x.size();
  out.small.clear();
  out.exact.clear();
  out.small.reserve(size);  // how many there are varies; memory shall not
  if (bucket.levels == 1) {
    places_of(bucket.mask, bucket.exact, out.small);
  } else {
    for (std::size_t i = 0; i < size; ++i) {
      if (bucket.codes[i] != 0) out.small.push_back(static_cast<std::uint32_t>(i));
    }
  }
  out.small_plan = wire::plan_indices(size, out.small);
  if (bucket.exact.empty()) return;
  out.exact.reserve(size);
  places_of(bucket.exact, {}, out.exact);
  out.exact_plan = wire::plan_indices(size, out.exact);
}

// What the length of a body depends on, besides places.
struct Facts {
  std::size_t size = 0;
  std::uint32_t levels = 1;
  bool exact = false;  // some numbers are sent as they are
  std::size_t number_bytes = 4;
};
template <Real T>
Facts facts_of(const LevelBucket<T>& bucket) {
  return {bucket.x.size(), bucket.levels, !bucket.exact.empty(), sizeof(T)};
}
template <Real T>
Facts facts_of(const SparseBucket<T>& bucket) {
  return {bucket.size, bucket.levels, !bucket.exact.indices.empty(), sizeof(T)};
}

bool fits(LevelKind kind, const Facts& facts) {
  const bool one = facts.levels == 1;
  const bool exact = facts.exact;
  switch (kind) {
    case LevelKind::kPlain:
      return true;
    case LevelKind::kDense:
      return !exact;
    case LevelKind::kTrits:
    case LevelKind::kSparseTrits:
      return one && !exact;
    case LevelKind::kSparseCodes:
      return !one;
    case LevelKind::kExact:
      return one && exact;
  }
  return false;
}

// Tag and scale included.
std::size_t bytes_of(LevelKind kind, const Facts& facts, const Places& places) {
  const std::size_t size = facts.size;
  const std::size_t front = 1 + facts.number_bytes;
  const std::uint32_t bits = code_bits(facts.levels);
  const std::size_t count = places.small.size();
  switch (kind) {
    case LevelKind::kPlain:
      return 1 + size * facts.number_bytes;
    case LevelKind::kDense:
      return front + wire::bytes_for_bits(std::uint64_t{size} * bits);
    case LevelKind::kTrits:
      return front + trit_bytes(size);
    case LevelKind::kSparseTrits:
      return front + wire::index_set_bytes(places.small_plan, count) + wire::bytes_for_bits(count);
    case LevelKind::kSparseCodes:
      return front + wire::index_set_bytes(places.small_plan, count) +
             wire::bytes_for_bits(std::uint64_t{count} * bits);
    case LevelKind::kExact:
      return front + wire::index_set_bytes(places.small_plan, count) + wire::bytes_for_bits(count) +
             wire::index_set_bytes(places.exact_plan, places.exact.size()) +
             places.exact.size() * facts.number_bytes;
  }
  return 0;
}

bool needs_places(LevelKind kind) { return kind >= LevelKind::kSparseTrits; }

template <Real T>
std::size_t nonzeros(const LevelBucket<T>& bucket) {
  if (bucket.levels == 1) return count_bits(bucket.mask);
  return bucket.codes.size() - static_cast<std::size_t>(std::count(
                                   bucket.codes.begin(), bucket.codes.end(), std::uint16_t{0}));
}

// One more than the last place; 0 if there is none.
template <Real T>
std::size_t end_of_places(const LevelBucket<T>& bucket) {
  std::size_t end = bucket.levels == 1 ? bucket.mask.size() : bucket.codes.size();
  if (bucket.levels > 1) {
    while (end > 0 && bucket.codes[end - 1] == 0) --end;
    return end;
  }
  while (end > 0 && bucket.mask[end - 1] == 0) --end;
  return end == 0 ? 0 : end * 64 - static_cast<std::size_t>(std::countl_zero(bucket.mask[end - 1]));
}

// What a body with places takes at least. Rice codes take two bits per place, or with parameter 0
// as many bits as there are coordinates up to the last place.
template <Real T>
std::size_t least_sparse_bytes(const LevelBucket<T>& bucket) {
  const std::size_t size = bucket.x.size();
  const std::uint64_t count = nonzeros(bucket);
  const std::uint64_t each = bucket.levels == 1 ? 1 : code_bits(bucket.levels);
  std::uint64_t places = 0;
  if (count < size) {
    places = std::min<std::uint64_t>(
        {2 * count, count * wire::index_bits(size), size, end_of_places(bucket)});
  }
  return 2 + sizeof(T) + wire::bytes_for_bits(places) + wire::bytes_for_bits(count * each);
}

// The first of the shortest kinds.
class Choice {
 public:
  explicit Choice(const Facts& facts)
      : facts_(facts), bytes_(bytes_of(LevelKind::kPlain, facts, {})) {}
  void consider(LevelKind kind, const Places& places) {
    if (!fits(kind, facts_)) return;
    const std::size_t bytes = bytes_of(kind, facts_, places);
    if (bytes >= bytes_) return;
    bytes_ = bytes;
    kind_ = kind;
  }
  void consider_dense() {
    consider(LevelKind::kDense, {});
    consider(LevelKind::kTrits, {});
  }
  void consider_sparse(const Places& places) {
    consider(LevelKind::kSparseTrits, places);
    consider(LevelKind::kSparseCodes, places);
    consider(LevelKind::kExact, places);
  }
  [[nodiscard]] LevelKind kind() const { return kind_; }
  [[nodiscard]] std::size_t bytes() const { return bytes_; }

 private:
  Facts facts_;
  LevelKind kind_ = LevelKind::kPlain;
  std::size_t bytes_;
};

// Leaves the places in `places` if the kind needs them.
template <Real T>
LevelKind choose(const LevelBucket<T>& bucket, Places& places) {
  Choice choice(facts_of(bucket));
  choice.consider_dense();
  if (bucket.exact.empty() && least_sparse_bytes(bucket) >= choice.bytes()) return choice.kind();
  find_places(bucket, places);
  choice.consider_sparse(places);
  return choice.kind();
}

void write_trits(std::span<const std::uint64_t> mask, std::span<const std::uint64_t> signs,
                 std::span<std::byte> out) {
  const auto five = [](std::span<const std::uint64_t> plane, std::size_t bit) {
    const std::size_t word = bit / 64;
    const std::size_t shift = bit % 64;
    std::uint64_t bits = plane[word] >> shift;
    if (shift > 64 - kTritsPerByte && word + 1 < plane.size())
      bits |= plane[word + 1] << (64 - shift);
    return static_cast<unsigned>(bits & 31U);
  };
  for (std::size_t b = 0; b < out.size(); ++b) {
    const unsigned planes = five(mask, b * kTritsPerByte) | five(signs, b * kTritsPerByte) << 5;
    out[b] = static_cast<std::byte>(kTritBytesOfPlanes[planes]);
  }
}

std::uint64_t bit_at(std::span<const std::uint64_t> plane, std::size_t i) {
  return plane[i / 64] >> (i % 64) & 1;
}

template <Real T>
void write_dense(const LevelBucket<T>& bucket, std::span<std::byte> out) {
  wire::BitWriter writer(out);
  const std::uint32_t bits = code_bits(bucket.levels);
  if (bucket.levels == 1) {
    for (std::size_t i = 0; i < bucket.x.size(); ++i)
      writer.put(bit_at(bucket.mask, i) | bit_at(bucket.signs, i) << 1, bits);
    return writer.finish();
  }
  std::size_t i = 0;
  if (4 * bits <= 57) {  // four at once
    for (; i + 4 <= bucket.codes.size(); i += 4) {
      std::uint64_t four = 0;
      for (std::size_t j = 4; j-- > 0;) four = four << bits | bucket.codes[i + j];
      writer.put(four, 4 * bits);
    }
  }
  for (; i < bucket.codes.size(); ++i) writer.put(bucket.codes[i], bits);
  writer.finish();
}

// code_at(j) is what stands at the j-th place.
template <class CodeAt>
void write_places(const Facts& facts, const Places& places, CodeAt code_at,
                  std::vector<std::byte>& out) {
  const std::uint32_t bits = facts.levels == 1 ? 1 : code_bits(facts.levels);
  wire::write_index_set(places.small_plan, facts.size, places.small, out);
  const std::size_t start = out.size();
  out.resize(start + wire::bytes_for_bits(std::uint64_t{places.small.size()} * bits));
  wire::BitWriter writer(std::span<std::byte>(out).subspan(start));
  for (std::size_t j = 0; j < places.small.size(); ++j) writer.put(code_at(j), bits);
  writer.finish();
}

template <Real T>
void write_exact(const Facts& facts, const Places& places, std::span<const T> values,
                 std::vector<std::byte>& out) {
  wire::write_index_set(places.exact_plan, facts.size, places.exact, out);
  wire::write_values<T>(wire::native_format<T>(), values, out);
}

// Without tags, counts and padding.
std::uint64_t payload_bits(LevelKind kind, const Facts& facts, const Places& places) {
  const std::uint64_t size = facts.size;
  const std::uint64_t count = places.small.size();
  const std::uint64_t scale = 8 * facts.number_bytes;
  const std::uint64_t bits = code_bits(facts.levels);
  const auto set_bits = [](const wire::IndexPlan& plan) {
    const bool none =
        plan.coding == wire::IndexCoding::kAll || plan.coding == wire::IndexCoding::kNone;
    return none ? 0 : plan.bits;
  };
  switch (kind) {
    case LevelKind::kPlain:
      return 8 * facts.number_bytes * size;
    case LevelKind::kDense:
      return scale + size * bits;
    case LevelKind::kTrits:
      return scale + (8 * size + 4) / 5;
    case LevelKind::kSparseTrits:
      return scale + set_bits(places.small_plan) + count;
    case LevelKind::kSparseCodes:
      return scale + set_bits(places.small_plan) + count * bits;
    case LevelKind::kExact:
      return scale + set_bits(places.small_plan) + count + set_bits(places.exact_plan) +
             8 * facts.number_bytes * places.exact.size();
  }
  return 0;
}

// The numbers of a plain body, with the rounding that all other kinds have.
template <Real T>
void write_plain(const LevelBucket<T>& bucket, std::vector<std::byte>& out) {
  thread_local Scratch<T> memory;  // grows to the largest bucket that is sent like this, then stays
  const std::span<T> values = memory.take(bucket.x.size());
  const std::uint32_t negative = std::uint32_t{1} << std::bit_width(bucket.levels);
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (!bucket.exact.empty() && bit_at(bucket.exact, i) != 0) {
      values[i] = bucket.x[i];
      continue;
    }
    const std::uint32_t code =
        bucket.levels == 1
            ? static_cast<std::uint32_t>(bit_at(bucket.mask, i) | bit_at(bucket.signs, i) << 1)
            : bucket.codes[i];
    const T value = level_value(bucket.scale, code & (negative - 1), bucket.levels);
    values[i] = code >= negative ? -value : value;
  }
  wire::write_values<T>(wire::native_format<T>(), values, out);
}

template <Real T>
void write_front(LevelKind kind, T scale, std::vector<std::byte>& out) {
  wire::WireWriter(out).u8(static_cast<std::uint8_t>(kind));
  if (kind != LevelKind::kPlain)
    wire::write_values<T>(wire::native_format<T>(), std::span(&scale, 1), out);
}

template <Real T>
void write_as(LevelKind kind, const LevelBucket<T>& bucket, const Places& places,
              wire::Message& out) {
  thread_local Scratch<T> memory;  // grows to the largest bucket, then stays
  const Facts facts = facts_of(bucket);
  write_front(kind, bucket.scale, out.bytes);
  if (kind == LevelKind::kPlain) {
    write_plain(bucket, out.bytes);
  } else if (needs_places(kind)) {
    write_places(
        facts, places,
        [&](std::size_t j) {
          const std::uint32_t i = places.small[j];
          return bucket.levels == 1 ? bit_at(bucket.signs, i) : bucket.codes[i];
        },
        out.bytes);
    if (kind == LevelKind::kExact) {
      const std::span<T> values = memory.take(bucket.x.size()).first(places.exact.size());
      for (std::size_t j = 0; j < values.size(); ++j) values[j] = bucket.x[places.exact[j]];
      write_exact<T>(facts, places, values, out.bytes);
    }
  } else {
    const std::size_t start = out.bytes.size();
    out.bytes.resize(start + bytes_of(kind, facts, places) - 1 - sizeof(T));
    const auto body = std::span<std::byte>(out.bytes).subspan(start);
    if (kind == LevelKind::kTrits) write_trits(bucket.mask, bucket.signs, body);
    if (kind == LevelKind::kDense) write_dense(bucket, body);
  }
  out.payload_bits += payload_bits(kind, facts, places);
}

// A body with a code for every number: the bucket with its zeros.
template <Real T>
void write_with_zeros(LevelKind kind, const SparseBucket<T>& bucket, const Places& places,
                      wire::Message& out) {
  thread_local Scratch<T> number_memory;  // these grow to the largest bucket sent so, then stay
  thread_local Scratch<std::uint64_t> plane_memory;
  thread_local Scratch<std::uint16_t> code_memory;
  LevelBucket<T> whole = {.scale = bucket.scale, .levels = bucket.levels};
  const std::span<T> x = number_memory.take(bucket.size);
  std::fill(x.begin(), x.end(), T{0});
  whole.x = x;
  if (bucket.levels > 1) {
    const std::span<std::uint16_t> codes = code_memory.take(bucket.size);
    std::fill(codes.begin(), codes.end(), std::uint16_t{0});
    for (std::size_t j = 0; j < bucket.places.size(); ++j)
      codes[bucket.places[j]] = bucket.codes[j];
    whole.codes = codes;
    return write_as(kind, whole, places, out);
  }
  const std::size_t words = kernels::words_for(bucket.size);
  const std::span<std::uint64_t> planes = plane_memory.take(3 * words);
  std::fill(planes.begin(), planes.end(), std::uint64_t{0});
  const auto mask = planes.first(words);
  const auto signs = planes.subspan(words, words);
  const auto exact = planes.subspan(2 * words, words);
  const auto set = [](std::span<std::uint64_t> plane, std::uint32_t i, bool bit) {
    plane[i / 64] |= std::uint64_t{bit ? 1U : 0U} << (i % 64);
  };
  for (std::size_t j = 0; j < bucket.places.size(); ++j) {
    set(mask, bucket.places[j], true);
    set(signs, bucket.places[j], bucket.codes[j] > 1);
  }
  for (std::size_t j = 0; j < bucket.exact.indices.size(); ++j) {
    const std::uint32_t i = bucket.exact.indices[j];
    x[i] = bucket.exact.values[j];
    set(mask, i, true);
    set(signs, i, x[i] < 0);
    set(exact, i, true);
  }
  whole.mask = mask;
  whole.signs = signs;
  if (!bucket.exact.indices.empty()) whole.exact = exact;
  write_as(kind, whole, places, out);
}

Places& places_memory() {
  thread_local Places places;  // grows to the largest bucket, then stays
  return places;
}

template <Real T>
void write_zeros(wire::Message& out) {
  const T zero = 0;
  wire::WireWriter(out.bytes).u8(static_cast<std::uint8_t>(LevelKind::kDense));
  wire::write_values<T>(wire::native_format<T>(), std::span(&zero, 1), out.bytes);
  out.payload_bits += 8 * sizeof(T);
}

}  // namespace

template <Real T>
T level_value(T scale, std::uint32_t level, std::uint32_t levels) {
  if (level == levels) return scale;
  return static_cast<T>(static_cast<double>(scale) / levels * level);
}
template float level_value(float, std::uint32_t, std::uint32_t);
template double level_value(double, std::uint32_t, std::uint32_t);

template <Real T>
std::size_t level_bytes(LevelKind kind, const LevelBucket<T>& bucket) {
  if (bucket.scale == 0) return kind == LevelKind::kDense ? 1 + sizeof(T) : 0;
  if (!fits(kind, facts_of(bucket))) return 0;
  Places& places = places_memory();
  if (needs_places(kind)) find_places(bucket, places);
  return bytes_of(kind, facts_of(bucket), places);
}
template std::size_t level_bytes(LevelKind, const LevelBucket<float>&);
template std::size_t level_bytes(LevelKind, const LevelBucket<double>&);

template <Real T>
LevelKind shortest_kind(const LevelBucket<T>& bucket) {
  if (bucket.scale == 0) return LevelKind::kDense;
  return choose(bucket, places_memory());
}
template LevelKind shortest_kind(const LevelBucket<float>&);
template LevelKind shortest_kind(const LevelBucket<double>&);

template <Real T>
void write_levels(LevelKind kind, const LevelBucket<T>& bucket, wire::Message& out) {
  if (bucket.scale == 0) return write_zeros<T>(out);
  LACONIC_EXPECTS(fits(kind, facts_of(bucket)));
  Places& places = places_memory();
  if (needs_places(kind)) find_places(bucket, places);
  write_as(kind, bucket, places, out);
}
template void write_levels(LevelKind, const LevelBucket<float>&, wire::Message&);
template void write_levels(LevelKind, const LevelBucket<double>&, wire::Message&);

template <Real T>
void write_shortest(const LevelBucket<T>& bucket, wire::Message& out) {
  if (bucket.scale == 0) return write_zeros<T>(out);
  Places& places = places_memory();
  const LevelKind kind = choose(bucket, places);
  write_as(kind, bucket, places, out);
}
template void write_shortest(const LevelBucket<float>&, wire::Message&);
template void write_shortest(const LevelBucket<double>&, wire::Message&);

template <Real T>
void write_shortest_sparse(const SparseBucket<T>& bucket, wire::Message& out) {
  if (bucket.scale == 0) return write_zeros<T>(out);
  Places& places = places_memory();
  places.small.reserve(bucket.size);  // as in find_places
  if (!bucket.exact.indices.empty()) places.exact.reserve(bucket.size);
  places.small.assign(bucket.places.begin(), bucket.places.end());
  places.exact.assign(bucket.exact.indices.begin(), bucket.exact.indices.end());
  places.small_plan = wire::plan_indices(bucket.size, places.small);
  places.exact_plan = wire::plan_indices(bucket.size, places.exact);
  const Facts facts = facts_of(bucket);
  Choice choice(facts);
  choice.consider_dense();
  choice.consider_sparse(places);
  const LevelKind kind = choice.kind();
  if (!needs_places(kind)) return write_with_zeros(kind, bucket, places, out);
  write_front(kind, bucket.scale, out.bytes);
  write_places(
      facts, places,
      [&](std::size_t j) {
        const std::uint64_t code = bucket.codes[j];
        return bucket.levels == 1 ? code >> 1 : code;
      },
      out.bytes);
  if (kind == LevelKind::kExact) write_exact<T>(facts, places, bucket.exact.values, out.bytes);
  out.payload_bits += payload_bits(kind, facts, places);
}
template void write_shortest_sparse(const SparseBucket<float>&, wire::Message&);
template void write_shortest_sparse(const SparseBucket<double>&, wire::Message&);

template <Real T>
std::size_t max_level_bytes(std::size_t size) {
  // kExact with two sets of places, a sign per number and every number; codes take 16 bits at most.
  return 1 + sizeof(T) + 2 * wire::max_index_set_bytes(size, size) + wire::bytes_for_bits(size) +
         size * sizeof(T);
}
template std::size_t max_level_bytes<float>(std::size_t);
template std::size_t max_level_bytes<double>(std::size_t);

namespace {

template <Real T>
class LevelReader {
 public:
  LevelReader(const LevelFormat& format, wire::WireReader& in, std::size_t size)
      : format_(format), in_(in), size_(size) {}

  void read(std::span<T> out) {
    const LevelKind kind = read_front();
    if (!in_.ok()) return;
    if (kind == LevelKind::kPlain) return wire::read_values<T>(wire::native_format<T>(), in_, out);
    if (needs_places(kind) || scale_ == 0) std::fill(out.begin(), out.end(), T{0});
    if (scale_ == 0) return;
    if (!needs_places(kind)) return read_codes(kind, out);
    thread_local SparseVector<T> body;  // grows to the longest body, then stays
    read_places(body);
    if (!in_.ok()) return;
    scatter(body, out);
    if (kind != LevelKind::kExact) return;
    const std::size_t start = in_.position();
    read_exact(body);
    for (std::size_t j = 0; j < body.size() && in_.ok(); ++j) {
      T& number = out[body.indices[j]];
      if (number != 0) return in_.fail_at(start, Fault::kBadIndex, body.indices[j]);
      number = body.values[j];
    }
  }

  void read(SparseVector<T>& out) {
    out.clear();
    const LevelKind kind = read_front();
    if (!in_.ok() || (scale_ == 0 && kind != LevelKind::kPlain)) return;
    if (needs_places(kind)) {
      if (kind != LevelKind::kExact) return read_places(out);
      return read_places_and_exact(out);
    }
    thread_local Scratch<T> memory;  // grows to the largest bucket that arrives so, then stays
    const std::span<T> numbers = memory.take(size_);
    if (kind == LevelKind::kPlain) {
      wire::read_values<T>(wire::native_format<T>(), in_, numbers);
    } else {
      read_codes(kind, numbers);
    }
    for (std::size_t i = 0; i < size_ && in_.ok(); ++i) {
      if (numbers[i] != 0) out.push(static_cast<std::uint32_t>(i), numbers[i]);
    }
  }

 private:
  [[nodiscard]] bool is_legal(LevelKind kind) const {
    const bool one = format_.levels == 1;
    if (kind == LevelKind::kTrits || kind == LevelKind::kSparseTrits) return one;
    if (kind == LevelKind::kSparseCodes) return !one;
    if (kind == LevelKind::kExact) return one && format_.exact;
    return true;
  }
  // NaN for what is no code.
  [[nodiscard]] T value_of(std::uint64_t code) const {
    const std::uint64_t negative = std::uint64_t{1} << std::bit_width(format_.levels);
    const auto level = static_cast<std::uint32_t>(code & (negative - 1));
    if (level > format_.levels || (level == 0 && code != 0))
      return std::numeric_limits<T>::quiet_NaN();
    const T value = level_value(scale_, level, format_.levels);
    return code >= negative ? -value : value;
  }
  // What stands in front of numbers or codes. The scale stays 0 for kPlain.
  LevelKind read_front() {
    const std::size_t start = in_.position();
    const std::uint8_t tag = in_.u8();
    const auto kind = static_cast<LevelKind>(tag);
    if (!in_.ok()) return kind;
    if (tag >= kLevelKinds || !is_legal(kind)) {
      in_.fail_at(start, Fault::kBadMode, tag);
      return kind;
    }
    if (kind == LevelKind::kPlain) return kind;
    const std::size_t scale_at = in_.position();
    wire::read_values<T>(wire::native_format<T>(), in_, std::span(&scale_, 1));
    if (in_.ok() && std::signbit(scale_)) in_.fail_at(scale_at, Fault::kNegativeScale);
    return kind;
  }
  // Where codes occur more than once on average, their values are computed once.
  void compute_values(std::size_t count) {
    thread_local Scratch<T> memory;  // grows to the largest number of codes, then stays
    const std::size_t codes = std::size_t{1} << code_bits(format_.levels);
    if (codes > count) return;
    values_ = memory.take(codes);
    for (std::size_t code = 0; code < codes; ++code) values_[code] = value_of(code);
  }
  [[nodiscard]] T number(std::uint64_t code, std::size_t position) {
    const T out = values_.empty() ? value_of(code) : values_[static_cast<std::size_t>(code)];
    if (std::isnan(out)) in_.fail_at(position, Fault::kBadValue, code);
    return out;
  }
  void read_codes(LevelKind kind, std::span<T> out) {
    if (kind == LevelKind::kTrits) return read_trits(out);
    compute_values(out.size());
    read_dense(out);
  }
  void read_dense(std::span<T> out) {
    const std::uint32_t bits = code_bits(format_.levels);
    const std::size_t start = in_.position();
    const wire::Bytes bytes = in_.bytes(wire::bytes_for_bits(std::uint64_t{out.size()} * bits));
    if (!in_.ok()) return;
    wire::BitReader reader(bytes);
    for (std::size_t i = 0; i < out.size() && in_.ok(); ++i) {
      const std::size_t at = start + static_cast<std::size_t>(reader.position() / 8);
      out[i] = number(reader.take(bits), at);
    }
    if (!reader.padding_is_zero()) in_.fail_at(start + bytes.size() - 1, Fault::kNonZeroPadding);
  }
  void read_trits(std::span<T> out) {
    const std::array<T, 3> values = {T{0}, scale_, -scale_};
    const std::size_t start = in_.position();
    const wire::Bytes bytes = in_.bytes(trit_bytes(out.size()));
    for (std::size_t b = 0; b < bytes.size(); ++b) {
      auto byte = std::to_integer<unsigned>(bytes[b]);
      if (byte >= kTritBytes) return in_.fail_at(start + b, Fault::kBadValue, byte, kTritBytes - 1);
      for (std::size_t i = b * kTritsPerByte; i < (b + 1) * kTritsPerByte; ++i, byte /= 3) {
        if (i < out.size()) {
          out[i] = values[byte % 3];
        } else if (byte % 3 != 0) {
          return in_.fail_at(start + b, Fault::kNonZeroPadding);
        }
      }
    }
  }
  void read_places(SparseVector<T>& out) {
    const std::uint32_t bits = format_.levels == 1 ? 1 : code_bits(format_.levels);
    wire::read_index_set({.dim = size_, .max_count = size_, .entry_bits = bits}, in_, out.indices);
    if (!in_.ok()) return;
    const std::size_t start = in_.position();
    const wire::Bytes bytes = in_.bytes(wire::bytes_for_bits(std::uint64_t{out.size()} * bits));
    if (!in_.ok()) return;
    out.values.resize(out.size());
    compute_values(out.size());
    wire::BitReader reader(bytes);
    for (T& value : out.values) {
      const std::size_t at = start + static_cast<std::size_t>(reader.position() / 8);
      const std::uint64_t code = reader.take(bits);
      if (format_.levels > 1 && code == 0) in_.fail_at(at, Fault::kBadValue);
      value = number(format_.levels == 1 ? 1 | code << 1 : code, at);
      if (!in_.ok()) return;
    }
    if (!reader.padding_is_zero()) in_.fail_at(start + bytes.size() - 1, Fault::kNonZeroPadding);
  }
  void read_exact(SparseVector<T>& out) {
    wire::read_sparse<T>({.dim = size_, .values = wire::native_format<T>(), .max_count = size_},
                         in_, out);
  }
  // Both in order of their places, which must not meet.
  void read_places_and_exact(SparseVector<T>& out) {
    thread_local SparseVector<T> small;  // these grow to the longest body, then stay
    thread_local SparseVector<T> exact;
    small.reserve(size_);  // how many there are varies; memory shall not
    exact.reserve(size_);
    read_places(small);
    if (!in_.ok()) return;
    const std::size_t start = in_.position();
    read_exact(exact);
    if (!in_.ok()) return;
    std::size_t j = 0;
    for (std::size_t k = 0; k < exact.size(); ++k) {
      for (; j < small.size() && small.indices[j] < exact.indices[k]; ++j)
        out.push(small.indices[j], small.values[j]);
      if (j < small.size() && small.indices[j] == exact.indices[k])
        return in_.fail_at(start, Fault::kBadIndex, exact.indices[k]);
      out.push(exact.indices[k], exact.values[k]);
    }
    for (; j < small.size(); ++j) out.push(small.indices[j], small.values[j]);
  }
  static void scatter(const SparseVector<T>& body, std::span<T> out) {
    for (std::size_t j = 0; j < body.size(); ++j) out[body.indices[j]] = body.values[j];
  }

  LevelFormat format_;
  wire::WireReader& in_;
  std::size_t size_;
  std::span<T> values_ = {};  // by code; empty if each is computed where it occurs
  T scale_ = 0;
};

}  // namespace

template <Real T>
void read_levels(const LevelFormat& format, wire::WireReader& reader, std::span<T> out) {
  LevelReader<T>(format, reader, out.size()).read(out);
}
template void read_levels(const LevelFormat&, wire::WireReader&, std::span<float>);
template void read_levels(const LevelFormat&, wire::WireReader&, std::span<double>);

template <Real T>
void read_levels(const LevelFormat& format, wire::WireReader& reader, std::size_t size,
                 SparseVector<T>& out) {
  LevelReader<T>(format, reader, size).read(out);
}
template void read_levels(const LevelFormat&, wire::WireReader&, std::size_t, SparseVector<float>&);
template void read_levels(const LevelFormat&, wire::WireReader&, std::size_t,
                          SparseVector<double>&);

}  // namespace laconic::compress
