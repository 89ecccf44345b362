// SPDX-License-Identifier: Apache-2.0
// Shuffle once: one uniform permutation, used in every epoch.
#include "laconic/order/methods.hpp"

namespace laconic::order_methods {
namespace {

const Card kOnceCard{.kind = "order",
                     .name = "once",
                     .summary = "one random permutation, used in every epoch",
                     .formula = "every epoch: pi, one uniform random permutation",
                     .paper = "baseline of CD-GraB, arXiv 2302.00845",
                     .promises = "every epoch is a permutation; any epoch may be asked for"};

class Once final : public PlainOrder {
 public:
  Once(const Args& args, const OrderSetup& setup) : PlainOrder(args, setup) {
    fill_shuffled(setup, 0, order());
  }
  std::span<const std::uint32_t> epoch(std::uint32_t) override { return order(); }
};

}  // namespace

Method<OrderPolicy, OrderSetup> once() {
  return {&kOnceCard,
          [](const Args& args, const OrderSetup& setup) -> std::unique_ptr<OrderPolicy> {
            return std::make_unique<Once>(args, setup);
          }};
}

}  // namespace laconic::order_methods
