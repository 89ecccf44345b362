// SPDX-License-Identifier: Apache-2.0
// Time series with a known amount of noise, for forecasters.
#include <fmt/format.h>

#include <cmath>
#include <memory>
#include <vector>

#include "laconic/base/exact_math.hpp"
#include "laconic/data/generate.hpp"
#include "laconic/data/generate_support.hpp"
#include "laconic/data/load.hpp"
#include "laconic/data/readers.hpp"

namespace laconic::data {
namespace {

constexpr double kMaxSeries = 1e6;
constexpr double kMaxLength = 1e6;
constexpr double kMaxWaves = 1000;
constexpr double kShortestPeriod = 6;
constexpr double kLongestPeriod = 48;

struct Wave {
  double amplitude = 0;
  double frequency = 0;  // turns per step
  double phase = 0;      // in turns
};

double value_at(const Wave& wave, std::uint32_t step) {
  const double turns = wave.frequency * step + wave.phase;
  return wave.amplitude * exact::sincos_2pi(turns - std::floor(turns)).first;
}

// The shift and the scale, 10^0 to 10^4, are what the reader of the windows has to take away.
Series make_series(const SeriesSourceOptions& options, std::uint32_t number) {
  rng::Reader reader(common_stream(options.seed, kWavesTensor, number));
  std::vector<Wave> waves(options.waves);
  for (Wave& wave : waves) {
    wave.amplitude = 0.5 + reader.unit_double();
    wave.frequency =
        1 / (kShortestPeriod + (kLongestPeriod - kShortestPeriod) * reader.unit_double());
    wave.phase = reader.unit_double();
  }
  constexpr double kLog10 = 2.302585092994046;
  const double scale = exact::exp(4 * kLog10 * reader.unit_double());
  const double shift = scale * 10 * reader.unit_double();
  Series out;
  out.id = fmt::format("S{}", number + 1);
  out.values.reserve(options.length);
  for (std::uint32_t t = 0; t < options.length; ++t) {
    double value = options.noise * reader.normal();
    for (const Wave& wave : waves) value += value_at(wave, t);
    out.values.push_back(shift + scale * value);
  }
  return out;
}

}  // namespace

Dataset synthetic_series(const SeriesSourceOptions& options) {
  constexpr std::string_view kName = "synthetic-series";
  check(options.series, {kName, "series", 1, kMaxSeries});
  check(options.length, {kName, "length", 2, kMaxLength});
  check(options.waves, {kName, "waves", 1, kMaxWaves});
  check(options.noise, {kName, "noise", 0, 100});
  check(options.windows.lags, {kName, "lags", 1, kMaxWindow});
  check(options.windows.horizon, {kName, "horizon", 1, kMaxWindow});
  check(options.windows.stride, {kName, "stride", 1, kMaxWindow});
  check(options.windows.held_out, {kName, "held_out", 0, kMaxHeldOut});
  check_entries(kName, options.series, options.length);
  std::vector<Series> series;
  series.reserve(options.series);
  for (std::uint32_t i = 0; i < options.series; ++i) series.push_back(make_series(options, i));
  Dataset out = series_dataset(cut_windows(series, kName, options.windows), options.windows);
  out.name = kName;
  out.description = summarize(out);
  return out;
}

DataMethod synthetic_series_method() {
  static const Card card{
      .kind = "data",
      .name = "synthetic-series",
      .summary = "Generated windows of time series: sums of sines and noise",
      .params = [] {
        std::vector<ParamCard> params = {
            {"series", ParamType::kInteger, "50", "the number of series", 1, kMaxSeries},
            {"length", ParamType::kInteger, "300", "the values of a series", 2, kMaxLength},
            {"waves", ParamType::kInteger, "3", "the number of sines of a series", 1, kMaxWaves},
            {"noise", ParamType::kReal, "0.1", "the deviation of the noise of a value", 0, 100}};
        const std::vector<ParamCard> more = window_params();
        params.insert(params.end(), more.begin(), more.end());
        return params;
      }()};
  return {&card, [](const Args& args, const DataSetup& setup) {
            return std::make_unique<Dataset>(
                synthetic_series({.series = static_cast<std::uint32_t>(args.integer("series")),
                                  .length = static_cast<std::uint32_t>(args.integer("length")),
                                  .waves = static_cast<std::uint32_t>(args.integer("waves")),
                                  .noise = args.real("noise"),
                                  .windows = window_options(args),
                                  .seed = setup.seed}));
          }};
}

}  // namespace laconic::data
