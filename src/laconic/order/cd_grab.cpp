// SPDX-License-Identifier: Apache-2.0
// CD-GraB (cd-grab.md 2.6): one running sum over the pair differences of all workers. As a policy
// of one worker it is PairGraB; coordinated_cd_grab makes the orders of all workers.
#include <fmt/format.h>

#include "laconic/base/assert.hpp"
#include "laconic/order/coordinated.hpp"
#include "laconic/order/coordinated_methods.hpp"
#include "laconic/order/pair_engine.hpp"

namespace laconic::order_methods {
namespace {

std::vector<ParamCard> params() {
  std::vector<ParamCard> params = order::balance_params(true);
  params.push_back(
      {.key = "exchange",
       .type = ParamType::kChoice,
       .default_text = "server",
       .help =
           "server: gradients go to worker 0's rank, sign bits come back; replicated: all-gather, "
           "a server on every rank; sharded: every rank holds a slice of the sum",
       .choices = {"server", "replicated", "sharded"}});
  params.push_back({.key = "behind",
                    .type = ParamType::kFlag,
                    .default_text = "false",
                    .help = "true: a step's exchange runs beside the next step, in a thread of its "
                            "own; the same orders"});
  return params;
}

const Card kCdGrabCard{
    .kind = "order",
    .name = "cd-grab",
    .summary = "balances the pair differences of all workers with one running sum",
    .formula =
        "v_ik = z_i(2k) - z_i(2k+1) of worker i; h = 0 at the start of an epoch\n"
        "in order of (k, i): s_ik = +1 if <h, v_ik> <= 0, else -1; h <- h + s_ik v_ik\n"
        "next epoch: places k and n-1-k get the units of the pair k, swapped for -1",
    .paper = "Cooper et al., arXiv 2302.00845",
    .params = params(),
    .promises =
        "every epoch is a permutation; the same bits on any number of ranks; server and replicated "
        "give the same orders"};

}  // namespace

Method<OrderPolicy, OrderSetup> cd_grab() {
  return {&kCdGrabCard,
          [](const Args& args, const OrderSetup& setup) -> std::unique_ptr<OrderPolicy> {
            return std::make_unique<
                order::ObservingPolicy<order::PairEngine<float>, order::PairEngine<double>>>(
                args, setup,
                order::EngineSetup{.options = order::balance_options(args, setup.seed, true)});
          }};
}

template <Real T>
std::unique_ptr<ExampleOrders<T>> coordinated_cd_grab(const Args& args,
                                                      const ExampleOrdersSetup& setup) {
  order::CoordinatedSetup coordinated{.common = setup,
                                      .spec = args.spec(),
                                      .options = order::balance_options(args, setup.seed, true),
                                      .behind = args.flag("behind")};
  const std::string& exchange = args.text("exchange");
  if (exchange == "sharded") {
    coordinated.form = order::ExchangeForm::kSharded;
    return order::make_sharded_orders<T>(coordinated);
  }
  coordinated.form =
      exchange == "server" ? order::ExchangeForm::kServer : order::ExchangeForm::kReplicated;
  return order::make_served_orders<T>(coordinated);
}
template std::unique_ptr<ExampleOrders<float>> coordinated_cd_grab(const Args&,
                                                                   const ExampleOrdersSetup&);
template std::unique_ptr<ExampleOrders<double>> coordinated_cd_grab(const Args&,
                                                                    const ExampleOrdersSetup&);

std::vector<std::string> cd_grab_problems(const Args& args) {
  std::vector<std::string> problems;
  if (args.text("exchange") != "sharded") return problems;
  const auto refuse = [&problems](std::string_view param, std::string_view why) {
    problems.push_back(
        fmt::format("cd-grab: {} does not work with exchange=sharded, {}; use exchange=server or "
                    "exchange=replicated",
                    param, why));
  };
  if (args.text("rule") == "walk") {
    refuse("rule=walk", "where no rank sees the largest entry of the sum before a decision");
  }
  if (args.text("sum") == "f32") {
    refuse("sum=f32", "where signs follow from scalars that do not see the rounding of the sum");
  }
  if (args.text("lone") == "sign") {
    refuse("lone=sign", "where units without a partner are not sent");
  }
  return problems;
}

}  // namespace laconic::order_methods
