// SPDX-License-Identifier: Apache-2.0
// The text by which every method is named in configurations, records and on the command line.
//
//   spec    := segment (":" segment)*
//   segment := NAME | param ("," param)*          a parameter list belongs to the name before it
//   param   := KEY "=" value
//   value   := TEXT | "(" spec ")"
//   NAME    := [a-z0-9][a-z0-9_+.-]*    KEY := [a-z][a-z0-9_]*    TEXT := printable, none of : , =
//   ( )
//
// `clag:zeta=16:topk:k=0.01` is the method clag with zeta=16 around the method topk with k=0.01;
// `3pcv2:q=(randk:k=0.1):topk:k=0.01` gives 3pcv2 a second method by name.
// parse_spec(print(s)) == s for every Spec that parse_spec returned.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "laconic/base/error.hpp"

namespace laconic {

struct Spec {
  struct Param {
    std::string key = {};
    std::string text = {};          // empty when the value is a spec in brackets
    std::vector<Spec> nested = {};  // one element when the value is a spec in brackets, else none
    bool operator==(const Param&) const = default;
  };
  std::string name = {};
  std::vector<Param> params = {};
  std::vector<Spec> inner = {};  // the method behind the colon: none or one
  bool operator==(const Spec&) const = default;
};

inline constexpr std::size_t kMaxSpecLength = 4096;
inline constexpr int kMaxSpecDepth = 32;

// On failure the message quotes the spec, names the position (1-based) and says what was expected.
Result<Spec> parse_spec(std::string_view text);
[[nodiscard]] std::string print(const Spec& spec);

}  // namespace laconic
