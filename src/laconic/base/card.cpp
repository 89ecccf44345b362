// SPDX-License-Identifier: Apache-2.0
#include "laconic/base/card.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "laconic/base/assert.hpp"

namespace laconic {
namespace {

const ParamCard* find_param(const Card& card, std::string_view key) {
  const auto it = std::find_if(card.params.begin(), card.params.end(),
                               [&](const ParamCard& p) { return p.key == key; });
  return it == card.params.end() ? nullptr : &*it;
}

const Spec::Param* find_given(const Spec& spec, std::string_view key) {
  const auto it = std::find_if(spec.params.begin(), spec.params.end(),
                               [&](const Spec::Param& p) { return p.key == key; });
  return it == spec.params.end() ? nullptr : &*it;
}

std::string range_text(const ParamCard& p) {
  return fmt::format("{}{}, {}{}", p.min_open || std::isinf(p.min) ? '(' : '[', shortest(p.min),
                     shortest(p.max), p.max_open || std::isinf(p.max) ? ')' : ']');
}

bool in_range(const ParamCard& p, double value) {
  const bool above = p.min_open ? value > p.min : value >= p.min;
  const bool below = p.max_open ? value < p.max : value <= p.max;
  return above && below;
}

std::string help_suffix(const ParamCard& p) {
  return p.help.empty() ? std::string() : fmt::format("; it is {}", p.help);
}

// Empty if the text is a legal value of the parameter.
std::string text_problem(const Card& card, const ParamCard& p, std::string_view text) {
  switch (p.type) {
    case ParamType::kInteger: {
      const auto value = parse_integer(text);
      if (!value)
        return fmt::format("{}: {}={} is not a whole number{}", card.name, p.key, text,
                           help_suffix(p));
      if (in_range(p, static_cast<double>(*value))) return {};
      return fmt::format("{}: {}={} is not in {}{}", card.name, p.key, text, range_text(p),
                         help_suffix(p));
    }
    case ParamType::kIntegers: {
      const auto values = parse_integers(text);
      if (!values)
        return fmt::format("{}: {}={} is not a list of whole numbers joined by '/'{}", card.name,
                           p.key, text, help_suffix(p));
      for (const std::int64_t value : *values) {
        if (!in_range(p, static_cast<double>(value)))
          return fmt::format("{}: {}={}: {} is not in {}{}", card.name, p.key, text, value,
                             range_text(p), help_suffix(p));
      }
      return {};
    }
    case ParamType::kReal: {
      const auto value = parse_real(text);
      if (!value)
        return fmt::format("{}: {}={} is not a number{}", card.name, p.key, text, help_suffix(p));
      if (in_range(p, *value)) return {};
      return fmt::format("{}: {}={} is not in {}{}", card.name, p.key, text, range_text(p),
                         help_suffix(p));
    }
    case ParamType::kChoice:
      if (std::find(p.choices.begin(), p.choices.end(), text) != p.choices.end()) return {};
      return fmt::format("{}: {}={} is unknown; use {}", card.name, p.key, text,
                         join_or(p.choices));
    case ParamType::kFlag:
      if (text == "true" || text == "false") return {};
      return fmt::format("{}: {}={} is neither true nor false", card.name, p.key, text);
    case ParamType::kText:
      return {};
    case ParamType::kSpec:
      return fmt::format("{}: {} takes a {} in brackets, e.g. {}=(NAME)", card.name, p.key,
                         p.spec_kind, p.key);
  }
  return {};
}

std::string canonical_text(const ParamCard& p, std::string_view text) {
  if (p.type == ParamType::kReal) return shortest(*parse_real(text));
  if (p.type == ParamType::kInteger) return fmt::format("{}", *parse_integer(text));
  if (p.type == ParamType::kIntegers)
    return fmt::format("{}", fmt::join(*parse_integers(text), "/"));
  return std::string(text);
}

Spec parse_own(std::string_view text) {
  auto spec = parse_spec(text);
  LACONIC_EXPECTS(bool(spec));  // a default that a card carries is a valid spec
  return *std::move(spec);
}

}  // namespace

std::string shortest(double value) {
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  return fmt::format("{}", value);
}

Result<double> parse_real(std::string_view text) {
  double value = 0;
  const char* begin = text.data();
  if (text.starts_with('+') && !text.starts_with("+-")) ++begin;  // from_chars knows no plus sign
  const auto [end, code] = std::from_chars(begin, text.data() + text.size(), value);
  if (text.empty() || code != std::errc() || end != text.data() + text.size() ||
      !std::isfinite(value)) {
    return Failure{fmt::format("'{}' is not a finite number", text)};
  }
  return value == 0 ? 0.0 : value;  // -0 and 0 are the same setting
}

Result<std::int64_t> parse_integer(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || code != std::errc() || end != text.data() + text.size()) {
    return Failure{fmt::format("'{}' is not a whole number", text)};
  }
  return value;
}

