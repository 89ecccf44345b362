// SPDX-License-Identifier: Apache-2.0
#include "laconic/wire/state.hpp"

#include <fmt/format.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <type_traits>

#include "laconic/base/assert.hpp"
#include "laconic/base/error.hpp"

namespace laconic::wire {
namespace {

// Text of strangers, for messages.
std::string readable(Bytes bytes) {
  std::string out;
  for (const std::byte byte : bytes) {
    const auto c = std::to_integer<unsigned char>(byte);
    out.push_back(c >= 0x20 && c < 0x7f ? static_cast<char>(c) : '?');
  }
  return out;
}

}  // namespace

std::string StateArchive::numbered(std::string_view name, std::size_t index) {
  return fmt::format("{} {}", name, index);
}

std::size_t StateArchive::bytes_of(Kind kind) {
  switch (kind) {
    case Kind::kFlag:
    case Kind::kText:
      return 1;
    case Kind::kIndex:
    case Kind::kFloat:
      return 4;
    default:
      return 8;
  }
}

std::string_view StateArchive::text_of(Kind kind) {
  switch (kind) {
    case Kind::kFlag:
      return "flags";
    case Kind::kCount:
      return "counts";
    case Kind::kIndex:
      return "indices";
    case Kind::kFloat:
      return "numbers of float";
    case Kind::kDouble:
      return "numbers of double";
    case Kind::kText:
      return "characters";
  }
  return "numbers of an unknown kind";
}

void StateArchive::damaged(std::string_view name) const {
  throw ConfigError(fmt::format("saved state: '{}': {}; it is damaged or cut off, load another one",
                                name, in_.status().message()));
}

void StateArchive::read_name(std::string_view name) {
  const Bytes saved_name = in_.bytes(in_.u8());
  if (!in_.ok()) damaged(name);
  if (const std::string saved = readable(saved_name); saved != name) {
    throw ConfigError(fmt::format(
        "saved state: it has '{}' where '{}' is expected; it was saved by another method", saved,
        name));
  }
}

std::uint64_t StateArchive::head(const Field& field) {
  const std::string_view name = field.name;
  LACONIC_EXPECTS(name.size() <= std::numeric_limits<std::uint8_t>::max());
  if (!loads()) {
    WireWriter out(*out_);
    out.u8(static_cast<std::uint8_t>(name.size()));
    out.bytes(std::as_bytes(std::span(name)));
    out.u8(static_cast<std::uint8_t>(field.kind));
    out.u64(field.count);
    return field.count;
  }
  read_name(name);
  const auto kind = static_cast<Kind>(in_.u8());
  const std::uint64_t count = in_.u64();
  if (!in_.ok()) damaged(name);
  if (kind != field.kind || count < field.least || count > field.most) {
    throw ConfigError(fmt::format("saved state: '{}' was saved as {} {}, here it is {}{} {}", name,
                                  count, text_of(kind), field.least < field.most ? "up to " : "",
                                  field.most, text_of(field.kind)));
  }
  if (count > in_.remaining() / bytes_of(kind)) in_.fail(Fault::kTruncated);
  if (!in_.ok()) damaged(name);
  return count;
}

// Little-endian, as every machine on which laconic runs (wire.hpp).
template <class T>
void StateArchive::take(std::string_view name, std::span<T> values) {
  const std::size_t at = in_.position();
  const Bytes bytes = in_.bytes(values.size_bytes());
  if (!values.empty()) std::memcpy(values.data(), bytes.data(), bytes.size());
  if constexpr (std::is_floating_point_v<T>) {
    for (std::size_t i = 0; i < values.size(); ++i) {
      if (std::isfinite(values[i])) continue;
      in_.fail_at(at + i * sizeof(T), Fault::kNonFinite);
      damaged(name);
    }
  }
}

template <class T>
void StateArchive::plain(std::string_view name, Kind kind, std::span<T> values) {
  const std::uint64_t count = values.size();
  head({.name = name, .kind = kind, .count = count, .least = count, .most = count});
  if (loads()) {
    take(name, values);
  } else {
    WireWriter(*out_).bytes(std::as_bytes(values));
  }
}

void StateArchive::number(std::string_view name, bool& value) {
  std::uint8_t byte = value ? 1 : 0;
  plain(name, Kind::kFlag, std::span(&byte, 1));
  if (byte > 1) in_.fail_at(in_.position() - 1, Fault::kBadValue, byte, 1);
  if (byte > 1) damaged(name);
  value = byte != 0;
}

void StateArchive::number(std::string_view name, std::uint64_t& value) {
  plain(name, Kind::kCount, std::span(&value, 1));
}

void StateArchive::number(std::string_view name, std::int64_t& value) {
  auto count = static_cast<std::uint64_t>(value);
  number(name, count);
  constexpr auto kMost = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  if (count > kMost) in_.fail_at(in_.position() - 8, Fault::kBadValue, count, kMost);
  if (count > kMost) damaged(name);
  value = static_cast<std::int64_t>(count);
}

void StateArchive::number(std::string_view name, double& value) {
  plain(name, Kind::kDouble, std::span(&value, 1));
}

void StateArchive::numbers(std::string_view name, std::span<float> values) {
  plain(name, Kind::kFloat, values);
}

void StateArchive::numbers(std::string_view name, std::span<double> values) {
  plain(name, Kind::kDouble, values);
}

void StateArchive::growing(std::string_view name, std::vector<double>& values, std::size_t most) {
  LACONIC_EXPECTS(values.size() <= most);
  const std::uint64_t count =
      head({.name = name, .kind = Kind::kDouble, .count = values.size(), .most = most});
  if (loads()) {
    values.resize(count);
    take(name, std::span(values));
  } else {
    WireWriter(*out_).bytes(std::as_bytes(std::span(values)));
  }
}

void StateArchive::indices(std::string_view name, std::vector<std::uint32_t>& values,
                           std::size_t end) {
  const std::uint64_t count =
      head({.name = name, .kind = Kind::kIndex, .count = values.size(), .most = end});
  if (!loads()) {
    WireWriter(*out_).bytes(std::as_bytes(std::span(values)));
    return;
  }
  values.resize(count);
  const std::size_t at = in_.position();
  take(name, std::span(values));
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (values[i] < end && (i == 0 || values[i - 1] < values[i])) continue;
    in_.fail_at(at + 4 * i, Fault::kBadIndex, values[i], end);
    damaged(name);
  }
}

void StateArchive::text(std::string_view name, std::string& value) {
  constexpr std::uint64_t kMost = 1U << 20;
  const std::uint64_t count =
      head({.name = name, .kind = Kind::kText, .count = value.size(), .most = kMost});
  if (loads()) {
    value = readable(in_.bytes(count));
  } else {
    WireWriter(*out_).bytes(std::as_bytes(std::span(value)));
  }
}

void StateArchive::fact(std::string_view name, std::string_view value) {
  std::string saved(value);
  text(name, saved);
  if (saved == value) return;
  throw ConfigError(
      fmt::format("saved state: it was saved with {} {}, here it is {}; load it where it was saved",
                  name, saved, value));
}

void StateArchive::finish() {
  if (!in_.finish()) damaged("end");
}

}  // namespace laconic::wire
