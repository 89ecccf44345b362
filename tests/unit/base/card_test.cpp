// SPDX-License-Identifier: Apache-2.0
// What a catalog of cards says about a spec, and the canonical form of a valid one.
#include "laconic/base/card.hpp"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>

#include "laconic/rng/stream.hpp"

namespace laconic {
namespace {

using Problems = std::vector<std::string>;

const Card kTopk{.kind = "compressor",
                 .name = "topk",
                 .summary = "the largest entries",
                 .params = {{.key = "k",
                             .type = ParamType::kReal,
                             .help = "the fraction of entries kept",
                             .min = 0,
                             .max = 1,
                             .min_open = true}}};
const Card kPlain{.kind = "compressor", .name = "plain", .summary = "everything"};
const Card kMany{
    .kind = "compressor",
    .name = "many",
    .summary = "one parameter of each type",
    .params = {
        {.key = "whole", .type = ParamType::kInteger, .default_text = "3", .min = 1, .max = 10},
        {.key = "sizes", .type = ParamType::kIntegers, .default_text = "8/4", .min = 1, .max = 99},
        {.key = "half",
         .type = ParamType::kReal,
         .default_text = "0.50",
         .min = 0,
         .max = 1,
         .max_open = true},
        {.key = "free", .type = ParamType::kReal, .default_text = "-1e3"},
        {.key = "above", .type = ParamType::kReal, .default_text = "2", .min = 0},
        {.key = "mode",
         .type = ParamType::kChoice,
         .default_text = "slow",
         .choices = {"slow", "fast", "exact"}},
        {.key = "flag", .type = ParamType::kFlag, .default_text = "false"},
        {.key = "label", .type = ParamType::kText, .default_text = "none"},
        {.key = "q",
         .type = ParamType::kSpec,
         .default_text = "topk:k=0.10",
         .spec_kind = "compressor"}}};
const Card kEf21{
    .kind = "mechanism", .name = "ef21", .summary = "feedback", .inner_kind = "compressor"};
const Card kLazy{.kind = "mechanism",
                 .name = "lazy",
                 .summary = "says nothing while nothing changes",
                 .params = {{.key = "zeta",
                             .type = ParamType::kReal,
                             .default_text = "1",
                             .help = "the patience",
                             .min = 0}},
                 .inner_kind = "compressor",
                 .default_inner = "topk:k=1"};

class CatalogTest : public testing::Test {
 protected:
  void SetUp() override {
    for (const Card* card : {&kTopk, &kPlain, &kMany, &kEf21, &kLazy}) catalog_.add(*card);
  }
  [[nodiscard]] Problems problems(std::string_view text, std::string_view kind) const {
    return catalog_.problems(parse_spec(text).value_or_throw(), kind);
  }
  [[nodiscard]] std::string canonical(std::string_view text, std::string_view kind) const {
    const Spec spec = parse_spec(text).value_or_throw();
    EXPECT_EQ(catalog_.problems(spec, kind), Problems{}) << text;
    return print(catalog_.canonical(spec, kind));
  }
  Catalog catalog_;
};

TEST_F(CatalogTest, FindsCardsByKindAndName) {
  EXPECT_EQ(catalog_.find("compressor", "topk"), &kTopk);
  EXPECT_EQ(catalog_.find("mechanism", "topk"), nullptr);
  EXPECT_EQ(catalog_.of_kind("mechanism"), (std::vector<const Card*>{&kEf21, &kLazy}));
  EXPECT_EQ(catalog_.kinds(), (std::vector<std::string_view>{"compressor", "mechanism"}));
}

TEST_F(CatalogTest, TakesANameOncePerKind) { EXPECT_THROW(catalog_.add(kTopk), std::logic_error); }

struct Case {
  std::string_view kind;
  std::string_view text;
  Problems problems;
};

TEST_F(CatalogTest, SaysExactlyWhatIsWrong) {
  const std::vector<Case> cases = {
      {"compressor", "topk:k=0.5", {}},
      {"compressor", "topk:k=1", {}},
      {"compressor",
       "topk:k=0",
       {"topk: k=0 is not in (0, 1]; it is the fraction of entries kept"}},
      {"compressor",
       "topk:k=2",
       {"topk: k=2 is not in (0, 1]; it is the fraction of entries kept"}},
      {"compressor",
       "topk:k=nan",
       {"topk: k=nan is not a number; it is the fraction of entries kept"}},
      {"compressor",
       "topk:k=inf",
       {"topk: k=inf is not a number; it is the fraction of entries kept"}},
      {"compressor",
       "topk:k=half",
       {"topk: k=half is not a number; it is the fraction of entries kept"}},
      {"compressor", "topk:k=(plain)", {"topk: k takes a plain value, not a method in brackets"}},
      {"compressor",
       "topk",
       {"topk: parameter 'k' is missing; it is the fraction of entries kept"}},
      {"compressor",
       "topk:j=1",
       {"topk: unknown parameter 'j'; use k",
        "topk: parameter 'k' is missing; it is the fraction of entries kept"}},
      {"compressor", "plain:k=1", {"plain: unknown parameter 'k'; plain has none"}},
      {"compressor",
       "plain:topk:k=1",
       {"plain: 'topk' stands behind it, but plain takes no inner method"}},
      {"compressor", "nothing", {"'nothing' is not a known compressor; use topk, plain or many"}},
      {"mechanism", "plain", {"'plain' is not a known mechanism; use ef21 or lazy"}},
      {"compressor", "many:whole=0", {"many: whole=0 is not in [1, 10]"}},
      {"compressor", "many:whole=11", {"many: whole=11 is not in [1, 10]"}},
      {"compressor", "many:whole=1.5", {"many: whole=1.5 is not a whole number"}},
      {"compressor", "many:whole=10", {}},
      {"compressor", "many:sizes=99", {}},
      {"compressor", "many:sizes=1/2/3", {}},
      {"compressor", "many:sizes=1/0/100", {"many: sizes=1/0/100: 0 is not in [1, 99]"}},
      {"compressor",
       "many:sizes=1/",
       {"many: sizes=1/ is not a list of whole numbers joined by '/'"}},
      {"compressor", "many:half=0", {}},
      {"compressor", "many:half=1", {"many: half=1 is not in [0, 1)"}},
      {"compressor", "many:above=-1", {"many: above=-1 is not in [0, inf)"}},
      {"compressor", "many:mode=best", {"many: mode=best is unknown; use slow, fast or exact"}},
      {"compressor", "many:flag=yes", {"many: flag=yes is neither true nor false"}},
      {"compressor", "many:q=topk", {"many: q takes a compressor in brackets, e.g. q=(NAME)"}},
      {"compressor",
       "many:q=(topk:k=3)",
       {"topk: k=3 is not in (0, 1]; it is the fraction of entries kept"}},
      {"compressor",
       "many:q=(ef21)",
       {"'ef21' is not a known compressor; use topk, plain or many"}},
      {"mechanism", "ef21", {"ef21: a compressor must stand behind it, e.g. ef21:NAME"}},
      {"mechanism", "ef21:plain", {}},
      {"mechanism", "ef21:ef21", {"'ef21' is not a known compressor; use topk, plain or many"}},
      {"mechanism", "lazy", {}},
  };
  for (const Case& c : cases) EXPECT_EQ(problems(c.text, c.kind), c.problems) << c.text;
}

TEST_F(CatalogTest, SaysEverythingAtOnce) {
  EXPECT_EQ(problems("lazy:zeta=-1,eta=2:many:whole=0,flag=1:plain", "mechanism"),
            (Problems{"lazy: zeta=-1 is not in [0, inf); it is the patience",
                      "lazy: unknown parameter 'eta'; use zeta", "many: whole=0 is not in [1, 10]",
                      "many: flag=1 is neither true nor false",
                      "many: 'plain' stands behind it, but many takes no inner method"}));
}

TEST_F(CatalogTest, ADuplicateInASpecThatWasBuiltByHandIsAProblem) {
  const Spec spec{.name = "topk",
                  .params = {{.key = "k", .text = "0.5"}, {.key = "k", .text = "0.25"}}};
  EXPECT_EQ(catalog_.problems(spec, "compressor"), Problems{"topk: parameter 'k' is given twice"});
}

TEST_F(CatalogTest, CanonicalFillsDefaultsAndSortsKeys) {
  EXPECT_EQ(
      canonical("many", "compressor"),
      "many:above=2,flag=false,free=-1000,half=0.5,label=none,mode=slow,q=(topk:k=0.1),sizes=8/4,"
      "whole=3");
  EXPECT_EQ(
      canonical("many:whole=07,q=(topk:k=1e-2),half=.25,label=a/b,sizes=007/1", "compressor"),
      "many:above=2,flag=false,free=-1000,half=0.25,label=a/b,mode=slow,q=(topk:k=0.01),sizes=7/1,"
      "whole=7");
}

TEST_F(CatalogTest, CanonicalFillsTheMethodBehindTheColon) {
  EXPECT_EQ(canonical("lazy", "mechanism"), "lazy:zeta=1:topk:k=1");
  EXPECT_EQ(canonical("lazy:topk:k=0.50", "mechanism"), "lazy:zeta=1:topk:k=0.5");
  EXPECT_EQ(canonical("lazy:zeta=1.0:plain", "mechanism"), "lazy:zeta=1:plain");
}

TEST_F(CatalogTest, NumbersThatMeanTheSameLookTheSame) {
  for (const char* text : {"0.001", "1e-3", ".001", "+0.001", "0.0010"}) {
    EXPECT_EQ(canonical(std::string("topk:k=") + text, "compressor"), "topk:k=0.001");
  }
  EXPECT_EQ(canonical("many:half=-0", "compressor"), canonical("many:half=0", "compressor"));
}

TEST_F(CatalogTest, CanonicalIsItsOwnCanonicalForm) {
  for (const char* text :
       {"lazy", "lazy:zeta=3e5:many:free=1e22", "ef21:many:free=1e-7,mode=fast"}) {
    const std::string once = canonical(text, "mechanism");
    EXPECT_EQ(canonical(once, "mechanism"), once);
  }
}

TEST(Shortest, ReadsBackAsTheSameNumber) {
  rng::Reader reader(rng::Stream(5, {}));
  for (int i = 0; i < 20000; ++i) {
    const auto value = std::bit_cast<double>(reader.u64());
    if (!std::isfinite(value) || value == 0) continue;
    const std::string text = shortest(value);
    const auto again = parse_real(text);
    ASSERT_TRUE(again) << text;
    ASSERT_EQ(std::bit_cast<std::uint64_t>(*again), std::bit_cast<std::uint64_t>(value)) << text;
  }
  EXPECT_EQ(shortest(0.1), "0.1");
  EXPECT_EQ(shortest(5e-324), "5e-324");
  EXPECT_EQ(shortest(std::numeric_limits<double>::infinity()), "inf");
  EXPECT_EQ(shortest(-std::numeric_limits<double>::infinity()), "-inf");
}

TEST(ParseReal, TakesOneFiniteNumberAndNothingElse) {
  EXPECT_EQ(*parse_real("1e-3"), 1e-3);
  EXPECT_EQ(*parse_real("+2.5"), 2.5);
  EXPECT_EQ(*parse_real("-2.5"), -2.5);
  EXPECT_FALSE(std::signbit(*parse_real("-0")));
  for (const char* text : {"", "+", "-", "+-1", "++1", "-+1", " 1", "1 ", "1x", "0x10", "nan",
                           "inf", "-inf", "+inf", "1e999", "1,5", "1e"}) {
    EXPECT_FALSE(parse_real(text)) << text;
  }
  EXPECT_EQ(parse_real("1x").error(), "'1x' is not a finite number");
}

TEST(ParseInteger, TakesOneWholeNumberAndNothingElse) {
  EXPECT_EQ(*parse_integer("-9223372036854775808"), std::numeric_limits<std::int64_t>::min());
  EXPECT_EQ(*parse_integer("9223372036854775807"), std::numeric_limits<std::int64_t>::max());
  EXPECT_EQ(*parse_integer("007"), 7);
  for (const char* text :
       {"", "-", " 1", "1 ", "1.0", "1e3", "0x1", "9223372036854775808", "--1"}) {
    EXPECT_FALSE(parse_integer(text)) << text;
  }
  EXPECT_EQ(parse_integer("1.0").error(), "'1.0' is not a whole number");
}

TEST(ParseIntegers, TakesWholeNumbersBetweenSlashes) {
  EXPECT_EQ(*parse_integers("64"), (std::vector<std::int64_t>{64}));
  EXPECT_EQ(*parse_integers("128/064/-1"), (std::vector<std::int64_t>{128, 64, -1}));
  for (const char* text : {"", "/", "1/", "/1", "1//2", "1/ 2", "1,2", "1x2", "1/2.0"}) {
    EXPECT_FALSE(parse_integers(text)) << text;
  }
  EXPECT_EQ(parse_integers("1/b").error(), "'b' is not a whole number");
}

TEST(JoinOr, ReadsLikeASentence) {
  EXPECT_EQ(join_or({}), "");
  EXPECT_EQ(join_or({"a"}), "a");
  EXPECT_EQ(join_or({"a", "b"}), "a or b");
  EXPECT_EQ(join_or({"a", "b", "c"}), "a, b or c");
}

}  // namespace
}  // namespace laconic
