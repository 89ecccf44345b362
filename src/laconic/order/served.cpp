// SPDX-License-Identifier: Apache-2.0
// CD-GraB with whole gradients on the wire (cd-grab.md 2.6, 2.9): (a) to one order server, which
// lives at the rank of worker 0 and answers at the end of an epoch with a bit per pair; (b) by an
// all-gather to a replica of the server on every rank, which needs no answer. Both feed the same
// server in the same order, so that their orders are the same bit for bit.
#include <algorithm>
#include <optional>
#include <tuple>

#include "laconic/base/assert.hpp"
#include "laconic/order/coordinated.hpp"

namespace laconic::order {
namespace {

template <Real T>
class ServedOrders final : public CoordinatedOrders<T> {
 public:
  explicit ServedOrders(const CoordinatedSetup& setup)
      : CoordinatedOrders<T>(setup),
        replicated_(setup.form == ExchangeForm::kReplicated),
        server_rank_(rank_of_worker(this->workers(), 0, setup.common.ranks)) {
    if (replicated_ || setup.common.rank == server_rank_) {
      server_.emplace(this->server_setup());
    }
  }

  ~ServedOrders() override { this->stop(); }
  ServedOrders(const ServedOrders&) = delete;
  ServedOrders& operator=(const ServedOrders&) = delete;

 private:
  struct Inbound {
    std::uint32_t rank = 0;
    Received message = {};
  };

  void pack() override {
    if (overflow_.unit()) this->note_diverged(*overflow_.unit());
    to_all_ = replicated_ || this->diverges();
    if (this->diverges()) {
      outbox_.clear();
      this->write_note(outbox_);
    }
    std::swap(outbox_, packed_);
    outbox_.clear();
  }

  void carry(Tag tag, Communicator& comm) override {
    if (replicated_) {
      comm.all_gather(tag, packed_, gathered_);
    } else {
      parts_.assign(comm.size(), {});
      for (std::uint32_t r = 0; r < comm.size(); ++r) {
        if (to_all_ || r == server_rank_) parts_[r] = packed_;
      }
      comm.all_to_all(tag, parts_, gathered_);
    }
    serve();
  }

  void start(std::uint32_t e) override {
    if (server_) server_->begin_epoch(e);
  }

  void keep(std::uint32_t worker, std::uint32_t position,
            const UnitGradient<T>& gradient) override {
    this->count_uplink(write_gradient<T>(
        wire::Kind::kOrderUnit, {.epoch = this->epoch(), .worker = worker, .index = position},
        whole(), gradient, outbox_));
  }

  [[nodiscard]] Slice whole() const {
    return {.begin = 0, .size = static_cast<std::uint32_t>(this->dim())};
  }

  // Units go to the server by position and worker, so that few of them wait at a time.
  void serve() {
    inbound_.clear();
    for (std::uint32_t r = 0; r < gathered_.size(); ++r) {
      this->parse(
          r, gathered_.part(r),
          {.kind = wire::Kind::kOrderUnit, .noted_workers = noted_workers(r), .slice = whole()},
          [this, r](const Received& message) {
            inbound_.push_back({r, message});
          });
    }
    this->throw_if_diverged();
    if (!server_) {
      if (!inbound_.empty()) {
        this->bad_message(inbound_[0].rank, {Fault::kBadKind, 5});
      }
      return;
    }
    std::ranges::sort(inbound_, [](const Inbound& a, const Inbound& b) {
      return std::tie(a.message.item.index, a.message.item.worker) <
             std::tie(b.message.item.index, b.message.item.worker);
    });
    for (const Inbound& inbound : inbound_) {
      const Item& item = inbound.message.item;
      if (item.index >= this->units()[item.worker]) {
        this->bad_message(inbound.rank,
                          {Fault::kBadIndex, 32, item.index, this->units()[item.worker]});
      }
      if (server_->has(item.worker, item.index)) {
        this->bad_message(inbound.rank, {Fault::kDuplicateSender, 32, item.index});
      }
      auto row = server_->take_row();
      if (Status status = read_gradient(inbound.message, whole(), *row); !status) {
        this->bad_message(inbound.rank, status);
      }
      if (!push(item, std::move(row))) return;
    }
  }

