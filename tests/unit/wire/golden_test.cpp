// SPDX-License-Identifier: Apache-2.0
// The golden frames and docs/wire-format.md against the code: every example decodes to the values
// that stand below it, every frame of tests/golden/invalid is refused with the fault that it names,
// and no flipped bit gets past the receiver but those that change one legal message into another.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <sstream>

#include "laconic/base/card.hpp"
#include "laconic/compress/compressor.hpp"
#include "laconic/wire/frame.hpp"
#include "laconic/wire/values.hpp"

namespace laconic::wire {
namespace {

namespace fs = std::filesystem;

const fs::path kGolden = fs::path(LACONIC_SOURCE_DIR) / "tests" / "golden";
const fs::path kDocument = fs::path(LACONIC_SOURCE_DIR) / "docs" / "wire-format.md";

std::vector<std::byte> parse_hex(const std::string& text) {
  std::vector<std::byte> out;
  std::istringstream in(text);
  for (std::string pair; in >> pair;) {
    EXPECT_EQ(pair.size(), 2U) << pair;
    out.push_back(static_cast<std::byte>(std::stoi(pair, nullptr, 16)));
  }
  return out;
}

// A .hex file: lines "# key: value" and bytes.
struct Golden {
  std::string name = {};
  std::map<std::string, std::string> notes = {};
  std::vector<std::byte> bytes = {};
};

Golden read_golden(const fs::path& path) {
  Golden out{.name = path.stem().string()};
  std::ifstream in(path);
  std::string hex;
  for (std::string line; std::getline(in, line);) {
    if (!line.starts_with("#")) {
      hex += line + "\n";
    } else if (const auto colon = line.find(": "); colon != std::string::npos) {
      out.notes[line.substr(2, colon - 2)] = line.substr(colon + 2);
    }
  }
  out.bytes = parse_hex(hex);
  return out;
}

std::vector<Golden> read_folder(const std::string& folder) {
  std::vector<fs::path> paths;
  for (const auto& entry : fs::directory_iterator(kGolden / folder)) paths.push_back(entry.path());
  std::sort(paths.begin(), paths.end());
  std::vector<Golden> out;
  for (const fs::path& path : paths) out.push_back(read_golden(path));
  return out;
}

// "kind=0 mode=0 ..." as what the receiver expects.
Expected expected_of(const Golden& golden) {
  std::map<std::string, std::uint32_t> values;
  std::istringstream in(golden.notes.at("receiver"));
  for (std::string pair; in >> pair;) {
    const auto equals = pair.find('=');
    values[pair.substr(0, equals)] =
        static_cast<std::uint32_t>(std::stoul(pair.substr(equals + 1)));
  }
  return {.kind = static_cast<Kind>(values.at("kind")),
          .mode = static_cast<std::uint8_t>(values.at("mode")),
          .phase = static_cast<std::uint8_t>(values.at("phase")),
          .round = values.at("round"),
          .senders = values.at("senders"),
          .dim = values.at("dim"),
          .offset = values.at("offset")};
}

std::unique_ptr<Compressor<double>> sign_compressor() {
  Catalog catalog;
  add_compressor_cards(catalog);
  return compressors<double>().make(catalog.canonical(Spec{.name = "sign"}, "compressor"), {});
}

// The two tensors of the example of kind 5.
constexpr Shape kSegments[] = {{3, 1}, {2, 1}};

struct Decoded {
  Status status = {};
  FrameHeader header = {};
  std::vector<double> values = {};
};

double signed_unit(std::span<const std::uint64_t> signs, std::size_t i) {
  return ((signs[i / 64] >> (i % 64)) & 1U) != 0 ? -1 : 1;
}

// Kinds 7 and 8: the index, then the numbers of the slice.
void decode_order_gradient(WireReader& reader, const Expected& expected,
                           std::vector<double>& values) {
  const auto format = static_cast<ValueFormat>(expected.mode % 16);
  const std::uint32_t index = reader.u32();
  if (expected.mode < 16) {
    read_values<double>(format, reader, values);
  } else {
    const std::uint32_t count = reader.u32();
    if (count > expected.dim) return reader.fail(Fault::kBadDimension, count, expected.dim);
    std::vector<std::uint32_t> indices(count);
    std::uint32_t lowest = expected.offset;
    for (std::uint32_t& i : indices) {
      i = reader.u32();
      if (i < lowest || i >= expected.offset + expected.dim) reader.fail(Fault::kBadIndex, i);
      lowest = i + 1;
    }
    std::vector<double> numbers(count);
    read_values<double>(format, reader, numbers);
    if (!reader.ok()) return;
    for (std::uint32_t e = 0; e < count; ++e) values[indices[e] - expected.offset] = numbers[e];
  }
  values.insert(values.begin(), index);
}

void decode_order_signs(WireReader& reader, std::vector<double>& values) {
  const Bytes bits = reader.bytes((values.size() + 7) / 8);
  for (std::size_t k = 0; k < 8 * bits.size(); ++k) {
    const bool negative = ((std::to_integer<unsigned>(bits[k / 8]) >> (k % 8)) & 1U) != 0;
    if (k < values.size()) {
      values[k] = negative ? -1 : 1;
    } else if (negative) {
      reader.fail(Fault::kNonZeroPadding);
    }
  }
}

void decode_payload(WireReader& reader, const Expected& expected, std::vector<double>& values) {
  const std::size_t dim = expected.dim;
  std::vector<std::uint64_t> mask((dim + 63) / 64, ~std::uint64_t{0});
  std::vector<std::uint64_t> signs((dim + 63) / 64);
  values.assign(dim, 0.0);
  switch (expected.kind) {
    case Kind::kSign:
    case Kind::kSignMask:
      if (expected.kind == Kind::kSign) {
        read_plane(reader, dim, signs);
      } else {
        read_masked_signs(reader, dim, {.mask = mask, .signs = signs});
      }
      for (std::size_t i = 0; i < dim; ++i) {
        if (((mask[i / 64] >> (i % 64)) & 1U) != 0) values[i] = signed_unit(signs, i);
      }
      break;
    case Kind::kValues:
      read_values<double>(static_cast<ValueFormat>(expected.mode), reader, values);
      break;
    case Kind::kSegments: {
      std::span<double> rest = values;
      for (const Shape shape : kSegments) {
        if (!sign_compressor()->decode_add(reader, {}, 1.0, {rest.first(shape.size()), shape}))
          break;
        rest = rest.subspan(shape.size());
      }
      break;
    }
    case Kind::kDiverged:
      values = {static_cast<double>(reader.u32()), 0.0};
      values[1] = static_cast<double>(reader.u64());
      break;
    case Kind::kOrderUnit:
    case Kind::kOrderPair:
      decode_order_gradient(reader, expected, values);
      break;
    case Kind::kOrderSigns:
      decode_order_signs(reader, values);
      break;
    case Kind::kOrderSums:
      values.insert(values.begin(), reader.u32());
      read_values<double>(ValueFormat::kF64, reader, std::span(values).subspan(1));
      break;
    case Kind::kOrderDiverged:
      values = {static_cast<double>(reader.u32())};
      break;
  }
}

Decoded decode(Bytes bytes, const Expected& expected) {
  Decoded out;
  Frame frame;
  Bytes rest = bytes;
  out.status = take_frame(rest, frame);
  if (!out.status) return out;
  out.header = frame.header;
  out.status = check_header(frame.header, expected);
  if (!out.status) return out;
  WireReader reader(frame.payload);
  decode_payload(reader, expected, out.values);
  out.status = reader.finish();
  return out;
}

std::vector<double> parse_values(const std::string& text) {
  std::vector<double> out;
  std::istringstream in(text);
  for (std::string word; in >> word;) {
    out.push_back(word == "+" ? 1.0 : word == "-" ? -1.0 : parse_real(word).value_or_throw());
  }
  return out;
}

TEST(GoldenFrames, DecodeToTheirValues) {
  const auto all = read_folder("valid");
  EXPECT_GE(all.size(), 8U);
  for (const Golden& golden : all) {
    const Expected expected = expected_of(golden);
    const Decoded decoded = decode(golden.bytes, expected);
    ASSERT_TRUE(decoded.status) << golden.name << ": " << decoded.status.message();
    EXPECT_EQ(decoded.values, parse_values(golden.notes.at("values"))) << golden.name;
    EXPECT_EQ(decoded.header.sender, 2U) << golden.name;
  }
}

// The index, which is the first value, and the numbers behind it.
void write_order_payload(const Expected& expected, std::span<const double> values,
                         std::vector<std::byte>& bytes) {
  WireWriter writer(bytes);
  writer.u32(static_cast<std::uint32_t>(values[0]));
  values = values.subspan(1);
  if (expected.mode < 16) {
    const auto format = expected.kind == Kind::kOrderSums ? ValueFormat::kF64
                                                          : static_cast<ValueFormat>(expected.mode);
    return write_values<double>(format, values, bytes);
  }
  std::vector<double> numbers;
  std::vector<std::uint32_t> indices;
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (values[i] == 0) continue;
    indices.push_back(expected.offset + static_cast<std::uint32_t>(i));
    numbers.push_back(values[i]);
  }
  writer.u32(static_cast<std::uint32_t>(indices.size()));
  for (const std::uint32_t index : indices) writer.u32(index);
  write_values<double>(static_cast<ValueFormat>(expected.mode % 16), numbers, bytes);
}

TEST(GoldenFrames, AreWhatIsWrittenForTheirValues) {
  for (const Golden& golden : read_folder("valid")) {
    const Expected expected = expected_of(golden);
    const std::vector<double> values = parse_values(golden.notes.at("values"));
    std::vector<std::byte> bytes;
    const std::size_t token = begin_frame({.kind = expected.kind,
                                           .mode = expected.mode,
                                           .phase = expected.phase,
                                           .round = expected.round,
                                           .sender = 2,
                                           .dim = expected.dim,
                                           .offset = expected.offset},
                                          bytes);
    WireWriter writer(bytes);
    std::uint64_t mask = 0;
    std::uint64_t signs = 0;
    for (std::size_t i = 0; i < values.size(); ++i) {
      if (values[i] != 0) mask |= std::uint64_t{1} << i;
      if (values[i] < 0) signs |= std::uint64_t{1} << i;
    }
    Message message;
    std::span<const double> rest = values;
    switch (expected.kind) {
      case Kind::kSignMask:
        writer.u64(mask);
        [[fallthrough]];
      case Kind::kSign:
        writer.u64(signs);
        break;
      case Kind::kValues:
        write_values<double>(static_cast<ValueFormat>(expected.mode), values, bytes);
        break;
      case Kind::kSegments:
        for (const Shape shape : kSegments) {
          sign_compressor()->encode({rest.first(shape.size()), shape}, {}, message);
          rest = rest.subspan(shape.size());
        }
        writer.bytes(message.bytes);
        break;
      case Kind::kDiverged:
        writer.u32(static_cast<std::uint32_t>(values[0]));
        writer.u64(static_cast<std::uint64_t>(values[1]));
        break;
      case Kind::kOrderUnit:
      case Kind::kOrderPair:
      case Kind::kOrderSums:
      case Kind::kOrderDiverged:
        write_order_payload(expected, values, bytes);
        break;
      case Kind::kOrderSigns:
        writer.u8(static_cast<std::uint8_t>(signs));
        writer.u8(static_cast<std::uint8_t>(signs >> 8));
        break;
    }
    end_frame(token, bytes);
    EXPECT_EQ(bytes, golden.bytes) << golden.name;
  }
}

TEST(GoldenFrames, ThatMustBeRefusedAreRefusedWithTheirFault) {
  const auto all = read_folder("invalid");
  EXPECT_GE(all.size(), 28U);
  for (const Golden& golden : all) {
    const Status status = decode(golden.bytes, expected_of(golden)).status;
    EXPECT_EQ(fault_name(status.fault()), golden.notes.at("fault")) << golden.name;
    if (!golden.notes.contains("position")) continue;
    EXPECT_TRUE(status.message().starts_with("byte " + golden.notes.at("position") + ":"))
        << golden.name << ": " << status.message();
  }
}

TEST(GoldenFrames, EveryTruncationIsRefused) {
  for (const Golden& golden : read_folder("valid")) {
    const Expected expected = expected_of(golden);
    for (std::size_t length = 0; length < golden.bytes.size(); ++length) {
      // A copy of exactly this length, so that a read behind it is seen by the sanitizers.
      const std::vector<std::byte> cut(golden.bytes.begin(),
                                       golden.bytes.begin() + static_cast<std::ptrdiff_t>(length));
      EXPECT_EQ(decode(cut, expected).status.fault(), Fault::kTruncated)
          << golden.name << " " << length;
    }
  }
}

TEST(GoldenFrames, AFlippedBitIsRefusedOrGivesAnotherLegalMessage) {
  for (const Golden& golden : read_folder("valid")) {
    const Expected expected = expected_of(golden);
    std::size_t accepted_headers = 0;
    std::set<std::vector<double>> accepted = {decode(golden.bytes, expected).values};
    std::size_t accepted_payloads = 0;
    for (std::size_t bit = 0; bit < 8 * golden.bytes.size(); ++bit) {
      std::vector<std::byte> flipped = golden.bytes;
      flipped[bit / 8] ^= static_cast<std::byte>(1U << (bit % 8));
      const Decoded decoded = decode(flipped, expected);
      if (!decoded.status) continue;
      for (const double value : decoded.values) EXPECT_TRUE(std::isfinite(value));
      if (bit < 8 * kHeaderBytes) {
        ++accepted_headers;
        EXPECT_NE(decoded.header.sender, 2U) << golden.name << " bit " << bit;
        EXPECT_LT(decoded.header.sender, expected.senders);
      } else {
        ++accepted_payloads;
        accepted.insert(decoded.values);
      }
    }
    // Sender 2 becomes 3 or 0; every other bit of the header is checked.
    EXPECT_EQ(accepted_headers, 2U) << golden.name;
    if (expected.kind == Kind::kSign) {
      EXPECT_EQ(accepted_payloads, expected.dim);
    }
    // Each accepted payload means something else; only the sign of a zero is lost on comparison.
    EXPECT_GE(accepted.size(), accepted_payloads) << golden.name;
  }
}

// The blocks ```LANGUAGE NAME of the document.
std::map<std::string, std::string> blocks(const std::string& language) {
  std::map<std::string, std::string> out;
  std::ifstream in(kDocument);
  EXPECT_TRUE(in) << kDocument;
  std::string open;
  for (std::string line; std::getline(in, line);) {
    if (line == "```") {
      open.clear();
    } else if (line.starts_with("```" + language + " ")) {
      open = line.substr(4 + language.size());
      EXPECT_FALSE(out.contains(open)) << open;
      out[open];
    } else if (!open.empty()) {
      out[open] += line + "\n";
    }
  }
  return out;
}

TEST(WireFormatDocument, ItsExamplesAreTheGoldenFramesAndDecodeToTheValuesBelowThem) {
  const auto hex = blocks("hex");
  const auto values = blocks("values");
  std::set<std::string> documented;
  for (const auto& [name, text] : hex) {
    documented.insert(name);
    const Golden golden = read_golden(kGolden / "valid" / (name + ".hex"));
    EXPECT_EQ(parse_hex(text), golden.bytes) << name;
    const Decoded decoded = decode(parse_hex(text), expected_of(golden));
    EXPECT_TRUE(decoded.status) << name;
    EXPECT_EQ(decoded.values, parse_values(values.at(name))) << name;
  }
  std::set<std::string> files;
  for (const Golden& golden : read_folder("valid")) files.insert(golden.name);
  EXPECT_EQ(documented, files);
}

TEST(WireFormatDocument, HasAnExampleOfEveryKind) {
  std::set<int> kinds;
  for (const auto& [name, text] : blocks("hex"))
    kinds.insert(static_cast<int>(parse_hex(text).at(5)));
  std::set<int> known;
  for (int kind = 0; kind < 256; ++kind) {
    if (is_known(static_cast<Kind>(kind))) known.insert(kind);
  }
  EXPECT_EQ(kinds, known);
}

}  // namespace
}  // namespace laconic::wire
