// SPDX-License-Identifier: Apache-2.0
#include "laconic/data/load.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <optional>

#include "laconic/data/catalog.hpp"
#include "tests/unit/data/support.hpp"

namespace laconic::data {
namespace {

using testing::error_of;
using testing::TemporaryFolder;

Catalog data_catalog() {
  Catalog catalog;
  for (const Card* card : data_cards()) catalog.add(*card);
  return catalog;
}

std::vector<std::string> problems_of(std::string_view text) {
  return data_catalog().problems(parse_spec(text).value_or_throw(), "data");
}

Dataset load_text(std::string_view text, const DataSetup& setup = {}) {
  const Catalog catalog = data_catalog();
  const Spec spec = parse_spec(text).value_or_throw();
  EXPECT_EQ(catalog.problems(spec, "data"), std::vector<std::string>{});
  return load(catalog.canonical(spec, "data"), setup);
}

TEST(Load, KnowsEveryKindOfData) {
  const Catalog catalog = data_catalog();
  for (const char* name : {"synthetic-sparse",
                           "synthetic-images",
                           "synthetic-low-rank",
                           "synthetic-prototypes",
                           "synthetic-presence",
                           "synthetic-text",
                           "synthetic-series",
                           "one-vs-rest",
                           "libsvm",
                           "idx",
                           "cifar",
                           "text",
                           "m4",
                           "standardised",
                           "held-out",
                           "a9a",
                           "mnist",
                           "cifar10-subset",
                           "tinyshakespeare",
                           "m4-weekly"}) {
    const Card* card = catalog.find("data", name);
    ASSERT_NE(card, nullptr) << name;
    EXPECT_FALSE(card->summary.empty()) << name;
  }
  EXPECT_EQ(data_cards().size(), 15 + known_datasets().size());
}

TEST(Load, GeneratesSparseRows) {
  const Dataset data =
      load_text("synthetic-sparse:rows=100,test_rows=10,features=30", {.seed = 3, .workers = 4});
  EXPECT_EQ(data.train.size(), 100U);
  EXPECT_EQ(data.test.size(), 10U);
  EXPECT_EQ(data.train.features(), 30U);
  EXPECT_EQ(
      data.name,
      "synthetic-sparse:features=30,flip=0.05,heterogeneity=0,nonzeros=15,rows=100,test_rows=10");
  EXPECT_TRUE(data.description.starts_with("100 + 10 rows, 30 features, ")) << data.description;
}

TEST(Load, GeneratesBySeed) {
  const auto values = [](std::uint64_t seed) {
    const Dataset data = load_text("synthetic-images:rows=5,test_rows=0,side=7", {.seed = seed});
    return std::get<DenseRows>(data.train.rows).values;
  };
  EXPECT_EQ(values(1), values(1));
  EXPECT_NE(values(1), values(2));
}

TEST(Load, ReadsLibsvmWithTheLabelsAndFeaturesOfTheTrainingFile) {
  const TemporaryFolder folder;
  const std::string train = folder.write("train", "1 1:1 5:2\n2 2:1\n").string();
  const std::string test = folder.write("test", "2 3:1\n").string();
  const Dataset data = load_text("libsvm:path=" + train + ",test=" + test);
  EXPECT_EQ(data.train.signs, (std::vector<double>{-1, 1}));
  EXPECT_EQ(data.test.signs, (std::vector<double>{1}));
  EXPECT_EQ(data.test.features(), 5U);
  EXPECT_EQ(data.description, "2 + 1 rows, 5 features, 1.5 non-zeros per row, labels -1: 1, +1: 1");
}

TEST(Load, ReadsLibsvmClasses) {
  const TemporaryFolder folder;
  const std::string train = folder.write("train", "5 1:1\n9 2:1\n7 1:1\n").string();
  const Dataset data = load_text("libsvm:labels=classes,features=4,path=" + train);
  EXPECT_EQ(data.train.classes, (std::vector<std::uint32_t>{0, 2, 1}));
  EXPECT_EQ(data.class_count, 3U);
  EXPECT_EQ(data.label_kind, LabelKind::kClasses);
  EXPECT_EQ(data.train.features(), 4U);
}

const std::string kOneImage("\0\0\x8\3\0\0\0\1\0\0\0\1\0\0\0\2\0\xff", 18);
const std::string kTallImages("\0\0\x8\3\0\0\0\1\0\0\0\2\0\0\0\1\0\xff", 18);
const std::string kOneLabel("\0\0\x8\1\0\0\0\1\3", 9);

TEST(Load, OneLabelBecomesPlusOneAndAllOthersMinusOne) {
  const TemporaryFolder folder;
  const std::string train = folder.write("train", "3 1:1\n5 2:1\n9 1:2\n5 1:3\n").string();
  const std::string test = folder.write("test", "9 1:1\n5 2:1\n").string();
  const std::string all = "libsvm:path=" + train + ",test=" + test + ",labels=classes";
  const Dataset classes = load_text(all);
  EXPECT_EQ(label_values(classes), (std::vector<double>{3, 5, 9}));
  const Dataset data = load_text("one-vs-rest:label=5:" + all);
  EXPECT_EQ(data.label_kind, LabelKind::kBinary);
  EXPECT_EQ(data.class_count, 2U);
  EXPECT_EQ(label_values(data), (std::vector<double>{-1, 1}));
  EXPECT_EQ(data.train.signs, (std::vector<double>{-1, 1, -1, 1}));
  EXPECT_EQ(data.test.signs, (std::vector<double>{-1, 1}));
  EXPECT_EQ(data.train.nonzeros(), classes.train.nonzeros());
  EXPECT_EQ(error_of<ConfigError>([&] { load_text("one-vs-rest:label=4:" + all); }),
            "one-vs-rest: label=4 is none of the 3 labels of " + classes.name +
                ", which run from 3 to 9");
  EXPECT_EQ(label_values(load_text("synthetic-images:rows=20,test_rows=0")).size(), 10U);
}

TEST(Load, ReadsIdx) {
  const TemporaryFolder folder;
  const std::string images = folder.write("i", kOneImage).string();
  const std::string labels = folder.write("l", kOneLabel).string();
  const Dataset data =
      load_text("idx:images=" + images + ",labels=" + labels + ",test_images=" + images +
                ",test_labels=" + labels + ",classes=4");
  EXPECT_EQ(data.train.classes, (std::vector<std::uint32_t>{3}));
  EXPECT_EQ(data.test.size(), 1U);
  EXPECT_EQ(data.class_count, 4U);
  EXPECT_EQ(data.image_width, 2U);
  EXPECT_EQ(data.description, "1 + 1 rows, 2 features (1 x 2 pixels), 4 classes");
}

TEST(Load, ReadsCifar) {
  const TemporaryFolder folder;
  const std::string train = folder.write("train", std::string(2 * 3073, '\4')).string();
  const std::string test = folder.write("test", std::string(3073, '\0')).string();
  const Dataset data = load_text("cifar:path=" + train + ",test=" + test);
  EXPECT_EQ(data.train.classes, (std::vector<std::uint32_t>{4, 4}));
  EXPECT_EQ(data.description, "2 + 1 rows, 3072 features (3 x 32 x 32 pixels), 10 classes");
  EXPECT_EQ(load_text("cifar:path=" + train).test.size(), 0U);
}

TEST(Load, ReadsText) {
  const TemporaryFolder folder;
  const std::string train = folder.write("train", "a b\nc a b\n").string();
  const Dataset data = load_text("text:level=word,context=2,held_out=0,path=" + train);
  EXPECT_TRUE(data.tokens);
  EXPECT_EQ(data.label_kind, LabelKind::kClasses);
  EXPECT_EQ(data.class_count, 4U);
  EXPECT_EQ(data.description, "3 rows of 2 tokens, vocabulary of 4");
  const std::string test = folder.write("test", "aaa").string();
  EXPECT_EQ(load_text("text:context=1,path=" + train + ",test=" + test).test.size(), 2U);
  EXPECT_NE(error_of<ConfigError>([&] {
              load_text("text:path=" + train + ",test=nothing");
            }).find("text: test=nothing: no such file; "),
            std::string::npos);
}

TEST(Load, ReadsM4) {
  const TemporaryFolder folder;
  const std::string path = folder.write("m4", "id,a,b,c,d\nW1,1,2,3,4\nW2,1,2,3,\n").string();
  const Dataset data = load_text("m4:lags=2,horizon=1,stride=1,path=" + path);
  EXPECT_EQ(data.label_kind, LabelKind::kNone);
  EXPECT_EQ(data.class_count, 0U);
  EXPECT_TRUE(label_values(data).empty());
  EXPECT_EQ(data.series_lags, 2U);
  EXPECT_EQ(data.series_horizon, 1U);
  EXPECT_EQ(data.train.size(), 3U);
  EXPECT_EQ(data.train.label_ids(), (std::vector<std::uint32_t>{0, 0, 0}));
  EXPECT_EQ(data.description, "3 rows of 2 + 1 values of a time series, no labels");
}

TEST(Load, HoldsTheLastRowsOut) {
  const std::string inner = "synthetic-images:rows=10,test_rows=0,side=7";
  const Dataset plain = load_text(inner);
  const Dataset data = load_text("held-out:share=0.35:" + inner);
  ASSERT_EQ(data.train.size(), 7U);
  ASSERT_EQ(data.test.size(), 3U);
  EXPECT_EQ(data.train.classes.size(), 7U);
  EXPECT_EQ(data.test.classes.back(), plain.train.classes.back());
  const auto& test = std::get<DenseRows>(data.test.rows);
  const auto& all = std::get<DenseRows>(plain.train.rows);
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_TRUE(std::equal(test.row(i).begin(), test.row(i).end(), all.row(7 + i).begin()));
  }
}

TEST(Load, HoldsSparseRowsOut) {
  const std::string inner = "synthetic-sparse:rows=40,test_rows=0,features=30";
  const Dataset plain = load_text(inner);
  const Dataset data = load_text("held-out:" + inner);
  ASSERT_EQ(data.train.size(), 36U);
  ASSERT_EQ(data.test.size(), 4U);
  EXPECT_EQ(data.train.nonzeros() + data.test.nonzeros(), plain.train.nonzeros());
  const auto& test = std::get<SparseRows>(data.test.rows);
  const auto& all = std::get<SparseRows>(plain.train.rows);
  EXPECT_EQ(test.features, 30U);
  for (std::size_t i = 0; i < 4; ++i) {
    const auto row = test.row(i);
    const auto same = all.row(36 + i);
    EXPECT_TRUE(std::equal(row.columns.begin(), row.columns.end(), same.columns.begin(),
                           same.columns.end()));
    EXPECT_TRUE(
        std::equal(row.values.begin(), row.values.end(), same.values.begin(), same.values.end()));
    EXPECT_EQ(data.test.signs[i], plain.train.signs[36 + i]);
  }
}

TEST(Load, HoldsNothingOutWhereThereIsATestPartOrTooFewRows) {
  const std::string inner = "synthetic-images:rows=9,test_rows=2,side=7";
  EXPECT_EQ(
      error_of<ConfigError>([&] { load_text("held-out:" + inner); }),
      "held-out: " + load_text(inner).name + " has a test part of 2 rows already; use it as it is");
  const std::string few = "synthetic-images:rows=9,test_rows=0,side=7";
  EXPECT_EQ(error_of<ConfigError>([&] { load_text("held-out:" + few); }),
            "held-out: share=0.1 of the 9 rows of " + load_text(few).name +
                " is less than one row; raise it");
}

TEST(Load, RefusesWrappersThatMakeNoSenseOfTokensAndSeries) {
  EXPECT_EQ(error_of<ConfigError>([] { load_text("standardised:synthetic-text"); }),
            "standardised: the rows of synthetic-text are token ids, which are names and not "
            "quantities; use it as it is");
  EXPECT_EQ(error_of<ConfigError>([] { load_text("standardised:synthetic-series"); }),
            "standardised: the rows of synthetic-series are windows of series, which are scaled "
            "already; use it as it is");
  for (const std::string inner : {"synthetic-text", "synthetic-series"}) {
    EXPECT_EQ(error_of<ConfigError>([&] { load_text("one-vs-rest:label=1:" + inner); }),
              "one-vs-rest: the rows of " + load_text(inner).name +
                  " have no labels of their own; use it as it is, or data with labels");
  }
}

TEST(Load, KnownTextsAndSeriesTakeParameters) {
  EXPECT_EQ(problems_of("tinyshakespeare:level=word,context=8,vocabulary=100,held_out=0.2"),
            std::vector<std::string>{});
  EXPECT_EQ(problems_of("m4-hourly:lags=48,horizon=24,stride=24,held_out=0"),
            std::vector<std::string>{});
  // Their test part is a file.
  EXPECT_EQ(problems_of("wikitext-2-small:held_out=0.1").size(), 1U);
  EXPECT_EQ(problems_of("mnist:context=8").size(), 1U);
}

double mean_of(const std::vector<float>& values, double power) {
  double sum = 0;
  for (const float value : values) sum += std::pow(static_cast<double>(value), power);
  return sum / static_cast<double>(values.size());
}

TEST(Load, StandardisesDenseRowsByTheMomentsOfTheTrainingRows) {
  const std::string inner = "synthetic-images:rows=40,test_rows=9,side=7";
  const Dataset plain = load_text(inner, {.seed = 3});
  const Dataset data = load_text("standardised:" + inner, {.seed = 3});
  EXPECT_EQ(data.name, "standardised:" + plain.name);
  EXPECT_EQ(data.train.classes, plain.train.classes);
  EXPECT_EQ(data.image_width, 7U);
  const auto& before = std::get<DenseRows>(plain.train.rows).values;
  const auto& after = std::get<DenseRows>(data.train.rows).values;
  EXPECT_NEAR(mean_of(after, 1), 0, 1e-6);  // roundings to float, of numbers of size 1
  EXPECT_NEAR(mean_of(after, 2), 1, 1e-6);
  const double mean = mean_of(before, 1);
  const double deviation = std::sqrt(mean_of(before, 2) - mean * mean);
  const auto& test_before = std::get<DenseRows>(plain.test.rows).values;
  const auto& test_after = std::get<DenseRows>(data.test.rows).values;
  ASSERT_EQ(test_after.size(), test_before.size());
  for (std::size_t i = 0; i < test_after.size(); ++i) {
    EXPECT_NEAR(test_after[i], (static_cast<double>(test_before[i]) - mean) / deviation, 1e-5);
  }
}

TEST(Load, StandardisesNeitherSparseNorConstantRows) {
  EXPECT_EQ(problems_of("standardised"),
            (std::vector<std::string>{
                "standardised: a data must stand behind it, e.g. standardised:NAME"}));
  EXPECT_EQ(error_of<ConfigError>([] { (void)load_text("standardised:synthetic-sparse:rows=9"); }),
            "standardised: the rows of synthetic-sparse are sparse, and a shift would fill them; "
            "use it as it is");
  const TemporaryFolder folder;
  const std::string blank("\0\0\x8\3\0\0\0\1\0\0\0\1\0\0\0\2\xff\xff", 18);
  const std::string images = folder.write("i", blank).string();
  const std::string labels = folder.write("l", kOneLabel).string();
  EXPECT_EQ(error_of<ConfigError>([&] {
              (void)load_text("standardised:idx:images=" + images + ",labels=" + labels);
            }),
            "standardised: all numbers of idx are 1; there is nothing to scale, use it as it is");
}

TEST(Load, RefusesTestImagesThatDoNotFit) {
  const TemporaryFolder folder;
  const std::string images = folder.write("i", kOneImage).string();
  const std::string tall = folder.write("t", kTallImages).string();
  const std::string labels = folder.write("l", kOneLabel).string();
  const std::string train = "idx:images=" + images + ",labels=" + labels;
  EXPECT_EQ(error_of<ConfigError>([&] { (void)load_text(train + ",test_images=" + images); }),
            "idx: test_images and test_labels belong together; give both or none");
  EXPECT_EQ(
      error_of<ConfigError>(
          [&] { (void)load_text(train + ",test_images=" + tall + ",test_labels=" + labels); }),
      "idx: test images of 2 x 1 pixels, training images of 1 x 2; they do not belong together");
}

TEST(Load, SaysWhichPathsASpecCanHold) {
  EXPECT_EQ(error_of<ConfigError>([] { (void)load_text("libsvm:path=/nowhere/my"); }),
            "libsvm: path=/nowhere/my: no such file; check the path (from " +
                std::filesystem::current_path().string() +
                "), and note that in a spec it cannot contain spaces or any of : , = ( ): rename "
                "or link such a file");
  EXPECT_EQ(
      problems_of("libsvm"),
      (std::vector<std::string>{
          "libsvm: parameter 'path' is missing; it is a file, plain or gzip, whose path has no "
          "space and none of : , = ( )"}));
}

TEST(Load, ReadsKnownDataFromThePlacesGiven) {
  EXPECT_TRUE(
      error_of<ConfigError>([] {
        (void)load_text("a9a", {.places = Places{.data = "/nowhere/data"}});
      }).starts_with("a9a: neither a9a nor a9a.gz is in $LACONIC_DATA (/nowhere/data/a9a)"));
}

// Sets variables for one test and puts back what was there.
class Environment {
 public:
  explicit Environment(const char* name, const char* value) : name_(name) {
    if (const char* old = std::getenv(name)) old_ = old;
    set(value);
  }
  ~Environment() { set(old_ ? old_->c_str() : nullptr); }
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;

