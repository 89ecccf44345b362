// SPDX-License-Identifier: Apache-2.0
#include "laconic/data/generate.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <string>

#include "laconic/base/card.hpp"
#include "laconic/base/exact_math.hpp"
#include "laconic/data/generate_support.hpp"
#include "laconic/data/load.hpp"
#include "laconic/data/shard.hpp"
#include "laconic/rng/stream.hpp"

namespace laconic::data {
namespace {

// Features of a row by a law of ranks: P(rank r) is proportional to 1 / (r + 1).
class SparseGenerator {
 public:
  explicit SparseGenerator(const SparseOptions& options)
      : options_(options),
        cumulated_(options.features),
        ranking_(options.features),
        weights_(options.features),
        used_(options.features, 0) {
    double sum = 0;
    for (std::uint32_t r = 0; r < options.features; ++r) {
      sum += 1.0 / (r + 1.0);
      cumulated_[r] = sum;
    }
    std::iota(ranking_.begin(), ranking_.end(), 0U);
    rng::permute(common_stream(options.seed, kRankingTensor), ranking_);
    rng::fill_normal(common_stream(options.seed, kHyperplaneTensor), {},
                     std::span<double>(weights_));
  }

  // The training rows first: they fix the hyperplane for both splits.
  Examples generate(Split split, std::uint32_t count) {
    const Blocks blocks{.rows = count, .workers = options_.workers};
    Examples out;
    std::vector<Drawn> drawn;
    SparseRows rows;
    rows.features = options_.features;
    std::uint32_t block = 0;
    for (std::uint32_t i = 0; i < count; ++i) {
      rng::Reader reader(row_stream(options_.seed, split, i));
      const auto mixed = static_cast<std::uint32_t>(reader.below(options_.workers));
      while (i >= blocks.begin(block + 1)) ++block;
      drawn.push_back(add_row(reader, split == Split::kTrain ? block : mixed, rows));
    }
    // The hyperplane lies where it parts the training rows in halves: frequent features would
    // otherwise put nearly all rows on one side.
    if (split == Split::kTrain) threshold_ = median(drawn);
    for (const Drawn& row : drawn) {
      out.signs.push_back((row.margin >= threshold_) != row.flip ? 1.0 : -1.0);
    }
    out.rows = std::move(rows);
    return out;
  }

 private:
  struct Drawn {
    double margin = 0;
    bool flip = false;
  };
  // The lower one of an even number. Precondition: rows is not empty.
  static double median(const std::vector<Drawn>& rows) {
    std::vector<double> margins;
    for (const Drawn& row : rows) margins.push_back(row.margin);
    std::sort(margins.begin(), margins.end());
    return margins[(margins.size() - 1) / 2];
  }

  Drawn add_row(rng::Reader& reader, std::uint32_t block, SparseRows& rows) {
    const std::uint32_t least = (options_.nonzeros + 1) / 2;
    const std::uint32_t most = options_.nonzeros + options_.nonzeros / 2;
    const auto count = least + static_cast<std::uint32_t>(reader.below(most - least + 1));
    const std::size_t first = rows.columns.size();
    for (std::uint32_t k = 0; k < count; ++k) rows.columns.push_back(draw_feature(reader, block));
    std::sort(rows.columns.begin() + static_cast<std::ptrdiff_t>(first), rows.columns.end());
    double norm2 = 0;
    for (std::uint32_t k = 0; k < count; ++k) {
      const auto occurrences =
          static_cast<double>(1 + reader.below(3));  // of a word in a text, say
      rows.values.push_back(occurrences);
      norm2 += occurrences * occurrences;
    }
    const double norm = std::sqrt(norm2);
    double margin = 0;
    for (std::size_t k = first; k < rows.columns.size(); ++k) {
      rows.values[k] /= norm;
      margin += weights_[rows.columns[k]] * rows.values[k];
      used_[rows.columns[k]] = 0;
    }
    rows.offsets.push_back(rows.columns.size());
    return {.margin = margin, .flip = reader.unit_double() < options_.flip_probability};
  }

  // A feature that the row does not have yet; of a taken one the next in rank stands in.
  std::uint32_t draw_feature(rng::Reader& reader, std::uint32_t block) {
    const bool own = reader.unit_double() < options_.heterogeneity;
    const double target = reader.unit_double() * cumulated_.back();
    const auto it = std::upper_bound(cumulated_.begin(), cumulated_.end() - 1, target);
    // A block's own ranking is the common one, turned by the block's share of the features.
    std::uint64_t place = static_cast<std::uint64_t>(it - cumulated_.begin());
    if (own) place += std::uint64_t{block} * options_.features / options_.workers;
    while (used_[ranking_[place % options_.features]] != 0) ++place;
    const std::uint32_t feature = ranking_[place % options_.features];
    used_[feature] = 1;
    return feature;
  }

