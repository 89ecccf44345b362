// SPDX-License-Identifier: Apache-2.0
// The grammar of specs: what is read, what is refused and where, and that printing loses nothing.
#include "laconic/base/spec.hpp"

#include <gtest/gtest.h>

#include "laconic/rng/stream.hpp"

namespace laconic {
namespace {

Spec parse(std::string_view text) { return parse_spec(text).value_or_throw(); }

std::string error_of(std::string_view text) {
  const auto spec = parse_spec(text);
  return spec ? "accepted: " + print(*spec) : spec.error();
}

TEST(Spec, ANameAloneIsASpec) { EXPECT_EQ(parse("ef14"), (Spec{.name = "ef14"})); }

TEST(Spec, ParametersBelongToTheNameBeforeThem) {
  EXPECT_EQ(parse("topk:k=0.01,mode=fast"),
            (Spec{.name = "topk",
                  .params = {{.key = "k", .text = "0.01"}, {.key = "mode", .text = "fast"}}}));
}

TEST(Spec, AMethodBehindTheColonIsTheInnerOne) {
  const Spec topk{.name = "topk", .params = {{.key = "k", .text = "0.01"}}};
  EXPECT_EQ(parse("clag:zeta=16:topk:k=0.01"),
            (Spec{.name = "clag", .params = {{.key = "zeta", .text = "16"}}, .inner = {topk}}));
  EXPECT_EQ(parse("ef21:topk:k=0.01"), (Spec{.name = "ef21", .inner = {topk}}));
}

TEST(Spec, AMethodInBracketsIsAValue) {
  const Spec randk{.name = "randk", .params = {{.key = "k", .text = "0.1"}}};
  EXPECT_EQ(parse("3pcv2:q=(randk:k=0.1):topk"), (Spec{.name = "3pcv2",
                                                       .params = {{.key = "q", .nested = {randk}}},
                                                       .inner = {Spec{.name = "topk"}}}));
}

TEST(Spec, NamesTakeDigitsDotsPlusesAndDashes) {
  for (const char* name : {"3pcv2", "a+b", "qsgd-4.5", "x_y", "0"})
    EXPECT_EQ(parse(name).name, name);
}

TEST(Spec, ValuesTakeEveryPrintableCharacterButTheFiveOfTheGrammar) {
  std::string text;
  for (char c = '!'; c <= '~'; ++c) {
    if (std::string_view(":,=()").find(c) == std::string_view::npos) text += c;
  }
  EXPECT_EQ(parse("m:v=" + text).params.front().text, text);
}

struct Refused {
  std::string_view text;
  std::string_view message;
};

class SpecRefusal : public testing::TestWithParam<Refused> {};

TEST_P(SpecRefusal, NamesThePositionAndWhatWasExpected) {
  EXPECT_EQ(error_of(GetParam().text), GetParam().message);
}

INSTANTIATE_TEST_SUITE_P(
    All, SpecRefusal,
    testing::Values(
        Refused{"", "spec '': position 1: expected the name of a method ([a-z0-9][a-z0-9_+.-]*)"},
        Refused{"Topk",
                "spec 'Topk': position 1: expected the name of a method ([a-z0-9][a-z0-9_+.-]*)"},
        Refused{"-x",
                "spec '-x': position 1: expected the name of a method ([a-z0-9][a-z0-9_+.-]*)"},
        Refused{"topk:",
                "spec 'topk:': position 6: expected the name of a method ([a-z0-9][a-z0-9_+.-]*)"},
        Refused{"ef21:topk:k=1:",
                "spec 'ef21:topk:k=1:': position 15: expected the name of a method "
                "([a-z0-9][a-z0-9_+.-]*)"},
        Refused{"topk k", "spec 'topk k': position 5: expected ':' or the end"},
        Refused{"topk:k=1 ", "spec 'topk:k=1 ': position 9: expected ':' or the end"},
        Refused{"topk:k=1)", "spec 'topk:k=1)': position 9: expected ':' or the end"},
        Refused{"topk:1k=1", "spec 'topk:1k=1': position 8: expected ':' or the end"},
        Refused{"topk:k=1=2", "spec 'topk:k=1=2': position 9: expected ':' or the end"},
        Refused{"topk:k=", "spec 'topk:k=': position 8: parameter 'k' has no value"},
        Refused{"topk:k=,j=1", "spec 'topk:k=,j=1': position 8: parameter 'k' has no value"},
        Refused{"topk:k=1,", "spec 'topk:k=1,': position 10: expected a parameter (key=value)"},
        Refused{"topk:k=1,j", "spec 'topk:k=1,j': position 10: expected a parameter (key=value)"},
        Refused{"topk:k=1,k=2",
                "spec 'topk:k=1,k=2': position 10: parameter 'k' of 'topk' is given twice"},
        Refused{"a:q=(b", "spec 'a:q=(b': position 7: expected ')'"},
        Refused{"a:q=(b c)", "spec 'a:q=(b c)': position 7: expected ')'"},
        Refused{"a:q=()",
                "spec 'a:q=()': position 6: expected the name of a method ([a-z0-9][a-z0-9_+.-]*)"},
        Refused{"a\n", "spec 'a?': position 2: expected ':' or the end"},
        Refused{"a\xc3\xa4",
                "spec 'a?"
                "?': position 2: expected ':' or the end"}));

TEST(Spec, TooLongATextIsRefused) {
  EXPECT_TRUE(parse_spec(std::string(kMaxSpecLength, 'a')));
  EXPECT_EQ(error_of(std::string(kMaxSpecLength + 1, 'a')),
            "a spec of 4097 characters is too long; the limit is 4096");
}

TEST(Spec, TooDeepANestIsRefusedBehindTheColon) {
  std::string text = "a";
  for (int i = 0; i < kMaxSpecDepth; ++i) text += ":a";
  EXPECT_EQ(print(parse(text)), text);
  EXPECT_EQ(error_of(text + ":a"),
            "spec '" + text + ":a': position 67: methods are nested deeper than 32");
}

TEST(Spec, TooDeepANestIsRefusedInBrackets) {
  std::string text = "a";
  for (int i = 0; i < kMaxSpecDepth; ++i) text = "a:q=(" + text + ")";
  EXPECT_EQ(print(parse(text)), text);
  EXPECT_NE(error_of("a:q=(" + text + ")").find("nested deeper than 32"), std::string::npos);
}

TEST(Spec, MessagesQuoteAtMost200Characters) {
  const std::string message = error_of(std::string(1000, 'a') + " ");
  EXPECT_EQ(message,
            "spec '" + std::string(200, 'a') + "': position 1001: expected ':' or the end");
}

// Draws specs of every form that the grammar has.
class Generator {
 public:
  explicit Generator(std::uint32_t round)
      : reader_(rng::Stream(4, {rng::Purpose::kTest, 0, round, 0})) {}
  Spec spec(int depth) {
    Spec out;
    out.name = text("abz09", 1) + text("abz09_+.-", reader_.below(4));
    const auto count = reader_.below(4);
    for (std::uint64_t i = 0; i < count; ++i) {
      Spec::Param param;
      param.key = text("ab", 1) + text("ab9_", reader_.below(3)) + std::to_string(i);
      if (depth > 0 && reader_.below(3) == 0) {
        param.nested.push_back(spec(depth - 1));
      } else {
        param.text = text("!#/09.;<>@A[]_az{|}~-+", 1 + reader_.below(6));
      }
      out.params.push_back(std::move(param));
    }
    if (depth > 0 && reader_.below(2) == 0) out.inner.push_back(spec(depth - 1));
    return out;
  }

