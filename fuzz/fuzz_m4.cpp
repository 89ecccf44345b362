// SPDX-License-Identifier: Apache-2.0
// CSV files of M4, plain or gzip: refused with the name of the file, or series whose windows are
// finite.
#include <cmath>

#include "fuzz/fuzz.hpp"
#include "laconic/base/error.hpp"
#include "laconic/data/series.hpp"

namespace laconic::data {
namespace {

using fuzz::require;

constexpr SeriesOptions kOptions = {.max_content_bytes = 1 << 20};
constexpr WindowOptions kWindows = {.lags = 3, .horizon = 2, .stride = 2, .held_out = 0.3};

void check_part(const Examples& part) {
  require(part.nonzeros() == part.size() * (3 + 2 + 2), "whole windows");
  for (const float value : std::get<DenseRows>(part.rows).values)
    require(std::isfinite(value), "numbers are finite");
}

void check(std::span<const std::byte> bytes) {
  try {
    const std::vector<Series> series = parse_m4(bytes, "fuzz.csv", kOptions);
    require(!series.empty(), "there are series");
    for (const Series& one : series) {
      require(!one.id.empty() && !one.values.empty(), "a series has an id and values");
      for (const double value : one.values)
        require(std::abs(value) <= kMaxSeriesValue, "values are in their range");
    }
    const SeriesWindows windows = cut_windows(series, "fuzz.csv", kWindows);
    require(windows.train.size() > 0, "there is a training row");
    check_part(windows.train);
    check_part(windows.test);
  } catch (const ConfigError& error) {
    require(std::string_view(error.what()).starts_with("fuzz.csv"), "a refusal names the file");
  }
}

}  // namespace
}  // namespace laconic::data

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  laconic::data::check(laconic::fuzz::bytes_of(data, size));
  return 0;
}
