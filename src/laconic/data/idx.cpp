// SPDX-License-Identifier: Apache-2.0
#include "laconic/data/idx.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "laconic/base/assert.hpp"
#include "laconic/base/error.hpp"
#include "laconic/data/content.hpp"

namespace laconic::data {
namespace {

constexpr std::uint32_t kImagesMagic = 0x803;
constexpr std::uint32_t kLabelsMagic = 0x801;
constexpr std::uint32_t kMaxSide = 65535;

class IdxParser {
 public:
  IdxParser(std::span<const std::byte> bytes, std::string_view name, const IdxOptions& options)
      : bytes_(bytes), name_(name), options_(options) {
    if (bytes.size() > options.max_content_bytes) {
      throw ConfigError(fmt::format(
          "{}: the content is longer than the limit of {} bytes; if this is the right file, "
          "raise the limit",
          name, options.max_content_bytes));
    }
  }

  IdxImages images() {
    expect_magic(kImagesMagic, "images");
    IdxImages out;
    out.count = u32();
    if (out.count == 0) fail(4, "there are no images; name another file");
    out.height = side("height");
    out.width = side("width");
    const std::uint64_t image_bytes = std::uint64_t{out.height} * out.width;  // below 2^32
    expect_rest(out.count, image_bytes, fmt::format("images of {} x {}", out.height, out.width));
    out.pixels = rest();
    return out;
  }

  std::vector<std::uint8_t> labels() {
    expect_magic(kLabelsMagic, "labels");
    const std::uint32_t count = u32();
    if (count == 0) fail(4, "there are no labels; name another file");
    expect_rest(count, 1, "labels");
    const std::vector<std::uint8_t> out = rest();
    const auto bad = std::find_if(
        out.begin(), out.end(), [&](std::uint8_t label) { return label >= options_.class_count; });
    if (bad != out.end()) {
      fail(position_ + static_cast<std::size_t>(bad - out.begin()),
           fmt::format("label {} is not below the number of classes, {}; raise it (classes=...)",
                       *bad, options_.class_count));
    }
    return out;
  }

 private:
  [[noreturn]] void fail(std::size_t position, std::string_view what) const {
    throw ConfigError(fmt::format("{}: byte {}: {}", name_, position, what));
  }

  std::uint32_t u32() {
    if (bytes_.size() - position_ < 4) {
      fail(bytes_.size(), "the file ends within its header; it is truncated, get it again");
    }
    std::uint32_t value = 0;
    for (int i = 0; i < 4; ++i)
      value = (value << 8) | std::to_integer<std::uint32_t>(bytes_[position_++]);
    return value;
  }

  void expect_magic(std::uint32_t magic, std::string_view what) {
    const std::uint32_t found = u32();
    if (found != magic) {
      fail(0, fmt::format("magic number {:#010x} is not {:#010x}; this is no IDX file of {}", found,
                          magic, what));
    }
  }

  std::uint32_t side(std::string_view what) {
    const std::uint32_t value = u32();
    if (value == 0 || value > kMaxSide) {
      fail(position_ - 4,
           fmt::format("{} {} is not in [1, {}]; the header is damaged", what, value, kMaxSide));
    }
    return value;
  }

  // Divides instead of multiplying: count * unit may exceed 64 bits.
  void expect_rest(std::uint32_t count, std::uint64_t unit, std::string_view what) const {
    const std::uint64_t available = bytes_.size() - position_;
    if (available / unit < count) {
      fail(bytes_.size(),
           fmt::format("the file ends after {} of {} {}; it is truncated, get it again",
                       available / unit, count, what));
    }
    const std::uint64_t needed = count * unit;  // at most available
    if (available > needed) {
      fail(position_ + static_cast<std::size_t>(needed),
           fmt::format("{} bytes follow the last of {} {}; the file or its header is damaged",
                       available - needed, count, what));
    }
  }

  [[nodiscard]] std::vector<std::uint8_t> rest() const {
    const auto data = bytes_.subspan(position_);
    std::vector<std::uint8_t> out(data.size());
    std::transform(data.begin(), data.end(), out.begin(),
                   [](std::byte b) { return std::to_integer<std::uint8_t>(b); });
    return out;
  }

  std::span<const std::byte> bytes_;
  std::string_view name_;
  const IdxOptions& options_;
  std::size_t position_ = 0;
};

}  // namespace

IdxImages parse_idx_images(std::span<const std::byte> bytes, std::string_view name,
                           const IdxOptions& options) {
  return with_plain_bytes(
      bytes, name, options.max_content_bytes,
      [&](std::span<const std::byte> plain) { return IdxParser(plain, name, options).images(); });
}

std::vector<std::uint8_t> parse_idx_labels(std::span<const std::byte> bytes, std::string_view name,
                                           const IdxOptions& options) {
  LACONIC_EXPECTS(options.class_count >= 1);
  return with_plain_bytes(
      bytes, name, options.max_content_bytes,
      [&](std::span<const std::byte> plain) { return IdxParser(plain, name, options).labels(); });
}

IdxExamples read_idx(const IdxPair& pair, const IdxOptions& options) {
  const IdxImages images = parse_idx_images(read_file(pair.images, options.max_content_bytes),
                                            pair.images.string(), options);
  const std::vector<std::uint8_t> labels = parse_idx_labels(
      read_file(pair.labels, options.max_content_bytes), pair.labels.string(), options);
  if (labels.size() != images.count) {
    throw ConfigError(
        fmt::format("{}: {} labels for the {} images of {}; the two files do not belong together",
                    pair.labels.string(), labels.size(), images.count, pair.images.string()));
  }
  std::array<float, 256> scaled{};
  for (std::size_t i = 0; i < scaled.size(); ++i) scaled[i] = static_cast<float>(i) / 255.0F;
  DenseRows rows;
  rows.features = images.height * images.width;
  rows.values.resize(images.pixels.size());
  std::transform(images.pixels.begin(), images.pixels.end(), rows.values.begin(),
                 [&](std::uint8_t pixel) { return scaled[pixel]; });
  IdxExamples out;
  out.examples.rows = std::move(rows);
  out.examples.classes.assign(labels.begin(), labels.end());
  out.height = images.height;
  out.width = images.width;
  return out;
}

}  // namespace laconic::data
