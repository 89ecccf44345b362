// SPDX-License-Identifier: Apache-2.0
#include "laconic/order/coordinated.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>

#include "laconic/base/assert.hpp"
#include "laconic/order/compose.hpp"
#include "laconic/order/methods.hpp"

namespace laconic::order {

template <Real T>
CoordinatedOrders<T>::CoordinatedOrders(const CoordinatedSetup& setup)
    : setup_(setup),
      mine_(workers_of_rank(static_cast<std::uint32_t>(setup.common.units.size()),
                            setup.common.rank, setup.common.ranks)),
      dim_(setup.options.sketch > 0 ? setup.options.sketch : setup.common.dim),
      facts_{.spec = print(setup.spec),
             .dim = setup.common.dim,
             .seed = setup.common.seed,
             .first = setup.common.rank,
             .ranks = setup.common.ranks,
             .units = setup.common.units},
      seen_(std::span(setup.common.units).subspan(mine_.begin, mine_.size())),
      signs_(setup.common.units) {
  if (setup.options.sketch > 0) {
    sketch_.emplace(setup.common.seed, setup.common.dim, setup.options.sketch);
  }
  for (std::uint32_t w = mine_.begin; w < mine_.end; ++w) {
    auto& order = orders_.emplace_back(units()[w]);
    if (setup.options.random_start) {
      order_methods::fill_shuffled(
          {.units = units()[w], .worker = w, .seed = setup.common.seed, .dim = 0}, 0, order);
    } else {
      order_methods::fill_identity(order);
    }
  }
}

template <Real T>
void CoordinatedOrders<T>::begin_epoch(std::uint32_t e) {
  LACONIC_EXPECTS(!open_);
  LACONIC_EXPECTS(e == begun_);
  epoch_ = e;
  ++begun_;
  open_ = true;
  seen_.clear();
  start(e);
}

template <Real T>
std::span<const std::uint32_t> CoordinatedOrders<T>::order(std::uint32_t worker) const {
  LACONIC_EXPECTS(open_ && mine_.contains(worker));
  return orders_[worker - mine_.begin];
}

template <Real T>
void CoordinatedOrders<T>::observe(std::uint32_t worker, std::uint32_t position,
                                   const UnitGradient<T>& gradient) {
  LACONIC_EXPECTS(open_ && mine_.contains(worker));
  const std::uint32_t hosted = worker - mine_.begin;
  if (position >= units()[worker] || seen_.contains(hosted, position)) {
    throw std::logic_error(fmt::format(
        "cd-grab: worker {}: position {} of epoch {} {}; observe every position of 0 to {} once",
        worker, position, epoch_,
        position >= units()[worker] ? "lies behind the end" : "was observed before",
        std::int64_t{units()[worker]} - 1));
  }
  expect_form(gradient, setup_.common.dim);
  (void)seen_.insert(hosted, position);
  bool is_usable = is_finite(gradient);
  UnitGradient<T> kept = gradient;
  if (is_usable && sketch_) {
    kept = sketch_->project(gradient);
    is_usable = is_finite(kept);  // sums of finite numbers may not be
  }
  if (is_usable) {
    keep(worker, position, kept);
  } else {
    diverged_.note({.worker = worker, .epoch = epoch_, .position = position});
  }
}

template <Real T>
void CoordinatedOrders<T>::exchange(Tag tag, Communicator& comm) {
  expect_rank(comm);
  if (!setup_.behind) {
    pack();
    const MeterScope scope(comm, traffic_);
    carry(tag, comm);
    return;
  }
  if (background_ == nullptr) background_ = std::make_unique<Background>(comm.open_second(tag));
  settle();
  pack();
  background_->start([this, tag](Communicator& second) {
    const MeterScope scope(second, traffic_);
    carry(tag, second);
  });
}

template <Real T>
void CoordinatedOrders<T>::end_epoch(Tag tag, Communicator& comm) {
  LACONIC_EXPECTS(open_);
  LACONIC_EXPECTS(is_settled());
  expect_rank(comm);
  settle();
  for (std::uint32_t w = mine_.begin; w < mine_.end; ++w) {
    const std::uint32_t missing = seen_.first_missing(w - mine_.begin);
    if (missing == units()[w]) continue;
    throw std::logic_error(fmt::format(
        "cd-grab: worker {}: epoch {} cannot end: the gradient at position {} of {} is missing; "
        "observe every position once",
        w, epoch_, missing, units()[w]));
  }
  {
    const MeterScope scope(comm, traffic_);
    finish(tag, comm);
  }
  for (std::uint32_t w = mine_.begin; w < mine_.end; ++w) {
    auto& order = orders_[w - mine_.begin];
    next_.resize(order.size());
    reorder_by_pairs(order, signs_.of(w), next_);
    std::swap(order, next_);
  }
  open_ = false;
}

template <Real T>
void CoordinatedOrders<T>::settle() {
  if (background_ != nullptr) background_->wait();
}

template <Real T>
OrderStats CoordinatedOrders<T>::stats() const {
  rest();
  OrderStats stats = balance_stats();
  stats.uplink_bytes = uplink_bytes_;
  stats.downlink_bytes = downlink_bytes_;
  stats.traffic = traffic_;
  for (const auto& order : orders_) stats.memory.order_indices += order.size();
  stats.memory.order_indices += next_.size();
  return stats;
}

template <Real T>
void CoordinatedOrders<T>::save(std::vector<std::byte>& out) const {
  LACONIC_EXPECTS(is_settled());
  if (background_ != nullptr) background_->wait();
  wire::WireWriter writer(out);
  save_facts(facts_, writer);
  writer.u8(open_ ? 1 : 0);
  writer.u32(begun_);
  for (const auto& order : orders_) save_order(writer, order);
  seen_.save(writer);
  save_balance(writer);
}

template <Real T>
void CoordinatedOrders<T>::load(std::span<const std::byte> state) {
  std::vector<std::byte> before;
  save(before);
  try {
    load_parts(state);
  } catch (const ConfigError&) {
    load_parts(before);
    throw;
  }
}

template <Real T>
void CoordinatedOrders<T>::load_parts(std::span<const std::byte> state) {
  wire::WireReader in(state);
  expect_facts(facts_, in);
  const std::size_t place = in.position();
  const std::uint8_t open = in.u8();
  if (open > 1) in.fail_at(place, Fault::kBadValue, open, 1);
  const std::uint32_t begun = in.u32();
  if (open == 1 && begun == 0) in.fail_at(place, Fault::kBadValue, open, 0);
  for (auto& order : orders_) load_order(in, order);
  seen_.load(in);
  if (in.ok() && open == 0 && !is_between_epochs(begun)) {
    in.fail_at(place, Fault::kBadValue, open, 1);
  }
  const std::uint32_t epoch = begun == 0 ? 0 : begun - 1;
  if (in.ok()) load_balance(epoch, in);
  expect_end(in);
  open_ = open == 1;
  begun_ = begun;
  epoch_ = epoch;
}

template <Real T>
bool CoordinatedOrders<T>::is_between_epochs(std::uint32_t begun) const {
  if (begun == 0) return seen_.is_empty();
  for (std::uint32_t w = mine_.begin; w < mine_.end; ++w) {
    if (seen_.first_missing(w - mine_.begin) < units()[w]) return false;
  }
  return true;
}

template <Real T>
void CoordinatedOrders<T>::expect_rank(const Communicator& comm) const {
  LACONIC_EXPECTS(comm.rank() == setup_.common.rank && comm.size() == setup_.common.ranks);
}

template <Real T>
void CoordinatedOrders<T>::bad_message(std::uint32_t rank, const Status& status) const {
  throw CommError(fmt::format(
      "cd-grab: epoch {}: a message of rank {} cannot be decoded: {}; replicas would drift apart",
      epoch_, rank, status.message()));
}

template <Real T>
void CoordinatedOrders<T>::write_note(std::vector<std::byte>& out) const {
  const UnitDivergedError::Unit& unit = *diverged_.unit();
  (void)write_diverged({.epoch = unit.epoch, .worker = unit.worker, .index = unit.position}, out);
}

template class CoordinatedOrders<float>;
template class CoordinatedOrders<double>;

}  // namespace laconic::order
