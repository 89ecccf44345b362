// SPDX-License-Identifier: Apache-2.0
// Event files are read back by the rules of their format, written down here a second time: the
// checksum bit by bit, protobuf by its wire types.
#include "laconic/report/event_file.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <fstream>
#include <iterator>
#include <map>
#include <optional>

#include "tests/unit/report/record_lines.hpp"

namespace laconic::report {
namespace {

// The polynomial 0x1EDC6F41, bits in reflected order.
std::uint32_t slow_crc32c(std::string_view bytes) {
  std::uint32_t crc = ~0U;
  for (const char c : bytes) {
    for (unsigned bit = 0; bit < 8; ++bit) {
      const bool in = ((static_cast<unsigned char>(c) >> bit) & 1U) != 0;
      const bool out = (crc & 1U) != 0;
      crc >>= 1U;
      if (in != out) crc ^= 0x82f63b78U;
    }
  }
  return ~crc;
}

std::uint32_t slow_mask(std::uint32_t crc) { return ((crc >> 15U) | (crc << 17U)) + 0xa282ead8U; }

template <class T>
T take(std::string_view& bytes) {
  T value = {};
  if (bytes.size() < sizeof(T)) throw std::runtime_error("the bytes end too early");
  std::memcpy(&value, bytes.data(), sizeof(T));
  bytes.remove_prefix(sizeof(T));
  return value;
}

std::uint64_t take_varint(std::string_view& bytes) {
  std::uint64_t value = 0;
  for (unsigned shift = 0;; shift += 7) {
    const auto byte = take<std::uint8_t>(bytes);
    value |= static_cast<std::uint64_t>(byte & 0x7fU) << shift;
    if ((byte & 0x80U) == 0) return value;
  }
}

struct FieldValue {
  std::uint64_t field = 0;
  std::uint64_t type = 0;
  std::uint64_t whole = 0;
  double real = 0;
  std::string_view bytes = {};
};

std::vector<FieldValue> fields_of(std::string_view bytes) {
  std::vector<FieldValue> out;
  while (!bytes.empty()) {
    const std::uint64_t key = take_varint(bytes);
    FieldValue value = {.field = key >> 3U, .type = key & 7U};
    if (value.type == 0) value.whole = take_varint(bytes);
    if (value.type == 1) value.real = take<double>(bytes);
    if (value.type == 5) value.real = take<float>(bytes);
    if (value.type == 2) {
      const auto length = static_cast<std::size_t>(take_varint(bytes));
      value.bytes = bytes.substr(0, length);
      bytes.remove_prefix(length);
    }
    out.push_back(value);
  }
  return out;
}

struct Event {
  double wall_time = 0;
  std::uint64_t step = 0;
  std::string version = {};
  std::map<std::string, double> scalars = {};
};

Event event_of(std::string_view payload) {
  Event event;
  for (const FieldValue& field : fields_of(payload)) {
    if (field.field == 1) event.wall_time = field.real;
    if (field.field == 2) event.step = field.whole;
    if (field.field == 3) event.version = field.bytes;
    if (field.field != 5) continue;
    for (const FieldValue& value : fields_of(field.bytes)) {
      const auto parts = fields_of(value.bytes);
      event.scalars[std::string(parts.at(0).bytes)] = parts.at(1).real;
    }
  }
  return event;
}

std::vector<Event> events_of(std::string_view bytes) {
  std::vector<Event> out;
  while (!bytes.empty()) {
    const std::string_view length_bytes = bytes.substr(0, 8);
    const auto length = static_cast<std::size_t>(take<std::uint64_t>(bytes));
    EXPECT_EQ(take<std::uint32_t>(bytes), slow_mask(slow_crc32c(length_bytes)));
    const std::string_view payload = bytes.substr(0, length);
    bytes.remove_prefix(length);
    EXPECT_EQ(take<std::uint32_t>(bytes), slow_mask(slow_crc32c(payload)));
    out.push_back(event_of(payload));
  }
  return out;
}

TEST(EventFile, ChecksumsAreThoseOfRfc3720) {
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8a9136aaU);
  EXPECT_EQ(crc32c(std::string(32, '\xff')), 0x62a8ab43U);
  EXPECT_EQ(crc32c("123456789"), 0xe3069283U);
  EXPECT_EQ(crc32c("laconic"), slow_crc32c("laconic"));
}

TEST(EventFile, ReadsBackAsTheRecords) {
  const RecordTable table = read_lines(
      record("a", 0, R"(,"loss":0.5,"seconds":{"gradient":0,"other":0})"),
      record("a", 300, R"(,"loss":null,"bits":1e30,"seconds":{"gradient":1.5,"other":0.25})"));
  const std::vector<Event> events = events_of(event_file(table, table.series[0]));
  ASSERT_EQ(events.size(), 3U);
  EXPECT_EQ(events[0].version, "brain.Event:2");
  EXPECT_EQ(events[1].step, 0U);
  EXPECT_EQ(events[1].scalars.at("loss"), 0.5);
  EXPECT_EQ(events[2].step, 300U);
  EXPECT_EQ(events[2].wall_time, 1.75);
  EXPECT_EQ(events[2].scalars.count("loss"), 0U) << "null is no number";
  EXPECT_EQ(events[2].scalars.at("bits"), static_cast<double>(1e30F));
  EXPECT_EQ(events[2].scalars.count("round"), 0U) << "the round is the step";
}

TEST(EventFile, FolderNamesAreOfLettersThatFileSystemsKnow) {
  Series series;
  series.method = "../vote:beta=0.9 <b>";
  EXPECT_EQ(event_folder_name(0, series), "01-.._vote_beta=0.9__b_");
  series.repeat = 3;
  EXPECT_EQ(event_folder_name(11, series), "12-.._vote_beta=0.9__b_-repeat3");
}

TEST(EventFile, EverySeriesHasAFolder) {
  const std::filesystem::path folder =
      std::filesystem::path(testing::TempDir()) / "laconic_event_files";
  std::filesystem::remove_all(folder);
  const RecordTable table = read_lines(record("a", 0), record("b", 0));
  write_event_files(folder, table);
  std::ifstream in(folder / "02-b" / "events.out.tfevents.0.laconic", std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  EXPECT_EQ(bytes, event_file(table, table.series[1]));
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace laconic::report
