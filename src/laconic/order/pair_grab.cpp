// SPDX-License-Identifier: Apache-2.0
// PairGraB (cd-grab.md 2.5): balances the differences of consecutive gradients of one worker; needs
// no mean. With several workers, each with a running sum of its own, this is ID-GraB(PairBal).
#include "laconic/order/pair_engine.hpp"

namespace laconic::order_methods {
namespace {

const Card kPairGrabCard{
    .kind = "order",
    .name = "pair-grab",
    .summary = "balances differences of each worker's consecutive gradients; no coordination",
    .formula =
        "v_k = z_(2k) - z_(2k+1); h = 0 at the start of an epoch\n"
        "s_k = +1 if <h, v_k> <= 0, else -1; h <- h + s_k v_k\n"
        "next epoch: places k and n-1-k get the units of the pair k, swapped for -1",
    .paper = "PairBalance, ID-GraB(PairBal): Cooper et al., arXiv 2302.00845",
    .params = order::balance_params(true),
    .promises =
        "every epoch is a permutation; positions k and n-1-k hold the pair k of the last epoch; "
        "with one worker the same orders as cd-grab, bit for bit"};

}  // namespace

Method<OrderPolicy, OrderSetup> pair_grab() {
  return {&kPairGrabCard,
          [](const Args& args, const OrderSetup& setup) -> std::unique_ptr<OrderPolicy> {
            return std::make_unique<
                order::ObservingPolicy<order::PairEngine<float>, order::PairEngine<double>>>(
                args, setup,
                order::EngineSetup{.options = order::balance_options(args, setup.seed, true)});
          }};
}

}  // namespace laconic::order_methods
