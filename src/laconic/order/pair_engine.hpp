// SPDX-License-Identifier: Apache-2.0
// A PairServer of one worker as the engine of a policy. Private to the layer.
#pragma once

#include <algorithm>
#include <vector>

#include "laconic/order/compose.hpp"
#include "laconic/order/observing_policy.hpp"
#include "laconic/order/pair_server.hpp"

namespace laconic::order {

template <Real T>
class PairEngine {
 public:
  explicit PairEngine(const EngineSetup& setup)
      : server_({.units = {setup.units},
                 .dim = setup.dim,
                 .first_worker = setup.worker,
                 .options = setup.options}) {}
  void begin_epoch(std::uint32_t e) { server_.begin_epoch(e); }
  void push(std::uint32_t position, const UnitGradient<T>& gradient) {
    server_.push(0, position, gradient);
  }
  void end_epoch(std::span<std::uint32_t> order) {
    next_.resize(order.size());
    reorder_by_pairs(order, server_.signs(0), next_);
    std::ranges::copy(next_, order.begin());
  }
  [[nodiscard]] OrderStats stats() const {
    OrderStats stats = server_.stats();
    stats.memory.order_indices = next_.size();
    return stats;
  }
  void save(wire::WireWriter& out) const { server_.save(out); }
  void load(wire::WireReader& in) { server_.load(in); }
  [[nodiscard]] bool fits(std::uint32_t units, const SeenUnits& seen) const {
    for (std::uint32_t j = 0; j < units; ++j) {
      if (server_.has(0, j) != seen.contains(0, j)) return false;
    }
    return true;
  }

 private:
  PairServer<T> server_;
  std::vector<std::uint32_t> next_ = {};
};

}  // namespace laconic::order
