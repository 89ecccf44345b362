// SPDX-License-Identifier: Apache-2.0
// Examples with labels, as every reader and generator of this layer returns them. Plain values,
// built once and then only read: sharing a const Dataset between threads is safe.
//
// Labels come in two kinds. Binary labels are -1 or +1 (`signs`); of the two labels in a file the
// larger one is +1. Class labels are 0 .. class_count-1 (`classes`).
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
// bottom.
struct DenseRows {
  std::vector<float> values = {};
  std::uint32_t features = 0;

  [[nodiscard]] std::size_t rows() const { return features == 0 ? 0 : values.size() / features; }
  // Precondition: i < rows().
  [[nodiscard]] std::span<const float> row(std::size_t i) const {
    return std::span(values).subspan(i * features, features);
  }
};

enum class LabelKind : std::uint8_t { kBinary, kClasses };

// Rows with one label each. Exactly one of signs and classes has size() elements, the other none.
struct Examples {
  std::variant<SparseRows, DenseRows> rows = {};
  std::vector<double> signs = {};           // -1 or +1
  std::vector<std::uint32_t> classes = {};  // below Dataset::class_count

  [[nodiscard]] std::size_t size() const { return signs.size() + classes.size(); }
  [[nodiscard]] std::uint32_t features() const;
  [[nodiscard]] std::uint64_t nonzeros() const;  // stored entries: of dense rows all of them
  // The label of every row as a class: binary -1 is 0 and +1 is 1.
  [[nodiscard]] std::vector<std::uint32_t> label_ids() const;
};

struct Dataset {
  std::string name = {};         // the canonical spec or the name of a known data set
  std::string description = {};  // one line: rows, features, labels
  LabelKind label_kind = LabelKind::kBinary;
  std::uint32_t class_count = 2;  // 2 for binary labels
  // What the classes (binary: -1 and +1) are called in the file, increasing; empty: -1 and 1, or 0,
  // 1, 2, ...
  std::vector<double> label_values = {};
  std::uint32_t image_height = 0;  // 0 when rows are not images; height * width = features
  std::uint32_t image_width = 0;
  Examples train = {};
  Examples test = {};  // size() 0 when the data set has none; else as many features as train
};

// One per class, of the file or those that an empty list stands for.
[[nodiscard]] std::vector<double> label_values(const Dataset& dataset);

// The first `count` rows (all if there are fewer).
[[nodiscard]] Examples head(const Examples& examples, std::size_t count);

// "32561 + 16281 rows, 123 features, 13.9 non-zeros per row, labels -1: 24720, +1: 7841".
[[nodiscard]] std::string summarize(const Dataset& dataset);

}  // namespace laconic::data
