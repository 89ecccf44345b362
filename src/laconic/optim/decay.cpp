// SPDX-License-Identifier: Apache-2.0
#include "laconic/optim/decay.hpp"

#include <fmt/format.h>

#include "laconic/kernels/kernels.hpp"

namespace laconic {

std::vector<ParamCard> with_decay_params(std::vector<ParamCard> own) {
  own.push_back(
      {.key = "decay",
       .type = ParamType::kChoice,
       .default_text = "decoupled",
       .help = "where weight decay acts: on x (decoupled), on the gradients (coupled) or on both",
       .choices = {"decoupled", "coupled", "both"}});
  own.push_back({.key = "lambda",
                 .type = ParamType::kReal,
                 .default_text = "0",
                 .help = "the weight decay",
                 .min = 0});
  own.push_back({.key = "wd_lh",
                 .type = ParamType::kReal,
                 .default_text = "0",
                 .help = "the decoupled part of the weight decay, with decay=both",
                 .min = 0});
  return own;
}

void decay_problems(const Args& args, std::vector<std::string>& problems) {
  if (args.text("decay") != "both" && args.real("wd_lh") != 0) {
    problems.push_back(
        fmt::format("{}: wd_lh={} has no effect with decay={}; use decay=both, or lambda",
                    args.spec().name, args.text("wd_lh"), args.text("decay")));
  }
}

Decay::Decay(const Args& args) {
  const std::string& mode = args.text("decay");
  if (mode == "decoupled") {
    decoupled_ = args.real("lambda");
  } else {
    coupled_ = args.real("lambda");
    if (mode == "both") decoupled_ = args.real("wd_lh");
  }
}

template <Real T>
void Decay::couple(std::span<const T> x, std::span<T> gradient) const {
  if (coupled_ != 0) kernels::axpy(static_cast<T>(coupled_), x, gradient);
}
template void Decay::couple(std::span<const float>, std::span<float>) const;
template void Decay::couple(std::span<const double>, std::span<double>) const;

template <Real T>
void Decay::shrink(double step_size, std::span<T> x) const {
  if (decoupled_ != 0) kernels::scale(factor<T>(step_size), x);
}
template void Decay::shrink(double, std::span<float>) const;
template void Decay::shrink(double, std::span<double>) const;

}  // namespace laconic
