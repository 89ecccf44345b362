// SPDX-License-Identifier: Apache-2.0
// Generated texts and series.
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <map>
#include <utility>
#include <vector>

#include "laconic/base/error.hpp"
#include "laconic/data/checksum.hpp"
#include "laconic/data/generate.hpp"
#include "tests/unit/data/support.hpp"

namespace laconic::data {
namespace {

using testing::error_of;

// Of all rows and classes of the training part.
std::string fingerprint(const Dataset& dataset) {
  std::vector<std::byte> bytes;
  const auto add = [&](std::uint32_t word) {
    for (int shift = 0; shift < 32; shift += 8)
      bytes.push_back(static_cast<std::byte>(word >> shift));
  };
  for (const float value : std::get<DenseRows>(dataset.train.rows).values)
    add(std::bit_cast<std::uint32_t>(value));
  for (const std::uint32_t label : dataset.train.classes) add(label);
  return sha256(bytes).substr(0, 16);
}

TEST(SyntheticText, GivesTheSameBitsOnEveryMachine) {
  EXPECT_EQ(fingerprint(synthetic_text({.rows = 100, .seed = 1})), "6612417d930f7aff");
  EXPECT_EQ(fingerprint(synthetic_text({.rows = 100, .symbols = 5, .order = 3, .seed = 2})),
            "a0cb17020fcde79f");
}

TEST(SyntheticText, IsADataSetOfTokens) {
  const Dataset data = synthetic_text({.rows = 30, .test_rows = 4, .context = 7, .symbols = 5});
  EXPECT_TRUE(data.tokens);
  EXPECT_EQ(data.description, "30 + 4 rows of 7 tokens, vocabulary of 5");
  for (const float token : std::get<DenseRows>(data.train.rows).values)
    EXPECT_TRUE(token == 0 || token == 1 || token == 2 || token == 3 || token == 4);
  EXPECT_LT(*std::max_element(data.train.classes.begin(), data.train.classes.end()), 5U);
}

TEST(SyntheticText, EntropyOfPureChanceIsThatOfTheAlphabet) {
  EXPECT_NEAR(synthetic_text_entropy({.symbols = 8, .exponent = 0}), std::log(8.0), 1e-14);
  // Two symbols with probabilities 4/5 and 1/5.
  EXPECT_NEAR(synthetic_text_entropy({.symbols = 2, .exponent = 2}),
              -0.8 * std::log(0.8) - 0.2 * std::log(0.2), 1e-14);
}

// The empirical conditional entropy of a pair count agrees with the formula: with C contexts and S
// symbols it lies below by about C (S - 1) / (2 N), and varies by deviation(log p) / sqrt(N).
TEST(SyntheticText, TheEntropyIsThatOfTheTokens) {
  const TextSourceOptions options{.rows = 4000, .test_rows = 0, .context = 50, .symbols = 6};
  const Dataset data = synthetic_text(options);
  const auto& rows = std::get<DenseRows>(data.train.rows);
  std::map<std::pair<float, float>, double> pairs;
  std::map<float, double> firsts;
  double count = 0;
  for (std::size_t i = 0; i < rows.rows(); ++i) {
    for (std::size_t t = 0; t < 50; ++t) {
      const float next =
          t + 1 < 50 ? rows.row(i)[t + 1] : static_cast<float>(data.train.classes[i]);
      ++pairs[{rows.row(i)[t], next}];
      ++firsts[rows.row(i)[t]];
      ++count;
    }
  }
  double entropy = 0;
  for (const auto& entry : pairs)
    entropy -= entry.second / count * std::log(entry.second / firsts[entry.first.first]);
  const double bias = 6 * 5 / (2 * count);
  EXPECT_NEAR(entropy, synthetic_text_entropy(options), bias + 5 * 1.1 / std::sqrt(count));
}

TEST(SyntheticText, RefusesOptionsOutOfRange) {
  EXPECT_EQ(error_of<ConfigError>([] { (void)synthetic_text({.symbols = 1}); }),
            "synthetic-text: symbols=1 is not in [2, 4096]");
  EXPECT_EQ(error_of<ConfigError>([] { (void)synthetic_text({.symbols = 4096, .order = 2}); }),
            "synthetic-text: symbols=4096 with order=2 are more than 16777216 transitions; take "
            "fewer symbols or a smaller order");
  EXPECT_EQ(error_of<ConfigError>([] { (void)synthetic_text({.symbols = 4096, .order = 8}); }),
            "synthetic-text: symbols=4096 with order=8 are more than 16777216 transitions; take "
            "fewer symbols or a smaller order");
}

TEST(SyntheticSeries, GivesTheSameBitsOnEveryMachine) {
  EXPECT_EQ(fingerprint(synthetic_series({.series = 3, .length = 60, .seed = 1})),
            "da99b5f665e5b74c");
}

TEST(SyntheticSeries, IsADataSetOfWindows) {
  const Dataset data = synthetic_series({.series = 4, .length = 100});
  EXPECT_EQ(data.label_kind, LabelKind::kNone);
  EXPECT_EQ(data.series_lags, 20U);
  EXPECT_EQ(data.series_horizon, 6U);
  // 25 windows each; 2 are held out, 1 lies between.
  EXPECT_EQ(data.description, "88 + 8 rows of 20 + 6 values of a time series, no labels");
}

// Without noise and with a single wave a value follows from the two before: x'' = 2 cos(w) x' - x.
TEST(SyntheticSeries, WithoutNoiseAWaveFollowsItsRecursion) {
  const Dataset data = synthetic_series({.series = 1,
                                         .length = 200,
                                         .waves = 1,
                                         .noise = 0,
                                         .windows = {.lags = 4, .horizon = 1, .stride = 1}});
  const auto row = std::get<DenseRows>(data.train.rows).row(10);
  const auto difference = [&](std::size_t i) {  // without the shift
    return static_cast<double>(row[i + 1]) - static_cast<double>(row[i]);
  };
  const double factor = (difference(2) + difference(0)) / difference(1);
  EXPECT_LE(std::abs(factor), 2.0);
  EXPECT_NEAR(difference(3), factor * difference(2) - difference(1), 1e-5);
}

TEST(SyntheticSeries, RefusesOptionsOutOfRange) {
  EXPECT_EQ(error_of<ConfigError>([] { (void)synthetic_series({.length = 1}); }),
            "synthetic-series: length=1 is not in [2, 1000000]");
  EXPECT_EQ(error_of<ConfigError>([] { (void)synthetic_series({.series = 2, .length = 25}); }),
            "synthetic-series: none of the 2 series gives a training row: 2 are too short for "
            "lags=20 and horizon=6, 0 are constant; take smaller windows or another file");
}

}  // namespace
}  // namespace laconic::data
