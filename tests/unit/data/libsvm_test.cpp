// SPDX-License-Identifier: Apache-2.0
#include "laconic/data/libsvm.hpp"

#include <gtest/gtest.h>

#include <ostream>

#include "laconic/base/error.hpp"
#include "tests/unit/data/support.hpp"

namespace laconic::data {
namespace {

using testing::bytes_of;
using testing::error_of;
using testing::gzipped;

LibsvmFile parse(std::string_view text, const LibsvmOptions& options = {}) {
  return parse_libsvm(bytes_of(text), "f", options);
}

const SparseRows& sparse(const LibsvmFile& file) {
  return std::get<SparseRows>(file.examples.rows);
}

TEST(Libsvm, ReadsRowsAndLabels) {
  const LibsvmFile file = parse("+1 1:0.5 3:-2e-1\n-1 2:+7\n");
  EXPECT_EQ(file.examples.signs, (std::vector<double>{1, -1}));
  EXPECT_EQ(sparse(file).offsets, (std::vector<std::uint64_t>{0, 2, 3}));
  EXPECT_EQ(sparse(file).columns, (std::vector<std::uint32_t>{0, 2, 1}));
  EXPECT_EQ(sparse(file).values, (std::vector<double>{0.5, -0.2, 7}));
  EXPECT_EQ(file.examples.features(), 3U);
  EXPECT_EQ(file.examples.size(), 2U);
  EXPECT_EQ(file.examples.nonzeros(), 3U);
}

TEST(Libsvm, AcceptsEveryHarmlessLayout) {
  const LibsvmFile expected = parse("1 1:1\n-1 2:2\n");
  for (const char* text :
       {"1 1:1\n-1 2:2", "1 1:1 \r\n-1 2:2\r\n", "1\t1:1\n-1  2:2 \n", " 1.0 1:1\n-1.0 2:2\n"}) {
    const LibsvmFile file = parse(text);
    EXPECT_EQ(sparse(file).columns, sparse(expected).columns) << text;
    EXPECT_EQ(sparse(file).values, sparse(expected).values) << text;
    EXPECT_EQ(file.examples.signs, expected.examples.signs) << text;
  }
}

TEST(Libsvm, ReadsGzipByContent) {
  const LibsvmFile file = parse(gzipped("1 1:1\n-1 2:2\n"));
  EXPECT_EQ(file.examples.size(), 2U);
}

TEST(Libsvm, AcceptsALabelAloneAsAnEmptyRow) {
  const LibsvmFile file = parse("1\n-1 2:2\n1\n");
  EXPECT_EQ(sparse(file).offsets, (std::vector<std::uint64_t>{0, 0, 1, 1}));
  EXPECT_TRUE(sparse(file).row(2).columns.empty());
}

TEST(Libsvm, MapsTheLargerLabelToPlusOne) {
  for (const char* text : {"-1 1:1\n1 1:1\n", "0 1:1\n1 1:1\n", "1 1:1\n2 1:1\n",
                           "-1.0 1:1\n1.0 1:1\n", "-0 1:1\n1 1:1\n"}) {
    EXPECT_EQ(parse(text).examples.signs, (std::vector<double>{-1, 1})) << text;
  }
}

TEST(Libsvm, NumbersClassesInTheOrderOfTheirValues) {
  const LibsvmFile file = parse("7 1:1\n-3 1:1\n20 1:1\n7 1:1\n", {.labels = LabelKind::kClasses});
  EXPECT_EQ(file.label_values, (std::vector<double>{-3, 7, 20}));
  EXPECT_EQ(file.examples.classes, (std::vector<std::uint32_t>{1, 0, 2, 1}));
  EXPECT_TRUE(file.examples.signs.empty());
}

TEST(Libsvm, ReadsATestFileWithTheLabelsOfItsTrainingFile) {
  const LibsvmFile file = parse("1 1:1\n1 1:1\n", {.features = 9, .label_values = {1, 2}});
  EXPECT_EQ(file.examples.signs, (std::vector<double>{-1, -1}));
  EXPECT_EQ(file.examples.features(), 9U);
}

TEST(Libsvm, KeepsValuesToTheLastBit) {
  EXPECT_EQ(sparse(parse("1 1:0.1234567890123456789\n-1 1:4.9e-324\n")).values,
            (std::vector<double>{0.1234567890123456789, 4.9e-324}));
}

struct Refusal {
  const char* name;
  std::string text;
  std::string message;
  LibsvmOptions options = {};
};
void PrintTo(const Refusal& refusal, std::ostream* out) { *out << refusal.name; }

class LibsvmRefusal : public ::testing::TestWithParam<Refusal> {};

TEST_P(LibsvmRefusal, NamesPlaceValueAndRemedy) {
  EXPECT_EQ(error_of<ConfigError>([&] { (void)parse(GetParam().text, GetParam().options); }),
            GetParam().message);
}

INSTANTIATE_TEST_SUITE_P(
    All, LibsvmRefusal,
    ::testing::Values(
        Refusal{"NoRows", "", "f: there are no rows; name a LIBSVM text file"},
        Refusal{"EmptyLine", "1 1:1\n\n-1 1:1\n",
                "f: line 2: the line is empty; a row is a label and its entries, remove the line"},
        Refusal{"BlankLine", "1 1:1\n \t\r\n",
                "f: line 2: the line is empty; a row is a label and its entries, remove the line"},
        Refusal{"NoLabel", "1:1 2:1\n",
                "f: line 1: the label '1:1' is not a finite number; each row begins with one"},
        Refusal{"WordLabel", "spam 1:1\n",
                "f: line 1: the label 'spam' is not a finite number; each row begins with one"},
        Refusal{"NanLabel", "nan 1:1\n",
                "f: line 1: the label 'nan' is not a finite number; each row begins with one"},
        Refusal{"TwoSigns", "+-1 1:1\n",
                "f: line 1: the label '+-1' is not a finite number; each row begins with one"},
        Refusal{"Binary", std::string("1\x01\x02 1:1\n"),
                "f: line 1: the label '1?\?' is not a finite number; each row begins with one"},
        Refusal{"UnknownPair", "3 1:1\n4 1:1\n",
                "f: line 2: labels 3 and 4 are no known pair; use -1 and 1, 0 and 1 or 1 and 2, or "
                "read them as classes "
                "(labels=classes)"},
        Refusal{"ThirdLabel", "-1 1:1\n1 1:1\n-1 1:1\n0 1:1\n",
                "f: line 4: label 0 does not go with the labels -1 and 1 above; binary data has "
                "two labels, read more "
                "as classes (labels=classes)"},
        Refusal{"OneLabel", "1 1:1\n1 1:2\n",
                "f: every row has the label 1; training data needs at least two labels"},
        Refusal{"ForeignLabel",
                "1 1:1\n0 1:2\n",
                "f: line 2: label 0 is not one of -1 and 1, the labels of the training file; are "
                "the two files of the "
                "same data set?",
                {.label_values = {-1, 1}}},
        Refusal{"FractionalClass",
                "1 1:1\n1.5 1:2\n",
                "f: line 2: label 1.5 is not a whole number; classes are whole numbers",
                {.labels = LabelKind::kClasses}},
        Refusal{"OneClass",
                "1 1:1\n",
                "f: every row has the label 1; training data needs at least two labels",
                {.labels = LabelKind::kClasses}},
        Refusal{"NoColon", "1 7\n", "f: line 1: '7' is not an entry INDEX:VALUE"},
        Refusal{"TrailingGarbage", "1 1:1 # note\n", "f: line 1: '#' is not an entry INDEX:VALUE"},
        Refusal{"NegativeIndex", "1 -1:1\n", "f: line 1: '-1:1' is not an entry INDEX:VALUE"},
        Refusal{"HugeIndex", "1 99999999999999999999999:1\n",
                "f: line 1: '99999999999999999999999:1' is not an entry INDEX:VALUE"},
        Refusal{"Query", "1 qid:3 1:1\n", "f: line 1: 'qid:3' is not an entry INDEX:VALUE"},
        Refusal{"IndexZero", "1 0:1\n",
                "f: line 1: index 0: indices begin at 1; add 1 to every index of the file"},
        Refusal{"IndexAboveFeatures",
                "1 1:1\n-1 124:1\n",
                "f: line 2: index 124 is above the number of features, 123; raise it, or is this "
                "another data set's file?",
                {.features = 123}},
        Refusal{"IndexAboveLimit", "1 2147483648:1\n",
                "f: line 1: index 2147483648 is above the limit of 2147483647"},
        Refusal{"RepeatedIndex", "1 4:1 4:1\n",
                "f: line 1: index 4 occurs twice; each index may occur once in a row"},
        Refusal{"UnsortedIndices", "1 4:1 2:1\n",
                "f: line 1: index 2 comes after 4; sort the entries of each row by index"},
        Refusal{"EmptyValue", "1 4:\n",
                "f: line 1: the value '' of index 4 is not a finite number"},
        Refusal{"WordValue", "1 4:x\n",
                "f: line 1: the value 'x' of index 4 is not a finite number"},
        Refusal{"HalfValue", "1 4:1,5\n",
                "f: line 1: the value '1,5' of index 4 is not a finite number"},
        Refusal{"NanValue", "1 4:nan\n",
                "f: line 1: the value 'nan' of index 4 is not a finite number"},
        Refusal{"InfValue", "1 4:-inf\n",
                "f: line 1: the value '-inf' of index 4 is not a finite number"},
        Refusal{"OverflowingValue", "1 4:1e999\n",
                "f: line 1: the value '1e999' of index 4 is not a finite number"},
        Refusal{"NoEntry", "1\n-1\n", "f: no row has an entry; give the number of features"},
        Refusal{"LongLine",
                "1 1:1\n-1 1:1 2:1 3:1\n",
                "f: line 2: the line has 14 bytes, more than the limit of 10; is this LIBSVM text?",
                {.max_line_bytes = 10}},
        Refusal{"LongFile",
                "1 1:1\n-1 1:1\n",
                "f: the content is longer than the limit of 12 bytes; if this is the right file, "
                "raise the limit",
                {.max_content_bytes = 12}},
        Refusal{"LongContent",
                gzipped("1 1:1\n-1 1:1\n"),
                "f: the content is longer than the limit of 12 bytes; if this is the right file, "
                "raise the limit",
                {.max_content_bytes = 12}}),
    [](const auto& suite) { return suite.param.name; });

}  // namespace
}  // namespace laconic::data
