// SPDX-License-Identifier: Apache-2.0
// Reader of the LIBSVM text format, plain or gzip (told apart by content). One row per line:
//   LABEL [INDEX:VALUE]...      indices from 1, strictly increasing; a label alone is an empty row
// Strict: anything else is a ConfigError "FILE: line N: ..." that says what to do about it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string_view>
#include <vector>

#include "laconic/data/dataset.hpp"

namespace laconic::data {

struct LibsvmOptions {
  std::uint32_t features = 0;  // 0: the largest index in the file
  LabelKind labels = LabelKind::kBinary;
  // The labels that may occur, increasing; a test file is read with those of its training file.
  // Empty: kBinary accepts {-1, 1}, {0, 1} and {1, 2}, kClasses every set of at least two whole
  // numbers.
  std::vector<double> label_values = {};
  std::uint64_t max_content_bytes = std::uint64_t{4} << 30;  // after decompression
  std::size_t max_line_bytes = std::size_t{16} << 20;
};

struct LibsvmFile {
  Examples examples = {};  // sparse
  std::vector<double> label_values =
      {};  // as written in the file, increasing; class i is element i
};

// Memory: usually about three times the decompressed content; up to 25 times when rows are two
// bytes long.
[[nodiscard]] LibsvmFile read_libsvm(const std::filesystem::path& path,
                                     const LibsvmOptions& options = {});
// name stands for the file in messages.
[[nodiscard]] LibsvmFile parse_libsvm(std::span<const std::byte> bytes, std::string_view name,
                                      const LibsvmOptions& options = {});

}  // namespace laconic::data
