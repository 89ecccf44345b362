// SPDX-License-Identifier: Apache-2.0
#include "laconic/report/event_file.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>

#include "laconic/experiment/line_file.hpp"

namespace laconic::report {
namespace {

// Numbers of fields in event.proto and summary.proto.
enum class Field : std::uint32_t {
  kEventWallTime = 1,
  kEventStep = 2,
  kEventFileVersion = 3,
  kEventSummary = 5,
  kSummaryValue = 1,
  kValueTag = 1,
  kValueSimple = 2,
};
enum class WireType : std::uint32_t { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

constexpr std::uint32_t kReflectedCastagnoli = 0x82f63b78U;

constexpr std::array<std::uint32_t, 256> make_crc_table() {
  std::array<std::uint32_t, 256> table = {};
  for (std::uint32_t byte = 0; byte < table.size(); ++byte) {
    std::uint32_t crc = byte;
    for (int bit = 0; bit < 8; ++bit)
      crc = (crc >> 1U) ^ ((crc & 1U) != 0 ? kReflectedCastagnoli : 0U);
    table[byte] = crc;
  }
  return table;
}
constexpr std::array<std::uint32_t, 256> kCrcTable = make_crc_table();

template <class Unsigned>
void append_little_endian(std::string& out, Unsigned value) {
  for (std::size_t i = 0; i < sizeof(Unsigned); ++i)
    out += static_cast<char>(static_cast<unsigned char>(value >> (8U * i)));
}

void append_varint(std::string& out, std::uint64_t value) {
  for (; value >= 0x80U; value >>= 7U)
    out += static_cast<char>(static_cast<unsigned char>(value | 0x80U));
  out += static_cast<char>(static_cast<unsigned char>(value));
}

void append_key(std::string& out, Field field, WireType type) {
  append_varint(out, (static_cast<std::uint64_t>(field) << 3U) | static_cast<std::uint64_t>(type));
}

void append_bytes(std::string& out, Field field, std::string_view bytes) {
  append_key(out, field, WireType::kBytes);
  append_varint(out, bytes.size());
  out += bytes;
}

void append_record(std::string& out, std::string_view payload) {
  std::string length;
  append_little_endian(length, std::uint64_t{payload.size()});
  out += length;
  append_little_endian(out, masked_crc32c(length));
  out += payload;
  append_little_endian(out, masked_crc32c(payload));
}

std::string event_start(double wall_time) {
  std::string out;
  append_key(out, Field::kEventWallTime, WireType::kFixed64);
  append_little_endian(out, std::bit_cast<std::uint64_t>(wall_time));
  return out;
}

// Since round 0, without measuring: what the record counts.
double seconds_of(const RecordTable& table, const Series& series, std::size_t row) {
  double sum = 0;
  for (const std::string_view part : {"gradient", "aggregate", "order", "other"}) {
    const std::size_t c = table.column(fmt::format("seconds_{}", part));
    if (c == table.columns.size() || series.values[c].empty()) continue;
    const double value = series.values[c][row];
    if (std::isfinite(value)) sum += value;
  }
  return sum;
}

std::string summary_of(const RecordTable& table, const Series& series, std::size_t row) {
  std::string summary;
  for (std::size_t c = 1; c < table.columns.size(); ++c) {
    if (series.values[c].empty() || std::isnan(series.values[c][row])) continue;
    std::string value;
    append_bytes(value, Field::kValueTag, table.columns[c]);
    append_key(value, Field::kValueSimple, WireType::kFixed32);
    // What a float cannot hold becomes infinite, which TensorBoard marks.
    append_little_endian(value,
                         std::bit_cast<std::uint32_t>(static_cast<float>(series.values[c][row])));
    append_bytes(summary, Field::kSummaryValue, value);
  }
  return summary;
}

}  // namespace

std::uint32_t crc32c(std::string_view bytes) {
  std::uint32_t crc = 0xffffffffU;
  for (const char c : bytes)
    crc = (crc >> 8U) ^ kCrcTable[(crc ^ static_cast<unsigned char>(c)) & 0xffU];
  return crc ^ 0xffffffffU;
}

std::uint32_t masked_crc32c(std::string_view bytes) {
  return std::rotr(crc32c(bytes), 15) + 0xa282ead8U;
}

std::string event_file(const RecordTable& table, const Series& series) {
  std::string out;
  std::string first = event_start(0);
  append_bytes(first, Field::kEventFileVersion, "brain.Event:2");
  append_record(out, first);
  for (std::size_t row = 0; row < series.rows; ++row) {
    std::string event = event_start(seconds_of(table, series, row));
    append_key(event, Field::kEventStep, WireType::kVarint);
    append_varint(event, static_cast<std::uint64_t>(series.values[0][row]));
    append_bytes(event, Field::kEventSummary, summary_of(table, series, row));
    append_record(out, event);
  }
  return out;
}

std::string event_folder_name(std::size_t index, const Series& series) {
  constexpr std::size_t kMostLetters = 60;
  std::string name = fmt::format("{:02}-", index + 1);
  for (const char c : series.method.substr(0, kMostLetters)) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                        (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '=';
    name += letter ? c : '_';
  }
  return series.repeat > 0 ? fmt::format("{}-repeat{}", name, series.repeat) : name;
}

void write_event_files(const std::filesystem::path& folder, const RecordTable& table) {
  for (std::size_t i = 0; i < table.series.size(); ++i) {
    const std::filesystem::path of_series = folder / event_folder_name(i, table.series[i]);
    experiment::make_output_folder(of_series);
    experiment::write_whole_file(of_series / "events.out.tfevents.0.laconic",
                                 event_file(table, table.series[i]));
  }
}

}  // namespace laconic::report
