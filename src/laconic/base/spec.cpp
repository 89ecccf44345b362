// SPDX-License-Identifier: Apache-2.0
#include "laconic/base/spec.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace laconic {
namespace {

bool is_lower(char c) { return c >= 'a' && c <= 'z'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_name_start(char c) { return is_lower(c) || is_digit(c); }
bool is_name_char(char c) {
  return is_name_start(c) || c == '_' || c == '+' || c == '.' || c == '-';
}
bool is_key_char(char c) { return is_lower(c) || is_digit(c) || c == '_'; }
bool is_text_char(char c) {
  return c > ' ' && c < 0x7f && std::string_view(":,=()").find(c) == std::string_view::npos;
}

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  Result<Spec> parse() {
    if (text_.size() > kMaxSpecLength) {
      return Failure{fmt::format("a spec of {} characters is too long; the limit is {}",
                                 text_.size(), kMaxSpecLength)};
    }
    Spec spec;
    if (!parse_chain(spec, 0)) return Failure{error_};
    if (position_ != text_.size()) {
      fail("expected ':' or the end");
      return Failure{error_};
    }
    return spec;
  }

 private:
  bool fail(std::string_view expected) {
    // The quoted spec goes into a one-line message: anything unprintable is shown as '?'.
    std::string shown(text_.substr(0, 200));
    std::replace_if(
        shown.begin(), shown.end(), [](char c) { return c < ' ' || c >= 0x7f; }, '?');
    error_ = fmt::format("spec '{}': position {}: {}", shown, position_ + 1, expected);
    return false;
  }
  [[nodiscard]] bool at(char c) const { return position_ < text_.size() && text_[position_] == c; }

  template <class Predicate>
  std::string take_while(Predicate predicate) {
    const std::size_t start = position_;
    while (position_ < text_.size() && predicate(text_[position_])) ++position_;
    return std::string(text_.substr(start, position_ - start));
  }

  // A parameter list starts with KEY '='; anything else in that place is the name of an inner
  // method.
  [[nodiscard]] bool params_follow() const {
    std::size_t end = position_;
    while (end < text_.size() && is_key_char(text_[end])) ++end;
    return end > position_ && is_lower(text_[position_]) && end < text_.size() && text_[end] == '=';
  }

  bool parse_chain(Spec& spec, int depth) {
    if (depth > kMaxSpecDepth)
      return fail(fmt::format("methods are nested deeper than {}", kMaxSpecDepth));
    if (position_ >= text_.size() || !is_name_start(text_[position_])) {
      return fail("expected the name of a method ([a-z0-9][a-z0-9_+.-]*)");
    }
    spec.name = take_while(is_name_char);
    if (!at(':')) return true;
    ++position_;
    if (params_follow()) {
      if (!parse_params(spec, depth)) return false;
      if (!at(':')) return true;
      ++position_;
    }
    spec.inner.emplace_back();
    return parse_chain(spec.inner.back(), depth + 1);
  }

  bool parse_params(Spec& spec, int depth) {
    while (true) {
      if (!params_follow()) return fail("expected a parameter (key=value)");
      Spec::Param param;
      const std::size_t key_position = position_;
      param.key = take_while(is_key_char);
      ++position_;  // the '=' that params_follow saw
      const bool duplicate = std::any_of(spec.params.begin(), spec.params.end(),
                                         [&](const Spec::Param& p) { return p.key == param.key; });
      if (duplicate) {
        position_ = key_position;
        return fail(fmt::format("parameter '{}' of '{}' is given twice", param.key, spec.name));
      }
      if (!parse_value(param, depth)) return false;
      spec.params.push_back(std::move(param));
      if (!at(',')) return true;
      ++position_;
    }
  }

  bool parse_value(Spec::Param& param, int depth) {
    if (at('(')) {
      ++position_;
      param.nested.emplace_back();
      if (!parse_chain(param.nested.back(), depth + 1)) return false;
      if (!at(')')) return fail("expected ')'");
      ++position_;
      return true;
    }
    param.text = take_while(is_text_char);
    if (param.text.empty()) return fail(fmt::format("parameter '{}' has no value", param.key));
    return true;
  }

  std::string_view text_;
  std::size_t position_ = 0;
  std::string error_;
};

void print_to(const Spec& spec, std::string& out) {
  out += spec.name;
  char separator = ':';
  for (const Spec::Param& param : spec.params) {
    out += separator;
    out += param.key;
    out += '=';
    if (param.nested.empty()) {
      out += param.text;
    } else {
      out += '(';
      print_to(param.nested.front(), out);
      out += ')';
    }
    separator = ',';
  }
  if (!spec.inner.empty()) {
    out += ':';
    print_to(spec.inner.front(), out);
  }
}

}  // namespace

Result<Spec> parse_spec(std::string_view text) { return Parser(text).parse(); }

std::string print(const Spec& spec) {
  std::string out;
  print_to(spec, out);
  return out;
}

}  // namespace laconic
