// SPDX-License-Identifier: Apache-2.0
#include "laconic/data/cifar.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "laconic/base/error.hpp"
#include "laconic/data/content.hpp"

namespace laconic::data {
namespace {

constexpr std::size_t kRecordBytes = 1 + std::size_t{kCifarFeatures};

[[noreturn]] void fail(std::string_view name, std::size_t position, std::string_view what) {
  throw ConfigError(fmt::format("{}: byte {}: {}", name, position, what));
}

void check_records(std::span<const std::byte> bytes, std::string_view name) {
  if (bytes.empty()) fail(name, 0, "the file is empty; name a CIFAR-10 binary file");
  for (std::size_t at = 0; at < bytes.size(); at += kRecordBytes) {
    const auto label = std::to_integer<std::uint32_t>(bytes[at]);
    if (label < kCifarClasses) continue;
    fail(name, at,
         fmt::format("record {} has label {}, which is not below {}; this is no CIFAR-10 binary "
                     "file, or it is damaged",
                     at / kRecordBytes, label, kCifarClasses));
  }
  if (const std::size_t rest = bytes.size() % kRecordBytes; rest != 0) {
    fail(name, bytes.size(),
         fmt::format("the file ends after {} of the {} bytes of record {}; it is truncated, get it "
                     "again",
                     rest, kRecordBytes, bytes.size() / kRecordBytes));
  }
}

Examples parse_plain(std::span<const std::byte> bytes, std::string_view name,
                     const CifarOptions& options) {
  if (bytes.size() > options.max_content_bytes) {
    throw ConfigError(fmt::format(
        "{}: the content is longer than the limit of {} bytes; if this is the right file, "
        "raise the limit",
        name, options.max_content_bytes));
  }
  check_records(bytes, name);
  std::array<float, 256> scaled{};
  for (std::size_t i = 0; i < scaled.size(); ++i) scaled[i] = static_cast<float>(i) / 255.0F;
  const std::size_t records = bytes.size() / kRecordBytes;
  Examples out;
  out.classes.reserve(records);
  DenseRows rows;
  rows.features = kCifarFeatures;
  rows.values.resize(records * kCifarFeatures);
  for (std::size_t i = 0; i < records; ++i) {
    const auto record = bytes.subspan(i * kRecordBytes, kRecordBytes);
    out.classes.push_back(std::to_integer<std::uint32_t>(record[0]));
    std::transform(record.begin() + 1, record.end(),
                   rows.values.begin() + static_cast<std::ptrdiff_t>(i * kCifarFeatures),
                   [&](std::byte pixel) { return scaled[std::to_integer<std::size_t>(pixel)]; });
  }
  out.rows = std::move(rows);
  return out;
}

}  // namespace

Examples parse_cifar(std::span<const std::byte> bytes, std::string_view name,
                     const CifarOptions& options) {
  return with_plain_bytes(
      bytes, name, options.max_content_bytes,
      [&](std::span<const std::byte> plain) { return parse_plain(plain, name, options); });
}

Examples read_cifar(const std::filesystem::path& path, const CifarOptions& options) {
  return parse_cifar(read_file(path, options.max_content_bytes), path.string(), options);
}

}  // namespace laconic::data
