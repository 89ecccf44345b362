// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <type_traits>
#include <vector>

#include "laconic/problem/methods.hpp"

namespace laconic {
namespace {

const std::vector<problem::ProblemMethod>& all_methods() {
  static const std::vector<problem::ProblemMethod> methods = {
#define X(name) problem::name##_method(),
#include "laconic/problem/methods.def"
#undef X
  };
  return methods;
}

}  // namespace

template <Real T>
const ProblemRegistry<T>& problems() {
  static const ProblemRegistry<T> registry = [] {
    std::vector<Method<Problem<T>, ProblemSetup>> methods;
    for (const problem::ProblemMethod& method : all_methods()) {
      if constexpr (std::is_same_v<T, float>) {
        methods.push_back({.card = method.card, .make = method.make_float});
      } else {
        methods.push_back({.card = method.card, .make = method.make_double});
      }
    }
    return ProblemRegistry<T>(std::move(methods));
  }();
  return registry;
}
template const ProblemRegistry<float>& problems<float>();
template const ProblemRegistry<double>& problems<double>();

void add_problem_cards(Catalog& catalog) {
  for (const problem::ProblemMethod& method : all_methods()) catalog.add(*method.card);
}

ProblemTraits problem_traits(std::string_view name) {
  const auto& methods = all_methods();
  const auto it = std::find_if(methods.begin(), methods.end(),
                               [&](const auto& method) { return method.card->name == name; });
  LACONIC_EXPECTS(it != methods.end());
  return it->traits;
}

}  // namespace laconic
