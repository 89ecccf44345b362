// SPDX-License-Identifier: Apache-2.0
#include "laconic/experiment/catalog.hpp"

#include <gtest/gtest.h>

#include <string>

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

}  // namespace
}  // namespace laconic::experiment
