// SPDX-License-Identifier: Apache-2.0
// SHA-256, as 64 lower-case hexadecimal digits.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>

namespace laconic::data {

[[nodiscard]] std::string sha256(std::span<const std::byte> bytes);
// Of the content: a gzip file (told by its content) is decompressed first. ConfigError if the file
// cannot be read or decompressed or its content is longer than max_content_bytes.
[[nodiscard]] std::string sha256_of_content(const std::filesystem::path& path,
                                            std::uint64_t max_content_bytes = std::uint64_t{4}
                                                                              << 30);

}  // namespace laconic::data
