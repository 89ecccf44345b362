// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "laconic/optim/methods.hpp"

namespace laconic {
namespace {

struct ProblemsOf {
  const Card* card = nullptr;
  void (*append)(const Args&, std::vector<std::string>&) = nullptr;
};

std::vector<std::string> problems_of(std::span<const ProblemsOf> methods, const Spec& canonical) {
  const auto it = std::find_if(methods.begin(), methods.end(), [&](const ProblemsOf& method) {
    return method.card->name == canonical.name;
  });
  LACONIC_EXPECTS(it != methods.end());
  std::vector<std::string> problems;
  it->append(Args(canonical), problems);
  return problems;
}

}  // namespace

template <Real T>
const OptimizerRegistry<T>& optimizers() {
  static const OptimizerRegistry<T> registry({
#define X(name) optimizer_methods::name<T>(),
#include "laconic/optim/methods.def"
#undef X
  });
  return registry;
}
template const OptimizerRegistry<float>& optimizers();
template const OptimizerRegistry<double>& optimizers();

void add_optimizer_cards(Catalog& catalog) {
  for (const auto& method : optimizers<float>().methods()) catalog.add(*method.card);
}

bool builds_matrix(const Spec& canonical) {
  return canonical.name == optimizer_methods::adagrad_cmd<float>().card->name ||
         canonical.name == optimizer_methods::adagrad_rda<float>().card->name;
}

std::vector<std::string> optimizer_problems(const Spec& canonical) {
  static const std::vector<ProblemsOf> methods = {
#define X(name) {optimizer_methods::name<float>().card, &optimizer_methods::name##_problems},
#include "laconic/optim/methods.def"
#undef X
  };
  return problems_of(methods, canonical);
}

const ScheduleRegistry& schedules() {
  static const ScheduleRegistry registry({
#define X(name) schedule_methods::name(),
#include "laconic/optim/schedules.def"
#undef X
  });
  return registry;
}

void add_schedule_cards(Catalog& catalog) {
  for (const auto& method : schedules().methods()) catalog.add(*method.card);
}

std::vector<std::string> schedule_problems(const Spec& canonical) {
  static const std::vector<ProblemsOf> methods = {
#define X(name) {schedule_methods::name().card, &schedule_methods::name##_problems},
#include "laconic/optim/schedules.def"
#undef X
  };
  return problems_of(methods, canonical);
}

}  // namespace laconic
