// SPDX-License-Identifier: Apache-2.0
#include <numeric>

#include "laconic/order/methods.hpp"
#include "laconic/rng/stream.hpp"

namespace laconic {
namespace order_methods {

void fill_identity(std::span<std::uint32_t> order) { std::iota(order.begin(), order.end(), 0U); }

void fill_shuffled(const OrderSetup& setup, std::uint32_t e, std::span<std::uint32_t> order) {
  fill_identity(order);
  const rng::Stream stream(setup.seed, {rng::Purpose::kOrder, setup.worker, e, 0});
  rng::permute(stream, order);
}

}  // namespace order_methods

const OrderRegistry& orders() {
  static const OrderRegistry registry({
#define X(name) order_methods::name(),
#include "laconic/order/methods.def"
#undef X
  });
  return registry;
}

void add_order_cards(Catalog& catalog) {
  for (const auto& method : orders().methods()) catalog.add(*method.card);
}

}  // namespace laconic
