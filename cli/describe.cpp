// SPDX-License-Identifier: Apache-2.0
// laconic list and laconic describe: what can be named in a configuration, from the cards.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "cli/commands.hpp"
#include "cli/output.hpp"
#include "laconic/base/card.hpp"
#include "laconic/experiment/catalog.hpp"

namespace laconic::cli {
namespace {

constexpr std::size_t kWidth = 80;

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
    case ParamType::kReal:
      break;
  }
  std::string out = param.type == ParamType::kInteger ? "whole number" : "number";
  const bool low = std::isfinite(param.min);
  const bool high = std::isfinite(param.max);
  if (low)
    out += fmt::format("{} {}", param.min_open ? " above" : ", at least", shortest(param.min));
  if (high) {
    out += fmt::format("{} {}", param.max_open ? ", below" : ", at most", shortest(param.max));
  }
  return out;
}

std::string card_text(const Card& card) {
  std::string out = fmt::format("{} ({})\n", card.name, card.kind);
  out += wrapped(card.summary, 2, kWidth);
  if (!card.inner_kind.empty()) {
    out += wrapped(fmt::format("Around a {}: {}:NAME{}", card.inner_kind, card.name,
                               card.default_inner.empty()
                                   ? std::string()
                                   : fmt::format("; without one {}", card.default_inner)),
                   2, kWidth);
  }
  for (const ParamCard& param : card.params) {
    out += fmt::format("\n  {}: {}; {}\n", param.key, range_text(param),
                       param.default_text.empty() ? std::string("must be given")
                                                  : fmt::format("default {}", param.default_text));
    if (!param.help.empty()) out += wrapped(param.help, 4, kWidth);
  }
  if (!card.promises.empty()) {
    out += '\n' + wrapped(fmt::format("Promises: {}", card.promises), 2, kWidth);
  }
  if (!card.paper.empty()) out += '\n' + wrapped(fmt::format("Paper: {}", card.paper), 2, kWidth);
  return out;
}

int list(const std::string& kind) {
  const Catalog& catalog = experiment::all_cards();
  const std::vector<std::string_view> kinds = catalog.kinds();
  if (!kind.empty() && std::find(kinds.begin(), kinds.end(), kind) == kinds.end()) {
    print_errors(fmt::format("'{}' is not a kind of method; use {}", kind, join_or(kinds)));
    return kBadInput;
  }
  std::string out;
  for (const std::string_view one : kinds) {
    if (!kind.empty() && one != kind) continue;
    if (!out.empty()) out += '\n';
    out += fmt::format("{}\n", one);
    for (const Card* card : catalog.of_kind(one)) {
      out += fmt::format("  {:<18} {}\n", card->name, card->summary);
    }
  }
  print_out(out);
  return kDone;
}

int describe(const std::string& name) {
  const Catalog& catalog = experiment::all_cards();
  std::string out;
  for (const std::string_view kind : catalog.kinds()) {
    const Card* card = catalog.find(kind, name);
    if (card == nullptr) continue;
    if (!out.empty()) out += '\n';
    out += card_text(*card);
  }
  if (out.empty()) {
    print_errors(fmt::format("'{}' is not a known method; laconic list shows all of them", name));
    return kBadInput;
  }
  print_out(out);
  return kDone;
}

}  // namespace

void add_list(CLI::App& app, Action& chosen) {
  auto kind = std::make_shared<std::string>();  // lives as long as the application's callbacks
  CLI::App* command = app.add_subcommand("list", "List the methods that a configuration can name");
  command->add_option("KIND", *kind, "Only this kind, e.g. aggregator");
  command->callback([kind, &chosen] { chosen = [kind] { return list(*kind); }; });
}

void add_describe(CLI::App& app, Action& chosen) {
  auto name = std::make_shared<std::string>();  // likewise
  CLI::App* command =
      app.add_subcommand("describe", "Show a method's parameters, promises and paper");
  command->add_option("NAME", *name, "As laconic list shows it")->required();
  command->callback([name, &chosen] { chosen = [name] { return describe(*name); }; });
}

}  // namespace laconic::cli
