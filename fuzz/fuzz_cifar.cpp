// SPDX-License-Identifier: Apache-2.0
// Files in the binary format of CIFAR-10, plain or gzip: refused with a place, or whole records.
#include "fuzz/fuzz.hpp"
#include "laconic/base/error.hpp"
#include "laconic/data/cifar.hpp"

namespace laconic::data {
namespace {

using fuzz::require;

constexpr CifarOptions kOptions = {.max_content_bytes = 1 << 20};

void check(std::span<const std::byte> bytes) {
  try {
    const Examples examples = parse_cifar(bytes, "fuzz.bin", kOptions);
    require(examples.size() > 0 && examples.size() == examples.classes.size(),
            "as many labels as images");
    require(examples.nonzeros() == examples.size() * kCifarFeatures, "whole images");
    for (const std::uint32_t label : examples.classes)
      require(label < kCifarClasses, "labels are below the number of classes");
    for (const float pixel : std::get<DenseRows>(examples.rows).values)
      require(pixel >= 0 && pixel <= 1, "pixels are in [0, 1]");
  } catch (const ConfigError& error) {
    require(std::string_view(error.what()).starts_with("fuzz.bin"), "a refusal names the file");
  }
}

}  // namespace
}  // namespace laconic::data

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  laconic::data::check(laconic::fuzz::bytes_of(data, size));
  return 0;
}
