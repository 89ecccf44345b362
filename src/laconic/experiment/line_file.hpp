// SPDX-License-Identifier: Apache-2.0
// Text files in the output folder of a run: written line by line, or at once.
#pragma once

#include <cstdio>
#include <filesystem>
#include <string_view>

namespace laconic::experiment {

// Makes the folder. ConfigError if that does not work.
void make_output_folder(const std::filesystem::path& folder);

// Writes the file under another name first, so that it is there as a whole or as it was before; a
// link is replaced, not followed. Throws Error when that does not work.
void write_whole_file(const std::filesystem::path& path, std::string_view text);

class LineFile {
 public:
  // Replaces what lies there; a link is replaced, not followed. ConfigError if it cannot be made.
  explicit LineFile(std::filesystem::path path);
  ~LineFile();
  LineFile(const LineFile&) = delete;
  LineFile& operator=(const LineFile&) = delete;
  // The line and a line feed, handed to the system. Throws Error when the disk does not take it.
  void write(std::string_view line);

 private:
  std::filesystem::path path_;
  std::FILE* stream_ = nullptr;
};

}  // namespace laconic::experiment
