// SPDX-License-Identifier: Apache-2.0
// Images that lie near a space of few dimensions, for autoencoders (3pc.md section 7).
#include <memory>
#include <vector>

#include "laconic/data/generate.hpp"
#include "laconic/data/generate_support.hpp"
#include "laconic/data/load.hpp"

namespace laconic::data {
namespace {

class LowRankGenerator {
 public:
  explicit LowRankGenerator(const LowRankOptions& options)
      : options_(options), basis_(std::size_t{options.rank} * options.features) {
    rng::Reader reader(common_stream(options.seed, kBasisTensor));
    for (double& value : basis_) value = reader.unit_double();
  }

  [[nodiscard]] Examples generate(Split split, std::uint32_t count) const {
    Examples out;
    DenseRows rows;
    rows.features = options_.features;
    rows.values.reserve(std::size_t{count} * options_.features);
    std::vector<double> shares(options_.rank);
    for (std::uint32_t i = 0; i < count; ++i) {
      rng::Reader reader(row_stream(options_.seed, split, i));
      std::uint32_t largest = 0;
      for (std::uint32_t k = 0; k < options_.rank; ++k) {
        shares[k] = reader.unit_double();
        if (shares[k] > shares[largest]) largest = k;
      }
      for (std::uint32_t j = 0; j < options_.features; ++j) {
        double pixel = 0;
        for (std::uint32_t k = 0; k < options_.rank; ++k) {
          pixel += shares[k] * basis_[std::size_t{k} * options_.features + j];
        }
        pixel /= options_.rank;
        if (options_.noise != 0) pixel += options_.noise * reader.normal();
        rows.values.push_back(static_cast<float>(pixel));
      }
      out.classes.push_back(largest);
    }
    out.rows = std::move(rows);
    return out;
  }

 private:
  const LowRankOptions& options_;
  std::vector<double> basis_;  // rank x features
};

}  // namespace

Dataset synthetic_low_rank(const LowRankOptions& options) {
  constexpr std::string_view kName = "synthetic-low-rank";
  check(options.rows, {kName, "rows", 1, kMaxRows});
  check(options.test_rows, {kName, "test_rows", 0, kMaxRows});
  check(options.features, {kName, "features", 2, 1e6});
  check(options.rank, {kName, "rank", 2, static_cast<double>(options.features)});
  check(options.noise, {kName, "noise", 0, 10});
  check_entries(kName, std::uint64_t{options.rows} + options.test_rows, options.features);
  const LowRankGenerator generator(options);
  Dataset out;
  out.name = kName;
  out.label_kind = LabelKind::kClasses;
  out.class_count = options.rank;
  out.train = generator.generate(Split::kTrain, options.rows);
  out.test = generator.generate(Split::kTest, options.test_rows);
  out.description = summarize(out);
  return out;
}

DataMethod synthetic_low_rank_method() {
  static const Card card{
      .kind = "data",
      .name = "synthetic-low-rank",
      .summary = "Generated dense rows in a space of few dimensions, for autoencoders",
      .params = {
          {"rows", ParamType::kInteger, "2000", "the number of training rows", 1, kMaxRows},
          {"test_rows", ParamType::kInteger, "0", "the number of test rows", 0, kMaxRows},
          {"features", ParamType::kInteger, "64", "the number of features", 2, 1e6},
          {"rank", ParamType::kInteger, "4", "the dimension, and the number of classes", 2, 1e6},
          {"noise", ParamType::kReal, "0", "the deviation of the noise of a feature", 0, 10}}};
  return {&card, [](const Args& args, const DataSetup& setup) {
            return std::make_unique<Dataset>(synthetic_low_rank(
                {.rows = static_cast<std::uint32_t>(args.integer("rows")),
                 .test_rows = static_cast<std::uint32_t>(args.integer("test_rows")),
                 .features = static_cast<std::uint32_t>(args.integer("features")),
                 .rank = static_cast<std::uint32_t>(args.integer("rank")),
                 .noise = args.real("noise"),
                 .seed = setup.seed}));
          }};
}

}  // namespace laconic::data
