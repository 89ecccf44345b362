// SPDX-License-Identifier: Apache-2.0
// Data without a test part: the last rows become one. The order of rows is that of the data, so the
// test part is what a file ends with; it is not a random sample.
#include <fmt/format.h>

#include <cmath>
#include <memory>
#include <variant>

#include "laconic/base/error.hpp"
#include "laconic/data/load.hpp"

namespace laconic::data {
namespace {

DenseRows rows_from(const DenseRows& rows, std::size_t first) {
  const auto begin = static_cast<std::ptrdiff_t>(first * rows.features);
  return {.values = {rows.values.begin() + begin, rows.values.end()}, .features = rows.features};
}

SparseRows rows_from(const SparseRows& rows, std::size_t first) {
  const std::uint64_t begin = rows.offsets[first];
  const auto shift = static_cast<std::ptrdiff_t>(begin);
  SparseRows out;
  out.features = rows.features;
  out.offsets.assign(rows.offsets.begin() + static_cast<std::ptrdiff_t>(first), rows.offsets.end());
  for (std::uint64_t& offset : out.offsets) offset -= begin;
  out.columns.assign(rows.columns.begin() + shift, rows.columns.end());
  out.values.assign(rows.values.begin() + shift, rows.values.end());
  return out;
}

template <class T>
std::vector<T> labels_from(const std::vector<T>& labels, std::size_t first) {
  if (labels.empty()) return {};
  return {labels.begin() + static_cast<std::ptrdiff_t>(first), labels.end()};
}

Examples examples_from(const Examples& examples, std::size_t first) {
  Examples out;
  std::visit([&](const auto& rows) { out.rows = rows_from(rows, first); }, examples.rows);
  out.signs = labels_from(examples.signs, first);
  out.classes = labels_from(examples.classes, first);
  return out;
}

std::unique_ptr<Dataset> load_held_out(const Args& args, const DataSetup& setup) {
  auto out = std::make_unique<Dataset>(load(args.inner(), setup));
  if (out->test.size() > 0) {
    throw ConfigError(
        fmt::format("held-out: {} has a test part of {} rows already; use it as it is", out->name,
                    out->test.size()));
  }
  const std::size_t rows = out->train.size();
  const double share = args.real("share");
  const auto held = static_cast<std::size_t>(std::floor(share * static_cast<double>(rows)));
  if (held == 0) {
    throw ConfigError(
        fmt::format("held-out: share={} of the {} rows of {} is less than one row; raise it",
                    shortest(share), rows, out->name));
  }
  out->test = examples_from(out->train, rows - held);
  out->train = head(out->train, rows - held);
  return out;
}

}  // namespace

DataMethod held_out_method() {
  static const Card card{.kind = "data",
                         .name = "held-out",
                         .summary = "Data without test rows; the last rows become the test part",
                         .params = {{.key = "share",
                                     .type = ParamType::kReal,
                                     .default_text = "0.1",
                                     .help = "the share of the rows, rounded down",
                                     .min = 0,
                                     .max = 1,
                                     .min_open = true,
                                     .max_open = true}},
                         .inner_kind = "data"};
  return {&card, &load_held_out};
}

}  // namespace laconic::data
