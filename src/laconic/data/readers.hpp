// SPDX-License-Identifier: Apache-2.0
// What readers of files and known data sets share: parameters of cards, options from arguments, and
// the data set around what a reader returns. Private to this layer.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "laconic/base/args.hpp"
#include "laconic/base/card.hpp"
#include "laconic/data/dataset.hpp"
#include "laconic/data/series.hpp"
#include "laconic/data/text.hpp"

namespace laconic::data {

inline constexpr std::string_view kNoFile = "none";
inline constexpr std::string_view kPathHelp =
    "a file, plain or gzip, whose path has no space and none of : , = ( )";
inline constexpr std::string_view kTestPathHelp = "a file like it with the test rows, or none";

// ConfigError unless there is such a file. A spec cannot hold every path, and a path cut short at a
// character that it cannot hold is not found.
void require_exists(std::string_view method, std::string_view key, const std::string& path);

// level, context and vocabulary; of texts without a test file held_out as well.
[[nodiscard]] std::vector<ParamCard> text_params(TextLevel default_level, bool has_test_file);
[[nodiscard]] TextOptions text_options(const Args& args, bool has_test_file);
[[nodiscard]] Dataset text_dataset(TextData text);

// lags, horizon, stride and held_out.
[[nodiscard]] std::vector<ParamCard> window_params();
[[nodiscard]] WindowOptions window_options(const Args& args);
[[nodiscard]] Dataset series_dataset(SeriesWindows windows, const WindowOptions& options);

// Images with labels of CIFAR-10; test may be empty.
[[nodiscard]] Dataset cifar_dataset(Examples train, Examples test);

}  // namespace laconic::data
