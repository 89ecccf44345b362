// SPDX-License-Identifier: Apache-2.0
// Rows in which features are present or absent, as words in a text, for sparse models
// (quantized-adagrad.md section 7).
#include <algorithm>
#include <cmath>
#include <memory>
#include <vector>

#include "laconic/base/exact_math.hpp"
#include "laconic/data/generate.hpp"
#include "laconic/data/generate_support.hpp"
#include "laconic/data/load.hpp"

namespace laconic::data {
namespace {

class PresenceGenerator {
 public:
  explicit PresenceGenerator(const PresenceOptions& options)
      : options_(options), weights_(options.features, 0.0) {
    rng::Reader reader(common_stream(options.seed, kHyperplaneTensor));
    for (std::uint32_t k = 0; k < options.draws; ++k) {
      const double place = reader.unit_double() * reader.unit_double() * options.features;
      weights_[static_cast<std::size_t>(place)] = 2 * reader.normal();
    }
  }

  [[nodiscard]] Examples generate(Split split, std::uint32_t count) const {
    Examples out;
    SparseRows rows;
    rows.features = options_.features;
    for (std::uint32_t r = 0; r < count; ++r) {
      rng::Reader reader(row_stream(options_.seed, split, r));
      const std::size_t first = rows.columns.size();
      double score = 0;
      for (std::uint32_t i = 0; i < options_.features; ++i) {
        if (static_cast<double>(reader.unit_float()) >= std::min(0.5, 6.0 / (i + 5.0))) continue;
        rows.columns.push_back(i);
        score += weights_[i];
      }
      const std::size_t present = rows.columns.size() - first;
      const double value = present == 0 ? 0 : 1 / std::sqrt(static_cast<double>(present));
      rows.values.insert(rows.values.end(), present, value);
      rows.offsets.push_back(rows.columns.size());
      const double positive = exact::sigmoid(options_.sharpness * score * value);
      out.signs.push_back(reader.unit_double() < positive ? 1.0 : -1.0);
    }
    out.rows = std::move(rows);
    return out;
  }

 private:
  const PresenceOptions& options_;
  std::vector<double> weights_;  // the true ones
};

}  // namespace

Dataset synthetic_presence(const PresenceOptions& options) {
  constexpr std::string_view kName = "synthetic-presence";
  check(options.rows, {kName, "rows", 1, kMaxRows});
  check(options.test_rows, {kName, "test_rows", 0, kMaxRows});
  check(options.features, {kName, "features", 1, 1e6});
  check(options.draws, {kName, "draws", 0, 1e6});
  check(options.sharpness, {kName, "sharpness", 0, 1e6});
  check_entries(kName, std::uint64_t{options.rows} + options.test_rows, options.features);
  const PresenceGenerator generator(options);
  Dataset out;
  out.name = kName;
  out.train = generator.generate(Split::kTrain, options.rows);
  out.test = generator.generate(Split::kTest, options.test_rows);
  out.description = summarize(out);
  return out;
}

DataMethod synthetic_presence_method() {
  static const Card card{
      .kind = "data",
      .name = "synthetic-presence",
      .summary =
          "Generated rows of features that are there or not, two labels, sparse true weights",
      .paper = "Made for quantized adaptive subgradient methods, Xu et al., arXiv 2208.05631",
      .params = {{"rows", ParamType::kInteger, "8000", "the number of training rows", 1, kMaxRows},
                 {"test_rows", ParamType::kInteger, "4000", "the number of test rows", 0, kMaxRows},
                 {"features", ParamType::kInteger, "2000", "the number of features", 1, 1e6},
                 {"draws", ParamType::kInteger, "60", "how often a true weight is drawn", 0, 1e6},
                 {"sharpness", ParamType::kReal, "3",
                  "the label is +1 with probability sigmoid(sharpness <w, a>)", 0, 1e6}}};
  return {&card, [](const Args& args, const DataSetup& setup) {
            return std::make_unique<Dataset>(synthetic_presence(
                {.rows = static_cast<std::uint32_t>(args.integer("rows")),
                 .test_rows = static_cast<std::uint32_t>(args.integer("test_rows")),
                 .features = static_cast<std::uint32_t>(args.integer("features")),
                 .draws = static_cast<std::uint32_t>(args.integer("draws")),
                 .sharpness = args.real("sharpness"),
                 .seed = setup.seed}));
          }};
}

}  // namespace laconic::data
