// SPDX-License-Identifier: Apache-2.0
#include "laconic/data/generate.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <map>

#include "laconic/base/error.hpp"
#include "laconic/data/checksum.hpp"
#include "laconic/data/shard.hpp"
#include "laconic/rng/stream.hpp"
#include "tests/oracle/problem_oracle.hpp"
#include "tests/unit/data/support.hpp"

namespace laconic::data {
namespace {

using testing::error_of;

void append(std::uint64_t value, std::vector<std::byte>& out) {
  for (int shift = 0; shift < 64; shift += 8) out.push_back(static_cast<std::byte>(value >> shift));
}

void append(const Examples& examples, std::vector<std::byte>& out) {
  if (const auto* sparse = std::get_if<SparseRows>(&examples.rows)) {
    for (const std::uint64_t offset : sparse->offsets) append(offset, out);
    for (const std::uint32_t column : sparse->columns) append(column, out);
    for (const double value : sparse->values) append(std::bit_cast<std::uint64_t>(value), out);
  } else {
    for (const float value : std::get<DenseRows>(examples.rows).values)
      append(std::bit_cast<std::uint32_t>(value), out);
  }
  for (const std::uint32_t label : examples.label_ids()) append(label, out);
}

std::string fingerprint(const Dataset& dataset) {
  std::vector<std::byte> bytes;
  append(dataset.train, bytes);
  append(dataset.test, bytes);
  return sha256(bytes).substr(0, 16);
}

TEST(SyntheticSparse, GivesTheSameBitsOnEveryMachine) {
  EXPECT_EQ(fingerprint(synthetic_sparse({.rows = 300, .test_rows = 50, .seed = 1})),
            "fa1e571c88ea7237");
  EXPECT_EQ(fingerprint(synthetic_sparse({.rows = 300,
                                          .test_rows = 50,
                                          .features = 1000,
                                          .heterogeneity = 0.5,
                                          .workers = 7,
                                          .seed = 2})),
            "04b89c434fde9406");
}

TEST(SyntheticSparse, PartsTheTrainingRowsInHalvesWhateverTheFrequencies) {
  for (const std::uint32_t nonzeros : {1U, 15U, 50U}) {
    const Dataset data = synthetic_sparse(
        {.rows = 1001, .features = 100, .nonzeros = nonzeros, .flip_probability = 0, .seed = 4});
    const auto positive = std::count(data.train.signs.begin(), data.train.signs.end(), 1.0);
    EXPECT_GE(positive, 501) << nonzeros;
    EXPECT_LE(positive, nonzeros == 1 ? 800 : 501) << nonzeros;  // one entry: equal margins
  }
}

TEST(SyntheticSparse, HasTheShapeAskedFor) {
  const Dataset data =
      synthetic_sparse({.rows = 2000, .test_rows = 100, .features = 50, .nonzeros = 8, .seed = 3});
  EXPECT_EQ(data.train.size(), 2000U);
  EXPECT_EQ(data.test.size(), 100U);
  EXPECT_EQ(data.train.features(), 50U);
  EXPECT_EQ(data.test.features(), 50U);
  EXPECT_LE(std::fabs(static_cast<double>(data.train.nonzeros()) / 2000 - 8),
            0.3);  // deviation of the mean: 0.06
  const auto& rows = std::get<SparseRows>(data.train.rows);
  for (std::size_t i = 0; i < rows.rows(); ++i) {
    const SparseRows::Row row = rows.row(i);
    ASSERT_TRUE(std::is_sorted(row.columns.begin(), row.columns.end()));
    ASSERT_EQ(std::adjacent_find(row.columns.begin(), row.columns.end()), row.columns.end());
    ASSERT_LT(row.columns.back(), 50U);
    double norm2 = 0;
    for (const double value : row.values) norm2 += value * value;
    ASSERT_LE(std::fabs(norm2 - 1), 1e-14);
    ASSERT_TRUE(data.train.signs[i] == 1 || data.train.signs[i] == -1);
  }
}

TEST(SyntheticSparse, FillsRowsOfFewFeatures) {
  const Dataset data =
      synthetic_sparse({.rows = 100, .test_rows = 0, .features = 2, .nonzeros = 1});
  EXPECT_EQ(data.train.nonzeros(), 100U);
  EXPECT_EQ(data.test.size(), 0U);
}

// Labels without flips are those of a hyperplane, so the perceptron (which has no intercept) ends
// with hardly a mistake; with flips it cannot.
TEST(SyntheticSparse, LabelsComeFromAHyperplane) {
  const Dataset data =
      synthetic_sparse({.rows = 500, .test_rows = 0, .features = 100, .flip_probability = 0});
  const auto& rows = std::get<SparseRows>(data.train.rows);
  std::vector<double> weights(100);
  std::size_t mistakes = 1;
  for (int epoch = 0; epoch < 1000 && mistakes > 0; ++epoch) {
    mistakes = 0;
    for (std::size_t i = 0; i < rows.rows(); ++i) {
      const SparseRows::Row row = rows.row(i);
      double margin = 0;
      for (std::size_t k = 0; k < row.columns.size(); ++k)
        margin += weights[row.columns[k]] * row.values[k];
      if (margin * data.train.signs[i] > 0) continue;
      ++mistakes;
      for (std::size_t k = 0; k < row.columns.size(); ++k) {
        weights[row.columns[k]] += data.train.signs[i] * row.values[k];
      }
    }
  }
  EXPECT_LE(mistakes, 5U);
}

// Total variation distance between the feature frequencies of the first and the third of four
// blocks.
double block_distance(double heterogeneity) {
  const SparseOptions options{
      .rows = 4000, .test_rows = 0, .heterogeneity = heterogeneity, .workers = 4};
  const Dataset data = synthetic_sparse(options);
  const auto& rows = std::get<SparseRows>(data.train.rows);
  std::array<std::vector<double>, 4> frequency;
  for (std::uint32_t w = 0; w < 4; ++w) {
    frequency[w].resize(options.features);
    const Blocks blocks{.rows = options.rows, .workers = 4};
    const double total =
        static_cast<double>(rows.offsets[blocks.begin(w + 1)] - rows.offsets[blocks.begin(w)]);
    for (std::size_t i = blocks.begin(w); i < blocks.begin(w + 1); ++i) {
      for (const std::uint32_t column : rows.row(i).columns) frequency[w][column] += 1 / total;
    }
  }
  double distance = 0;
  for (std::size_t j = 0; j < options.features; ++j)
    distance += std::fabs(frequency[0][j] - frequency[2][j]) / 2;
  return distance;
}

TEST(SyntheticSparse, TheDialMovesTheBlocksApart) {
  EXPECT_LE(block_distance(0), 0.06);
  EXPECT_GE(block_distance(0.5), 0.2);
  EXPECT_GE(block_distance(1), 0.5);
}

TEST(SyntheticSparse, RefusesOptionsOutOfRange) {
  EXPECT_EQ(error_of<ConfigError>([] { (void)synthetic_sparse({.features = 10, .nonzeros = 6}); }),
            "synthetic-sparse: nonzeros=6 is not in [1, 5]");
  EXPECT_EQ(error_of<ConfigError>([] { (void)synthetic_sparse({.rows = 3, .workers = 4}); }),
            "synthetic-sparse: workers=4 is not in [1, 3]");
  EXPECT_EQ(error_of<ConfigError>([] { (void)synthetic_sparse({.heterogeneity = 1.5}); }),
            "synthetic-sparse: heterogeneity=1.5 is not in [0, 1]");
  EXPECT_EQ(error_of<ConfigError>([] {
              (void)synthetic_sparse(
                  {.rows = 10000000, .test_rows = 0, .features = 2000, .nonzeros = 1000});
            }),
            "synthetic-sparse: 10000000 rows of 1000 entries are more than 2147483648 entries; "
            "take fewer rows");
}

TEST(SyntheticImages, GivesTheSameBitsOnEveryMachine) {
  EXPECT_EQ(fingerprint(synthetic_images({.rows = 60, .test_rows = 20, .seed = 1})),
            "33cf878d6ac12831");
  EXPECT_EQ(fingerprint(synthetic_images(
                {.rows = 60, .test_rows = 20, .side = 14, .heterogeneity = 0.5, .seed = 2})),
            "2eb1e643479ac8de");
}

TEST(SyntheticImages, HasTheShapeAskedFor) {
  const Dataset data = synthetic_images({.rows = 100, .test_rows = 30, .side = 12, .seed = 1});
  EXPECT_EQ(data.class_count, 10U);
  EXPECT_EQ(data.image_height, 12U);
  EXPECT_EQ(data.image_width, 12U);
  EXPECT_EQ(data.train.features(), 144U);
  EXPECT_EQ(data.train.size(), 100U);
  EXPECT_EQ(data.test.size(), 30U);
  for (const float pixel : std::get<DenseRows>(data.train.rows).values) {
    const float level = std::round(pixel * 255.0F);
    ASSERT_TRUE(level >= 0 && level <= 255);
    ASSERT_EQ(pixel, level / 255.0F);
  }
}

// One hidden layer, plain stochastic gradient descent in file order; the fraction of test rows
// right.
class Perceptron {
 public:
  Perceptron(std::uint32_t inputs, std::uint32_t hidden) : inputs_(inputs), hidden_(hidden) {
    for (std::size_t k = 0; k < inputs * hidden; ++k) first_.push_back(0.05 * centred());
    for (std::size_t k = 0; k < 10 * hidden; ++k) second_.push_back(0.5 * centred());
    first_bias_.resize(hidden);
    second_bias_.resize(10);
    activity_.resize(hidden);
  }

