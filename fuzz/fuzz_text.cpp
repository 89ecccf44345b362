// SPDX-License-Identifier: Apache-2.0
// Texts, plain or gzip: refused with the name of the file, or windows of tokens of the vocabulary.
#include <set>
#include <string>

#include "fuzz/fuzz.hpp"
#include "laconic/base/error.hpp"
#include "laconic/data/text.hpp"

namespace laconic::data {
namespace {

using fuzz::require;

void check_part(const Examples& part, const TextData& text, const TextOptions& options) {
  require(part.size() == part.classes.size(), "a class for each row");
  require(part.nonzeros() == part.size() * options.context, "whole windows");
  const std::size_t types = text.types.size();
  for (const float id : std::get<DenseRows>(part.rows).values) {
    require(id >= 0 && id < static_cast<float>(types) &&
                id == static_cast<float>(static_cast<std::uint32_t>(id)),
            "a token is an id");
  }
  for (const std::uint32_t id : part.classes) require(id < types, "a class is an id");
}

void check(std::span<const std::byte> bytes, const TextOptions& options) {
  try {
    const TextData text = parse_text({.bytes = bytes, .name = "fuzz.txt"}, std::nullopt, options);
    require(std::set(text.types.begin(), text.types.end()).size() == text.types.size(),
            "a type has one id");
    require(options.vocabulary == 0 || text.types.size() <= options.vocabulary + 1,
            "no more types than asked for, but for unknown ones");
    require(text.train.size() > 0, "there is a training row");
    check_part(text.train, text, options);
    if (text.test.size() > 0) check_part(text.test, text, options);
  } catch (const ConfigError& error) {
    require(std::string_view(error.what()).starts_with("fuzz.txt"), "a refusal names the file");
  }
}

}  // namespace
}  // namespace laconic::data

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using laconic::data::TextLevel;
  constexpr std::uint64_t kMaxBytes = 1 << 20;
  const auto bytes = laconic::fuzz::bytes_of(data, size);
  laconic::data::check(bytes, {.context = 2, .held_out = 0, .max_content_bytes = kMaxBytes});
  laconic::data::check(bytes, {.level = TextLevel::kWord,
                               .context = 1,
                               .vocabulary = 3,
                               .held_out = 0.4,
                               .max_content_bytes = kMaxBytes});
  return 0;
}
