// SPDX-License-Identifier: Apache-2.0
// Payloads of plain numbers and of sign planes.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "laconic/tensor/layout.hpp"
#include "laconic/wire/wire.hpp"

namespace laconic::wire {

enum class ValueFormat : std::uint8_t { kF32 = 0, kF64 = 1, kBf16 = 2, kF16 = 3 };
[[nodiscard]] std::size_t bytes_per_value(ValueFormat format);
template <Real T>
[[nodiscard]] constexpr ValueFormat native_format() {
  return sizeof(T) == 4 ? ValueFormat::kF32 : ValueFormat::kF64;
}
[[nodiscard]] std::string_view format_name(ValueFormat format);

// Round to nearest, ties to even; too large becomes infinity, NaN stays NaN.
[[nodiscard]] std::uint16_t to_bf16(float value);
[[nodiscard]] float from_bf16(std::uint16_t bits);
[[nodiscard]] std::uint16_t to_f16(float value);
[[nodiscard]] float from_f16(std::uint16_t bits);
// The number that arrives when `value` is sent in `format`.
template <Real T>
[[nodiscard]] T through(ValueFormat format, T value);

template <Real T>
void write_values(ValueFormat format, std::span<const T> values, std::vector<std::byte>& out);
// Reads out.size() numbers. Fails with kNonFinite (position of the number) when one is NaN or
// infinite; out then holds a part of the numbers.
template <Real T>
void read_values(ValueFormat format, WireReader& reader, std::span<T> out);

// Reads words_for(bits) words; fails with kNonZeroPadding when a bit behind the last coordinate is
// set.
void read_plane(WireReader& reader, std::size_t bits, std::span<std::uint64_t> words);
// Reads a mask plane and then a sign plane, each as read_plane does; fails with kBadValue when a
// sign bit is set where the mask is 0.
struct MaskedSigns {
  std::span<std::uint64_t> mask = {};
  std::span<std::uint64_t> signs = {};
};
void read_masked_signs(WireReader& reader, std::size_t bits, MaskedSigns out);

}  // namespace laconic::wire
