// SPDX-License-Identifier: Apache-2.0
// Any dense data with one shift and one scale for all numbers: the training rows get mean 0 and
// deviation 1, the test rows the same map, as is usual for images (MNIST: 0.1307 and 0.3081,
// laser.md 5.1). Sums are formed in double, in order.
#include <fmt/format.h>

#include <cmath>
#include <memory>
#include <span>

#include "laconic/base/error.hpp"
#include "laconic/data/load.hpp"
#include "laconic/data/moments.hpp"

namespace laconic::data {
namespace {

// Empty when the rows are sparse.
std::span<float> dense_values(Examples& examples) {
  DenseRows* const rows = std::get_if<DenseRows>(&examples.rows);
  return rows == nullptr ? std::span<float>() : std::span<float>(rows->values);
}

std::unique_ptr<Dataset> load_standardised(const Args& args, const DataSetup& setup) {
  auto out = std::make_unique<Dataset>(load(args.inner(), setup));
  if (out->tokens || out->series_lags > 0) {
    throw ConfigError(fmt::format("standardised: the rows of {} are {}; use it as it is",
                                  args.inner().name,
                                  out->tokens ? "token ids, which are names and not quantities"
                                              : "windows of series, which are scaled already"));
  }
  const std::span<float> train = dense_values(out->train);
  if (train.empty()) {
    throw ConfigError(fmt::format(
        "standardised: the rows of {} are sparse, and a shift would fill them; use it as it is",
        args.inner().name));
  }
  const Moments moments = moments_of<float>(train);
  if (!(moments.deviation > 0)) {
    throw ConfigError(fmt::format(
        "standardised: all numbers of {} are {}; there is nothing to scale, use it as it is",
        args.inner().name, moments.mean));
  }
  for (const std::span<float> values : {train, dense_values(out->test)}) {
    for (float& value : values) {
      value = static_cast<float>((static_cast<double>(value) - moments.mean) / moments.deviation);
    }
  }
  return out;
}

}  // namespace

DataMethod standardised_method() {
  static const Card card{
      .kind = "data",
      .name = "standardised",
      .summary =
          "Dense data shifted and scaled so that all training numbers together have mean 0 "
          "and deviation 1",
      .inner_kind = "data"};
  return {&card, &load_standardised};
}

}  // namespace laconic::data
