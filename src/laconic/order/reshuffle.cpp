// SPDX-License-Identifier: Apache-2.0
// Random reshuffling: a fresh uniform permutation in every epoch, each worker for itself (D-RR), or
// all of them the permutation of worker 0.
#include "laconic/order/methods.hpp"

namespace laconic::order_methods {
namespace {

const Card kReshuffleCard{
    .kind = "order",
    .name = "reshuffle",
    .summary = "a fresh random permutation in every epoch",
    .formula = "epoch e: pi_e, a uniform random permutation of its own",
    .paper = "baseline of CD-GraB, arXiv 2302.00845",
    .params = {{.key = "shared",
                .type = ParamType::kFlag,
                .default_text = "false",
                .help = "true: workers with as many units draw the same permutation, "
                        "as the reference code of CD-GraB does"}},
    .promises = "every epoch is a permutation; any epoch may be asked for"};

class Reshuffle final : public PlainOrder {
 public:
  Reshuffle(const Args& args, const OrderSetup& setup) : PlainOrder(args, setup), drawn_(setup) {
    if (args.flag("shared")) drawn_.worker = 0;
  }
  std::span<const std::uint32_t> epoch(std::uint32_t e) override {
    fill_shuffled(drawn_, e, order());
    return order();
  }

 private:
  OrderSetup drawn_;
};

}  // namespace

Method<OrderPolicy, OrderSetup> reshuffle() {
  return {&kReshuffleCard,
          [](const Args& args, const OrderSetup& setup) -> std::unique_ptr<OrderPolicy> {
            return std::make_unique<Reshuffle>(args, setup);
          }};
}

}  // namespace laconic::order_methods
