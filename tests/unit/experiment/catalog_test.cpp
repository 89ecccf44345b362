// SPDX-License-Identifier: Apache-2.0
#include "laconic/experiment/catalog.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <string_view>

namespace laconic::experiment {
namespace {

TEST(AllCards, HoldEveryKind) {
  for (const char* kind : {"problem", "data", "shard", "aggregator", "compressor", "optimizer",
                           "schedule", "order", "adversary"}) {
    EXPECT_FALSE(all_cards().of_kind(kind).empty()) << kind;
  }
}

// Methods without parameters that must be given can be named alone.
TEST(AllCards, HaveDefaultsThatAreValid) {
  for (const auto kind : all_cards().kinds()) {
    for (const Card* card : all_cards().of_kind(kind)) {
      Spec spec;
      spec.name = card->name;
      bool complete = card->inner_kind.empty() || !card->default_inner.empty();
      for (const ParamCard& param : card->params)
        complete = complete && !param.default_text.empty();
      if (!complete) continue;
      EXPECT_TRUE(all_cards().problems(spec, kind).empty()) << kind << " " << card->name;
      const std::string text = print(all_cards().canonical(spec, kind));
      const auto again = parse_spec(text);
      ASSERT_TRUE(again) << text;
      EXPECT_EQ(print(all_cards().canonical(*again, kind)), text);
    }
  }
}

TEST(AllCards, HaveFormulasWhereMethodsAreMathematics) {
  for (const char* kind : {"aggregator", "mechanism", "compressor", "optimizer", "schedule",
                           "order", "channel", "estimator"}) {
    for (const Card* card : all_cards().of_kind(kind)) {
      EXPECT_FALSE(card->formula.empty()) << kind << ' ' << card->name;
    }
    EXPECT_FALSE(kind_card(kind).symbols.empty()) << kind;
  }
}

// They stand in terminals and in blocks of code, which are not wrapped.
TEST(AllCards, HaveFormulasOfShortLines) {
  for (const auto kind : all_cards().kinds()) {
    for (const Card* card : all_cards().of_kind(kind)) {
      std::size_t length = 0;
      for (const char c : card->formula) {
        length = c == '\n' ? 0 : length + 1;
        ASSERT_LE(length, 82U) << kind << ' ' << card->name;
        ASSERT_TRUE(c == '\n' || (c >= ' ' && c <= '~')) << kind << ' ' << card->name;
      }
      EXPECT_FALSE(card->formula.ends_with('\n')) << kind << ' ' << card->name;
    }
  }
}

TEST(KindCards, DescribeEveryKindOfTheCatalog) {
  for (const auto kind : all_cards().kinds()) {
    EXPECT_EQ(kind_card(kind).kind, kind);
    EXPECT_FALSE(kind_card(kind).title.empty()) << kind;
    EXPECT_FALSE(kind_card(kind).summary.empty()) << kind;
  }
}

}  // namespace
}  // namespace laconic::experiment
