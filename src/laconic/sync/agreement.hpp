// SPDX-License-Identifier: Apache-2.0
// What all ranks of a synchronizer must have alike, and what a saved state must have been made for:
// facts as pairs of texts, so that a refusal can name what differs. Private to the layer.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "laconic/comm/communicator.hpp"

namespace laconic {

struct Item {
  std::string what = {};
  std::string value = {};
};

// Collective: every rank throws the same ConfigError when items of two ranks differ; `remedy` is
// the end of its text.
void agree(std::span<const Item> items, std::string_view remedy, Tag tag, Communicator& comm);
// Collective: every rank throws the same ConfigError when some rank has a failure to tell (an empty
// text: none), that of the lowest such rank.
void agree_on_success(const std::string& failure, Tag tag, Communicator& comm);

}  // namespace laconic
