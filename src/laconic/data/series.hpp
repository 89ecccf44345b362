// SPDX-License-Identifier: Apache-2.0
// Time series: a reader of the CSV files of the M4 competition, plain or gzip (told apart by
// content), and the windows that a forecaster learns from.
//
// The file: a header, then a series per line: its id, its values from the earliest to the latest,
// empty cells up to the number of cells of the header. A cell may stand in double quotes, which
// then hold no quote and no end of line. Strict: anything else is a ConfigError
// "FILE: line N: column M: ...", with columns counted in cells.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "laconic/data/dataset.hpp"

namespace laconic::data {

struct SeriesOptions {
  std::uint64_t max_content_bytes = std::uint64_t{4} << 30;  // after decompression
};

struct Series {
  std::string id = {};
  std::vector<double> values = {};  // finite, at most kMaxSeriesValue in magnitude; at least one
};
inline constexpr double kMaxSeriesValue = 1e30;  // so that a mean and a deviation are floats

[[nodiscard]] std::vector<Series> parse_m4(std::span<const std::byte> bytes, std::string_view name,
                                           const SeriesOptions& options = {});
[[nodiscard]] std::vector<Series> read_m4(const std::filesystem::path& path,
                                          const SeriesOptions& options = {});

struct WindowOptions {
  std::uint32_t lags = 20;    // values that a forecaster sees
  std::uint32_t horizon = 6;  // values that it has to tell
  std::uint32_t stride = 3;   // from the start of a window to that of the next one
  double held_out = 0.1;      // of the windows of each series, rounded down
};
inline constexpr std::uint32_t kMaxWindow = std::uint32_t{1} << 16;  // of lags, horizon and stride

struct SeriesWindows {
  Examples train = {};
  Examples test = {};
  std::uint64_t skipped_short = 0;     // series without a training window
  std::uint64_t skipped_constant = 0;  // series whose training part does not vary
};

// Rows as Dataset::series_lags describes them, series by series. The last windows of a series are
// test rows. Its training part are the values before the first target of its test rows: they give
// mean and deviation, and windows that reach beyond them are in neither part, so that no training
// row holds a value that a test row asks for. Series without a training window, and those whose
// training part is constant (or varies by less than the rounding of the largest value), are left
// out. ConfigError if no training row remains or there are too many entries. Precondition: the
// options are in range.
[[nodiscard]] SeriesWindows cut_windows(std::span<const Series> series, std::string_view name,
                                        const WindowOptions& options = {});

}  // namespace laconic::data
