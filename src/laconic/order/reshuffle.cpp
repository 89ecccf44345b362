// SPDX-License-Identifier: Apache-2.0
// Random reshuffling: a fresh uniform permutation in every epoch, each worker for itself (D-RR).
#include "laconic/order/methods.hpp"

namespace laconic::order_methods {
namespace {

const Card kCard{.kind = "order",
                 .name = "reshuffle",
                 .summary = "a fresh random permutation in every epoch",
                 .paper = "baseline of CD-GraB, arXiv 2302.00845",
                 .promises = "every epoch is a permutation; any epoch may be asked for"};

class Reshuffle final : public OrderPolicy {
 public:
  explicit Reshuffle(const OrderSetup& setup) : setup_(setup), order_(setup.units) {}
  std::span<const std::uint32_t> epoch(std::uint32_t e) override {
    fill_shuffled(setup_, e, order_);
    return order_;
  }

 private:
  OrderSetup setup_;
  std::vector<std::uint32_t> order_;
};

}  // namespace

Method<OrderPolicy, OrderSetup> reshuffle() {
  return {&kCard, [](const Args&, const OrderSetup& setup) -> std::unique_ptr<OrderPolicy> {
            return std::make_unique<Reshuffle>(setup);
          }};
}

}  // namespace laconic::order_methods
