// SPDX-License-Identifier: Apache-2.0
// Typed access to the parameters of one method. Built from a canonical Spec, in which every
// parameter of the card is present and legal, so that constructors read values without checking
// them again.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "laconic/base/card.hpp"

namespace laconic {

class Args {
 public:
  // Precondition: canonical was returned by Catalog::canonical for the method's card.
  explicit Args(Spec canonical) : spec_(std::move(canonical)) {}

  [[nodiscard]] double real(std::string_view key) const;
  [[nodiscard]] std::int64_t integer(std::string_view key) const;
  [[nodiscard]] std::vector<std::int64_t> integers(std::string_view key) const;
  [[nodiscard]] bool flag(std::string_view key) const;
  [[nodiscard]] const std::string& text(std::string_view key) const;
  [[nodiscard]] const Spec& nested(std::string_view key) const;
  // The method behind the colon. Precondition: the card has an inner_kind.
  [[nodiscard]] const Spec& inner() const;
  [[nodiscard]] const Spec& spec() const { return spec_; }

 private:
  [[nodiscard]] const Spec::Param& param(std::string_view key) const;
  Spec spec_;
};

}  // namespace laconic
