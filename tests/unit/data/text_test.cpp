// SPDX-License-Identifier: Apache-2.0
#include "laconic/data/text.hpp"

#include <gtest/gtest.h>

#include "laconic/base/error.hpp"
#include "tests/unit/data/support.hpp"

namespace laconic::data {
namespace {

using testing::bytes_of;
using testing::error_of;
using testing::gzipped;
using testing::TemporaryFolder;
using Types = std::vector<std::string>;
using Ids = std::vector<std::uint32_t>;

TextData parse(std::string_view text, const TextOptions& options) {
  const auto bytes = bytes_of(text);
  return parse_text({.bytes = bytes, .name = "f"}, std::nullopt, options);
}
TextData parse(std::string_view text, std::string_view test, const TextOptions& options) {
  const auto bytes = bytes_of(text);
  const auto test_bytes = bytes_of(test);
  return parse_text({.bytes = bytes, .name = "f"}, TextSource{.bytes = test_bytes, .name = "t"},
                    options);
}
std::string error(std::string_view text,
                  const TextOptions& options = {.context = 1, .held_out = 0}) {
  return error_of<ConfigError>([&] { (void)parse(text, options); });
}
std::vector<float> values(const Examples& examples) {
  return std::get<DenseRows>(examples.rows).values;
}

TEST(Text, CharactersAreNumberedByFrequencyThenByBytes) {
  const TextData data = parse("abcbcc", {.context = 2, .held_out = 0});
  EXPECT_EQ(data.types, (Types{"c", "b", "a"}));
  EXPECT_EQ(values(data.train), (std::vector<float>{2, 1, 0, 1}));
  EXPECT_EQ(data.train.classes, (Ids{0, 0}));
  EXPECT_EQ(data.test.size(), 0U);
  EXPECT_EQ(parse("zay", {.context = 1, .held_out = 0}).types, (Types{"a", "y", "z"}));
}

TEST(Text, WindowsShareNoTokenAndTheRestIsDropped) {
  const TextData data = parse("abcdefgh", {.context = 3, .held_out = 0});
  EXPECT_EQ(values(data.train), (std::vector<float>{0, 1, 2, 3, 4, 5}));
  EXPECT_EQ(data.train.classes, (Ids{3, 6}));
  // One more than whole windows is what the class of the last one needs.
  EXPECT_EQ(parse("abcdef", {.context = 3, .held_out = 0}).train.size(), 1U);
  EXPECT_EQ(parse("abcdefg", {.context = 3, .held_out = 0}).train.size(), 2U);
}

TEST(Text, ACharacterIsACodePoint) {
  const TextData data =
      parse("a\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80", {.context = 1, .held_out = 0});
  EXPECT_EQ(data.types, (Types{"a", "\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x98\x80"}));
  EXPECT_EQ(data.train.size(), 3U);
}

TEST(Text, WordsEndAtBlanksAndLinesEndWithAToken) {
  const TextData data =
      parse(" a  b\ta\r\n\nb", {.level = TextLevel::kWord, .context = 1, .held_out = 0});
  EXPECT_EQ(data.types, (Types{"<eos>", "a", "b"}));
  EXPECT_EQ(values(data.train), (std::vector<float>{1, 2, 1, 0, 0, 2}));
  EXPECT_EQ(data.train.classes, (Ids{2, 1, 0, 0, 2, 0}));
  EXPECT_EQ(data.train_lines, 3U);
}

TEST(Text, TheLastShareOfTheTextIsTheTestPart) {
  const TextData data = parse("aabbaabbcc", {.context = 1, .held_out = 0.25});
  EXPECT_EQ(data.train.size(), 7U);  // 8 tokens
  EXPECT_EQ(data.types, (Types{"a", "b", "<unk>"}));
  EXPECT_EQ(values(data.test), (std::vector<float>{2}));
  EXPECT_EQ(data.test.classes, (Ids{2}));
}

TEST(Text, TheVocabularyIsThatOfTheTrainingFile) {
  const TextOptions options{.level = TextLevel::kWord, .context = 2};
  const TextData data = parse("x y x\n", "y z\nx\n", options);
  EXPECT_EQ(data.types, (Types{"x", "<eos>", "y", "<unk>"}));
  EXPECT_EQ(values(data.train), (std::vector<float>{0, 2}));
  EXPECT_EQ(data.train.classes, (Ids{0}));
  EXPECT_EQ(values(data.test), (std::vector<float>{2, 3, 1, 0}));
  EXPECT_EQ(data.test.classes, (Ids{1, 1}));
  EXPECT_EQ(data.test_lines, 2U);
}

TEST(Text, UnknownWordsAreTheTypeOfThatNameWhereTheTextHasIt) {
  const TextOptions options{.level = TextLevel::kWord, .context = 1};
  const TextData data = parse("x <unk> x\n", "x w\n", options);
  EXPECT_EQ(data.types, (Types{"x", "<eos>", "<unk>"}));
  EXPECT_EQ(data.test.classes, (Ids{2, 1}));
}

TEST(Text, OnlyTheMostFrequentTypesAreKept) {
  const TextData data = parse("aaabbc", {.context = 1, .vocabulary = 2, .held_out = 0});
  EXPECT_EQ(data.types, (Types{"a", "b", "<unk>"}));
  EXPECT_EQ(data.train.classes, (Ids{0, 0, 1, 1, 2}));
  // Enough for all: no class for unknown ones.
  EXPECT_EQ(parse("aaabbc", {.context = 1, .vocabulary = 3, .held_out = 0}).types.size(), 3U);
}

TEST(Text, ReadsGzipByContent) {
  const TemporaryFolder folder;
  const TextData data =
      read_text({.train = folder.write("a", gzipped("abab")), .test = folder.write("b", "bba")},
                {.context = 1});
  EXPECT_EQ(data.train.size(), 3U);
  EXPECT_EQ(data.test.classes, (Ids{1, 0}));
}

TEST(Text, RefusesBytesThatAreNoCharacters) {
  const std::string what =
      " of the line is not part of a character in UTF-8; this is no text, or "
      "needs to be converted to UTF-8";
  EXPECT_EQ(error("ab\ncd\xff"), "f: line 2: byte 3" + what);
  EXPECT_EQ(error("a\xC3"), "f: line 1: byte 2" + what);              // cut off
  EXPECT_EQ(error("a\x80z"), "f: line 1: byte 2" + what);             // a second byte first
  EXPECT_EQ(error("\xC0\xAFzz"), "f: line 1: byte 1" + what);         // overlong
  EXPECT_EQ(error("\xE0\x80\x80z"), "f: line 1: byte 1" + what);      // overlong
  EXPECT_EQ(error("\xED\xA0\x80z"), "f: line 1: byte 1" + what);      // surrogate
  EXPECT_EQ(error("\xF4\x90\x80\x80z"), "f: line 1: byte 1" + what);  // above U+10FFFF
  EXPECT_EQ(error("\xE2\x82z"), "f: line 1: byte 1" + what);
  EXPECT_EQ(error(std::string_view("a\n\0b", 4)),
            "f: line 2: byte 1 of the line is zero; this is no text, or needs to be converted to "
            "UTF-8");
}

TEST(Text, RefusesPartsWithoutAWindow) {
  EXPECT_EQ(error(""),
            "f: the training part has 0 tokens, but a window of context=1 needs 2; take a smaller "
            "context, a longer text or another held_out");
  EXPECT_EQ(error("abcabcabc", {.context = 4, .held_out = 0.2}),
            "f: the test part has 1 tokens, but a window of context=4 needs 5; take a smaller "
            "context, a longer text or another held_out");
  EXPECT_EQ(error_of<ConfigError>([] { (void)parse("abab", "a", {.context = 1}); }),
            "t: the test part has 1 tokens, but a window of context=1 needs 2; take a smaller "
            "context, a longer text or another held_out");
}

TEST(Text, RefusesATextOfOneType) {
  EXPECT_EQ(error("aaaa"),
            "f: 1 types of tokens are not in [2, 16777216]; there is nothing to predict, or "
            "vocabulary=N is needed");
}

TEST(Text, RefusesMoreBytesThanTheLimit) {
  EXPECT_EQ(error("abcd", {.context = 1, .max_content_bytes = 3}),
            "f: the content is longer than the limit of 3 bytes; if this is the right file, raise "
            "the limit");
}

}  // namespace
}  // namespace laconic::data
