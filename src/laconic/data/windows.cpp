// SPDX-License-Identifier: Apache-2.0
// Windows of time series with a test part that no training row has seen. Sums are formed in double,
// in order.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "laconic/base/assert.hpp"
#include "laconic/base/error.hpp"
#include "laconic/data/generate_support.hpp"
#include "laconic/data/moments.hpp"
#include "laconic/data/series.hpp"

namespace laconic::data {
namespace {

// Equal values may have a tiny deviation, because their mean is rounded. Against the largest value
// of all, so that no value becomes larger than 2^53 when it is scaled.
bool varies(std::span<const double> training, std::span<const double> all, const Moments& moments) {
  const auto [least, most] = std::minmax_element(training.begin(), training.end());
  double largest = 0;
  for (const double value : all) largest = std::max(largest, std::abs(value));
  return *least != *most && moments.deviation > std::numeric_limits<double>::epsilon() * largest &&
         moments.deviation >= static_cast<double>(std::numeric_limits<float>::min());
}

// Which windows of a series of some length are training rows and which are test rows.
struct Cut {
  std::size_t train_windows = 0;  // the first ones
  std::size_t first_test = 0;     // window number
  std::size_t windows = 0;
  std::size_t train_values = 0;  // before the first target of a test row
};

Cut cut_series(std::size_t length, const WindowOptions& options) {
  const std::size_t window = std::size_t{options.lags} + options.horizon;
  Cut out;
  if (length < window) return out;
  out.windows = (length - window) / options.stride + 1;
  const auto held =
      static_cast<std::size_t>(std::floor(options.held_out * static_cast<double>(out.windows)));
  out.first_test = out.windows - held;
  out.train_windows = out.windows;
  out.train_values = length;
  if (held == 0) return out;
  out.train_values = out.first_test * options.stride + options.lags;
  out.train_windows =
      out.train_values < window ? 0 : (out.train_values - window) / options.stride + 1;
  return out;
}

class Cutter {
 public:
  explicit Cutter(const WindowOptions& options) : options_(options) {
    train_.features = test_.features = options.lags + options.horizon + 2;
  }

  void add(const Series& series, SeriesWindows& out) {
    const Cut cut = cut_series(series.values.size(), options_);
    if (cut.train_windows == 0) {
      ++out.skipped_short;
      return;
    }
    const auto values = std::span(series.values);
    const Moments moments = moments_of(values.first(cut.train_values));
    if (!varies(values.first(cut.train_values), values, moments)) {
      ++out.skipped_constant;
      return;
    }
    for (std::size_t i = 0; i < cut.train_windows; ++i) add_row(values, i, moments, train_);
    for (std::size_t i = cut.first_test; i < cut.windows; ++i) add_row(values, i, moments, test_);
  }

  void finish(SeriesWindows& out) {
    out.train.rows = std::move(train_);
    out.test.rows = std::move(test_);
  }

 private:
  void add_row(std::span<const double> values, std::size_t number, const Moments& moments,
               DenseRows& rows) const {
    const auto window =
        values.subspan(number * options_.stride, std::size_t{options_.lags} + options_.horizon);
    for (const double value : window)
      rows.values.push_back(static_cast<float>((value - moments.mean) / moments.deviation));
    rows.values.push_back(static_cast<float>(moments.mean));
    rows.values.push_back(static_cast<float>(moments.deviation));
  }

  const WindowOptions& options_;
  DenseRows train_;
  DenseRows test_;
};

}  // namespace

SeriesWindows cut_windows(std::span<const Series> series, std::string_view name,
                          const WindowOptions& options) {
  LACONIC_EXPECTS(options.lags >= 1 && options.lags <= kMaxWindow);
  LACONIC_EXPECTS(options.horizon >= 1 && options.horizon <= kMaxWindow);
  LACONIC_EXPECTS(options.stride >= 1 && options.stride <= kMaxWindow);
  LACONIC_EXPECTS(options.held_out >= 0 && options.held_out < 1);
  std::uint64_t rows = 0;
  for (const Series& one : series) rows += cut_series(one.values.size(), options).windows;
  check_entries(name, rows, std::uint64_t{options.lags} + options.horizon + 2);
  SeriesWindows out;
  Cutter cutter(options);
  for (const Series& one : series) cutter.add(one, out);
  cutter.finish(out);
  if (out.train.size() == 0) {
    throw ConfigError(fmt::format(
        "{}: none of the {} series gives a training row: {} are too short for lags={} and "
        "horizon={}, {} are constant; take smaller windows or another file",
        name, series.size(), out.skipped_short, options.lags, options.horizon,
        out.skipped_constant));
  }
  return out;
}

}  // namespace laconic::data
