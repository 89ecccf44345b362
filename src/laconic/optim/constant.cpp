// SPDX-License-Identifier: Apache-2.0
// The same step size in every round.
#include "laconic/optim/methods.hpp"

namespace laconic::schedule_methods {
namespace {

const Card kConstantCard{.kind = "schedule",
                         .name = "constant",
                         .summary = "the same step size in every round",
                         .formula = "factor = 1",
                         .promises = "the factor is 1"};

class Constant final : public Schedule {
 public:
  [[nodiscard]] double factor(std::uint32_t, std::uint32_t) const override { return 1; }
};

}  // namespace

Method<Schedule, ScheduleSetup> constant() {
  return {&kConstantCard, [](const Args&, const ScheduleSetup&) -> std::unique_ptr<Schedule> {
            return std::make_unique<Constant>();
          }};
}

void constant_problems(const Args&, std::vector<std::string>&) {}

}  // namespace laconic::schedule_methods