  void learn(std::span<const float> x, std::uint32_t label, double step) {
    forward(x);
    output_[label] -= 1;
    for (std::size_t k = 0; k < hidden_; ++k) {
      double slope = 0;
      for (std::size_t c = 0; c < 10; ++c) {
        slope += output_[c] * second_[c * hidden_ + k];
        second_[c * hidden_ + k] -= step * output_[c] * activity_[k];
      }
      if (activity_[k] <= 0) continue;
      for (std::size_t j = 0; j < inputs_; ++j) first_[k * inputs_ + j] -= step * slope * x[j];
      first_bias_[k] -= step * slope;
    }
    for (std::size_t c = 0; c < 10; ++c) second_bias_[c] -= step * output_[c];
  }

  std::size_t guess(std::span<const float> x) {
    forward(x);
    return static_cast<std::size_t>(std::max_element(output_.begin(), output_.end()) -
                                    output_.begin());
  }

 private:
  double centred() { return reader_.unit_double() - 0.5; }

  // Fills activity_ and output_ (probabilities).
  void forward(std::span<const float> x) {
    for (std::size_t k = 0; k < hidden_; ++k) {
      double sum = first_bias_[k];
      for (std::size_t j = 0; j < inputs_; ++j) sum += first_[k * inputs_ + j] * x[j];
      activity_[k] = std::max(0.0, sum);
    }
    double total = 0;
    for (std::size_t c = 0; c < 10; ++c) {
      double sum = second_bias_[c];
      for (std::size_t k = 0; k < hidden_; ++k) sum += second_[c * hidden_ + k] * activity_[k];
      output_[c] = std::exp(sum);
      total += output_[c];
    }
    for (double& p : output_) p /= total;
  }

