// SPDX-License-Identifier: Apache-2.0
// How every rank learns of a unit gradient that is not finite. Private to the layer.
#pragma once

#include <optional>
#include <vector>

#include "laconic/comm/communicator.hpp"
#include "laconic/order/order_policy.hpp"
#include "laconic/wire/wire.hpp"

namespace laconic::order {

// Counts what a collective call sends apart from everything else, while it is alive.
class MeterScope {
 public:
  MeterScope(Communicator& comm, Traffic& traffic)
      : comm_(comm), before_(comm.set_meter(&traffic)) {}
  ~MeterScope() { (void)comm_.set_meter(before_); }
  MeterScope(const MeterScope&) = delete;
  MeterScope& operator=(const MeterScope&) = delete;

 private:
  Communicator& comm_;
  Traffic* before_;
};

class DivergenceNote {
 public:
  // Keeps the one of the lowest worker and, of one worker, the lowest position.
  void note(const UnitDivergedError::Unit& unit);
  [[nodiscard]] const std::optional<UnitDivergedError::Unit>& unit() const { return unit_; }
  // Collective. Every rank throws the same UnitDivergedError if any of them noted a unit. Without
  // one no payload is sent.
  void tell(Tag tag, Communicator& comm, Traffic& traffic);

 private:
  std::optional<UnitDivergedError::Unit> unit_ = {};
  std::vector<std::byte> bytes_ = {};
  Gathered gathered_ = {};
};

}  // namespace laconic::order
