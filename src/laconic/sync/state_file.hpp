// SPDX-License-Identifier: Apache-2.0
// Saved states as bytes that can be told from damaged ones, and as files that are written whole or
// not at all. Private to the layer.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <vector>

namespace laconic {

// Appends a checksum (FNV-1a, 64 bits) of what is there.
void seal(std::vector<std::byte>& bytes);
// What was sealed. ConfigError when the checksum is missing or another one.
[[nodiscard]] std::span<const std::byte> unseal(std::span<const std::byte> bytes);

// The file under a name of its own, until publish gives it its own; removed if that never happens.
class StateFile {
 public:
  // ConfigError, with the path and the reason, when it cannot be written to the end.
  StateFile(std::filesystem::path path, std::span<const std::byte> bytes);
  ~StateFile();
  StateFile(const StateFile&) = delete;
  StateFile& operator=(const StateFile&) = delete;
  // Replaces what was at the path. ConfigError as above.
  void publish();

 private:
  std::filesystem::path path_;
  std::filesystem::path part_;
  bool published_ = false;
};

// ConfigError, with the path, when there is no such file or it cannot be read.
[[nodiscard]] std::vector<std::byte> read_state_file(const std::filesystem::path& path);

}  // namespace laconic