  // False when a difference or product is not finite. Replicas see that alike and throw alike; a
  // server alone tells the others by the next message that every rank gets from it.
  bool push(const Item& item, std::unique_ptr<Row<T>> row) {
    try {
      server_->push_row(item.worker, item.index, std::move(row));
    } catch (const UnitDivergedError& e) {
      if (replicated_) throw;
      overflow_.note(e.unit());
      return false;
    }
    return true;
  }

  // The server tells of every worker's units, other ranks of their own.
  [[nodiscard]] std::uint32_t noted_workers(std::uint32_t rank) const {
    return !replicated_ && rank == server_rank_ ? this->workers() : 0;
  }

  void finish(Tag tag, Communicator& comm) override {
    if (server_ && !overflow_.unit()) server_->expect_complete();
    if (replicated_) {
      for (std::uint32_t w = this->mine().begin; w < this->mine().end; ++w) {
        this->signs().assign(w, server_->signs(w));
      }
      return;
    }
    answers_.resize(comm.size());
    for (auto& answer : answers_) answer.clear();
    parts_.assign(comm.size(), {});
    if (overflow_.unit()) {  // in place of the signs
      this->note_diverged(*overflow_.unit());
      for (auto& answer : answers_) this->write_note(answer);
      parts_.assign(answers_.begin(), answers_.end());
    } else if (server_) {
      for (std::uint32_t r = 0; r < comm.size(); ++r) {
        const WorkerBlock block = this->hosted_by(r);
        for (std::uint32_t w = block.begin; w < block.end; ++w) {
          (void)write_signs({.epoch = this->epoch(), .worker = w}, this->units()[w] / 2,
                            server_->signs(w), answers_[r]);
        }
        parts_[r] = answers_[r];
      }
    }
    comm.all_to_all(tag, parts_, gathered_);
    wire::Bytes answer = gathered_.part(server_rank_);
    if (begins_with_note(answer)) {
      this->parse(server_rank_, answer,
                  {.kind = wire::Kind::kOrderSigns, .noted_workers = noted_workers(server_rank_)},
                  [this](const Received&) {
                    this->bad_message(server_rank_, {Fault::kBadKind, 5});
                  });
      this->throw_if_diverged();
    }
    this->count_downlink(answer.size());
    for (std::uint32_t w = this->mine().begin; w < this->mine().end; ++w) {
      const std::uint32_t pairs = this->units()[w] / 2;
      if (Status status = take_signs(answer, {.epoch = this->epoch(), .worker = w}, pairs,
                                     this->signs().of_mutable(w));
          !status) {
        this->bad_message(server_rank_, status);
      }
    }
    if (!answer.empty()) this->bad_message(server_rank_, {Fault::kTrailingBytes, 0});
  }

  [[nodiscard]] OrderStats balance_stats() const override {
    return server_ ? server_->stats() : OrderStats{};
  }
  [[nodiscard]] bool is_settled() const override { return outbox_.empty(); }
  void save_balance(wire::WireWriter& out) const override {
    if (server_) server_->save(out);
  }
  void load_balance(std::uint32_t epoch, wire::WireReader& in) override {
    if (!server_) return;
    server_->begin_epoch(epoch);
    server_->load(in);
    for (std::uint32_t w = this->mine().begin; w < this->mine().end && in.ok(); ++w) {
      for (std::uint32_t j = 0; j < this->units()[w]; ++j) {
        if (this->has_seen(w, j) != server_->has(w, j)) {
          in.fail(Fault::kBadIndex, j, this->units()[w]);
        }
      }
    }
  }

  bool replicated_;
  std::uint32_t server_rank_;
  std::optional<PairServer<T>> server_ = {};
  std::vector<std::byte> outbox_ = {};
  std::vector<std::byte> packed_ = {};
  bool to_all_ = false;           // packed_ is for every rank
  DivergenceNote overflow_ = {};  // of the server's decisions; carry's until settle
  std::vector<std::span<const std::byte>> parts_ = {};
  std::vector<std::vector<std::byte>> answers_ = {};  // by rank
  std::vector<Inbound> inbound_ = {};
  Gathered gathered_ = {};
};

}  // namespace

template <Real T>
std::unique_ptr<ExampleOrders<T>> make_served_orders(const CoordinatedSetup& setup) {
  return std::make_unique<ServedOrders<T>>(setup);
}
template std::unique_ptr<ExampleOrders<float>> make_served_orders(const CoordinatedSetup&);
template std::unique_ptr<ExampleOrders<double>> make_served_orders(const CoordinatedSetup&);

}  // namespace laconic::order