Result<std::vector<std::int64_t>> parse_integers(std::string_view text) {
  std::vector<std::int64_t> values;
  while (true) {
    const std::size_t slash = text.find('/');
    const auto value = parse_integer(text.substr(0, slash));
    if (!value) return Failure{value.error()};
    values.push_back(*value);
    if (slash == std::string_view::npos) return values;
    text.remove_prefix(slash + 1);
  }
}

std::string join_or(const std::vector<std::string_view>& names) {
  std::string out;
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (i > 0) out += i + 1 == names.size() ? " or " : ", ";
    out += names[i];
  }
  return out;
}

void Catalog::add(const Card& card) {
  LACONIC_EXPECTS(find(card.kind, card.name) == nullptr);
  cards_.push_back(&card);
}

const Card* Catalog::find(std::string_view kind, std::string_view name) const {
  const auto it = std::find_if(cards_.begin(), cards_.end(),
                               [&](const Card* c) { return c->kind == kind && c->name == name; });
  return it == cards_.end() ? nullptr : *it;
}

std::vector<const Card*> Catalog::of_kind(std::string_view kind) const {
  std::vector<const Card*> out;
  std::copy_if(cards_.begin(), cards_.end(), std::back_inserter(out),
               [&](const Card* c) { return c->kind == kind; });
  return out;
}

std::vector<std::string_view> Catalog::kinds() const {
  std::vector<std::string_view> out;
  for (const Card* card : cards_) {
    if (std::find(out.begin(), out.end(), card->kind) == out.end()) out.push_back(card->kind);
  }
  return out;
}

std::vector<std::string> Catalog::problems(const Spec& spec, std::string_view kind) const {
  std::vector<std::string> out;
  const Card* card = find(kind, spec.name);
  if (card == nullptr) {
    std::vector<std::string_view> names;
    for (const Card* c : of_kind(kind)) names.push_back(c->name);
    out.push_back(fmt::format("'{}' is not a known {}; use {}", spec.name, kind, join_or(names)));
    return out;
  }
  for (const Spec::Param& given : spec.params) {
    const ParamCard* param = find_param(*card, given.key);
    if (find_given(spec, given.key) != &given) {
      out.push_back(fmt::format("{}: parameter '{}' is given twice", card->name, given.key));
    } else if (param == nullptr) {
      std::vector<std::string_view> keys;
      for (const ParamCard& p : card->params) keys.push_back(p.key);
      out.push_back(keys.empty() ? fmt::format("{}: unknown parameter '{}'; {} has none",
                                               card->name, given.key, card->name)
                                 : fmt::format("{}: unknown parameter '{}'; use {}", card->name,
                                               given.key, join_or(keys)));
    } else if (!given.nested.empty()) {
      if (param->type != ParamType::kSpec) {
        out.push_back(fmt::format("{}: {} takes a plain value, not a method in brackets",
                                  card->name, given.key));
      } else {
        const auto nested = problems(given.nested.front(), param->spec_kind);
        out.insert(out.end(), nested.begin(), nested.end());
      }
    } else if (std::string problem = text_problem(*card, *param, given.text); !problem.empty()) {
      out.push_back(std::move(problem));
    }
  }
  for (const ParamCard& param : card->params) {
    if (param.default_text.empty() && find_given(spec, param.key) == nullptr) {
      out.push_back(fmt::format("{}: parameter '{}' is missing{}", card->name, param.key,
                                help_suffix(param)));
    }
  }
  if (card->inner_kind.empty()) {
    if (!spec.inner.empty()) {
      out.push_back(fmt::format("{}: '{}' stands behind it, but {} takes no inner method",
                                card->name, spec.inner.front().name, card->name));
    }
  } else if (!spec.inner.empty()) {
    const auto inner = problems(spec.inner.front(), card->inner_kind);
    out.insert(out.end(), inner.begin(), inner.end());
  } else if (card->default_inner.empty()) {
    out.push_back(fmt::format("{}: a {} must stand behind it, e.g. {}:NAME", card->name,
                              card->inner_kind, card->name));
  }
  return out;
}

Spec Catalog::canonical(const Spec& spec, std::string_view kind) const {
  const Card* card = find(kind, spec.name);
  LACONIC_EXPECTS(card != nullptr);
  Spec out;
  out.name = spec.name;
  for (const ParamCard& param : card->params) {
    const Spec::Param* given = find_given(spec, param.key);
    Spec::Param canonical_param;
    canonical_param.key = param.key;
    if (param.type == ParamType::kSpec) {
      const Spec nested = given != nullptr ? given->nested.front() : parse_own(param.default_text);
      canonical_param.nested.push_back(canonical(nested, param.spec_kind));
    } else {
      canonical_param.text = canonical_text(
          param, given != nullptr ? std::string_view(given->text) : param.default_text);
    }
    out.params.push_back(std::move(canonical_param));
  }
  std::sort(out.params.begin(), out.params.end(),
            [](const auto& a, const auto& b) { return a.key < b.key; });
  if (!card->inner_kind.empty()) {
    out.inner.push_back(
        canonical(spec.inner.empty() ? parse_own(card->default_inner) : spec.inner.front(),
                  card->inner_kind));
  }
  return out;
}

}  // namespace laconic
