// SPDX-License-Identifier: Apache-2.0
// lowrank: PowerSGD over the wire, all-reduced in one buffer per message. low_rank.hpp says how.
#include <fmt/format.h>

#include "laconic/aggregate/low_rank.hpp"
#include "laconic/aggregate/methods.hpp"

namespace laconic::aggregate {

std::vector<ParamCard> low_rank_params() {
  return {{.key = "rank",
           .type = ParamType::kInteger,
           .default_text = "4",
           .help = "columns of the factors; min(rank, rows, cols) per matrix",
           .min = 1,
           .max = 65536},
          {.key = "memory",
           .type = ParamType::kFlag,
           .default_text = "true",
           .help = "whether workers keep what they did not send and add it to the next gradient"},
          {.key = "warm_start",
           .type = ParamType::kFlag,
           .default_text = "true",
           .help = "whether the basis starts from what was received before; else it is random"},
          {.key = "stacked_rank_one",
           .type = ParamType::kFlag,
           .default_text = "false",
           .help = "with rank 1, divide bases by the norm of all of the same shape together, the "
                   "defect of published code"}};
}

LowRankOptions low_rank_options(const Args& args) {
  return {.rank = static_cast<std::uint32_t>(args.integer("rank")),
          .warm_start = args.flag("warm_start"),
          .memory = args.flag("memory"),
          .stacked_rank_one = args.flag("stacked_rank_one")};
}

const Card& lowrank_card() {
  static const Card card = [] {
    Card out = {
        .kind = "aggregator",
        .name = "lowrank",
        .summary = "PowerSGD: factors of low rank with local residuals, all-reduced",
        .formula =
            "per matrix M_i = g_i + e_i, with a common basis Q or P of `rank` columns:\n"
            "two-factor:  B = orth(Q); P = orth(mean of M_i B); Y_i = M_i^T P\n"
            "             e_i <- M_i - P Y_i^T; Q = mean of Y_i; direction = P Q^T\n"
            "alternating: B = orth(P); X_i = M_i^T B; e_i <- M_i - B X_i^T\n"
            "             Q = mean of X_i; direction = B Q^T; next round: sides exchanged\n"
            "other tensors: direction = mean of g_i",
        .paper = "Vogels, Karimireddy, Jaggi: PowerSGD, NeurIPS 2019, arXiv 1905.13727",
        .params = low_rank_params(),
        .promises =
            "the direction is the projection of the mean of gradient plus residual on a "
            "common basis, so it does not depend on how the gradient is spread over "
            "workers; residuals stay bounded where workers disagree",
    };
    out.params.push_back({.key = "form",
                          .type = ParamType::kChoice,
                          .default_text = "two-factor",
                          .help = "two-factor: both factors every round, as in the paper; "
                                  "alternating: one factor per round, in turn",
                          .choices = {"two-factor", "alternating"}});
    return out;
  }();
  return card;
}

template <Real T>
std::unique_ptr<Aggregator<T>> make_lowrank(const Args& args, const AggregatorSetup& setup) {
  LowRankOptions options = low_rank_options(args);
  options.form =
      args.text("form") == "alternating" ? LowRankForm::kAlternating : LowRankForm::kTwoFactor;
  return std::make_unique<LowRank<T>>(setup, options, make_wire_mean<T>(setup));
}
template std::unique_ptr<Aggregator<float>> make_lowrank(const Args&, const AggregatorSetup&);
template std::unique_ptr<Aggregator<double>> make_lowrank(const Args&, const AggregatorSetup&);

std::vector<std::string> lowrank_problems(const Args& args, std::uint32_t, const Layout*) {
  return low_rank_problems(args);
}

std::vector<std::string> low_rank_problems(const Args& args) {
  if (!args.flag("stacked_rank_one") || args.integer("rank") == 1) return {};
  return {
      fmt::format("{}: stacked_rank_one concerns rank 1 only, and rank={}; leave it out or use "
                  "rank=1",
                  args.spec().name, args.integer("rank"))};
}

std::optional<StepTheory> lowrank_theory(const Args&, const AggregatorSetup&) {
  return std::nullopt;
}

AggregatorNeeds lowrank_needs(const Args&, std::uint32_t) { return {.frames = false}; }

}  // namespace laconic::aggregate
