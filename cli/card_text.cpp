// SPDX-License-Identifier: Apache-2.0
#include "cli/card_text.hpp"

#include <fmt/format.h>

#include <cmath>

namespace laconic::cli {

std::string range_text(const ParamCard& param) {
  switch (param.type) {
    case ParamType::kChoice:
      return join_or(param.choices);
    case ParamType::kFlag:
      return "true or false";
    case ParamType::kText:
      return "text";
    case ParamType::kSpec:
      return fmt::format("a {} in brackets", param.spec_kind);
    case ParamType::kInteger:
    case ParamType::kIntegers:
    case ParamType::kReal:
      break;
  }
  std::string out = param.type == ParamType::kReal ? "number" : "whole number";
  const bool low = std::isfinite(param.min);
  const bool high = std::isfinite(param.max);
  if (low)
    out += fmt::format("{} {}", param.min_open ? " above" : ", at least", shortest(param.min));
  if (high) {
    out += fmt::format("{} {}", param.max_open ? ", below" : ", at most", shortest(param.max));
  }
  if (param.type == ParamType::kIntegers) out += ", or several joined by '/'";
  return out;
}

std::string default_text(const ParamCard& param) {
  return param.default_text.empty() ? std::string("must be given")
                                    : fmt::format("default {}", param.default_text);
}

std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    lines.push_back(text.substr(0, end));
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
  }
  return lines;
}

}  // namespace laconic::cli
