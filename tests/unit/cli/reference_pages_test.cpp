// SPDX-License-Identifier: Apache-2.0
// The pages of laconic reference: complete, and Markdown that shows what the cards say.
#include "cli/reference_pages.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <sstream>

#include "laconic/experiment/catalog.hpp"
#include "laconic/experiment/config_keys.hpp"

namespace laconic::cli {
namespace {

const std::string& page(std::string_view path) {
  static const std::vector<ReferencePage> pages = reference_pages();
  const auto found = std::find_if(pages.begin(), pages.end(),
                                  [path](const ReferencePage& p) { return p.path == path; });
  static const std::string none;
  return found == pages.end() ? none : found->text;
}

std::vector<std::string> lines_of_page(std::string_view path) {
  std::vector<std::string> lines;
  std::istringstream in(page(path));
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

TEST(ReferencePages, HaveASectionPerMethodOnThePageOfItsKind) {
  const Catalog& catalog = experiment::all_cards();
  for (const std::string_view kind : catalog.kinds()) {
    const std::string path = "methods/" + std::string(kind) + ".md";
    const std::vector<std::string> lines = lines_of_page(path);
    for (const Card* card : catalog.of_kind(kind)) {
      const std::string heading = "## " + std::string(card->name);
      EXPECT_EQ(std::count(lines.begin(), lines.end(), heading), 1) << path << ' ' << heading;
      for (const ParamCard& param : card->params) {
        EXPECT_NE(page(path).find("\n| `" + std::string(param.key) + "` |"), std::string::npos)
            << path << ' ' << card->name << ' ' << param.key;
      }
      if (!card->formula.empty()) {
        const std::string fenced = "```\n" + std::string(card->formula) + "\n```\n";
        EXPECT_NE(page(path).find(fenced), std::string::npos) << path << ' ' << card->name;
      }
    }
    EXPECT_NE(page("methods/README.md").find("](" + std::string(kind) + ".md)"), std::string::npos);
  }
}

TEST(ReferencePages, NameEveryKeyOfAConfiguration) {
  using experiment::KeyTable;
  for (const KeyTable table :
       {KeyTable::kExperiment, KeyTable::kMethod, KeyTable::kNetwork, KeyTable::kSweep}) {
    for (const experiment::ConfigKey& key : experiment::config_keys(table)) {
      EXPECT_NE(page("configuration-reference.md").find("\n| `" + std::string(key.name) + "` |"),
                std::string::npos)
          << key.name;
    }
  }
}

// Bars between cells are those that no backslash stands before.
TEST(ReferencePages, HaveTablesOfRowsOfOneLength) {
  for (const ReferencePage& one : reference_pages()) {
    std::size_t expected = 0;
    for (const std::string& line : lines_of_page(one.path)) {
      if (!line.starts_with('|')) {
        expected = 0;
        continue;
      }
      std::size_t bars = 0;
      for (std::size_t i = 0; i < line.size(); ++i) {
        bars += line[i] == '|' && (i == 0 || line[i - 1] != '\\') ? 1 : 0;
      }
      if (expected == 0) expected = bars;
      EXPECT_EQ(bars, expected) << one.path << ": " << line;
    }
  }
}

TEST(ReferencePages, EndWithOneLineBreakAndAreAscii) {
  for (const ReferencePage& one : reference_pages()) {
    EXPECT_TRUE(one.text.ends_with('\n') && !one.text.ends_with("\n\n")) << one.path;
    EXPECT_TRUE(std::all_of(one.text.begin(), one.text.end(), [](char c) {
      return c == '\n' || (c >= ' ' && c <= '~');
    })) << one.path;
  }
}

TEST(ReferencePages, LinkHeadingsThatDifferInSignsOnly) {
  EXPECT_NE(page("methods/mechanism.md").find("[`ef21`](#ef21)"), std::string::npos);
  EXPECT_NE(page("methods/mechanism.md").find("[`ef21+`](#ef21-1)"), std::string::npos);
}

TEST(ReferencePages, EscapeWhatMarkdownWouldRead) {
  EXPECT_EQ(escaped_for_markdown("f* of <h, v> in [0, 1]"), "f\\* of \\<h, v> in \\[0, 1\\]");
  EXPECT_EQ(escaped_for_markdown("max_age, |v|_1"), "max_age, |v|\\_1");
  EXPECT_EQ(escaped_for_markdown("by `a_*` and *"), "by `a_*` and \\*");
}

TEST(ReferencePages, MakeAnchorsAsForgesDo) {
  EXPECT_EQ(anchor_of("Steps from theory"), "steps-from-theory");
  EXPECT_EQ(anchor_of("ef21+"), "ef21");
  EXPECT_EQ(anchor_of("`[network]`"), "network");
  EXPECT_EQ(anchor_of("randperm_block"), "randperm_block");
}

}  // namespace
}  // namespace laconic::cli