 private:
  void set(const char* value) const {
    if (value == nullptr) {
      ::unsetenv(name_);
    } else {
      ::setenv(name_, value, 1);
    }
  }
  const char* name_;
  std::optional<std::string> old_;
};

TEST(Places, PreferTheMoreSpecificVariable) {
  const Environment data("LACONIC_DATA", "/d");
  const Environment home("HOME", "/h");
  const Environment no_cache("XDG_CACHE_HOME", nullptr);
  const Environment no_own("LACONIC_CACHE", nullptr);
  EXPECT_EQ(places_from_environment().data, "/d");
  EXPECT_EQ(places_from_environment().cache, "/h/.cache/laconic");
  const Environment user_cache("XDG_CACHE_HOME", "/c");
  EXPECT_EQ(places_from_environment().cache, "/c/laconic");
  const Environment own("LACONIC_CACHE", "/own");
  EXPECT_EQ(places_from_environment().cache, "/own");
}

TEST(Places, AreEmptyWithoutVariables) {
  const Environment data("LACONIC_DATA", nullptr);
  const Environment home("HOME", nullptr);
  const Environment no_cache("XDG_CACHE_HOME", nullptr);
  const Environment no_own("LACONIC_CACHE", nullptr);
  EXPECT_EQ(places_from_environment().data, "");
  EXPECT_EQ(places_from_environment().cache, "");
}

TEST(Dataset, HeadKeepsTheFirstRows) {
  const Dataset data = load_text("synthetic-sparse:rows=10,test_rows=0");
  const Examples three = head(data.train, 3);
  EXPECT_EQ(three.size(), 3U);
  const auto& all = std::get<SparseRows>(data.train.rows);
  const auto& rows = std::get<SparseRows>(three.rows);
  EXPECT_EQ(rows.rows(), 3U);
  EXPECT_EQ(three.features(), data.train.features());
  EXPECT_TRUE(std::equal(rows.values.begin(), rows.values.end(), all.values.begin()));
  EXPECT_EQ(head(data.train, 99).size(), 10U);
  const Dataset images = load_text("synthetic-images:rows=10,test_rows=0,side=7");
  EXPECT_EQ(std::get<DenseRows>(head(images.train, 4).rows).rows(), 4U);
  EXPECT_EQ(head(images.train, 4).classes.size(), 4U);
}

}  // namespace
}  // namespace laconic::data
