// SPDX-License-Identifier: Apache-2.0
#include "laconic/base/args.hpp"

#include <algorithm>

#include "laconic/base/assert.hpp"

namespace laconic {

const Spec::Param& Args::param(std::string_view key) const {
  const auto it = std::find_if(spec_.params.begin(), spec_.params.end(),
                               [&](const Spec::Param& p) { return p.key == key; });
  LACONIC_EXPECTS(it != spec_.params.end());
  return *it;
}

double Args::real(std::string_view key) const { return *parse_real(param(key).text); }
std::int64_t Args::integer(std::string_view key) const { return *parse_integer(param(key).text); }
std::vector<std::int64_t> Args::integers(std::string_view key) const {
  return *parse_integers(param(key).text);
}
bool Args::flag(std::string_view key) const { return param(key).text == "true"; }
const std::string& Args::text(std::string_view key) const { return param(key).text; }
const Spec& Args::nested(std::string_view key) const { return param(key).nested.front(); }

const Spec& Args::inner() const {
  LACONIC_EXPECTS(!spec_.inner.empty());
  return spec_.inner.front();
}

}  // namespace laconic
