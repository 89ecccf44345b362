// SPDX-License-Identifier: Apache-2.0
// 1/sqrt(t + 1), or slower at first with an offset; always 1 in round 0.
#include <cmath>

#include "laconic/optim/methods.hpp"

namespace laconic::schedule_methods {
namespace {

const Card kInvSqrtCard{.kind = "schedule",
                        .name = "inv-sqrt",
                        .summary = "falls like one over the root of the round",
                        .formula = "factor = sqrt(1 + offset) / sqrt(t + 1 + offset)",
                        .params = {{.key = "offset",
                                    .type = ParamType::kReal,
                                    .default_text = "0",
                                    .help = "rounds that count as already done",
                                    .min = 0}},
                        .promises = "sqrt(1 + offset)/sqrt(t + 1 + offset)"};

class InvSqrt final : public Schedule {
 public:
  explicit InvSqrt(const Args& args) : offset_(args.real("offset")) {}
  [[nodiscard]] double factor(std::uint32_t t, std::uint32_t) const override {
    return std::sqrt(1 + offset_) / std::sqrt(static_cast<double>(t) + 1 + offset_);
  }

 private:
  double offset_;
};

}  // namespace

Method<Schedule, ScheduleSetup> inv_sqrt() {
  return {&kInvSqrtCard, [](const Args& args, const ScheduleSetup&) -> std::unique_ptr<Schedule> {
            return std::make_unique<InvSqrt>(args);
          }};
}

void inv_sqrt_problems(const Args&, std::vector<std::string>&) {}

}  // namespace laconic::schedule_methods
