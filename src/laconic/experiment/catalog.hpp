// SPDX-License-Identifier: Apache-2.0
// Every method that a configuration can name, in one catalog.
#pragma once

#include "laconic/base/card.hpp"

namespace laconic::experiment {

// Built at the first call; thread-safe.
[[nodiscard]] const Catalog& all_cards();

// What the methods of a kind have in common.
struct KindCard {
  std::string_view kind;
  std::string_view title;         // of their page
  std::string_view summary;       // what such a method does, and where a configuration names it
  std::string_view symbols = {};  // of their formulas
};
// Precondition: the kind is one of all_cards().
[[nodiscard]] const KindCard& kind_card(std::string_view kind);

}  // namespace laconic::experiment
