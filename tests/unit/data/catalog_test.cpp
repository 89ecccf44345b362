// SPDX-License-Identifier: Apache-2.0
// The catalog, against the real files where LACONIC_DATA holds them.
#include "laconic/data/catalog.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <iostream>
#include <numeric>
#include <ostream>
#include <set>

#include "laconic/base/error.hpp"
#include "laconic/data/checksum.hpp"
#include "laconic/data/libsvm.hpp"
#include "tests/unit/data/support.hpp"

namespace laconic::data {
namespace {

using testing::error_of;
using testing::TemporaryFolder;

bool has_all_files(const KnownDataset& dataset, const Places& places) {
  return std::all_of(dataset.files.begin(), dataset.files.end(), [&](const KnownFile& file) {
    return find_file(dataset, file, places).has_value();
  });
}

struct Part {
  std::size_t rows = 0;
  std::uint64_t nonzeros = 0;
  std::vector<std::size_t> labels = {};  // how often each class occurs; empty: not compared
};
struct Expected {
  const char* name;
  std::uint32_t features = 0;
  Part train = {};
  Part test = {};
};
void PrintTo(const Expected& expected, std::ostream* out) { *out << expected.name; }

void compare(const Examples& examples, const Part& part) {
  EXPECT_EQ(examples.size(), part.rows);
  EXPECT_EQ(examples.nonzeros(), part.nonzeros);
  if (part.labels.empty()) return;
  std::vector<std::size_t> counts(part.labels.size());
  for (const std::uint32_t label : examples.label_ids()) ++counts.at(label);
  EXPECT_EQ(counts, part.labels);
}

class RealData : public ::testing::TestWithParam<Expected> {};

TEST_P(RealData, HasTheCountsOfItsPublisher) {
  const Expected& expected = GetParam();
  const Places places = places_from_environment();
  const KnownDataset* known = find_known(expected.name);
  ASSERT_NE(known, nullptr);
  if (!has_all_files(*known, places)) {
    GTEST_SKIP() << expected.name << " is neither in LACONIC_DATA nor in the cache";
  }
  std::cout << "real data: " << find_file(*known, known->files[0], places)->string() << '\n';
  const Dataset data = load_named(expected.name, places);
  EXPECT_EQ(data.train.features(), expected.features);
  compare(data.train, expected.train);
  if (expected.test.rows > 0) {
    EXPECT_EQ(data.test.features(), expected.features);
  }
  compare(data.test, expected.test);
}

TEST_P(RealData, HasTheChecksumsOfTheCatalog) {
  const Places places = places_from_environment();
  const KnownDataset* known = find_known(GetParam().name);
  ASSERT_NE(known, nullptr);
  if (!has_all_files(*known, places)) {
    GTEST_SKIP() << known->name << " is neither in LACONIC_DATA nor in the cache";
  }
  for (const KnownFile& file : known->files) {
    EXPECT_EQ(sha256_of_content(*find_file(*known, file, places), file.bytes), file.sha256)
        << file.name;
  }
}

INSTANTIATE_TEST_SUITE_P(
    All, RealData,
    ::testing::Values(
        Expected{"a9a", 123, {32561, 451592, {24720, 7841}}, {16281, 225731, {12435, 3846}}},
        Expected{"w7a", 300, {24692, 288148, {23952, 740}}, {25057, 291438, {24318, 739}}},
        Expected{"w8a", 300, {49749, 579586, {48270, 1479}}, {14951, 174276, {14497, 454}}},
        Expected{"phishing", 68, {11055, 331650, {4898, 6157}}},
        Expected{"mushrooms", 112, {8124, 170604, {3916, 4208}}},
        Expected{"ijcnn1", 22, {49990, 649870, {45137, 4853}}, {91701, 1192113, {82989, 8712}}},
        Expected{"lasvm-reuters", 8315, {7770, 339837, {7232, 538}}, {3299, 136821, {3120, 179}}},
        Expected{"news20-multiclass", 62061, {15935, 1272569}},
        Expected{"mnist",
                 784,
                 {60000, 47040000, {5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949}},
                 {10000, 7840000, {980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009}}},
        Expected{"fashion-mnist",
                 784,
                 {60000, 47040000, std::vector<std::size_t>(10, 6000)},
                 {10000, 7840000, std::vector<std::size_t>(10, 1000)}},
        Expected{"cifar10-subset",
                 3072,
                 {4000, 12288000, {396, 366, 420, 384, 422, 393, 414, 385, 407, 413}}},
        // With the default options; counted by a program of its own.
        Expected{"tinyshakespeare", 64, {15685, 1003840}, {1742, 111488}},
        Expected{"wikitext-2-small", 64, {3400, 217600}, {3837, 245568}},
        Expected{"m4-weekly", 28, {107308, 3004624}, {11765, 329420}},
        Expected{"m4-hourly", 28, {102738, 2876664}, {11313, 316764}}),
    [](const auto& suite) {
      std::string name = suite.param.name;
      std::replace(name.begin(), name.end(), '-', '_');
      return name;
    });

// a9a where it is, else rows of its shape; the time is printed, not judged.
TEST(Libsvm, ReadsFilesOfRealSize) {
  const Places places = places_from_environment();
  const KnownDataset& a9a = *find_known("a9a");
  const TemporaryFolder folder;
  std::filesystem::path path;
  if (const auto real = find_file(a9a, a9a.files[0], places)) {
    path = *real;
  } else {
    std::string text;
    for (int i = 0; i < 32561; ++i) {
      text += i % 4 == 0 ? "+1" : "-1";
      for (int j = 1; j <= 14; ++j) text += ' ' + std::to_string(8 * j + i % 8) + ":1";
      text += '\n';
    }
    path = folder.write("a9a", text);
  }
  const auto start = std::chrono::steady_clock::now();
  const LibsvmFile file = read_libsvm(path, {.features = 123});
  const std::chrono::duration<double, std::milli> elapsed =
      std::chrono::steady_clock::now() - start;
  std::cout << (path.parent_path() == folder.path() ? "generated data: " : "real data: ")
            << path.string() << ", " << elapsed.count() << " ms\n";
  EXPECT_EQ(file.examples.size(), 32561U);
}

// The sums come from a program of its own (sum of the ids of the classes, of the last targets).
TEST(RealFiles, WordsHaveTheRightNumbers) {
  const Places places = places_from_environment();
  if (!has_all_files(*find_known("wikitext-2-small"), places))
    GTEST_SKIP() << "wikitext-2 is neither in LACONIC_DATA nor in the cache";
  const Dataset data = load_named("wikitext-2-small", places);
  EXPECT_EQ(data.class_count, 13777U);  // with <unk>, which the file has, and <eos>
  const auto sum = [](const Examples& examples) {
    return std::accumulate(examples.classes.begin(), examples.classes.end(), std::uint64_t{0});
  };
  EXPECT_EQ(sum(data.train), 3598198U);
  EXPECT_EQ(sum(data.test), 4302196U);
}

TEST(RealFiles, SeriesHaveTheRightScale) {
  const Places places = places_from_environment();
  if (!has_all_files(*find_known("m4-weekly"), places))
    GTEST_SKIP() << "m4 is neither in LACONIC_DATA nor in the cache";
  const Dataset data = load_named("m4-weekly", places);
  const auto& rows = std::get<DenseRows>(data.test.rows);
  double sum = 0;
  for (std::size_t i = 0; i < rows.rows(); ++i) {
    // The last row of a series: the mean, which is in every row, changes after it.
    if (i + 1 == rows.rows() || rows.row(i)[26] != rows.row(i + 1)[26]) sum += rows.row(i)[25];
  }
  EXPECT_NEAR(sum, 361.22119310843243, 359 * 1e-6);  // floats below 10, one per series
}

TEST(Catalog, IsConsistent) {
  std::set<std::string_view> names;
  for (const KnownDataset& d : known_datasets()) {
    EXPECT_TRUE(names.insert(d.name).second) << d.name;
    EXPECT_EQ(find_known(d.name), &d);
    EXPECT_FALSE(d.summary.empty());
    EXPECT_FALSE(d.licence.empty());
    EXPECT_TRUE(d.base_url.starts_with("http")) << d.name;
    ASSERT_FALSE(d.files.empty()) << d.name;
    for (const KnownFile& file : d.files) {
      if (file.sha256.empty()) {
        EXPECT_FALSE(d.by_hand.empty()) << d.name << ": nothing unchecked is fetched";
      } else {
        EXPECT_EQ(file.sha256.size(), 64U) << file.name;
        EXPECT_GT(file.bytes, 0U) << file.name;
        EXPECT_GT(file.rows, 0U) << file.name;
      }
      EXPECT_FALSE(role_name(file.role).empty());
      // Or find_file would not see what fetch brought.
      EXPECT_TRUE(file.remote_name == file.name ||
                  file.remote_name == std::string(file.name) + ".gz")
          << file.name;
    }
  }
  EXPECT_EQ(find_known("imagenet"), nullptr);
}

TEST(Catalog, LooksIntoTheDataFolderFirstAndTakesPlainOrGzip) {
  const TemporaryFolder data;
  const TemporaryFolder cache;
  const Places places{.data = data.path(), .cache = cache.path()};
  const KnownDataset& phishing = *find_known("phishing");
  EXPECT_EQ(find_file(phishing, phishing.files[0], places), std::nullopt);
  const auto cached = cache.write("phishing/phishing.gz", "x");
  EXPECT_EQ(find_file(phishing, phishing.files[0], places), cached);
  const auto given = data.write("phishing/phishing.gz", "x");
  EXPECT_EQ(find_file(phishing, phishing.files[0], places), given);
  const auto plain = data.write("phishing/phishing", "x");
  EXPECT_EQ(find_file(phishing, phishing.files[0], places), plain);
}

TEST(Catalog, SaysHowToGetAMissingFile) {
  EXPECT_EQ(error_of<ConfigError>(
                [] { (void)load_named("a9a", {.data = {}, .cache = "/nowhere/cache"}); }),
            "a9a: neither a9a nor a9a.gz is in $LACONIC_DATA (not set) or in the cache "
            "(/nowhere/cache/a9a); run "
            "`laconic data fetch a9a`, or set LACONIC_DATA to a folder that holds a9a/a9a");
  const std::string by_hand = error_of<ConfigError>(
      [] { (void)load_named("ijcnn1", {.data = "/nowhere/data", .cache = "/nowhere/cache"}); });
  EXPECT_TRUE(by_hand.starts_with(
      "ijcnn1: neither ijcnn1 nor ijcnn1.gz is in $LACONIC_DATA (/nowhere/data/ijcnn1) or in "
      "the cache (/nowhere/cache/ijcnn1); it cannot be fetched: the publisher serves bzip2"))
      << by_hand;
  EXPECT_TRUE(by_hand.ends_with("below LACONIC_DATA as ijcnn1/ijcnn1")) << by_hand;
}

TEST(Catalog, RefusesAnUnknownName) {
  EXPECT_EQ(error_of<ConfigError>([] { (void)load_named("a8a", {}); }),
            "'a8a' is not a known data set; use a9a, w7a, w8a, phishing, mushrooms, ijcnn1, "
            "lasvm-reuters, "
            "news20-multiclass, mnist, fashion-mnist, cifar10, cifar10-subset, tinyshakespeare, "
            "wikitext-2, wikitext-2-small, m4-weekly or m4-hourly");
}

TEST(Catalog, DataSetsMayShareAFolder) {
  const TemporaryFolder folder;
  const auto path = folder.write("m4/Weekly-train.csv", "id,a\nW1,1\n");
  const KnownDataset& weekly = *find_known("m4-weekly");
  EXPECT_EQ(find_file(weekly, weekly.files[0], {.data = folder.path()}), path);
  EXPECT_EQ(error_of<ConfigError>([&] { (void)load_named("m4-weekly", {.data = folder.path()}); }),
            path.string() +
                ": 1 series, but Weekly-train.csv of m4-weekly has 359; the file is damaged or "
                "another one, get it again");
  const std::string missing =
      error_of<ConfigError>([&] { (void)load_named("m4-hourly", {.data = folder.path()}); });
  EXPECT_TRUE(missing.ends_with("that holds m4/Hourly-train.csv")) << missing;
}

TEST(Catalog, ReadsBatchesOneAfterTheOther) {
  const TemporaryFolder folder;
  KnownDataset toy = *find_known("cifar10");
  ASSERT_EQ(toy.files.size(), 6U);
  for (std::size_t i = 0; i < toy.files.size(); ++i) {
    toy.files[i].rows = 2;
    std::string images(std::size_t{2} * 3073, '\0');
    images[0] = static_cast<char>(i);
    folder.write("cifar10/" + std::string(toy.files[i].name), images);
  }
  const Dataset data = load_known(toy, {.data = folder.path()});
  EXPECT_EQ(data.description, "10 + 2 rows, 3072 features (3 x 32 x 32 pixels), 10 classes");
  EXPECT_EQ(data.train.classes, (std::vector<std::uint32_t>{0, 0, 1, 0, 2, 0, 3, 0, 4, 0}));
  EXPECT_EQ(data.test.classes, (std::vector<std::uint32_t>{5, 0}));
  toy.files[3].rows = 3;
  EXPECT_EQ(error_of<ConfigError>([&] { (void)load_known(toy, {.data = folder.path()}); }),
            (folder.path() / "cifar10/data_batch_4.bin").string() +
                ": 2 images, but data_batch_4.bin of cifar10 has 3; the file is damaged or another "
                "one, get it again");
}

TEST(Catalog, RefusesAFileWithAnotherNumberOfRows) {
  const TemporaryFolder folder;
  const auto path = folder.write("phishing/phishing", "1 1:1\n0 68:1\n");
  EXPECT_EQ(error_of<ConfigError>([&] { (void)load_named("phishing", {.data = folder.path()}); }),
            path.string() +
                ": 2 rows, but phishing of phishing has 11055; the file is damaged or another one, "
                "get it again");
}

}  // namespace
}  // namespace laconic::data
