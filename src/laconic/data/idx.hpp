// SPDX-License-Identifier: Apache-2.0
// Reader of the IDX format of MNIST, plain or gzip (told apart by content). Big-endian header:
// magic 0x803 (images: count, height, width) or 0x801 (labels: count), then one byte per pixel or
// label. Strict: anything else is a ConfigError "FILE: byte N: ...". The header is compared with
// the number of bytes that are there before anything is allocated for it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string_view>
#include <vector>

#include "laconic/data/dataset.hpp"

namespace laconic::data {

struct IdxOptions {
  std::uint32_t class_count = 10;                            // labels are below it
  std::uint64_t max_content_bytes = std::uint64_t{4} << 30;  // after decompression
};

struct IdxImages {
  std::uint32_t count = 0;
  std::uint32_t height = 0;
  std::uint32_t width = 0;
  std::vector<std::uint8_t> pixels = {};  // count x height x width
};

[[nodiscard]] IdxImages parse_idx_images(std::span<const std::byte> bytes, std::string_view name,
                                         const IdxOptions& options = {});
[[nodiscard]] std::vector<std::uint8_t> parse_idx_labels(std::span<const std::byte> bytes,
                                                         std::string_view name,
                                                         const IdxOptions& options = {});

struct IdxPair {
  std::filesystem::path images = {};
  std::filesystem::path labels = {};
};
struct IdxExamples {
  Examples examples = {};  // dense, pixels / 255; classes
  std::uint32_t height = 0;
  std::uint32_t width = 0;
};
// Also a ConfigError when the two files do not have the same number of elements.
[[nodiscard]] IdxExamples read_idx(const IdxPair& pair, const IdxOptions& options = {});

}  // namespace laconic::data
