// SPDX-License-Identifier: Apache-2.0
// Falls from 1 along half a cosine wave towards a final factor (Loshchilov and Hutter, without
// restarts).
#include "laconic/base/exact_math.hpp"
#include "laconic/optim/methods.hpp"

namespace laconic::schedule_methods {
namespace {

const Card kCosineCard{
    .kind = "schedule",
    .name = "cosine",
    .summary = "falls along half a cosine wave",
    .formula = "factor = final + (1 - final) (1 + cos(pi t / T)) / 2",
    .paper = "Loshchilov, Hutter, arXiv 1608.03983",
    .params = {{.key = "final",
                .type = ParamType::kReal,
                .default_text = "0",
                .help = "the factor that the round behind the last one would have",
                .min = 0,
                .max = 1}},
    .promises = "final + (1 - final) (1 + cos(pi t/rounds))/2"};

class Cosine final : public Schedule {
 public:
  explicit Cosine(const Args& args) : final_(args.real("final")) {}
  [[nodiscard]] double factor(std::uint32_t t, std::uint32_t rounds) const override {
    LACONIC_EXPECTS(t < rounds);
    const double cosine =
        exact::sincos_2pi(0.5 * (static_cast<double>(t) / static_cast<double>(rounds))).second;
    return final_ + (1 - final_) * (0.5 * (1 + cosine));
  }

 private:
  double final_;
};

}  // namespace

Method<Schedule, ScheduleSetup> cosine() {
  return {&kCosineCard, [](const Args& args, const ScheduleSetup&) -> std::unique_ptr<Schedule> {
            return std::make_unique<Cosine>(args);
          }};
}

void cosine_problems(const Args&, std::vector<std::string>&) {}

}  // namespace laconic::schedule_methods
