// SPDX-License-Identifier: Apache-2.0
// Files in LIBSVM format, plain or gzip: refused with a place, or rows that keep all promises.
#include <cmath>
#include <string>
#include <variant>

#include "fuzz/fuzz.hpp"
#include "laconic/base/error.hpp"
#include "laconic/data/libsvm.hpp"

namespace laconic::data {
namespace {

using fuzz::require;

void check(const LibsvmFile& file, LabelKind kind) {
  const auto& rows = std::get<SparseRows>(file.examples.rows);
  const std::size_t labels =
      kind == LabelKind::kBinary ? file.examples.signs.size() : file.examples.classes.size();
  require(labels == rows.rows() && file.examples.size() == rows.rows(), "one label per row");
  require(rows.columns.size() == rows.values.size(), "one value per column");
  require(rows.offsets.front() == 0 && rows.offsets.back() == rows.values.size(),
          "rows cover the values");
  for (std::size_t i = 0; i < rows.rows(); ++i) {
    require(rows.offsets[i] <= rows.offsets[i + 1], "rows stand in order");
    const SparseRows::Row row = rows.row(i);
    for (std::size_t j = 0; j < row.columns.size(); ++j) {
      require(row.columns[j] < rows.features, "columns are below features");
      require(j == 0 || row.columns[j - 1] < row.columns[j], "columns increase");
      require(std::isfinite(row.values[j]), "values are finite");
    }
  }
  for (const double sign : file.examples.signs) require(sign == 1 || sign == -1, "signs are signs");
  for (const std::uint32_t c : file.examples.classes)
    require(c < file.label_values.size(), "classes exist");
}

void parse(std::span<const std::byte> bytes, const LibsvmOptions& options) {
  try {
    check(parse_libsvm(bytes, "fuzz.txt", options), options.labels);
  } catch (const ConfigError& error) {
    require(std::string_view(error.what()).starts_with("fuzz.txt"), "a refusal names the file");
  }
}

}  // namespace
}  // namespace laconic::data

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using laconic::data::LabelKind;
  using laconic::data::parse;
  const auto bytes = laconic::fuzz::bytes_of(data, size);
  constexpr std::uint64_t kLimit = 1 << 20;
  parse(bytes, {.labels = LabelKind::kBinary, .max_content_bytes = kLimit});
  parse(bytes, {.features = 7,
                .labels = LabelKind::kClasses,
                .max_content_bytes = kLimit,
                .max_line_bytes = 256});
  parse(bytes,
        {.labels = LabelKind::kBinary, .label_values = {-1, 1}, .max_content_bytes = kLimit});
  return 0;
}
