// SPDX-License-Identifier: Apache-2.0
#include "laconic/wire/values.hpp"

#include <bit>
#include <cmath>
#include <cstring>

#include "laconic/base/assert.hpp"

namespace laconic::wire {

std::size_t bytes_per_value(ValueFormat format) {
  switch (format) {
    case ValueFormat::kF32:
      return 4;
    case ValueFormat::kF64:
      return 8;
    case ValueFormat::kBf16:
    case ValueFormat::kF16:
      return 2;
  }
  return 0;
}

std::string_view format_name(ValueFormat format) {
  switch (format) {
    case ValueFormat::kF32:
      return "f32";
    case ValueFormat::kF64:
      return "f64";
    case ValueFormat::kBf16:
      return "bf16";
    case ValueFormat::kF16:
      return "f16";
  }
  return "";
}

std::uint16_t to_bf16(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  if ((bits & 0x7fffffffU) > 0x7f800000U)
    return static_cast<std::uint16_t>((bits >> 16) | 0x40U);  // quiet NaN
  return static_cast<std::uint16_t>((bits + 0x7fffU + ((bits >> 16) & 1U)) >> 16);
}

float from_bf16(std::uint16_t bits) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16);
}

std::uint16_t to_f16(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const std::uint32_t sign = (bits >> 16) & 0x8000U;
  const std::uint32_t magnitude = bits & 0x7fffffffU;
  if (magnitude > 0x7f800000U) return static_cast<std::uint16_t>(sign | 0x7e00U);  // NaN
  if (magnitude >= 0x477ff000U)
    return static_cast<std::uint16_t>(sign | 0x7c00U);  // rounds to 65536 or more
  if (magnitude < 0x38800000U) {  // below 2^-14: the unit of the result is 2^-24
    const float scaled = std::bit_cast<float>(magnitude) * 0x1p24F;  // exact
    return static_cast<std::uint16_t>(sign | static_cast<std::uint32_t>(std::nearbyint(scaled)));
  }
  const std::uint32_t rounded = magnitude + 0xfffU + ((magnitude >> 13) & 1U);
  return static_cast<std::uint16_t>(sign | ((rounded - 0x38000000U) >> 13));
}

float from_f16(std::uint16_t bits) {
  const std::uint32_t sign = static_cast<std::uint32_t>(bits & 0x8000U) << 16;
  const std::uint32_t magnitude = bits & 0x7fffU;
  if (magnitude >= 0x7c00U)
    return std::bit_cast<float>(sign | 0x7f800000U | ((magnitude & 0x3ffU) << 13));
  if (magnitude < 0x400U) {
    const float value = static_cast<float>(magnitude) * 0x1p-24F;
    return sign != 0 ? -value : value;
  }
  return std::bit_cast<float>(sign | ((magnitude << 13) + 0x38000000U));
}

template <Real T>
T through(ValueFormat format, T value) {
  switch (format) {
    case ValueFormat::kF32:
      return static_cast<T>(static_cast<float>(value));
    case ValueFormat::kF64:
      return value;
    case ValueFormat::kBf16:
      return static_cast<T>(from_bf16(to_bf16(static_cast<float>(value))));
    case ValueFormat::kF16:
      return static_cast<T>(from_f16(to_f16(static_cast<float>(value))));
  }
  return value;
}
template float through(ValueFormat, float);
template double through(ValueFormat, double);

namespace {

template <class Stored, class T, class Convert>
void store(std::span<const T> values, std::byte* out, Convert convert) {
  for (std::size_t i = 0; i < values.size(); ++i) {
    const Stored stored = convert(values[i]);
    std::memcpy(out + i * sizeof(Stored), &stored, sizeof(Stored));
  }
}

template <class Stored, class T, class Convert>
void load(Bytes source, std::span<T> out, Convert convert) {
  for (std::size_t i = 0; i < out.size(); ++i) {
    Stored stored;
    std::memcpy(&stored, source.data() + i * sizeof(Stored), sizeof(Stored));
    out[i] = static_cast<T>(convert(stored));
  }
}

}  // namespace

template <Real T>
void write_values(ValueFormat format, std::span<const T> values, std::vector<std::byte>& out) {
  if (values.empty()) return;
  const std::size_t old_size = out.size();
  out.resize(old_size + values.size() * bytes_per_value(format));
  std::byte* to = out.data() + old_size;
  if (format == native_format<T>()) {
    std::memcpy(to, values.data(), values.size_bytes());
    return;
  }
  switch (format) {
    case ValueFormat::kF32:
      store<float>(values, to, [](T v) { return static_cast<float>(v); });
      break;
    case ValueFormat::kF64:
      store<double>(values, to, [](T v) { return static_cast<double>(v); });
      break;
    case ValueFormat::kBf16:
      store<std::uint16_t>(values, to, [](T v) { return to_bf16(static_cast<float>(v)); });
      break;
    case ValueFormat::kF16:
      store<std::uint16_t>(values, to, [](T v) { return to_f16(static_cast<float>(v)); });
      break;
  }
}
template void write_values(ValueFormat, std::span<const float>, std::vector<std::byte>&);
template void write_values(ValueFormat, std::span<const double>, std::vector<std::byte>&);

template <Real T>
void read_values(ValueFormat format, WireReader& reader, std::span<T> out) {
  const std::size_t width = bytes_per_value(format);
  const std::size_t start = reader.position();
  const Bytes source = reader.bytes(out.size() * width);
  if (!reader.ok() || out.empty()) return;
  if (format == native_format<T>()) {
    std::memcpy(out.data(), source.data(), source.size());
  } else {
    switch (format) {
      case ValueFormat::kF32:
        load<float>(source, out, [](float v) { return v; });
        break;
      case ValueFormat::kF64:
        load<double>(source, out, [](double v) { return v; });
        break;
      case ValueFormat::kBf16:
        load<std::uint16_t>(source, out, [](std::uint16_t v) { return from_bf16(v); });
        break;
      case ValueFormat::kF16:
        load<std::uint16_t>(source, out, [](std::uint16_t v) { return from_f16(v); });
        break;
    }
  }
  for (std::size_t i = 0; i < out.size(); ++i) {
    if (!std::isfinite(out[i])) {
      reader.fail_at(start + i * width, Fault::kNonFinite);
      return;
    }
  }
}
template void read_values(ValueFormat, WireReader&, std::span<float>);
template void read_values(ValueFormat, WireReader&, std::span<double>);

void read_plane(WireReader& reader, std::size_t bits, std::span<std::uint64_t> words) {
  LACONIC_EXPECTS(words.size() == (bits + 63) / 64);
  reader.words(words);
  if (!reader.ok() || bits % 64 == 0) return;
  const std::uint64_t padding = words.back() >> (bits % 64);
  if (padding != 0) {
    reader.fail_at(reader.position() - sizeof(std::uint64_t), Fault::kNonZeroPadding);
  }
}

void read_masked_signs(WireReader& reader, std::size_t bits, MaskedSigns out) {
  read_plane(reader, bits, out.mask);
  const std::size_t start = reader.position();
  read_plane(reader, bits, out.signs);
  for (std::size_t w = 0; w < out.signs.size() && reader.ok(); ++w) {
    if ((out.signs[w] & ~out.mask[w]) != 0) {
      reader.fail_at(start + w * sizeof(std::uint64_t), Fault::kBadValue);
    }
  }
}

}  // namespace laconic::wire
