// SPDX-License-Identifier: Apache-2.0
// The bytes of a data file, decompressed if they are gzip. Private to this layer.
// Memory is bounded by the limit given, whatever the file claims about itself.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace laconic::data {

[[nodiscard]] bool is_gzip(std::span<const std::byte> bytes);

// One or more gzip members and nothing else. ConfigError if they are damaged, truncated, followed
// by other bytes, or longer than max_bytes. name stands for the file in messages.
[[nodiscard]] std::vector<std::byte> gunzip(std::span<const std::byte> bytes, std::string_view name,
                                            std::uint64_t max_bytes);

// The whole file; ConfigError if it cannot be read or is longer than max_bytes.
[[nodiscard]] std::vector<std::byte> read_file(const std::filesystem::path& path,
                                               std::uint64_t max_bytes);

// read_file, then gunzip if the content says that it is gzip.
[[nodiscard]] std::vector<std::byte> read_content(const std::filesystem::path& path,
                                                  std::uint64_t max_bytes);

// Calls use(plain bytes): those given, or what they decompress to.
template <class Use>
auto with_plain_bytes(std::span<const std::byte> bytes, std::string_view name,
                      std::uint64_t max_bytes, Use use) {
  if (!is_gzip(bytes)) return use(bytes);
  const std::vector<std::byte> plain = gunzip(bytes, name, max_bytes);
  return use(std::span<const std::byte>(plain));
}

// For messages: at most 40 characters, anything unprintable as '?'.
[[nodiscard]] std::string shown(std::string_view text);

}  // namespace laconic::data
