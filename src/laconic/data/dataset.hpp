// SPDX-License-Identifier: Apache-2.0
// Examples, as every reader and generator of this layer returns them. Plain values, built once and
// then only read: sharing a const Dataset between threads is safe.
//
// Labels come in two kinds. Binary labels are -1 or +1 (`signs`); of the two labels in a file the
// larger one is +1. Class labels are 0 .. class_count-1 (`classes`). Rows may have no labels.
//
// Rows come in four kinds: features without order, images (Dataset::image_height), windows of
// tokens (Dataset::tokens) and windows of a time series (Dataset::series_lags).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <variant>
#include <vector>

namespace laconic::data {

// rows() x features matrix in compressed rows. Row i occupies [offsets[i], offsets[i + 1]) of
// columns and values; its columns are 0-based, strictly increasing and below features. Rows may be
// empty; explicit zeros are kept. Values are double: the text of a file is not rounded to float.
struct SparseRows {
  struct Row {
    std::span<const std::uint32_t> columns;
    std::span<const double> values;  // one per column
  };
  std::vector<std::uint64_t> offsets = {0};  // rows() + 1 elements
  std::vector<std::uint32_t> columns = {};
  std::vector<double> values = {};
  std::uint32_t features = 0;

  [[nodiscard]] std::size_t rows() const { return offsets.size() - 1; }
  // Precondition: i < rows().
  [[nodiscard]] Row row(std::size_t i) const {
    const auto begin = static_cast<std::size_t>(offsets[i]);
    const auto count = static_cast<std::size_t>(offsets[i + 1]) - begin;
    return {std::span(columns).subspan(begin, count), std::span(values).subspan(begin, count)};
  }
};

// rows() x features matrix, row-major. Images: pixels in [0, 1] (byte / 255), lines from top to
// bottom; of several channels one whole image after the other.
struct DenseRows {
  std::vector<float> values = {};
  std::uint32_t features = 0;

  [[nodiscard]] std::size_t rows() const { return features == 0 ? 0 : values.size() / features; }
  // Precondition: i < rows().
  [[nodiscard]] std::span<const float> row(std::size_t i) const {
    return std::span(values).subspan(i * features, features);
  }
};

enum class LabelKind : std::uint8_t { kBinary, kClasses, kNone };

// Rows with one label each or none. Of signs and classes at most one has size() elements, the other
// none.
struct Examples {
  std::variant<SparseRows, DenseRows> rows = {};
  std::vector<double> signs = {};           // -1 or +1
  std::vector<std::uint32_t> classes = {};  // below Dataset::class_count

  [[nodiscard]] std::size_t size() const;  // the number of rows
  [[nodiscard]] std::uint32_t features() const;
  [[nodiscard]] std::uint64_t nonzeros() const;  // stored entries: of dense rows all of them
  // The label of every row as a class: binary -1 is 0 and +1 is 1; without labels all are 0.
  [[nodiscard]] std::vector<std::uint32_t> label_ids() const;
};

struct Dataset {
  std::string name = {};         // the canonical spec or the name of a known data set
  std::string description = {};  // one line: rows, features, labels
  LabelKind label_kind = LabelKind::kBinary;
  std::uint32_t class_count = 2;  // 2 for binary labels, 0 without labels
  // What the classes (binary: -1 and +1) are called in the file, increasing; empty: -1 and 1, or 0,
  // 1, 2, ...
  std::vector<double> label_values = {};
  std::uint32_t image_height = 0;  // 0 when rows are not images
  std::uint32_t image_width = 0;   // features = channels * height * width, channel by channel
  // DenseRows of token ids 0 .. class_count-1, which a float holds exactly (class_count is at most
  // 2^24). A row is a window of consecutive tokens; its class is the token after its last one.
  bool tokens = false;
  // Not 0: DenseRows of series_lags + series_horizon + 2 features, a window of a time series: the
  // inputs, then the values that follow them, both shifted and scaled by the series' mean and
  // deviation, then these two. label_kind is kNone.
  std::uint32_t series_lags = 0;
  std::uint32_t series_horizon = 0;
  Examples train = {};
  Examples test = {};  // size() 0 when the data set has none; else as many features as train
};

// One per class, of the file or those that an empty list stands for; none without labels.
[[nodiscard]] std::vector<double> label_values(const Dataset& dataset);

// The first `count` rows (all if there are fewer).
[[nodiscard]] Examples head(const Examples& examples, std::size_t count);

// "32561 + 16281 rows, 123 features, 13.9 non-zeros per row, labels -1: 24720, +1: 7841",
// "15685 + 1742 rows of 64 tokens, vocabulary of 65",
// "4000 + 400 rows of 20 + 6 values of a time series, no labels".
[[nodiscard]] std::string summarize(const Dataset& dataset);

}  // namespace laconic::data
