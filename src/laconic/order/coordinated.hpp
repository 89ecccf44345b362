// SPDX-License-Identifier: Apache-2.0
// What the exchange forms of cd-grab share: orders of the hosted workers, checks of what is
// observed, the end of an epoch, and the state. Private to the layer.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "laconic/comm/background.hpp"
#include "laconic/order/balance_options.hpp"
#include "laconic/order/divergence.hpp"
#include "laconic/order/example_orders.hpp"
#include "laconic/order/order_messages.hpp"
#include "laconic/order/pair_server.hpp"
#include "laconic/order/sketch.hpp"
#include "laconic/order/state.hpp"

namespace laconic::order {

enum class ExchangeForm : std::uint8_t { kServer, kReplicated, kSharded };

struct CoordinatedSetup {
  ExampleOrdersSetup common = {};
  Spec spec = {};  // canonical
  BalanceOptions options = {};
  ExchangeForm form = ExchangeForm::kServer;
  bool behind = false;  // steps are carried beside the training, in a thread of comm
};

template <Real T>
class CoordinatedOrders : public ExampleOrders<T> {
 public:
  explicit CoordinatedOrders(const CoordinatedSetup& setup);

  void begin_epoch(std::uint32_t e) final;
  [[nodiscard]] std::span<const std::uint32_t> order(std::uint32_t worker) const final;
  [[nodiscard]] bool observes() const final { return true; }
  void observe(std::uint32_t worker, std::uint32_t position, const UnitGradient<T>& gradient) final;
  void exchange(Tag tag, Communicator& comm) final;
  void end_epoch(Tag tag, Communicator& comm) final;
  void settle() final;
  [[nodiscard]] OrderStats stats() const final;
  void save(std::vector<std::byte>& out) const final;
  void load(std::span<const std::byte> state) final;

 protected:
  // What the forms do.
  virtual void start(std::uint32_t e) = 0;
  // A checked gradient of a hosted worker, sketched where that is asked for.
  virtual void keep(std::uint32_t worker, std::uint32_t position,
                    const UnitGradient<T>& gradient) = 0;
  // Puts what was observed since the last call aside, to be carried; in its place a note when a
  // gradient is not finite.
  virtual void pack() = 0;
  // Collective. Exchanges what was packed and decides. May run beside keep, in another thread: it
  // shares nothing with it. Throws UnitDivergedError on every rank or on none: when it hears of a
  // gradient, or where all ranks decide alike.
  virtual void carry(Tag tag, Communicator& comm) = 0;
  // Collective. The signs of all hosted workers' pairs are in signs() afterwards.
  virtual void finish(Tag tag, Communicator& comm) = 0;
  [[nodiscard]] virtual OrderStats balance_stats() const = 0;
  // Whether everything that was observed has been exchanged.
  [[nodiscard]] virtual bool is_settled() const = 0;
  virtual void save_balance(wire::WireWriter& out) const = 0;
  // Fails also where the state is not one of hosted workers that have seen what has_seen says.
  virtual void load_balance(std::uint32_t epoch, wire::WireReader& in) = 0;

