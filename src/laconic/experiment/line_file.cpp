// SPDX-License-Identifier: Apache-2.0
#include "laconic/experiment/line_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

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

void write_whole_file(const std::filesystem::path& path, std::string_view text) {
  const std::filesystem::path part =
      path.parent_path() / fmt::format(".{}.part", path.filename().string());
  std::error_code code;
  std::filesystem::remove(part, code);
  errno = 0;
  std::FILE* stream = std::fopen(part.c_str(), "wbx");
  bool written = stream != nullptr &&
                 std::fwrite(text.data(), 1, text.size(), stream) == text.size() &&
                 std::fflush(stream) == 0 && ::fsync(::fileno(stream)) == 0;
  const std::string why = reason(errno);
  if (stream != nullptr) written = std::fclose(stream) == 0 && written;
  code.clear();
  if (written) std::filesystem::rename(part, path, code);
  if (written && !code) return;
  const std::string problem = code ? code.message() : why;
  std::filesystem::remove(part, code);
  throw Error(fmt::format("'{}' cannot be written: {}", path.string(), problem));
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
