// SPDX-License-Identifier: Apache-2.0
// Channels and links by their spec.
#pragma once

#include <memory>
#include <string>

#include "laconic/channel/analog.hpp"
#include "laconic/channel/link.hpp"

namespace laconic::test {

inline const Catalog& channel_catalog() {
  static const Catalog catalog = [] {
    Catalog c;
    add_channel_cards(c);
    add_link_cards(c);
    return c;
  }();
  return catalog;
}

inline Spec canonical_of(const std::string& text, std::string_view kind) {
  const Spec spec = parse_spec(text).value_or_throw();
  const auto problems = channel_catalog().problems(spec, kind);
  if (!problems.empty()) throw ConfigError(problems.front());
  return channel_catalog().canonical(spec, kind);
}
inline std::unique_ptr<AnalogChannel> channel_of(const std::string& spec, std::uint64_t seed = 1) {
  return channels().make(canonical_of(spec, "channel"), {.seed = seed});
}
inline std::unique_ptr<DigitalLink> link_of(const std::string& spec, std::uint64_t seed = 1) {
  return links().make(canonical_of(spec, "link"), {.seed = seed});
}

}  // namespace laconic::test
