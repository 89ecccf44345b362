// SPDX-License-Identifier: Apache-2.0
// Reader of the binary version of CIFAR-10, plain or gzip (told apart by content): records of 3073
// bytes, a label below 10, then 32 x 32 pixels of red, as many of green and of blue. Strict:
// anything else is a ConfigError "FILE: byte N: ...".
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string_view>

#include "laconic/data/dataset.hpp"

namespace laconic::data {

inline constexpr std::uint32_t kCifarSide = 32;
inline constexpr std::uint32_t kCifarFeatures = 3 * kCifarSide * kCifarSide;
inline constexpr std::uint32_t kCifarClasses = 10;

struct CifarOptions {
  std::uint64_t max_content_bytes = std::uint64_t{4} << 30;  // after decompression
};

// Dense rows, pixels / 255 in the order of the file; classes.
[[nodiscard]] Examples parse_cifar(std::span<const std::byte> bytes, std::string_view name,
                                   const CifarOptions& options = {});
[[nodiscard]] Examples read_cifar(const std::filesystem::path& path,
                                  const CifarOptions& options = {});

}  // namespace laconic::data
