// SPDX-License-Identifier: Apache-2.0
// A text file in the output folder of a run, written line by line. Private to this layer.
#pragma once

#include <cstdio>
#include <filesystem>
#include <string_view>

namespace laconic::experiment {

// Makes the folder. ConfigError if that does not work.
void make_output_folder(const std::filesystem::path& folder);

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
