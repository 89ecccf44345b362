// SPDX-License-Identifier: Apache-2.0
// Which data a problem can be given, said before the problem is made from them.
#include <fmt/format.h>

#include <string_view>

#include "laconic/base/error.hpp"
#include "laconic/data/dataset.hpp"
#include "laconic/problem/problem.hpp"

namespace laconic {
namespace {

Takes kind_of(const data::Dataset& dataset) {
  if (dataset.tokens) return Takes::kTokens;
  if (dataset.series_lags > 0) return Takes::kSeries;
  return dataset.image_height > 0 ? Takes::kImages : Takes::kFeatures;
}

std::string_view rows_of_kind(Takes kind) {
  switch (kind) {
    case Takes::kFeatures:
      return "rows of features";
    case Takes::kImages:
      return "images";
    case Takes::kTokens:
      return "windows of tokens";
    case Takes::kSeries:
      return "windows of time series";
  }
  return "";
}

}  // namespace

void check_suits(std::string_view problem, const ProblemTraits& traits,
                 const data::Dataset& dataset) {
  const Takes kind = kind_of(dataset);
  const bool suits =
      kind == traits.takes || (kind == Takes::kImages && traits.takes == Takes::kFeatures);
  if (!suits) {
    throw ConfigError(fmt::format(
        "{}: data set {} has {}, but the problem takes {}; use data of that kind, or a "
        "problem that is made for {}",
        problem, dataset.name, rows_of_kind(kind), rows_of_kind(traits.takes), rows_of_kind(kind)));
  }
  if (traits.needs_labels && dataset.label_kind == data::LabelKind::kNone) {
    throw ConfigError(
        fmt::format("{}: data set {} has no labels, which the problem needs; use data with labels, "
                    "or a problem without, such as autoencoder",
                    problem, dataset.name));
  }
}

}  // namespace laconic
