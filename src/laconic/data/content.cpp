// SPDX-License-Identifier: Apache-2.0
#include "laconic/data/content.hpp"

#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <fstream>
#include <system_error>

#include "laconic/base/error.hpp"

namespace laconic::data {
namespace {

constexpr std::size_t kChunkBytes = std::size_t{1} << 16;

class Inflater {
 public:
  Inflater() {
    constexpr int kGzipOnly = 16 + MAX_WBITS;
    if (inflateInit2(&stream_, kGzipOnly) != Z_OK) throw Error("zlib: not enough memory");
  }
  ~Inflater() { inflateEnd(&stream_); }
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;
  z_stream& stream() { return stream_; }

 private:
  z_stream stream_{};
};

[[noreturn]] void too_long(std::string_view name, std::uint64_t max_bytes) {
  throw ConfigError(fmt::format(
      "{}: the content is longer than the limit of {} bytes; if this is the right file, "
      "raise the limit",
      name, max_bytes));
}

}  // namespace

std::string shown(std::string_view text) {
  constexpr std::size_t kMaxShown = 40;
  std::string out(text.substr(0, kMaxShown));
  std::replace_if(
      out.begin(), out.end(), [](char c) { return c < ' ' || c >= 0x7f; }, '?');
  if (text.size() > kMaxShown) out += "...";
  return out;
}

bool is_gzip(std::span<const std::byte> bytes) {
  return bytes.size() >= 2 && bytes[0] == std::byte{0x1f} && bytes[1] == std::byte{0x8b};
}

std::vector<std::byte> gunzip(std::span<const std::byte> bytes, std::string_view name,
                              std::uint64_t max_bytes) {
  Inflater inflater;
  z_stream& stream = inflater.stream();
  std::vector<std::byte> out;
  std::vector<Bytef> input(kChunkBytes);  // zlib wants its own pointer type; a copy avoids a cast
  std::vector<Bytef> output(kChunkBytes);
  std::size_t consumed = 0;
  const auto damaged = [&](std::string_view what) {
    throw ConfigError(fmt::format("{}: byte {}: {}; the gzip file is damaged, get it again", name,
                                  consumed - stream.avail_in, what));
  };
  while (true) {
    if (stream.avail_in == 0 && consumed < bytes.size()) {
      const std::size_t count = std::min(kChunkBytes, bytes.size() - consumed);
      std::transform(bytes.begin() + static_cast<std::ptrdiff_t>(consumed),
                     bytes.begin() + static_cast<std::ptrdiff_t>(consumed + count), input.begin(),
                     [](std::byte b) { return std::to_integer<Bytef>(b); });
      consumed += count;
      stream.next_in = input.data();
      stream.avail_in = static_cast<uInt>(count);
    }
    stream.next_out = output.data();
    stream.avail_out = static_cast<uInt>(kChunkBytes);
    const int code = inflate(&stream, Z_NO_FLUSH);
    const std::size_t produced = kChunkBytes - stream.avail_out;
    if (produced > max_bytes || out.size() > max_bytes - produced) too_long(name, max_bytes);
    const std::size_t old_size = out.size();
    out.resize(old_size + produced);
    std::transform(output.begin(), output.begin() + static_cast<std::ptrdiff_t>(produced),
                   out.begin() + static_cast<std::ptrdiff_t>(old_size),
                   [](Bytef b) { return std::byte{b}; });
    if (code == Z_STREAM_END) {
      if (stream.avail_in == 0 && consumed == bytes.size()) return out;
      inflateReset(&stream);  // another member follows, or what follows is refused as one
      continue;
    }
    if (code == Z_MEM_ERROR) throw Error("zlib: not enough memory");
    if (code != Z_OK && code != Z_BUF_ERROR)
      damaged(stream.msg != nullptr ? stream.msg : "not gzip data");
    if (stream.avail_in == 0 && consumed == bytes.size() && stream.avail_out != 0) {
      damaged("the file ends before its content does");
    }
  }
}

std::vector<std::byte> read_file(const std::filesystem::path& path, std::uint64_t max_bytes) {
  std::error_code code;
  const auto status = std::filesystem::status(path, code);
  if (!std::filesystem::exists(status))
    throw ConfigError(fmt::format("{}: no such file", path.string()));
  if (!std::filesystem::is_regular_file(status)) {
    throw ConfigError(
        fmt::format("{}: not a regular file; name the data file itself", path.string()));
  }
  std::ifstream in(path, std::ios::binary);
  if (!in)
    throw ConfigError(fmt::format("{}: cannot be opened; check its permissions", path.string()));
  const std::uint64_t size = std::filesystem::file_size(path, code);
  if (code) throw ConfigError(fmt::format("{}: {}", path.string(), code.message()));
  if (size > max_bytes) too_long(path.string(), max_bytes);
  std::vector<std::byte> bytes(static_cast<std::size_t>(size));
  std::vector<char> chunk(kChunkBytes);
  std::size_t filled = 0;
  while (filled < bytes.size()) {
    const std::size_t count = std::min(kChunkBytes, bytes.size() - filled);
    in.read(chunk.data(), static_cast<std::streamsize>(count));
    if (!in)
      throw ConfigError(fmt::format("{}: cannot be read past byte {}", path.string(), filled));
    std::transform(chunk.begin(), chunk.begin() + static_cast<std::ptrdiff_t>(count),
                   bytes.begin() + static_cast<std::ptrdiff_t>(filled),
                   [](char c) { return static_cast<std::byte>(c); });
    filled += count;
  }
  return bytes;
}

std::vector<std::byte> read_content(const std::filesystem::path& path, std::uint64_t max_bytes) {
  std::vector<std::byte> bytes = read_file(path, max_bytes);
  if (!is_gzip(bytes)) return bytes;
  return gunzip(bytes, path.string(), max_bytes);
}

}  // namespace laconic::data
