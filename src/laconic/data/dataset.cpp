// SPDX-License-Identifier: Apache-2.0
#include "laconic/data/dataset.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

namespace laconic::data {
namespace {

SparseRows first_rows(const SparseRows& rows, std::size_t count) {
  const auto end = static_cast<std::ptrdiff_t>(rows.offsets[count]);
  SparseRows out;
  out.features = rows.features;
  out.offsets.assign(rows.offsets.begin(),
                     rows.offsets.begin() + static_cast<std::ptrdiff_t>(count) + 1);
  out.columns.assign(rows.columns.begin(), rows.columns.begin() + end);
  out.values.assign(rows.values.begin(), rows.values.begin() + end);
  return out;
}

DenseRows first_rows(const DenseRows& rows, std::size_t count) {
  const auto end = static_cast<std::ptrdiff_t>(count * rows.features);
  return {.values = {rows.values.begin(), rows.values.begin() + end}, .features = rows.features};
}

}  // namespace

std::size_t Examples::size() const {
  return std::visit([](const auto& r) { return r.rows(); }, rows);
}

std::uint32_t Examples::features() const {
  return std::visit([](const auto& r) { return r.features; }, rows);
}

std::uint64_t Examples::nonzeros() const {
  return std::visit([](const auto& r) { return std::uint64_t{r.values.size()}; }, rows);
}

std::vector<std::uint32_t> Examples::label_ids() const {
  if (signs.empty() && classes.empty()) return std::vector<std::uint32_t>(size(), 0);
  if (signs.empty()) return classes;
  std::vector<std::uint32_t> out(signs.size());
  std::transform(signs.begin(), signs.end(), out.begin(),
                 [](double sign) { return sign > 0 ? 1U : 0U; });
  return out;
}

std::vector<double> label_values(const Dataset& dataset) {
  if (!dataset.label_values.empty()) return dataset.label_values;
  if (dataset.label_kind == LabelKind::kBinary) return {-1, 1};
  std::vector<double> out(dataset.class_count);
  std::iota(out.begin(), out.end(), 0.0);
  return out;
}

Examples head(const Examples& examples, std::size_t count) {
  count = std::min(count, examples.size());
  Examples out;
  std::visit([&](const auto& rows) { out.rows = first_rows(rows, count); }, examples.rows);
  const auto first = [&](const auto& labels) { return std::min(count, labels.size()); };
  out.signs.assign(examples.signs.begin(),
                   examples.signs.begin() + static_cast<std::ptrdiff_t>(first(examples.signs)));
  out.classes.assign(
      examples.classes.begin(),
      examples.classes.begin() + static_cast<std::ptrdiff_t>(first(examples.classes)));
  return out;
}

std::string summarize(const Dataset& dataset) {
  const Examples& train = dataset.train;
  std::string out = fmt::format("{}", train.size());
  if (dataset.test.size() > 0) out += fmt::format(" + {}", dataset.test.size());
  if (dataset.tokens) {
    return out + fmt::format(" rows of {} tokens, vocabulary of {}", train.features(),
                             dataset.class_count);
  }
  if (dataset.series_lags > 0) {
    return out + fmt::format(" rows of {} + {} values of a time series, no labels",
                             dataset.series_lags, dataset.series_horizon);
  }
  out += fmt::format(" rows, {} features", train.features());
  if (std::holds_alternative<SparseRows>(train.rows) && train.size() > 0) {
    out += fmt::format(", {:.1f} non-zeros per row",
                       static_cast<double>(train.nonzeros()) / static_cast<double>(train.size()));
  }
  if (dataset.image_height > 0) {
    const std::uint32_t channels = train.features() / (dataset.image_height * dataset.image_width);
    out += channels == 1 ? " (" : fmt::format(" ({} x ", channels);
    out += fmt::format("{} x {} pixels)", dataset.image_height, dataset.image_width);
  }
  if (dataset.label_kind == LabelKind::kNone) return out + ", no labels";
  if (dataset.label_kind == LabelKind::kClasses)
    return out + fmt::format(", {} classes", dataset.class_count);
  const auto positive =
      std::count_if(train.signs.begin(), train.signs.end(), [](double sign) { return sign > 0; });
  return out + fmt::format(", labels -1: {}, +1: {}",
                           train.size() - static_cast<std::size_t>(positive), positive);
}

}  // namespace laconic::data
