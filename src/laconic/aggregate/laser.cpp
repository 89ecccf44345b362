// SPDX-License-Identifier: Apache-2.0
// laser: low-rank gradients over an analog channel. low_rank.hpp has the algorithm, air_mean.cpp
// the channel. Power goes to tensors by the norms of their messages, in the two-factor form to the
// second message with a fixed fraction.
#include <fmt/format.h>

#include "laconic/aggregate/laser_ideal.hpp"
#include "laconic/aggregate/low_rank.hpp"
#include "laconic/aggregate/methods.hpp"

namespace laconic::aggregate {

const Card& laser_card() {
  static const Card card = [] {
    Card out = {
        .kind = "aggregator",
        .name = "laser",
        .summary = "low-rank gradients over an analog channel, with power allocation",
        .formula =
            "lowrank's alternating (or two-factor) form, where every mean is what is heard:\n"
            "mean of X_i + c / (K sqrt(P_b)) z, z ~ N(0, I), over K active workers\n"
            "P_b = the block's power, c = the largest |X_i| (|X_i| / |h_i| under fading)\n"
            "variant=ideal: P = U_r S_r^(1/2), Q = V_r S_r^(1/2) of M = g + e = U S V^T\n"
            "               direction = (P as heard) (Q as heard)^T; e <- M - P Q^T",
        .paper =
            "Makkuva, Bondaschi, Vogels, Jaggi, Kim, Gastpar: LASER, ICML 2024, arXiv "
            "2310.13033",
        .params = low_rank_params(),
        .promises =
            "with channel=(noiseless) the same bits as lowrank; the energy of no worker "
            "exceeds the power of the round",
    };
    out.params.push_back({.key = "variant",
                          .type = ParamType::kChoice,
                          .default_text = "alternating",
                          .help = "alternating: one factor per round, in turn; two-factor: both; "
                                  "ideal: exact singular vectors, for one worker",
                          .choices = {"alternating", "two-factor", "ideal"}});
    out.params.push_back({.key = "fraction",
                          .type = ParamType::kReal,
                          .default_text = "0.5",
                          .help = "part of the power for the second factor, where both are sent",
                          .min = 0,
                          .max = 1,
                          .min_open = true,
                          .max_open = true});
    out.params.push_back(components_param());
    for (ParamCard& param : air_params()) out.params.push_back(std::move(param));
    return out;
  }();
  return card;
}

namespace {

double exponent_of(Components components) {
  switch (components) {
    case Components::kNorm:
      return 1;
    case Components::kNorm2:
      return 2;
    case Components::kJoint:
    case Components::kUniform:
      return 0;
  }
  return 0;
}

}  // namespace

template <Real T>
std::unique_ptr<Aggregator<T>> make_laser(const Args& args, const AggregatorSetup& setup) {
  LowRankOptions options = low_rank_options(args);
  const std::string& variant = args.text("variant");
  options.form = variant == "two-factor" ? LowRankForm::kTwoFactor : LowRankForm::kAlternating;
  options.second_fraction = args.real("fraction");
  options.components = components_of(args);
  auto mean = make_air_mean<T>(args, setup, exponent_of(options.components));
  if (variant == "ideal") return make_ideal_low_rank<T>(setup, options, std::move(mean));
  return std::make_unique<LowRank<T>>(setup, options, std::move(mean));
}
template std::unique_ptr<Aggregator<float>> make_laser(const Args&, const AggregatorSetup&);
template std::unique_ptr<Aggregator<double>> make_laser(const Args&, const AggregatorSetup&);

std::vector<std::string> laser_problems(const Args& args, std::uint32_t workers, const Layout*) {
  std::vector<std::string> out = low_rank_problems(args);
  for (std::string& problem : analog_problems(args)) out.push_back(std::move(problem));
  if (args.text("variant") == "ideal" && workers != 1) {
    out.push_back(fmt::format(
        "laser: variant=ideal multiplies noisy factors of one worker, and there are {}; use "
        "workers = 1 or variant=alternating",
        workers));
  }
  if (args.text("variant") == "ideal" && args.flag("stacked_rank_one")) {
    out.push_back("laser: stacked_rank_one has no meaning with variant=ideal; leave it out");
  }
  return out;
}

std::optional<StepTheory> laser_theory(const Args&, const AggregatorSetup&) { return std::nullopt; }

AggregatorNeeds laser_needs(const Args&, std::uint32_t) { return {.frames = false}; }

}  // namespace laconic::aggregate
