// SPDX-License-Identifier: Apache-2.0
#include "laconic/sync/state_file.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <system_error>

#include "laconic/base/error.hpp"
#include "laconic/wire/wire.hpp"

namespace laconic {
namespace {

std::uint64_t checksum(std::span<const std::byte> bytes) {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const std::byte byte : bytes) {
    hash = (hash ^ std::to_integer<std::uint64_t>(byte)) * 0x100000001b3;
  }
  return hash;
}

[[noreturn]] void refuse(const std::filesystem::path& path, std::string_view what, int code) {
  throw ConfigError(fmt::format("saved state: {} cannot be {}: {}", path.string(), what,
                                std::generic_category().message(code)));
}

struct Close {
  void operator()(std::FILE* file) const { std::fclose(file); }
};
using File = std::unique_ptr<std::FILE, Close>;

}  // namespace

void seal(std::vector<std::byte>& bytes) { wire::WireWriter(bytes).u64(checksum(bytes)); }

std::span<const std::byte> unseal(std::span<const std::byte> bytes) {
  if (bytes.size() >= sizeof(std::uint64_t)) {
    const auto body = bytes.first(bytes.size() - sizeof(std::uint64_t));
    if (wire::WireReader(bytes.subspan(body.size())).u64() == checksum(body)) return body;
  }
  throw ConfigError(
      fmt::format("saved state: the checksum of its {} bytes is wrong; it is damaged or cut off, "
                  "load another one",
                  bytes.size()));
}

StateFile::StateFile(std::filesystem::path path, std::span<const std::byte> bytes)
    : path_(std::move(path)), part_(path_) {
  part_ += ".part";
  std::FILE* const file = std::fopen(part_.c_str(), "wb");
  if (file == nullptr) refuse(path_, "written", errno);
  const bool written = std::fwrite(bytes.data(), 1, bytes.size(), file) == bytes.size();
  const int write_code = errno;
  const bool closed = std::fclose(file) == 0;
  if (written && closed) return;
  const int code = written ? errno : write_code;
  std::error_code ignored;
  std::filesystem::remove(part_, ignored);
  refuse(path_, "written", code);
}

StateFile::~StateFile() {
  std::error_code ignored;
  if (!published_) std::filesystem::remove(part_, ignored);
}

void StateFile::publish() {
  std::error_code code;
  std::filesystem::rename(part_, path_, code);
  if (code) refuse(path_, "written", code.value());
  published_ = true;
}

std::vector<std::byte> read_state_file(const std::filesystem::path& path) {
  const File file(std::fopen(path.c_str(), "rb"));
  if (file == nullptr) refuse(path, "read", errno);
  std::error_code code;
  const std::uintmax_t size = std::filesystem::file_size(path, code);
  if (code) refuse(path, "read", code.value());
  std::vector<std::byte> out(static_cast<std::size_t>(size));
  if (std::fread(out.data(), 1, out.size(), file.get()) != out.size()) refuse(path, "read", errno);
  return out;
}

}  // namespace laconic