  const SparseOptions& options_;
  std::vector<double> cumulated_;       // of the law of ranks, not normalised
  std::vector<std::uint32_t> ranking_;  // feature of each rank
  std::vector<double> weights_;         // normal of the hyperplane
  double threshold_ = 0;                // its margin
  std::vector<char> used_;              // features of the row under construction
};

constexpr std::uint32_t kImageClasses = 10;

class ImageGenerator {
 public:
  explicit ImageGenerator(const ImageOptions& options)
      : options_(options), pixels_(std::size_t{options.side} * options.side) {
    for (std::uint32_t c = 0; c < kImageClasses; ++c) prototypes_[c] = prototype(c);
  }

  Examples generate(Split split, std::uint32_t count) const {
    Examples out;
    DenseRows rows;
    rows.features = options_.side * options_.side;
    rows.values.resize(pixels_ * count);
    for (std::uint32_t i = 0; i < count; ++i) {
      rng::Reader reader(row_stream(options_.seed, split, i));
      const bool sorted = reader.unit_double() < options_.heterogeneity && split == Split::kTrain;
      const auto uniform = static_cast<std::uint32_t>(reader.below(kImageClasses));
      const auto by_place =
          static_cast<std::uint32_t>(std::uint64_t{kImageClasses} * i / count);  // below 10
      const std::uint32_t label = sorted ? by_place : uniform;
      draw(reader, label, std::span(rows.values).subspan(pixels_ * i, pixels_));
      out.classes.push_back(label);
    }
    out.rows = std::move(rows);
    return out;
  }

 private:
  // A sum of five blobs, cut off at 1.
  [[nodiscard]] std::vector<double> prototype(std::uint32_t label) const {
    constexpr int kBlobs = 5;
    rng::Reader reader(common_stream(options_.seed, kPrototypeTensor, label));
    std::vector<double> out(pixels_, 0.0);
    for (int b = 0; b < kBlobs; ++b) {
      const double row = options_.side * (0.2 + 0.6 * reader.unit_double());
      const double column = options_.side * (0.2 + 0.6 * reader.unit_double());
      const double width = options_.side * (0.06 + 0.08 * reader.unit_double());
      const double height = 0.5 + 0.5 * reader.unit_double();
      for (std::uint32_t i = 0; i < options_.side; ++i) {
        for (std::uint32_t j = 0; j < options_.side; ++j) {
          const double distance2 = (i - row) * (i - row) + (j - column) * (j - column);
          double& pixel = out[std::size_t{i} * options_.side + j];
          pixel = std::min(1.0, pixel + height * exact::exp(-distance2 / (2.0 * width * width)));
        }
      }
    }
    return out;
  }

  struct Shift {
    std::int64_t down = 0;
    std::int64_t right = 0;
  };

  Shift draw_shift(rng::Reader& reader) const {
    const std::uint32_t reach = options_.side / 9;
    Shift shift;
    shift.down = static_cast<std::int64_t>(reader.below(2 * reach + 1)) - reach;
    shift.right = static_cast<std::int64_t>(reader.below(2 * reach + 1)) - reach;
    return shift;
  }

  [[nodiscard]] double shifted(std::uint32_t label, std::int64_t row, std::int64_t column) const {
    const auto side = static_cast<std::int64_t>(options_.side);
    if (row < 0 || column < 0 || row >= side || column >= side) return 0;
    return prototypes_[label][static_cast<std::size_t>(row * side + column)];
  }

  // The class's prototype over a fainter one of any class, both shifted, plus noise.
  void draw(rng::Reader& reader, std::uint32_t label, std::span<float> out) const {
    const Shift shift = draw_shift(reader);
    const double brightness = 0.5 + 0.5 * reader.unit_double();
    const auto other = static_cast<std::uint32_t>(reader.below(kImageClasses));
    const Shift other_shift = draw_shift(reader);
    const double other_brightness = 0.4 * reader.unit_double();
    std::size_t k = 0;
    for (std::int64_t i = 0; i < options_.side; ++i) {
      for (std::int64_t j = 0; j < options_.side; ++j, ++k) {
        const double value =
            brightness * shifted(label, i - shift.down, j - shift.right) +
            other_brightness * shifted(other, i - other_shift.down, j - other_shift.right) +
            options_.noise * bell(reader.u32());
        out[k] = static_cast<float>(std::floor(std::clamp(value, 0.0, 1.0) * 255.0 + 0.5)) / 255.0F;
      }
    }
  }

  // About normal with mean 0 and deviation 1, from one word: the sum of its four bytes.
  static double bell(std::uint32_t word) {
    constexpr double kMean = 510;
    constexpr double kDeviation = 147.80054127099803;  // sqrt(4 (256^2 - 1) / 12)
    const std::uint32_t sum =
        (word & 255) + ((word >> 8) & 255) + ((word >> 16) & 255) + (word >> 24);
    return (sum - kMean) / kDeviation;
  }