  [[nodiscard]] std::uint32_t workers() const {
    return static_cast<std::uint32_t>(setup_.common.units.size());
  }
  [[nodiscard]] WorkerBlock hosted_by(std::uint32_t rank) const {
    return workers_of_rank(workers(), rank, setup_.common.ranks);
  }
  [[nodiscard]] const CoordinatedSetup& setup() const { return setup_; }
  [[nodiscard]] const WorkerBlock& mine() const { return mine_; }
  [[nodiscard]] std::span<const std::uint32_t> units() const { return setup_.common.units; }
  // Numbers that are balanced: those of a sketch, or of the gradient.
  [[nodiscard]] std::size_t dim() const { return dim_; }
  [[nodiscard]] std::uint32_t epoch() const { return epoch_; }
  // Whether a hosted worker's gradient was given.
  [[nodiscard]] bool has_seen(std::uint32_t worker, std::uint32_t position) const {
    return seen_.contains(worker - mine_.begin, position);
  }
  [[nodiscard]] PairSigns& signs() { return signs_; }
  [[nodiscard]] const PairSigns& signs() const { return signs_; }
  [[nodiscard]] PairServerSetup server_setup() const {
    return {.units = setup_.common.units, .dim = dim_, .options = setup_.options};
  }
  // What this rank has to tell of.
  [[nodiscard]] bool diverges() const { return diverged_.unit().has_value(); }
  // Told by the next pack. Not from within carry, which runs beside observe.
  void note_diverged(const UnitDivergedError::Unit& unit) { diverged_.note(unit); }
  // What was carried has been told of.
  void throw_if_diverged() const {
    if (heard_.unit()) throw UnitDivergedError(*heard_.unit());
  }
  // For destructors: nothing is carried any more.
  void stop() { background_.reset(); }
  void count_uplink(std::uint64_t bytes) { uplink_bytes_ += bytes; }
  void count_downlink(std::uint64_t bytes) { downlink_bytes_ += bytes; }
  // LACONIC_EXPECTS that the communicator is the one of the setup.
  void expect_rank(const Communicator& comm) const;
  // Parses what rank r sent; calls take(received) for each message. Throws CommError for a message
  // that cannot be decoded; notes those that tell of a divergence.
  template <class Take>
  void parse(std::uint32_t rank, wire::Bytes bytes, Awaited awaited, Take take) {
    const WorkerBlock senders = hosted_by(rank);
    awaited.format = static_cast<std::uint8_t>(sizeof(T) == 4 ? 0 : 1);
    awaited.epoch = epoch_;
    awaited.first_worker = senders.begin;
    awaited.end_worker = senders.end;
    while (!bytes.empty()) {
      Received received;
      bool tells_divergence = false;
      if (Status status = take_message(bytes, awaited, received, tells_divergence); !status) {
        bad_message(rank, status);
      }
      if (tells_divergence) {
        heard_.note({.worker = received.item.worker,
                     .epoch = received.item.epoch,
                     .position = received.item.index});
      } else {
        take(received);
      }
    }
  }
  [[noreturn]] void bad_message(std::uint32_t rank, const Status& status) const;
  // The frame that stands in place of gradients when one of them is not finite.
  void write_note(std::vector<std::byte>& out) const;

 private:
  void load_parts(std::span<const std::byte> state);
  // Between epochs all gradients were given, before the first one none.
  [[nodiscard]] bool is_between_epochs(std::uint32_t begun) const;
  // Nothing is carried any more; what carrying threw is kept for settle.
  void rest() const {
    if (background_ != nullptr) background_->rest();
  }

  CoordinatedSetup setup_;
  WorkerBlock mine_;
  std::size_t dim_;
  StateFacts facts_;
  std::optional<SignSketch> sketch_ = {};
  SeenUnits seen_;                                       // of hosted workers
  PairSigns signs_;                                      // of all workers; filled for hosted ones
  DivergenceNote diverged_ = {};                         // observed or decided here
  DivergenceNote heard_ = {};                            // in messages
  std::vector<std::vector<std::uint32_t>> orders_ = {};  // by hosted worker
  std::vector<std::uint32_t> next_ = {};
  std::uint32_t epoch_ = 0;
  std::uint32_t begun_ = 0;  // epochs
  bool open_ = false;
  Traffic traffic_ = {};
  std::uint64_t uplink_bytes_ = 0;
  std::uint64_t downlink_bytes_ = 0;
  std::unique_ptr<Background> background_ = {};  // with behind=true, from the first exchange on
};

// Forms (a) and (b): gradients travel to an order server at the rank of worker 0, or to a replica
// of it on every rank.
template <Real T>
[[nodiscard]] std::unique_ptr<ExampleOrders<T>> make_served_orders(const CoordinatedSetup& setup);
// Form (c): every rank holds a slice of the running sum.
template <Real T>
[[nodiscard]] std::unique_ptr<ExampleOrders<T>> make_sharded_orders(const CoordinatedSetup& setup);

}  // namespace laconic::order