  std::size_t inputs_;
  std::size_t hidden_;
  rng::Reader reader_{rng::Stream(1, {.purpose = rng::Purpose::kTest})};
  std::vector<double> first_, first_bias_, second_, second_bias_, activity_;
  std::array<double, 10> output_{};
};

TEST(SyntheticImages, ASmallPerceptronLearnsThemButNotAtOnce) {
  const Dataset data = synthetic_images({.rows = 5000, .test_rows = 1000, .side = 14, .seed = 4});
  const auto& train = std::get<DenseRows>(data.train.rows);
  const auto& test = std::get<DenseRows>(data.test.rows);
  Perceptron net(train.features, 32);
  const auto accuracy = [&] {
    std::size_t right = 0;
    for (std::size_t i = 0; i < test.rows(); ++i)
      right += net.guess(test.row(i)) == data.test.classes[i] ? 1 : 0;
    return static_cast<double>(right) / static_cast<double>(test.rows());
  };
  EXPECT_LE(accuracy(), 0.3);
  for (int epoch = 0; epoch < 6; ++epoch) {
    for (std::size_t i = 0; i < train.rows(); ++i)
      net.learn(train.row(i), data.train.classes[i], 0.02 / (1 + 0.5 * epoch));
  }
  EXPECT_GE(accuracy(), 0.88);
  EXPECT_LE(accuracy(), 0.995);
}

TEST(SyntheticImages, TheDialSortsTheFileByClass) {
  const auto in_place = [](double heterogeneity) {
    const Dataset data =
        synthetic_images({.rows = 1000, .test_rows = 0, .side = 7, .heterogeneity = heterogeneity});
    std::size_t count = 0;
    for (std::size_t i = 0; i < 1000; ++i) count += data.train.classes[i] == i / 100 ? 1 : 0;
    return count;
  };
  EXPECT_LE(in_place(0), 150U);
  EXPECT_GE(in_place(0.5), 480U);  // 550 expected, deviation 16
  EXPECT_EQ(in_place(1), 1000U);
}

TEST(SyntheticImages, RefusesOptionsOutOfRange) {
  EXPECT_EQ(error_of<ConfigError>([] { (void)synthetic_images({.side = 6}); }),
            "synthetic-images: side=6 is not in [7, 256]");
  EXPECT_EQ(error_of<ConfigError>([] { (void)synthetic_images({.noise = -1}); }),
            "synthetic-images: noise=-1 is not in [0, 10]");
}

TEST(SyntheticLowRank, GivesTheSameBitsOnEveryMachine) {
  EXPECT_EQ(fingerprint(synthetic_low_rank({.rows = 100, .test_rows = 20, .seed = 1})),
            "7a0d9ba8c5dcdf40");
  EXPECT_EQ(fingerprint(synthetic_low_rank(
                {.rows = 50, .features = 30, .rank = 7, .noise = 0.1, .seed = 2})),
            "77f3aa849610b754");
}

oracle::Vector gram_eigenvalues(const Dataset& data) {
  const auto& rows = std::get<DenseRows>(data.train.rows);
  oracle::Matrix gram(rows.features, oracle::Vector(rows.features));
  for (std::size_t i = 0; i < rows.rows(); ++i) {
    for (std::size_t j = 0; j < rows.features; ++j) {
      for (std::size_t k = 0; k < rows.features; ++k) {
        gram[j][k] += static_cast<double>(rows.row(i)[j]) * static_cast<double>(rows.row(i)[k]) /
                      static_cast<double>(rows.rows());
      }
    }
  }
  return oracle::eigenvalues(gram);
}

TEST(SyntheticLowRank, HasAsManyDimensionsAsStated) {
  const Dataset data = synthetic_low_rank({.rows = 400, .features = 20, .rank = 3, .seed = 4});
  const oracle::Vector values = gram_eigenvalues(data);  // increasing
  EXPECT_GT(values[17], 1e-4);
  EXPECT_LT(values[16], 1e-13);  // squares of roundings to float
  for (const float pixel : std::get<DenseRows>(data.train.rows).values) {
    EXPECT_GE(pixel, 0.0F);
    EXPECT_LE(pixel, 1.0F);
  }
}

TEST(SyntheticLowRank, NoiseFillsTheOtherDimensions) {
  const Dataset data =
      synthetic_low_rank({.rows = 4000, .features = 20, .rank = 3, .noise = 0.1, .seed = 4});
  const oracle::Vector values = gram_eigenvalues(data);
  for (std::size_t j = 0; j < 17; ++j) EXPECT_NEAR(values[j], 0.01, 0.002);
}

TEST(SyntheticLowRank, EveryClassOccurs) {
  const Dataset data = synthetic_low_rank({.rows = 200, .seed = 3});
  EXPECT_EQ(data.class_count, 4U);
  std::array<int, 4> counts{};
  for (const std::uint32_t label : data.train.classes) ++counts.at(label);
  for (const int count : counts) EXPECT_GT(count, 20);
}

TEST(SyntheticLowRank, RefusesARankAboveTheFeatures) {
  EXPECT_EQ(error_of<ConfigError>([] { (void)synthetic_low_rank({.features = 5, .rank = 6}); }),
            "synthetic-low-rank: rank=6 is not in [2, 5]");
}

TEST(SyntheticPrototypes, GivesTheSameBitsOnEveryMachine) {
  EXPECT_EQ(fingerprint(synthetic_prototypes(
                {.rows = 60, .test_rows = 10, .features = 24, .prototypes = 3, .seed = 1})),
            "0e869c90793794f8");
}

TEST(SyntheticPrototypes, HasTheSpectrumThatItStates) {
  // Prototypes and noise are normal: the covariance is (scale^2 + noise^2) R diag(v^2) R^T.
  const Dataset data = synthetic_prototypes({.rows = 20000,
                                             .test_rows = 0,
                                             .features = 8,
                                             .prototypes = 1000,
                                             .scale = 0.6,
                                             .noise = 0.8,
                                             .seed = 2});
  const oracle::Vector values = gram_eigenvalues(data);  // increasing
  double harmonic = 0;
  for (int i = 1; i <= 8; ++i) harmonic += 1.0 / i;
  double total = 0;
  for (int i = 1; i <= 8; ++i) {
    const double expected = 8 / (i * harmonic);
    EXPECT_NEAR(values[static_cast<std::size_t>(8 - i)] / expected, 1.0, 0.06) << i;
    total += values[static_cast<std::size_t>(8 - i)];
  }
  EXPECT_NEAR(total, 8.0, 0.2);
}

TEST(SyntheticPrototypes, RowsOfOneClassLieAroundItsPrototypes) {
  // Without noise there are as many different rows as prototypes, and none belongs to two classes.
  const Dataset data = synthetic_prototypes(
      {.rows = 2000, .test_rows = 0, .features = 12, .prototypes = 3, .noise = 0, .seed = 3});
  const auto& rows = std::get<DenseRows>(data.train.rows);
  std::map<std::vector<float>, std::uint32_t> class_of;
  for (std::size_t i = 0; i < rows.rows(); ++i) {
    const std::vector<float> row(rows.row(i).begin(), rows.row(i).end());
    const auto [at, is_new] = class_of.try_emplace(row, data.train.classes[i]);
    EXPECT_EQ(at->second, data.train.classes[i]);
  }
  EXPECT_EQ(class_of.size(), 30U);
}

TEST(SyntheticPrototypes, RefusesOptionsOutOfRange) {
  EXPECT_EQ(error_of<ConfigError>([] { (void)synthetic_prototypes({.features = 1}); }),
            "synthetic-prototypes: features=1 is not in [2, 2048]");
}

TEST(SyntheticPresence, GivesTheSameBitsOnEveryMachine) {
  EXPECT_EQ(
      fingerprint(synthetic_presence({.rows = 60, .test_rows = 10, .features = 90, .seed = 1})),
      "ffcc2d6cc6a168bf");
}

TEST(SyntheticPresence, FeaturesAreAsFrequentAsStated) {
  constexpr std::uint32_t kRows = 6000;
  const Dataset data =
      synthetic_presence({.rows = kRows, .test_rows = 0, .features = 300, .seed = 2});
  const auto& rows = std::get<SparseRows>(data.train.rows);
  std::vector<double> count(300, 0.0);
  for (const std::uint32_t column : rows.columns) ++count[column];
  for (std::uint32_t i = 0; i < 300; ++i) {
    const double p = std::min(0.5, 6.0 / (i + 5.0));
    EXPECT_NEAR(count[i] / kRows, p, 5 * std::sqrt(p * (1 - p) / kRows)) << i;
  }
  for (std::size_t r = 0; r < rows.rows(); ++r) {
    const auto values = rows.row(r).values;
    for (const double value : values)
      EXPECT_DOUBLE_EQ(value * value * static_cast<double>(values.size()), 1.0);
  }
}

TEST(SyntheticPresence, LabelsFollowSparseTrueWeights) {
  // With a sharp sigmoid a row's label is the sign of its margin, so that rows which have one
  // weighty feature more often have its sign; without one labels are coins.
  const auto balance = [](double sharpness) {
    const Dataset data = synthetic_presence({.rows = 4000,
                                             .test_rows = 0,
                                             .features = 50,
                                             .draws = 5,
                                             .sharpness = sharpness,
                                             .seed = 3});
    const auto& rows = std::get<SparseRows>(data.train.rows);
    double largest = 0;
    for (std::uint32_t feature = 0; feature < 50; ++feature) {
      double with = 0;
      double sum = 0;
      for (std::size_t r = 0; r < rows.rows(); ++r) {
        const auto columns = rows.row(r).columns;
        if (!std::binary_search(columns.begin(), columns.end(), feature)) continue;
        ++with;
        sum += data.train.signs[r];
      }
      if (with > 500) largest = std::max(largest, std::fabs(sum / with));
    }
    return largest;
  };
  EXPECT_GT(balance(100), 0.5);
  EXPECT_LT(balance(0), 5 / std::sqrt(500.0));
}

TEST(SyntheticPresence, RefusesOptionsOutOfRange) {
  EXPECT_EQ(error_of<ConfigError>([] { (void)synthetic_presence({.sharpness = -1}); }),
            "synthetic-presence: sharpness=-1 is not in [0, 1000000]");
}

}  // namespace
}  // namespace laconic::data
