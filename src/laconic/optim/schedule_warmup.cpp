// SPDX-License-Identifier: Apache-2.0
// Rises linearly to another schedule: in the first W rounds that schedule's factor times (t + 1)/W.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "laconic/optim/methods.hpp"

namespace laconic::schedule_methods {
namespace {

const Card kScheduleWarmupCard{
    .kind = "schedule",
    .name = "warmup",
    .summary = "rises linearly to the schedule behind it",
    .formula =
        "factor = (inner schedule's factor) min(1, (t + 1) / W)\n"
        "W = length, or round(length T) for a length below 1",
    .paper = "Goyal et al., arXiv 1706.02677",
    .params = {{.key = "length",
                .type = ParamType::kReal,
                .default_text = "0.05",
                .help = "rounds, or below 1 a fraction of the run",
                .min = 0,
                .max = 4294967295.0,
                .min_open = true}},
    .inner_kind = "schedule",
    .default_inner = "constant",
    .promises = "the factor behind it times min(1, (t + 1)/W), W being the length in rounds"};

class Warmup final : public Schedule {
 public:
  explicit Warmup(const Args& args)
      : length_(args.real("length")), inner_(schedules().make(args.inner(), {})) {}
  [[nodiscard]] double factor(std::uint32_t t, std::uint32_t rounds) const override {
    const double rising =
        length_ >= 1 ? length_ : std::floor(length_ * static_cast<double>(rounds) + 0.5);
    const double done = static_cast<double>(t) + 1;
    return (done < rising ? done / rising : 1.0) * inner_->factor(t, rounds);
  }

 private:
  double length_;
  std::unique_ptr<Schedule> inner_;
};

}  // namespace

Method<Schedule, ScheduleSetup> warmup() {
  return {&kScheduleWarmupCard,
          [](const Args& args, const ScheduleSetup&) -> std::unique_ptr<Schedule> {
            return std::make_unique<Warmup>(args);
          }};
}

void warmup_problems(const Args& args, std::vector<std::string>& problems) {
  const double length = args.real("length");
  if (length > 1 && length != std::floor(length)) {
    problems.push_back(
        fmt::format("warmup: length={} is neither a whole number of rounds nor below 1; use {} or "
                    "a fraction of the run",
                    args.text("length"), shortest(std::floor(length))));
  }
  const auto inner = schedule_problems(args.inner());
  problems.insert(problems.end(), inner.begin(), inner.end());
}

}  // namespace laconic::schedule_methods
