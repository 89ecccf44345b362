// SPDX-License-Identifier: Apache-2.0
// One class against the rest: the rows of other data with binary labels.
#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "laconic/base/error.hpp"
#include "laconic/data/load.hpp"

namespace laconic::data {
namespace {

void relabel(std::uint32_t positive, Examples& examples) {
  const std::vector<std::uint32_t> labels = examples.label_ids();
  examples.classes.clear();
  examples.signs.resize(labels.size());
  std::transform(labels.begin(), labels.end(), examples.signs.begin(),
                 [positive](std::uint32_t label) { return label == positive ? 1.0 : -1.0; });
}

std::unique_ptr<Dataset> load_one_vs_rest(const Args& args, const DataSetup& setup) {
  auto out = std::make_unique<Dataset>(load(args.inner(), setup));
  if (out->tokens || out->label_kind == LabelKind::kNone) {
    throw ConfigError(
        fmt::format("one-vs-rest: the rows of {} have no labels of their own; use it "
                    "as it is, or data with labels",
                    out->name));
  }
  const std::vector<double> labels = label_values(*out);
  const double wanted = args.real("label");
  const auto it = std::find(labels.begin(), labels.end(), wanted);
  if (it == labels.end()) {
    throw ConfigError(
        fmt::format("one-vs-rest: label={} is none of the {} labels of {}, which run from {} to {}",
                    shortest(wanted), labels.size(), out->name, shortest(labels.front()),
                    shortest(labels.back())));
  }
  const auto positive = static_cast<std::uint32_t>(it - labels.begin());
  relabel(positive, out->train);
  relabel(positive, out->test);
  out->label_kind = LabelKind::kBinary;
  out->class_count = 2;
  out->label_values.clear();
  return out;
}

}  // namespace

DataMethod one_vs_rest_method() {
  static const Card card{
      .kind = "data",
      .name = "one-vs-rest",
      .summary = "The rows of other data; one label becomes +1, all others -1",
      .params = {{"label", ParamType::kReal, {}, "the label that becomes +1, as in the file"}},
      .inner_kind = "data"};
  return {&card, &load_one_vs_rest};
}

}  // namespace laconic::data
