// SPDX-License-Identifier: Apache-2.0
#include "laconic/experiment/sweep_plan.hpp"

#include <algorithm>
#include <array>

#include "laconic/base/assert.hpp"

namespace laconic::experiment {
namespace {

using TextField = std::optional<std::string> MethodSettings::*;
struct NamedField {
  const char* key;
  TextField field;
};
constexpr std::array<NamedField, 7> kSpecs = {{{"aggregator", &MethodSettings::aggregator},
                                               {"optimizer", &MethodSettings::optimizer},
                                               {"schedule", &MethodSettings::schedule},
                                               {"order", &MethodSettings::order},
                                               {"adversary", &MethodSettings::adversary},
                                               {"estimator", &MethodSettings::estimator},
                                               {"link", &MethodSettings::link}}};

// The method's own value or template of a key, else the shared one.
template <class T>
void fill(MethodSettings& own, const MethodSettings& shared, const char* key,
          std::optional<T> MethodSettings::*field) {
  if (own.*field || own.templates.contains(key)) return;
  own.*field = shared.*field;
  const auto text = shared.templates.find(key);
  if (text != shared.templates.end()) own.templates.insert(*text);
}

MethodSettings completed(MethodSettings own, const MethodSettings& shared) {
  for (const NamedField& spec : kSpecs) fill(own, shared, spec.key, spec.field);
  fill(own, shared, "step", &MethodSettings::step);
  fill(own, shared, "batch", &MethodSettings::batch);
  fill(own, shared, "until", &MethodSettings::until);
  fill(own, shared, "budget", &MethodSettings::budget);
  fill(own, shared, "unit", &MethodSettings::unit);
  fill(own, shared, "workers", &MethodSettings::workers);
  fill(own, shared, "allow_divergence", &MethodSettings::allow_divergence);
  if (!own.rounds && !own.epochs) {
    own.rounds = shared.rounds;
    own.epochs = shared.epochs;
  }
  return own;
}

template <class T>
void put(Instance& out, const Assignment& values, const char* key,
         Result<T> (*parse)(std::string_view), std::optional<T> MethodSettings::*field) {
  const auto text = out.settings.templates.find(key);
  if (text == out.settings.templates.end()) return;
  if (auto value = parse(substitute(text->second, values))) {
    out.settings.*field = *value;
  } else {
    out.problems.emplace_back(key, value.error());
  }
}

}  // namespace

std::uint64_t SweepPlan::cells_of(std::size_t method) const {
  std::uint64_t count = 1;
  for (const std::size_t key : methods[method].keys) {
    count = std::min(kMaxCells + 1, count * sweep.keys[key].values.size());
  }
  return count;
}

std::uint64_t SweepPlan::cells() const {
  std::uint64_t count = 0;
  for (std::size_t m = 0; m < methods.size(); ++m) {
    count = std::min(kMaxCells + 1, count + cells_of(m));
  }
  return count;
}

Cell SweepPlan::cell(std::uint64_t index) const {
  LACONIC_EXPECTS(index < cells());
  Cell out;
  while (index >= cells_of(out.method)) index -= cells_of(out.method++);
  const std::vector<std::size_t>& keys = methods[out.method].keys;
  for (auto key = keys.rbegin(); key != keys.rend(); ++key) {
    const SweepKey& swept = sweep.keys[*key];
    out.values.emplace_back(swept.name, swept.values[index % swept.values.size()]);
    index /= swept.values.size();
  }
  std::reverse(out.values.begin(), out.values.end());
  return out;
}

Assignment SweepPlan::group_of(const Cell& cell) const {
  Assignment out;
  for (const auto& value : cell.values) {
    if (!sweep.selects(value.first)) out.push_back(value);
  }
  return out;
}

SweepPlan plan_sweep(const Config& config) {
  LACONIC_EXPECTS(config.sweep.has_value());
  SweepPlan out;
  out.sweep = *config.sweep;
  for (const MethodSettings& own : config.methods) {
    MethodTemplate method;
    method.settings = completed(own, config.shared);
    method.title = own.name.value_or(method.settings.aggregator.value_or(""));
    for (std::size_t k = 0; k < out.sweep.keys.size(); ++k) {
      for (const auto& [key, text] : texts_of(method.settings)) {
        const auto names = placeholders(text);
        if (std::find(names.begin(), names.end(), out.sweep.keys[k].name) == names.end()) continue;
        method.keys.push_back(k);
        break;
      }
    }
    out.methods.push_back(std::move(method));
  }
  return out;
}

Instance instantiate(const MethodTemplate& method, const Assignment& values) {
  Instance out;
  out.settings = method.settings;
  for (const NamedField& spec : kSpecs) {
    auto& text = out.settings.*(spec.field);
    if (text) text = substitute(*text, values);
  }
  put(out, values, "step", &parse_step, &MethodSettings::step);
  put(out, values, "batch", &parse_batch, &MethodSettings::batch);
  put(out, values, "until", &parse_until, &MethodSettings::until);
  put(out, values, "budget", &parse_budget, &MethodSettings::budget);
  out.settings.templates.clear();
  return out;
}

std::vector<std::pair<std::string, std::string>> texts_of(const MethodSettings& settings) {
  std::vector<std::pair<std::string, std::string>> out;
  for (const NamedField& spec : kSpecs) {
    if (settings.*(spec.field)) out.emplace_back(spec.key, *(settings.*(spec.field)));
  }
  out.insert(out.end(), settings.templates.begin(), settings.templates.end());
  return out;
}

}  // namespace laconic::experiment
