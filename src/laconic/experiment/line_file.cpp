// SPDX-License-Identifier: Apache-2.0
#include "laconic/experiment/line_file.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <system_error>
#include <utility>

#include "laconic/base/error.hpp"

namespace laconic::experiment {
namespace {

std::string reason(int code) { return std::error_code(code, std::generic_category()).message(); }

}  // namespace

void make_output_folder(const std::filesystem::path& folder) {
  std::error_code code;
  std::filesystem::create_directories(folder, code);
  if (!code) return;
  throw ConfigError(fmt::format("output folder '{}' cannot be made: {}; choose another --out",
                                folder.string(), code.message()));
}

LineFile::LineFile(std::filesystem::path path) : path_(std::move(path)) {
  std::error_code code;
  std::filesystem::remove(path_, code);
  stream_ = std::fopen(path_.c_str(), "wbx");
  if (stream_ == nullptr) {
    throw ConfigError(fmt::format("'{}' cannot be written: {}; choose another --out",
                                  path_.string(), reason(errno)));
  }
}

LineFile::~LineFile() {
  if (stream_ != nullptr) static_cast<void>(std::fclose(stream_));
}

void LineFile::write(std::string_view line) {
  const bool written = std::fwrite(line.data(), 1, line.size(), stream_) == line.size() &&
                       std::fputc('\n', stream_) != EOF && std::fflush(stream_) == 0;
  if (!written) {
    throw Error(fmt::format("'{}' cannot be written: {}", path_.string(), reason(errno)));
  }
}

}  // namespace laconic::experiment
