// SPDX-License-Identifier: Apache-2.0
// Files in IDX format, plain or gzip: refused with a place, or as many elements as the header says.
#include <string>

#include "fuzz/fuzz.hpp"
#include "laconic/base/error.hpp"
#include "laconic/data/idx.hpp"

namespace laconic::data {
namespace {

using fuzz::require;

constexpr IdxOptions kOptions = {.class_count = 10, .max_content_bytes = 1 << 20};

void check_refusal(const ConfigError& error) {
  require(std::string_view(error.what()).starts_with("fuzz.idx"), "a refusal names the file");
}

void check_images(std::span<const std::byte> bytes) {
  try {
    const IdxImages images = parse_idx_images(bytes, "fuzz.idx", kOptions);
    require(images.pixels.size() == std::uint64_t{images.count} * images.height * images.width,
            "as many pixels as the header says");
  } catch (const ConfigError& error) {
    check_refusal(error);
  }
}

void check_labels(std::span<const std::byte> bytes) {
  try {
    for (const std::uint8_t label : parse_idx_labels(bytes, "fuzz.idx", kOptions)) {
      require(label < kOptions.class_count, "labels are below the number of classes");
    }
  } catch (const ConfigError& error) {
    check_refusal(error);
  }
}

}  // namespace
}  // namespace laconic::data

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto bytes = laconic::fuzz::bytes_of(data, size);
  laconic::data::check_images(bytes);
  laconic::data::check_labels(bytes);
  return 0;
}
