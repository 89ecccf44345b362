// SPDX-License-Identifier: Apache-2.0
#include "laconic/order/divergence.hpp"

#include <fmt/format.h>

#include <tuple>

namespace laconic::order {

void DivergenceNote::note(const UnitDivergedError::Unit& unit) {
  if (!unit_ || std::tie(unit.worker, unit.position) < std::tie(unit_->worker, unit_->position)) {
    unit_ = unit;
  }
}

void DivergenceNote::tell(Tag tag, Communicator& comm, Traffic& traffic) {
  const MeterScope scope(comm, traffic);
  bytes_.clear();
  if (unit_) {
    wire::WireWriter out(bytes_);
    for (const std::uint32_t number : {unit_->worker, unit_->epoch, unit_->position}) {
      out.u32(number);
    }
  }
  comm.all_gather(tag, bytes_, gathered_);
  for (std::size_t r = 0; r < gathered_.size(); ++r) {
    if (gathered_.part(r).empty()) continue;
    wire::WireReader in(gathered_.part(r));
    const UnitDivergedError::Unit unit{.worker = in.u32(), .epoch = in.u32(), .position = in.u32()};
    if (const Status status = in.finish(); !status) {
      throw CommError(
          fmt::format("order: the note of rank {} cannot be read: {}; the ranks come "
                      "from different builds",
                      r, status.message()));
    }
    note(unit);
  }
  if (unit_) throw UnitDivergedError(*unit_);
}

}  // namespace laconic::order
