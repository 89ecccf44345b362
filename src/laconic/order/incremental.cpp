// SPDX-License-Identifier: Apache-2.0
// Incremental gradient: the units in the order of the data, in every epoch.
#include "laconic/order/methods.hpp"

namespace laconic::order_methods {
namespace {

const Card kIncrementalCard{.kind = "order",
                            .name = "incremental",
                            .summary = "the units in the order of the data, in every epoch",
                            .formula = "every epoch: 0, 1, ..., n - 1",
                            .paper = "baseline of CD-GraB, arXiv 2302.00845",
                            .promises = "every epoch is a permutation; any epoch may be asked for"};

class Incremental final : public PlainOrder {
 public:
  Incremental(const Args& args, const OrderSetup& setup) : PlainOrder(args, setup) {
    fill_identity(order());
  }
  std::span<const std::uint32_t> epoch(std::uint32_t) override { return order(); }
};

}  // namespace

Method<OrderPolicy, OrderSetup> incremental() {
  return {&kIncrementalCard,
          [](const Args& args, const OrderSetup& setup) -> std::unique_ptr<OrderPolicy> {
            return std::make_unique<Incremental>(args, setup);
          }};
}

}  // namespace laconic::order_methods
