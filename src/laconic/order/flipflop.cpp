// SPDX-License-Identifier: Apache-2.0
// FlipFlop (Rajput, Lee and Papailiopoulos; used as a baseline by GraB): even epochs draw a fresh
// permutation, the odd epoch behind one visits the units in the reverse of its order.
#include <algorithm>

#include "laconic/order/methods.hpp"

namespace laconic::order_methods {
namespace {

const Card kFlipflopCard{
    .kind = "order",
    .name = "flipflop",
    .summary = "even epochs: a fresh random permutation; odd epochs: the previous one backwards",
    .formula = "epoch 2k: a uniform random permutation; epoch 2k + 1: its reverse",
    .paper = "Rajput, Lee, Papailiopoulos, arXiv 2102.09718",
    .promises =
        "every epoch is a permutation; epoch 2k+1 is epoch 2k reversed; any epoch may be asked "
        "for"};

class FlipFlop final : public PlainOrder {
 public:
  using PlainOrder::PlainOrder;
  std::span<const std::uint32_t> epoch(std::uint32_t e) override {
    fill_shuffled(setup(), e - e % 2, order());
    if (e % 2 == 1) std::reverse(order().begin(), order().end());
    return order();
  }
};

}  // namespace

Method<OrderPolicy, OrderSetup> flipflop() {
  return {&kFlipflopCard,
          [](const Args& args, const OrderSetup& setup) -> std::unique_ptr<OrderPolicy> {
            return std::make_unique<FlipFlop>(args, setup);
          }};
}

}  // namespace laconic::order_methods
