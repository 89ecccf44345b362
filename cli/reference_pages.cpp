// SPDX-License-Identifier: Apache-2.0
#include "cli/reference_pages.hpp"

#include <fmt/format.h>

#include <map>

#include "cli/card_text.hpp"
#include "cli/output.hpp"
#include "laconic/experiment/catalog.hpp"
#include "laconic/experiment/config_keys.hpp"

namespace laconic::cli {
namespace {

using experiment::ConfigKey;
using experiment::KeyTable;
using experiment::KindCard;

constexpr std::size_t kWidth = 125;
constexpr std::string_view kFolder = "methods";

bool is_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

// A line that begins like an item of a list, a heading or a quotation is none.
std::string escaped_start(std::string_view line) {
  std::size_t mark = 0;
  while (mark < line.size() && line[mark] >= '0' && line[mark] <= '9') ++mark;
  const std::string_view marks = mark > 0 ? ".)" : "+-#>";
  const bool looks_special = mark + 1 < line.size() && line[mark + 1] == ' ' &&
                             marks.find(line[mark]) != std::string_view::npos;
  std::string out(line);
  if (looks_special) out.insert(mark, 1, '\\');
  return out;
}

std::string paragraph(std::string_view text) {
  const std::string lines = wrapped(escaped_for_markdown(text), 0, kWidth);
  std::string out;
  for (const std::string_view line : lines_of(lines)) out += escaped_start(line) + '\n';
  return out + '\n';
}

// A cell of a table: a bar would end it, in code as well.
std::string cell(std::string_view markdown) {
  std::string out;
  for (std::size_t i = 0; i < markdown.size(); ++i) {
    if (markdown[i] == '|' && (i == 0 || markdown[i - 1] != '\\')) out += '\\';
    out += markdown[i];
  }
  return out;
}

std::string plain_cell(std::string_view text) { return cell(escaped_for_markdown(text)); }

std::string default_cell(const ParamCard& param) {
  if (param.default_text.empty()) return "must be given";
  return cell(fmt::format("`{}`", param.default_text));
}

std::string type_cell(const ParamCard& param) {
  if (param.type == ParamType::kSpec) {
    return fmt::format("a [{}]({}.md) in brackets", param.spec_kind, param.spec_kind);
  }
  if (param.type != ParamType::kChoice) return plain_cell(range_text(param));
  std::string out;
  for (const std::string_view choice : param.choices) {
    out += fmt::format("{}`{}`", out.empty() ? "" : ", ", choice);
  }
  return cell(out);
}

std::string inner_text(const Card& card) {
  std::string out =
      fmt::format("Around a [{}]({}.md): `{}:NAME`", card.inner_kind, card.inner_kind, card.name);
  if (!card.default_inner.empty()) out += fmt::format("; without one `{}`", card.default_inner);
  return out + ".\n\n";
}

std::string section_of(const Card& card) {
  std::string out = fmt::format("## {}\n\n{}", card.name, paragraph(card.summary));
  if (!card.inner_kind.empty()) out += inner_text(card);
  if (!card.formula.empty()) out += fmt::format("```\n{}\n```\n\n", card.formula);
  if (!card.params.empty()) {
    out += "| parameter | values | default | meaning |\n|---|---|---|---|\n";
    for (const ParamCard& param : card.params) {
      out += fmt::format("| `{}` | {} | {} | {} |\n", param.key, type_cell(param),
                         default_cell(param), plain_cell(param.help));
    }
    out += '\n';
  }
  if (!card.promises.empty()) out += paragraph(fmt::format("Promises: {}.", card.promises));
  if (!card.paper.empty()) out += paragraph(fmt::format("Paper: {}.", card.paper));
  return out;
}

std::string made_by(std::string_view shows) {
  return wrapped(fmt::format("Made by `laconic reference`{}; to change it, change what it is made "
                             "from.",
                             shows),
                 0, kWidth) +
         '\n';
}

std::string page_of(const KindCard& kind) {
  const std::vector<const Card*> cards = experiment::all_cards().of_kind(kind.kind);
  std::string out = fmt::format("# {}\n\n", kind.title);
  out +=
      made_by(fmt::format(" from the cards of the methods; `laconic list {}` and `laconic "
                          "describe NAME` say the same",
                          kind.kind));
  out += paragraph(kind.summary);
  std::map<std::string, std::size_t, std::less<>> seen = {{anchor_of(kind.title), 1}};
  out += "| name | what it does |\n|---|---|\n";
  for (const Card* card : cards) {
    std::string anchor = anchor_of(card->name);
    if (const std::size_t before = seen[anchor]++; before > 0) {
      anchor += fmt::format("-{}", before);
    }
    out += fmt::format("| [`{}`](#{}) | {} |\n", card->name, anchor, plain_cell(card->summary));
  }
  out += '\n';
  if (!kind.symbols.empty()) out += paragraph(fmt::format("In formulas: {}.", kind.symbols));
  for (const Card* card : cards) out += section_of(*card);
  out.pop_back();  // one line break at the end
  return out;
}

std::string index_page() {
  const Catalog& catalog = experiment::all_cards();
  std::string out = "# Methods\n\n";
  out += made_by(" from the cards of the methods, as the pages behind it");
  out += wrapped(
      "Everything that a configuration can name, by kind. A method is written as a spec, "
      "`NAME:key=value,key=value`, with a method inside another one behind a second colon "
      "(`ef:sign`) or in brackets (`3pcv2:q=(randk:k=0.1):topk:k=0.1`). "
      "[configuration.md](../configuration.md) says how to use them, "
      "[choosing.md](../choosing.md) which.",
      0, kWidth);
  for (const std::string_view kind : catalog.kinds()) {
    const KindCard& card = experiment::kind_card(kind);
    out += fmt::format("\n## [{}]({}.md)\n\n{}", card.title, kind, paragraph(card.summary));
    std::string names;
    for (const Card* method : catalog.of_kind(kind)) {
      names += fmt::format("{}`{}`", names.empty() ? "" : ", ", method->name);
    }
    out += wrapped(names, 0, kWidth);
  }
  return out;
}

std::string key_table(KeyTable table) {
  std::string out = "| key | values | default | meaning |\n|---|---|---|---|\n";
  for (const ConfigKey& key : experiment::config_keys(table)) {
    out += fmt::format("| `{}` | {} | {} | {} |\n", key.name, cell(key.type),
                       cell(key.default_text), cell(key.meaning));
  }
  return out;
}

std::string configuration_page() {
  std::string out = "# Keys of a configuration\n\n";
  out += made_by(" from the table by which configurations are checked");
  out += wrapped(
      "Every key of an experiment file. [configuration.md](configuration.md) explains how they "
      "work together, [methods](methods/README.md) what a spec can name.",
      0, kWidth);
  out += "\n## Settings of the experiment\n\n" + key_table(KeyTable::kExperiment);
  out += "\n## Settings of a method\n\n";
  out += wrapped(
      "Each may stand among the shared settings, for all methods, or in a `[[method]]`, for this "
      "one.",
      0, kWidth);
  out += '\n' + key_table(KeyTable::kMethod);
  out += "\n## `[network]`\n\n" + key_table(KeyTable::kNetwork);
  out += "\n## `[sweep]`\n\n";
  out += wrapped(
      "Every other key is a name for texts of methods, a small letter and then small letters, "
      "digits and `_`; its value is a list of numbers and texts, or a range: `\"2^0..2^11\"` are "
      "the powers, `\"1..10\"` the whole numbers. Ranges may stand in lists. Values are put in as "
      "written.",
      0, kWidth);
  return out + '\n' + key_table(KeyTable::kSweep);
}

}  // namespace

std::string escaped_for_markdown(std::string_view text) {
  std::string out;
  bool in_code = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '`') in_code = !in_code;
    const bool in_word =
        i > 0 && i + 1 < text.size() && is_word(text[i - 1]) && is_word(text[i + 1]);
    const bool opens_tag = c == '<' && i + 1 < text.size() && is_word(text[i + 1]);
    const bool special =
        c == '\\' || c == '*' || opens_tag || c == '[' || c == ']' || (c == '_' && !in_word);
    if (special && !in_code) out += '\\';
    out += c;
  }
  return out;
}

std::string anchor_of(std::string_view heading) {
  std::string out;
  for (const char c : heading) {
    if (is_word(c) || c == '-' || c == '_') {
      out += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    } else if (c == ' ') {
      out += '-';
    }
  }
  return out;
}

std::vector<ReferencePage> reference_pages() {
  std::vector<ReferencePage> pages;
  pages.push_back({.path = "configuration-reference.md", .text = configuration_page()});
  pages.push_back({.path = fmt::format("{}/README.md", kFolder), .text = index_page()});
  for (const std::string_view kind : experiment::all_cards().kinds()) {
    pages.push_back({.path = fmt::format("{}/{}.md", kFolder, kind),
                     .text = page_of(experiment::kind_card(kind))});
  }
  return pages;
}

}  // namespace laconic::cli