  const ImageOptions& options_;
  std::size_t pixels_;
  std::array<std::vector<double>, kImageClasses> prototypes_;
};

}  // namespace

Dataset synthetic_sparse(const SparseOptions& options) {
  constexpr std::string_view kName = "synthetic-sparse";
  check(options.rows, {kName, "rows", 1, kMaxRows});
  check(options.test_rows, {kName, "test_rows", 0, kMaxRows});
  check(options.features, {kName, "features", 2, 1e8});
  check(options.nonzeros, {kName, "nonzeros", 1, std::floor(options.features / 2.0)});
  check(options.flip_probability, {kName, "flip", 0, 0.5});
  check(options.heterogeneity, {kName, "heterogeneity", 0, 1});
  check(options.workers, {kName, "workers", 1, static_cast<double>(options.rows)});
  check_entries(kName, std::uint64_t{options.rows} + options.test_rows, options.nonzeros);
  SparseGenerator generator(options);
  Dataset out;
  out.name = kName;
  out.train = generator.generate(Split::kTrain, options.rows);
  out.test = generator.generate(Split::kTest, options.test_rows);
  out.description = summarize(out);
  return out;
}

Dataset synthetic_images(const ImageOptions& options) {
  constexpr std::string_view kName = "synthetic-images";
  check(options.rows, {kName, "rows", 1, kMaxRows});
  check(options.test_rows, {kName, "test_rows", 0, kMaxRows});
  check(options.side, {kName, "side", 7, 256});
  check(options.noise, {kName, "noise", 0, 10});
  check(options.heterogeneity, {kName, "heterogeneity", 0, 1});
  check_entries(kName, std::uint64_t{options.rows} + options.test_rows,
                std::uint64_t{options.side} * options.side);
  const ImageGenerator generator(options);
  Dataset out;
  out.name = kName;
  out.label_kind = LabelKind::kClasses;
  out.class_count = kImageClasses;
  out.image_height = options.side;
  out.image_width = options.side;
  out.train = generator.generate(Split::kTrain, options.rows);
  out.test = generator.generate(Split::kTest, options.test_rows);
  out.description = summarize(out);
  return out;
}

DataMethod synthetic_sparse_method() {
  static const Card card{
      .kind = "data",
      .name = "synthetic-sparse",
      .summary = "Generated sparse rows with two labels from a noisy random hyperplane",
      .params = {
          {"rows", ParamType::kInteger, "4000", "the number of training rows", 1, kMaxRows},
          {"test_rows", ParamType::kInteger, "1000", "the number of test rows", 0, kMaxRows},
          {"features", ParamType::kInteger, "200", "the number of features", 2, 1e8},
          {"nonzeros", ParamType::kInteger, "15", "the average number of entries per row", 1, 5e7},
          {"flip", ParamType::kReal, "0.05", "the probability that a label is flipped", 0, 0.5},
          {"heterogeneity", ParamType::kReal, "0", "how far the workers' blocks of rows differ", 0,
           1}}};
  return {&card, [](const Args& args, const DataSetup& setup) {
            return std::make_unique<Dataset>(synthetic_sparse(
                {.rows = static_cast<std::uint32_t>(args.integer("rows")),
                 .test_rows = static_cast<std::uint32_t>(args.integer("test_rows")),
                 .features = static_cast<std::uint32_t>(args.integer("features")),
                 .nonzeros = static_cast<std::uint32_t>(args.integer("nonzeros")),
                 .flip_probability = args.real("flip"),
                 .heterogeneity = args.real("heterogeneity"),
                 .workers = setup.workers,
                 .seed = setup.seed}));
          }};
}

DataMethod synthetic_images_method() {
  static const Card card{
      .kind = "data",
      .name = "synthetic-images",
      .summary = "Generated images of ten classes: shifted, mixed and noisy blobs",
      .params = {
          {"rows", ParamType::kInteger, "6000", "the number of training images", 1, kMaxRows},
          {"test_rows", ParamType::kInteger, "1000", "the number of test images", 0, kMaxRows},
          {"side", ParamType::kInteger, "28", "the height and width in pixels", 7, 256},
          {"noise", ParamType::kReal, "0.25", "the deviation of the noise of a pixel", 0, 10},
          {"heterogeneity", ParamType::kReal, "0", "how far the file is sorted by class", 0, 1}}};
  return {&card, [](const Args& args, const DataSetup& setup) {
            return std::make_unique<Dataset>(synthetic_images(
                {.rows = static_cast<std::uint32_t>(args.integer("rows")),
                 .test_rows = static_cast<std::uint32_t>(args.integer("test_rows")),
                 .side = static_cast<std::uint32_t>(args.integer("side")),
                 .noise = args.real("noise"),
                 .heterogeneity = args.real("heterogeneity"),
                 .seed = setup.seed}));
          }};
}

}  // namespace laconic::data
