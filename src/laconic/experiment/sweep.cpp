// SPDX-License-Identifier: Apache-2.0
#include "laconic/experiment/sweep.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <optional>

#include "laconic/base/card.hpp"

namespace laconic::experiment {
namespace {

struct CriterionName {
  std::string_view name;
  Criterion criterion;
};
constexpr std::array<CriterionName, 7> kCriteria = {{{"uplink_bits", Criterion::kUplinkBits},
                                                     {"wire_bits", Criterion::kWireBits},
                                                     {"rounds", Criterion::kRounds},
                                                     {"grad_norm2", Criterion::kGradNorm2},
                                                     {"loss", Criterion::kLoss},
                                                     {"test_accuracy", Criterion::kTestAccuracy},
                                                     {"objective", Criterion::kObjective}}};

struct Bound {
  std::string_view base = {};  // empty: a plain number
  std::int64_t number = 0;     // or the exponent
};

// "2^-3" or "17".
bool parse_bound(std::string_view text, Bound& out) {
  const std::size_t hat = text.find('^');
  if (hat != std::string_view::npos) {
    out.base = text.substr(0, hat);
    text.remove_prefix(hat + 1);
  }
  const auto number = parse_integer(text);
  if (!number) return false;
  out.number = *number;
  return true;
}

// A name in braces at the beginning of the text; empty if there is none.
std::string_view name_in_braces(std::string_view text) {
  const std::size_t end = text.find('}');
  if (!text.starts_with('{') || end == std::string_view::npos) return {};
  const std::string_view name = text.substr(1, end - 1);
  return is_sweep_name(name) ? name : std::string_view();
}

}  // namespace

Result<Criterion> parse_criterion(std::string_view text) {
  std::vector<std::string_view> names;
  for (const CriterionName& known : kCriteria) {
    if (known.name == text) return known.criterion;
    names.push_back(known.name);
  }
  return Failure{
      fmt::format("criterion = '{}' is unknown; use {}", text.substr(0, 60), join_or(names))};
}

std::string_view criterion_name(Criterion criterion) {
  for (const CriterionName& known : kCriteria) {
    if (known.criterion == criterion) return known.name;
  }
  return "";
}

bool Sweep::selects(std::string_view key) const {
  return std::find(select.begin(), select.end(), key) != select.end();
}

Result<std::vector<std::string>> expand_range(std::string_view text) {
  const std::size_t dots = text.find("..");
  if (dots == std::string_view::npos) return std::vector<std::string>{std::string(text)};
  const auto refuse = [text](std::string_view why) {
    return Failure{fmt::format("range '{}' {}; write FROM..TO with whole numbers, or 2^FROM..2^TO",
                               text.substr(0, 60), why)};
  };
  Bound from;
  Bound to;
  if (!parse_bound(text.substr(0, dots), from) || !parse_bound(text.substr(dots + 2), to)) {
    return refuse("is none");
  }
  if (from.base != to.base) return refuse("has two bases");
  if (from.number > to.number) return refuse("ends before it begins");
  if (to.number > 1'000'000'000 || from.number < -1'000'000'000 ||
      static_cast<std::uint64_t>(to.number - from.number) >= kMaxCells) {
    return refuse(fmt::format("has more than {} values", kMaxCells));
  }
  std::optional<double> base;
  if (text.find('^') != std::string_view::npos) {
    const auto value = parse_real(from.base);
    if (!value || *value <= 0) return refuse("has a base that is not a positive number");
    base = *value;
  }
  std::vector<std::string> out;
  for (std::int64_t i = from.number; i <= to.number; ++i) {
    if (!base) {
      out.push_back(fmt::format("{}", i));
      continue;
    }
    // By repeated products: exact for powers of two, the same on every machine for others.
    double power = 1;
    for (std::int64_t k = 0; k < std::abs(i) && power > 0 && std::isfinite(power); ++k) {
      power = i > 0 ? power * *base : power / *base;
    }
    if (!std::isfinite(power) || power <= 0) return refuse("leaves the range of a double");
    out.push_back(shortest(power));
  }
  return out;
}

bool is_sweep_name(std::string_view text) {
  if (text.empty() || text.size() > 40 || text[0] < 'a' || text[0] > 'z') return false;
  return std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
  });
}

std::vector<std::string_view> placeholders(std::string_view text) {
  std::vector<std::string_view> out;
  for (std::size_t i = text.find('{'); i != std::string_view::npos; i = text.find('{', i + 1)) {
    const std::string_view name = name_in_braces(text.substr(i));
    if (!name.empty() && std::find(out.begin(), out.end(), name) == out.end()) out.push_back(name);
  }
  return out;
}

std::string substitute(std::string_view text, const Assignment& values) {
  std::string out;
  while (!text.empty()) {
    const std::string_view name = name_in_braces(text);
    const auto value = std::find_if(values.begin(), values.end(),
                                    [name](const auto& pair) { return pair.first == name; });
    if (!name.empty() && value != values.end()) {
      out += value->second;
      text.remove_prefix(name.size() + 2);
    } else {
      out += text[0];
      text.remove_prefix(1);
    }
  }
  return out;
}

std::string text_of(const Assignment& values) {
  std::string out;
  for (const auto& [key, value] : values) {
    if (!out.empty()) out += ' ';
    out += key + "=" + value;
  }
  return out;
}

}  // namespace laconic::experiment
