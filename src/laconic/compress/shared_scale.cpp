// SPDX-License-Identifier: Apache-2.0
#include "laconic/compress/shared_scale.hpp"

#include <bit>
#include <cmath>

#include "laconic/base/assert.hpp"
#include "laconic/compress/level_body.hpp"
#include "laconic/kernels/kernels.hpp"
#include "laconic/tensor/workspace.hpp"
#include "laconic/wire/bits.hpp"

namespace laconic {

using compress::LevelBucket;

template <Real T>
void write_shared_levels(const SharedScale<T>& shared, TensorView<T> x,
                         const CompressContext& context, wire::Message& out) {
  thread_local Scratch<std::uint64_t> plane_memory;  // these grow to the largest tensor, then stay
  thread_local Scratch<std::uint16_t> code_memory;
  const std::size_t size = x.values.size();
  wire::make_room(out.bytes, compress::max_level_bytes<T>(size));
  LevelBucket<T> bucket = {.scale = shared.scale, .levels = shared.levels, .x = x.values};
  const kernels::RandomRounding<T> rounding = {.scale = shared.scale, .levels = shared.levels};
  if (shared.scale > 0 && shared.levels == 1) {
    const std::size_t words = kernels::words_for(size);
    const std::span<std::uint64_t> planes = plane_memory.take(2 * words);
    kernels::round_to_planes<T>(rounding, x.values, own_stream(context), 0, planes.last(words),
                                planes.first(words));
    bucket.mask = planes.first(words);
    bucket.signs = planes.last(words);
  } else if (shared.scale > 0) {
    const std::span<std::uint16_t> codes = code_memory.take(size);
    kernels::round_to_codes<T>(rounding, x.values, own_stream(context), 0, codes);
    bucket.codes = codes;
  }
  compress::write_shortest(bucket, out);
}
template void write_shared_levels(const SharedScale<float>&, TensorView<float>,
                                  const CompressContext&, wire::Message&);
template void write_shared_levels(const SharedScale<double>&, TensorView<double>,
                                  const CompressContext&, wire::Message&);

template <Real T>
void add_shared_levels(const SharedScale<T>& shared, wire::WireReader& reader,
                       std::span<std::int32_t> sums) {
  thread_local Scratch<T> value_memory;  // these grow to the largest tensor, then stay
  thread_local Scratch<std::int32_t> level_memory;
  const std::span<T> values = value_memory.take(sums.size());
  const std::span<std::int32_t> levels = level_memory.take(sums.size());
  const std::size_t start = reader.position();
  compress::read_levels<T>({.levels = shared.levels}, reader, values);
  const auto scale = static_cast<double>(shared.scale);
  for (std::size_t i = 0; i < values.size() && reader.ok(); ++i) {
    if (values[i] == 0) {
      levels[i] = 0;
      continue;
    }
    // What lies between the levels of this scale, or beyond it, is none. The quotient comes first:
    // levels / scale overflows for the smallest scales.
    const double magnitude = static_cast<double>(std::abs(values[i]));
    const double level = magnitude <= scale ? std::round(magnitude / scale * shared.levels) : 0;
    const bool legal =
        level > 0 && compress::level_value(shared.scale, static_cast<std::uint32_t>(level),
                                           shared.levels) == std::abs(values[i]);
    if (!legal) return reader.fail_at(start, Fault::kBadValue, i);
    levels[i] = static_cast<std::int32_t>(values[i] < 0 ? -level : level);
  }
  for (std::size_t i = 0; i < values.size() && reader.ok(); ++i) sums[i] += levels[i];
}
template void add_shared_levels(const SharedScale<float>&, wire::WireReader&,
                                std::span<std::int32_t>);
template void add_shared_levels(const SharedScale<double>&, wire::WireReader&,
                                std::span<std::int32_t>);

std::uint32_t level_sum_bits(std::uint32_t bound) {
  return static_cast<std::uint32_t>(std::bit_width(2 * bound));
}

void write_level_sums(std::uint32_t bound, std::span<const std::int32_t> sums, wire::Message& out) {
  LACONIC_EXPECTS(bound < (1U << 30));
  const std::uint32_t bits = level_sum_bits(bound);
  const std::size_t start = out.bytes.size();
  out.bytes.resize(start + wire::bytes_for_bits(std::uint64_t{sums.size()} * bits));
  wire::BitWriter writer(std::span<std::byte>(out.bytes).subspan(start));
  const auto offset = static_cast<std::int32_t>(bound);
  for (const std::int32_t sum : sums) {
    LACONIC_EXPECTS(-offset <= sum && sum <= offset);
    writer.put(static_cast<std::uint64_t>(sum + offset), bits);
  }
  writer.finish();
  out.payload_bits += std::uint64_t{sums.size()} * bits;
}

void read_level_sums(std::uint32_t bound, wire::WireReader& reader, std::span<std::int32_t> sums) {
  const std::uint32_t bits = level_sum_bits(bound);
  const std::size_t start = reader.position();
  const wire::Bytes bytes = reader.bytes(wire::bytes_for_bits(std::uint64_t{sums.size()} * bits));
  if (!reader.ok()) return;
  wire::BitReader source(bytes);
  for (std::int32_t& sum : sums) {
    const std::size_t at = start + static_cast<std::size_t>(source.position() / 8);
    const std::uint64_t code = source.take(bits);
    if (code > std::uint64_t{2} * bound)
      return reader.fail_at(at, Fault::kBadValue, code, std::uint64_t{2} * bound);
    sum = static_cast<std::int32_t>(code) - static_cast<std::int32_t>(bound);
  }
  if (!source.padding_is_zero()) reader.fail_at(start + bytes.size() - 1, Fault::kNonZeroPadding);
}

}  // namespace laconic
