// SPDX-License-Identifier: Apache-2.0
// What every order's .cpp defines for the registry, and what the random ones share. Private.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "laconic/order/order_policy.hpp"
#include "laconic/order/state.hpp"

namespace laconic::order_methods {

#define X(name) Method<OrderPolicy, OrderSetup> name();
#include "laconic/order/methods.def"
#undef X

// 0, 1, ..., size - 1.
void fill_identity(std::span<std::uint32_t> order);
// The permutation that the worker's stream of epoch e gives. A function of (setup, e) alone, which
// is what lets epochs be asked for in any order.
void fill_shuffled(const OrderSetup& setup, std::uint32_t e, std::span<std::uint32_t> order);

// An order that does not observe: its state is what it was made for.
class PlainOrder : public OrderPolicy {
 public:
  PlainOrder(const Args& args, const OrderSetup& setup);
  [[nodiscard]] bool observes() const final { return false; }
  void observe(std::uint32_t position, const UnitGradient<float>& gradient) final;
  void observe(std::uint32_t position, const UnitGradient<double>& gradient) final;
  [[nodiscard]] OrderStats stats() const final;
  void save(std::vector<std::byte>& out) const final;
  void load(std::span<const std::byte> state) final;

 protected:
  [[nodiscard]] const OrderSetup& setup() const { return setup_; }
  [[nodiscard]] std::vector<std::uint32_t>& order() { return order_; }

 private:
  [[noreturn]] void refuse() const;
  OrderSetup setup_;
  order::StateFacts facts_;
  std::vector<std::uint32_t> order_;
};

}  // namespace laconic::order_methods
