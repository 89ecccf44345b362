// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <numeric>
#include <stdexcept>

#include "laconic/base/spec.hpp"
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

PlainOrder::PlainOrder(const Args& args, const OrderSetup& setup)
    : setup_(setup),
      facts_{.spec = print(args.spec()),
             .dim = 0,
             .seed = setup.seed,
             .first = setup.worker,
             .ranks = 0,
             .units = {setup.units}},
      order_(setup.units) {}

void PlainOrder::observe(std::uint32_t, const UnitGradient<float>&) { refuse(); }
void PlainOrder::observe(std::uint32_t, const UnitGradient<double>&) { refuse(); }

void PlainOrder::refuse() const {
  throw std::logic_error(fmt::format(
      "{}: this order does not use gradients; call observe only where observes() is true",
      facts_.spec));
}

OrderStats PlainOrder::stats() const { return {.memory = {.order_indices = order_.size()}}; }

void PlainOrder::save(std::vector<std::byte>& out) const {
  wire::WireWriter writer(out);
  save_facts(facts_, writer);
}

void PlainOrder::load(std::span<const std::byte> state) {
  wire::WireReader in(state);
  expect_facts(facts_, in);
  order::expect_end(in);
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

bool order_observes(const Spec& canonical) { return orders().make(canonical, {})->observes(); }

UnitDivergedError::UnitDivergedError(const Unit& unit)
    : DivergedError(
          {.worker = unit.worker, .tensor = {}, .round = 0, .index = unit.position},
          fmt::format("epoch {}: worker {}: the gradient of the unit at position {} is not "
                      "finite, or its products overflow; lower the step size, or check the "
                      "data for extreme values",
                      unit.epoch, unit.worker, unit.position)),
      unit_(unit) {}

void add_order_cards(Catalog& catalog) {
  for (const auto& method : orders().methods()) catalog.add(*method.card);
}

}  // namespace laconic
