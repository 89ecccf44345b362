// SPDX-License-Identifier: Apache-2.0
#include "laconic/channel/link.hpp"

#include <array>

#include "laconic/channel/methods.hpp"

namespace laconic {

const LinkRegistry& links() {
  static const LinkRegistry registry({
#define LACONIC_LINK(name) {&channel::name##_card(), &channel::make_##name},
#include "laconic/channel/links.def"
#undef LACONIC_LINK
  });
  return registry;
}

void add_link_cards(Catalog& catalog) {
  for (const auto& method : links().methods()) catalog.add(*method.card);
}

namespace {

constexpr std::array<std::uint32_t, 256> make_crc_table() {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t byte = 0; byte < 256; ++byte) {
    std::uint32_t remainder = byte;
    for (int bit = 0; bit < 8; ++bit) {
      remainder = (remainder >> 1) ^ ((remainder & 1) != 0 ? 0xEDB88320U : 0U);
    }
    table[byte] = remainder;
  }
  return table;
}
constexpr std::array<std::uint32_t, 256> kCrcTable = make_crc_table();

}  // namespace

std::uint32_t crc32(std::span<const std::byte> bytes, std::uint32_t before) {
  std::uint32_t remainder = ~before;
  for (const std::byte byte : bytes) {
    remainder = (remainder >> 8) ^ kCrcTable[(remainder ^ static_cast<std::uint32_t>(byte)) & 0xff];
  }
  return ~remainder;
}

namespace channel {

std::vector<ParamCard> repair_params(std::string_view default_repair,
                                     std::vector<std::string_view> choices) {
  return {
      {.key = "repair",
       .type = ParamType::kChoice,
       .default_text = default_repair,
       .help = "what happens to a frame that did not arrive whole: none (nobody notices), drop, "
               "or resend until it arrives",
       .choices = std::move(choices)},
      {.key = "attempts",
       .type = ParamType::kInteger,
       .default_text = "16",
       .help = "how often a frame is sent at most, with repair=resend; then it is dropped",
       .min = 1,
       .max = 1000}};
}

}  // namespace channel
}  // namespace laconic
