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

template <Real T>
bool fits(LevelKind kind, const LevelBucket<T>& bucket) {
  const bool one = bucket.levels == 1;
  const bool exact = !bucket.exact.empty();
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
template <Real T>
std::size_t bytes_of(LevelKind kind, const LevelBucket<T>& bucket, const Places& places) {
  const std::size_t size = bucket.x.size();
  const std::size_t front = 1 + sizeof(T);
  const std::uint32_t bits = code_bits(bucket.levels);
  const std::size_t count = places.small.size();
  switch (kind) {
    case LevelKind::kPlain:
      return 1 + size * sizeof(T);
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
             places.exact.size() * sizeof(T);
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

// Leaves the places in `places` if the kind needs them.
template <Real T>
LevelKind choose(const LevelBucket<T>& bucket, Places& places) {
  LevelKind out = LevelKind::kPlain;
  std::size_t best = bytes_of(out, bucket, places);
  const auto consider = [&](LevelKind kind) {
    if (!fits(kind, bucket)) return;
    const std::size_t bytes = bytes_of(kind, bucket, places);
    if (bytes >= best) return;
    best = bytes;
    out = kind;
  };
  consider(LevelKind::kDense);
  consider(LevelKind::kTrits);
  if (bucket.exact.empty() && least_sparse_bytes(bucket) >= best) return out;
  find_places(bucket, places);
  consider(LevelKind::kSparseTrits);
  consider(LevelKind::kSparseCodes);
  consider(LevelKind::kExact);
  return out;
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

template <Real T>
void write_places(const LevelBucket<T>& bucket, const Places& places, std::vector<std::byte>& out) {
  const std::uint32_t bits = bucket.levels == 1 ? 1 : code_bits(bucket.levels);
  wire::write_index_set(places.small_plan, bucket.x.size(), places.small, out);
  const std::size_t start = out.size();
  out.resize(start + wire::bytes_for_bits(std::uint64_t{places.small.size()} * bits));
  wire::BitWriter writer(std::span<std::byte>(out).subspan(start));
  for (const std::uint32_t i : places.small)
    writer.put(bucket.levels == 1 ? bit_at(bucket.signs, i) : bucket.codes[i], bits);
  writer.finish();
}

template <Real T>
void write_exact(const LevelBucket<T>& bucket, const Places& places, std::vector<std::byte>& out) {
  thread_local Scratch<T> memory;  // grows to the largest bucket, then stays
  const std::span<T> values = memory.take(bucket.x.size()).first(places.exact.size());
  for (std::size_t j = 0; j < values.size(); ++j) values[j] = bucket.x[places.exact[j]];
  wire::write_index_set(places.exact_plan, bucket.x.size(), places.exact, out);
  wire::write_values<T>(wire::native_format<T>(), values, out);
}

// Without tags, counts and padding.
template <Real T>
std::uint64_t payload_bits(LevelKind kind, const LevelBucket<T>& bucket, const Places& places) {
  const std::uint64_t size = bucket.x.size();
  const std::uint64_t count = places.small.size();
  const std::uint64_t scale = 8 * sizeof(T);
  const std::uint64_t bits = code_bits(bucket.levels);
  const auto set_bits = [](const wire::IndexPlan& plan) {
    const bool none =
        plan.coding == wire::IndexCoding::kAll || plan.coding == wire::IndexCoding::kNone;
    return none ? 0 : plan.bits;
  };
  switch (kind) {
    case LevelKind::kPlain:
      return 8 * sizeof(T) * size;
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
             8 * sizeof(T) * places.exact.size();
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
void write_as(LevelKind kind, const LevelBucket<T>& bucket, const Places& places,
              wire::Message& out) {
  wire::WireWriter writer(out.bytes);
  writer.u8(static_cast<std::uint8_t>(kind));
  if (kind == LevelKind::kPlain) {
    write_plain(bucket, out.bytes);
  } else {
    wire::write_values<T>(wire::native_format<T>(), std::span(&bucket.scale, 1), out.bytes);
    const std::size_t start = out.bytes.size();
    if (needs_places(kind)) {
      write_places(bucket, places, out.bytes);
      if (kind == LevelKind::kExact) write_exact(bucket, places, out.bytes);
    } else {
      out.bytes.resize(start + bytes_of(kind, bucket, places) - 1 - sizeof(T));
      const auto body = std::span<std::byte>(out.bytes).subspan(start);
      if (kind == LevelKind::kTrits) write_trits(bucket.mask, bucket.signs, body);
      if (kind == LevelKind::kDense) write_dense(bucket, body);
    }
  }
  out.payload_bits += payload_bits(kind, bucket, places);
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
  if (!fits(kind, bucket)) return 0;
  Places& places = places_memory();
  if (needs_places(kind)) find_places(bucket, places);
  return bytes_of(kind, bucket, places);
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
  LACONIC_EXPECTS(fits(kind, bucket));
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
  LevelReader(const LevelFormat& format, wire::WireReader& in, std::span<T> out)
      : format_(format), in_(in), out_(out) {}

  void read() {
    const std::size_t start = in_.position();
    const std::uint8_t tag = in_.u8();
    if (!in_.ok()) return;
    const auto kind = static_cast<LevelKind>(tag);
    if (tag >= kLevelKinds || !is_legal(kind)) return in_.fail_at(start, Fault::kBadMode, tag);
    if (kind == LevelKind::kPlain) return wire::read_values<T>(wire::native_format<T>(), in_, out_);
    std::fill(out_.begin(), out_.end(), T{0});
    const std::size_t scale_at = in_.position();
    wire::read_values<T>(wire::native_format<T>(), in_, std::span(&scale_, 1));
    if (!in_.ok()) return;
    if (std::signbit(scale_)) return in_.fail_at(scale_at, Fault::kNegativeScale);
    if (scale_ == 0) return;
    compute_values();
    if (kind == LevelKind::kDense) read_dense();
    if (kind == LevelKind::kTrits) read_trits();
    if (needs_places(kind)) read_places();
    if (kind == LevelKind::kExact) read_exact();
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
  // Where codes occur more than once on average, their values are computed once.
  void compute_values() {
    thread_local Scratch<T> memory;  // grows to the largest number of codes, then stays
    const std::size_t codes = std::size_t{1} << code_bits(format_.levels);
    if (codes > out_.size()) return;
    values_ = memory.take(codes);
    for (std::size_t code = 0; code < codes; ++code) values_[code] = value_of(code);
  }
  void set(std::size_t i, std::uint64_t code, std::size_t position) {
    out_[i] = values_.empty() ? value_of(code) : values_[static_cast<std::size_t>(code)];
    if (std::isnan(out_[i])) in_.fail_at(position, Fault::kBadValue, code);
  }
  void read_dense() {
    const std::uint32_t bits = code_bits(format_.levels);
    const std::size_t start = in_.position();
    const wire::Bytes bytes = in_.bytes(wire::bytes_for_bits(std::uint64_t{out_.size()} * bits));
    if (!in_.ok()) return;
    wire::BitReader reader(bytes);
    for (std::size_t i = 0; i < out_.size() && in_.ok(); ++i) {
      const std::size_t at = start + static_cast<std::size_t>(reader.position() / 8);
      set(i, reader.take(bits), at);
    }
    if (!reader.padding_is_zero()) in_.fail_at(start + bytes.size() - 1, Fault::kNonZeroPadding);
  }
  void read_trits() {
    const std::array<T, 3> values = {T{0}, scale_, -scale_};
    const std::size_t start = in_.position();
    const wire::Bytes bytes = in_.bytes(trit_bytes(out_.size()));
    for (std::size_t b = 0; b < bytes.size(); ++b) {
      auto byte = std::to_integer<unsigned>(bytes[b]);
      if (byte >= kTritBytes) return in_.fail_at(start + b, Fault::kBadValue, byte, kTritBytes - 1);
      for (std::size_t i = b * kTritsPerByte; i < (b + 1) * kTritsPerByte; ++i, byte /= 3) {
        if (i < out_.size()) {
          out_[i] = values[byte % 3];
        } else if (byte % 3 != 0) {
          return in_.fail_at(start + b, Fault::kNonZeroPadding);
        }
      }
    }
  }
  void read_places() {
    thread_local std::vector<std::uint32_t> places;  // grows to the longest body, then stays
    const std::uint32_t bits = format_.levels == 1 ? 1 : code_bits(format_.levels);
    wire::read_index_set({.dim = out_.size(), .max_count = out_.size(), .entry_bits = bits}, in_,
                         places);
    if (!in_.ok()) return;
    const std::size_t start = in_.position();
    const wire::Bytes bytes = in_.bytes(wire::bytes_for_bits(std::uint64_t{places.size()} * bits));
    if (!in_.ok()) return;
    wire::BitReader reader(bytes);
    for (const std::uint32_t i : places) {
      const std::size_t at = start + static_cast<std::size_t>(reader.position() / 8);
      const std::uint64_t code = reader.take(bits);
      if (format_.levels > 1 && code == 0) in_.fail_at(at, Fault::kBadValue);
      set(i, format_.levels == 1 ? 1 | code << 1 : code, at);
      if (!in_.ok()) return;
    }
    if (!reader.padding_is_zero()) in_.fail_at(start + bytes.size() - 1, Fault::kNonZeroPadding);
  }
  void read_exact() {
    thread_local wire::SparseVector<T> body;  // grows to the longest body, then stays
    if (!in_.ok()) return;
    const std::size_t start = in_.position();
    wire::read_sparse<T>(
        {.dim = out_.size(), .values = wire::native_format<T>(), .max_count = out_.size()}, in_,
        body);
    for (std::size_t j = 0; j < body.indices.size() && in_.ok(); ++j) {
      T& number = out_[body.indices[j]];
      if (number != 0) return in_.fail_at(start, Fault::kBadIndex, body.indices[j]);
      number = body.values[j];
    }
  }

  LevelFormat format_;
  wire::WireReader& in_;
  std::span<T> out_;
  std::span<T> values_ = {};  // by code; empty if each is computed where it occurs
  T scale_ = 0;
};

}  // namespace

template <Real T>
void read_levels(const LevelFormat& format, wire::WireReader& reader, std::span<T> out) {
  LevelReader<T>(format, reader, out).read();
}
template void read_levels(const LevelFormat&, wire::WireReader&, std::span<float>);
template void read_levels(const LevelFormat&, wire::WireReader&, std::span<double>);

}  // namespace laconic::compress
