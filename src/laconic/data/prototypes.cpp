// SPDX-License-Identifier: Apache-2.0
// Classes of several prototypes each, seen through a random rotation with a decaying spectrum, as
// gradients of images have (laser.md section 7).
#include <cmath>
#include <memory>
#include <vector>

#include "laconic/data/generate.hpp"
#include "laconic/data/generate_support.hpp"
#include "laconic/data/load.hpp"

namespace laconic::data {
namespace {

constexpr std::uint32_t kClasses = 10;

// Rows of a random rotation: Gram-Schmidt of normal numbers, every row twice.
std::vector<double> rotation(std::uint32_t size, std::uint64_t seed) {
  std::vector<double> rows(std::size_t{size} * size);
  for (std::uint32_t i = 0; i < size; ++i) {
    double* const row = &rows[std::size_t{i} * size];
    rng::Reader reader(common_stream(seed, kRotationTensor, i));
    for (std::uint32_t k = 0; k < size; ++k) row[k] = reader.normal();
    for (int pass = 0; pass < 2; ++pass) {
      for (std::uint32_t j = 0; j < i; ++j) {
        const double* const other = &rows[std::size_t{j} * size];
        double along = 0;
        for (std::uint32_t k = 0; k < size; ++k) along += other[k] * row[k];
        for (std::uint32_t k = 0; k < size; ++k) row[k] -= along * other[k];
      }
      double squared = 0;
      for (std::uint32_t k = 0; k < size; ++k) squared += row[k] * row[k];
      const double length = std::sqrt(squared);
      for (std::uint32_t k = 0; k < size; ++k) row[k] /= length;
    }
  }
  return rows;
}

class PrototypeGenerator {
 public:
  explicit PrototypeGenerator(const PrototypeOptions& options)
      : options_(options), mixing_(rotation(options.features, options.seed)) {
    const std::uint32_t d = options.features;
    double sum = 0;
    for (std::uint32_t i = 0; i < d; ++i) sum += 1.0 / (i + 1.0);
    // Column i of the rotation times v_i = sqrt(d / (i sum)), so that the squares add up to d.
    for (std::uint32_t j = 0; j < d; ++j) {
      for (std::uint32_t i = 0; i < d; ++i) {
        mixing_[std::size_t{j} * d + i] *= std::sqrt(d / ((i + 1.0) * sum));
      }
    }
    for (std::uint32_t p = 0; p < kClasses * options.prototypes; ++p) {
      rng::Reader reader(common_stream(options.seed, kPrototypeTensor, p));
      for (std::uint32_t i = 0; i < d; ++i) prototypes_.push_back(reader.normal());
    }
  }

  [[nodiscard]] Examples generate(Split split, std::uint32_t count) const {
    const std::uint32_t d = options_.features;
    Examples out;
    DenseRows rows;
    rows.features = d;
    rows.values.reserve(std::size_t{count} * d);
    std::vector<double> source(d);
    for (std::uint32_t r = 0; r < count; ++r) {
      rng::Reader reader(row_stream(options_.seed, split, r));
      const auto label = static_cast<std::uint32_t>(reader.below(kClasses));
      const auto which = static_cast<std::uint32_t>(reader.below(options_.prototypes));
      const double* const prototype =
          &prototypes_[(std::size_t{label} * options_.prototypes + which) * d];
      for (std::uint32_t i = 0; i < d; ++i) {
        source[i] = options_.scale * prototype[i] + options_.noise * reader.normal();
      }
      for (std::uint32_t j = 0; j < d; ++j) {
        const double* const mix = &mixing_[std::size_t{j} * d];
        double value = 0;
        for (std::uint32_t i = 0; i < d; ++i) value += mix[i] * source[i];
        rows.values.push_back(static_cast<float>(value));
      }
      out.classes.push_back(label);
    }
    out.rows = std::move(rows);
    return out;
  }

 private:
  const PrototypeOptions& options_;
  std::vector<double> mixing_;           // features x features: rotation times spectrum
  std::vector<double> prototypes_ = {};  // by class, then prototype; before mixing
};

}  // namespace

Dataset synthetic_prototypes(const PrototypeOptions& options) {
  constexpr std::string_view kName = "synthetic-prototypes";
  check(options.rows, {kName, "rows", 1, kMaxRows});
  check(options.test_rows, {kName, "test_rows", 0, kMaxRows});
  check(options.features, {kName, "features", 2, 2048});
  check(options.prototypes, {kName, "prototypes", 1, 1000});
  check(options.scale, {kName, "scale", 0, 100});
  check(options.noise, {kName, "noise", 0, 100});
  check_entries(kName, std::uint64_t{options.rows} + options.test_rows, options.features);
  const PrototypeGenerator generator(options);
  Dataset out;
  out.name = kName;
  out.label_kind = LabelKind::kClasses;
  out.class_count = kClasses;
  out.train = generator.generate(Split::kTrain, options.rows);
  out.test = generator.generate(Split::kTest, options.test_rows);
  out.description = summarize(out);
  return out;
}

DataMethod synthetic_prototypes_method() {
  static const Card card{
      .kind = "data",
      .name = "synthetic-prototypes",
      .summary =
          "Generated rows of ten classes with several prototypes each and a decaying spectrum",
      .paper = "Made for comparisons with LASER, Makkuva et al., ICML 2024, arXiv 2310.13033",
      .params = {{"rows", ParamType::kInteger, "20000", "the number of training rows", 1, kMaxRows},
                 {"test_rows", ParamType::kInteger, "4000", "the number of test rows", 0, kMaxRows},
                 {"features", ParamType::kInteger, "196", "the number of features", 2, 2048},
                 {"prototypes", ParamType::kInteger, "20", "prototypes of a class", 1, 1000},
                 {"scale", ParamType::kReal, "0.32", "the deviation of the prototypes", 0, 100},
                 {"noise", ParamType::kReal, "0.5", "the deviation of rows around them", 0, 100}}};
  return {&card, [](const Args& args, const DataSetup& setup) {
            return std::make_unique<Dataset>(synthetic_prototypes(
                {.rows = static_cast<std::uint32_t>(args.integer("rows")),
                 .test_rows = static_cast<std::uint32_t>(args.integer("test_rows")),
                 .features = static_cast<std::uint32_t>(args.integer("features")),
                 .prototypes = static_cast<std::uint32_t>(args.integer("prototypes")),
                 .scale = args.real("scale"),
                 .noise = args.real("noise"),
                 .seed = setup.seed}));
          }};
}

}  // namespace laconic::data
