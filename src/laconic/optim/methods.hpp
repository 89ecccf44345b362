// SPDX-License-Identifier: Apache-2.0
// What every optimizer's and every schedule's .cpp defines for the registries. Private.
#pragma once

#include <string>
#include <vector>

#include "laconic/base/args.hpp"
#include "laconic/optim/optimizer.hpp"

namespace laconic {

// NAME_problems appends what is wrong between parameters; cards check each of them alone.
namespace optimizer_methods {
#define X(name)                                                             \
  template <Real T>                                                         \
  Method<Optimizer<T>, OptimizerSetup> name();                              \
  extern template Method<Optimizer<float>, OptimizerSetup> name<float>();   \
  extern template Method<Optimizer<double>, OptimizerSetup> name<double>(); \
  void name##_problems(const Args& args, std::vector<std::string>& problems);
#include "laconic/optim/methods.def"
#undef X
}  // namespace optimizer_methods

namespace schedule_methods {
#define X(name)                           \
  Method<Schedule, ScheduleSetup> name(); \
  void name##_problems(const Args& args, std::vector<std::string>& problems);
#include "laconic/optim/schedules.def"
#undef X
}  // namespace schedule_methods

}  // namespace laconic