 private:
  std::string text(std::string_view alphabet, std::uint64_t length) {
    std::string out;
    for (std::uint64_t i = 0; i < length; ++i) out += alphabet[reader_.below(alphabet.size())];
    return out;
  }
  rng::Reader reader_;
};

TEST(Spec, ParsingWhatWasPrintedGivesTheSameSpec) {
  for (std::uint32_t round = 0; round < 5000; ++round) {
    const Spec spec = Generator(round).spec(4);
    const std::string text = print(spec);
    if (text.size() > kMaxSpecLength) continue;
    const auto again = parse_spec(text);
    ASSERT_TRUE(again) << again.error();
    ASSERT_EQ(*again, spec) << text;
    ASSERT_EQ(print(*again), text);
  }
}

TEST(Spec, AnyTextIsRefusedOrPrintedBack) {
  constexpr std::string_view kAlphabet = "ak01:,=()._- \n";
  std::size_t accepted = 0;
  for (std::uint32_t round = 0; round < 20000; ++round) {
    rng::Reader reader(rng::Stream(4, {rng::Purpose::kTest, 1, round, 0}));
    std::string text;
    for (auto length = reader.below(12); length > 0; --length)
      text += kAlphabet[reader.below(kAlphabet.size())];
    const auto spec = parse_spec(text);
    if (!spec) continue;
    ++accepted;
    ASSERT_EQ(print(*spec), text);
  }
  EXPECT_GT(accepted, 100U);
}

}  // namespace
}  // namespace laconic
