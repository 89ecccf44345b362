// SPDX-License-Identifier: Apache-2.0
// Ranks that are threads of this process. A collective call has two meetings. At the opening every
// rank has laid out what it offers (a call and views of its buffers); after it, all ranks compare
// the calls and copy straight from each other's buffers. At the closing all have finished copying,
// so that buffers may change or die again.
//
// Invariant: an opening is complete for all ranks or for none. An abort breaks openings that are
// not complete, never a closing: between the two only this file's copies run, so every rank comes
// to the closing (by a destructor, if need be), and nobody reads a buffer whose owner has gone.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <condition_variable>
#include <exception>
#include <memory>
#include <mutex>
#include <thread>

#include "laconic/base/assert.hpp"
#include "laconic/comm/transports.hpp"

namespace laconic {
namespace {

class ThreadCommunicator final : public Communicator {
 public:
  // Views of one rank's buffers. Valid from the opening to the closing of a call.
  struct Offer {
    std::span<const std::byte> bytes = {};
    std::span<const std::span<const std::byte>> parts = {};
    std::span<float> floats = {};
    std::span<double> doubles = {};
  };

  // What the ranks share. Threads block in it, they do not spin: there may be more of them than
  // cores.
  class Team {
   public:
    explicit Team(std::uint32_t ranks) : infos_(ranks), offers_(ranks) {}

    // Lays out and waits for all. False when the team has ended; see reason().
    [[nodiscard]] bool open(std::uint32_t rank, const CallInfo& info, const Offer& offer) {
      std::unique_lock lock(mutex_);
      if (ended_) return false;
      infos_[rank] = info;
      offers_[rank] = offer;
      const std::uint64_t meeting = meetings_;
      if (arrive()) return true;
      changed_.wait(lock, [&] { return meetings_ != meeting || ended_; });
      return meetings_ != meeting;
    }
    void close() {
      std::unique_lock lock(mutex_);
      const std::uint64_t meeting = meetings_;
      if (arrive()) return;
      changed_.wait(lock, [&] { return meetings_ != meeting; });
    }
    // The first reason counts.
    void end(std::string_view why) noexcept {
      {
        const std::scoped_lock lock(mutex_);
        if (ended_) return;
        ended_ = true;
        try {
          reason_ = why;
        } catch (...) {
          // Without memory for the reason the calls throw with an empty one.
        }
        for (const auto& second : seconds_) second->end(why);
      }
      changed_.notify_all();
    }
    // The team of the ranks' second communicators of this number: made by whoever comes first.
    [[nodiscard]] std::shared_ptr<Team> second(std::size_t number) {
      const std::scoped_lock lock(mutex_);
      while (seconds_.size() <= number) {
        seconds_.push_back(std::make_shared<Team>(size()));
        if (ended_) seconds_.back()->end(reason_);
      }
      return seconds_[number];
    }
    [[nodiscard]] std::string reason() const {
      const std::scoped_lock lock(mutex_);
      return reason_;
    }
    [[nodiscard]] std::uint32_t size() const { return static_cast<std::uint32_t>(offers_.size()); }
    // Precondition of both: between opening and closing.
    [[nodiscard]] std::span<const CallInfo> infos() const { return infos_; }
    [[nodiscard]] std::span<const Offer> offers() const { return offers_; }

   private:
    // Precondition: mutex_ is held. True for the rank that completes the meeting.
    bool arrive() {
      if (++arrived_ < offers_.size()) return false;
      arrived_ = 0;
      ++meetings_;
      changed_.notify_all();
      return true;
    }

    mutable std::mutex mutex_;  // guards all below, save for reads between opening and closing
    std::condition_variable changed_;  // meetings_ or ended_ changed
    std::vector<CallInfo> infos_;      // of each rank
    std::vector<Offer> offers_;        // of each rank
    std::size_t arrived_ = 0;          // at the meeting that is not complete
    std::uint64_t meetings_ = 0;       // that are complete
    bool ended_ = false;
    std::string reason_;
    std::vector<std::shared_ptr<Team>> seconds_;  // shared with the communicators that use them
  };

  ThreadCommunicator(Team& team, std::uint32_t rank, const std::atomic<bool>* stop)
      : team_(team), rank_(rank), sizes_(team.size()) {
    watch(stop);
  }
  // A second communicator, which keeps its team alive.
  ThreadCommunicator(std::shared_ptr<Team> team, std::uint32_t rank)
      : kept_(std::move(team)), team_(*kept_), rank_(rank), sizes_(team_.size()) {}
  [[nodiscard]] std::uint32_t rank() const override { return rank_; }
  [[nodiscard]] std::uint32_t size() const override { return team_.size(); }
  [[nodiscard]] std::string_view transport() const override { return "threads"; }
  void abort(std::string_view why) noexcept override { team_.end(why); }

  // The last collective call: the body of this rank has returned. Throws CommError when another
  // rank is in a call instead. Returns at once when the team has ended: whoever ended it says why.
  void leave() {
    const CallInfo info = {.call = Call::kLeave};
    if (team_.open(rank_, info, {})) compare();
  }

 private:
  // Opens a call, and closes it when it goes out of scope.
  class Exchange {
   public:
    Exchange(ThreadCommunicator& comm, const CallInfo& info, const Offer& offer)
        : team_(comm.team_) {
      if (!team_.open(comm.rank_, info, offer)) throw CommError(team_.reason());
      comm.compare();
    }
    ~Exchange() { team_.close(); }
    Exchange(const Exchange&) = delete;
    Exchange& operator=(const Exchange&) = delete;
    [[nodiscard]] std::span<const Offer> offers() const { return team_.offers(); }

   private:
    Team& team_;
  };

  // Throws on all ranks alike, so that nobody reads an offer or waits for the closing.
  void compare() {
    try {
      agree(team_.infos());
    } catch (const std::exception& e) {
      team_.end(e.what());
      throw;
    }
  }

  void do_all_gather(const CallInfo& info, std::span<const std::byte> mine,
                     Gathered& out) override {
    const Exchange exchange(*this, info, {.bytes = mine});
    collect(exchange, out, [](const Offer& offer) { return offer.bytes; });
  }
  void do_all_to_all(const CallInfo& info, std::span<const std::span<const std::byte>> parts,
                     Gathered& out) override {
    const Exchange exchange(*this, info, {.parts = parts});
    collect(exchange, out, [this](const Offer& offer) { return offer.parts[rank_]; });
  }
  void do_broadcast(const CallInfo& info, std::uint32_t root,
                    std::vector<std::byte>& bytes) override {
    const Exchange exchange(*this, info, {.bytes = bytes});
    if (rank_ == root) return;
    const std::span<const std::byte> sent = exchange.offers()[root].bytes;
    bytes.assign(sent.begin(), sent.end());
  }
  void do_barrier(const CallInfo& info) override { const Exchange exchange(*this, info, {}); }
  std::unique_ptr<Communicator> do_open_second() override {
    return std::make_unique<ThreadCommunicator>(team_.second(opened_++), rank_);
  }
  void do_fast_sum(const CallInfo& info, std::span<float> values) override {
    const Exchange exchange(*this, info, {.floats = values});
    sum_slice(exchange, values.size(), [](const Offer& offer) { return offer.floats; });
  }
  void do_fast_sum(const CallInfo& info, std::span<double> values) override {
    const Exchange exchange(*this, info, {.doubles = values});
    sum_slice(exchange, values.size(), [](const Offer& offer) { return offer.doubles; });
  }

  template <class View>
  void collect(const Exchange& exchange, Gathered& out, View view) {
    const std::span<const Offer> offers = exchange.offers();
    for (std::size_t r = 0; r < offers.size(); ++r) sizes_[r] = view(offers[r]).size();
    auto to = out.reset(sizes_).begin();
    for (const Offer& offer : offers) to = std::ranges::copy(view(offer), to).out;
  }

  // Each rank adds one slice of the coordinates and writes the sums to all ranks' buffers; the
  // slices of different ranks do not overlap.
  template <class View>
  void sum_slice(const Exchange& exchange, std::size_t count, View view) {
    using T = typename decltype(view(std::declval<const Offer&>()))::value_type;
    constexpr std::size_t kBlock = 512;
    const std::size_t slice_end = count * (rank_ + 1) / size();
    std::array<double, kBlock> sums;
    for (std::size_t begin = count * rank_ / size(); begin < slice_end; begin += kBlock) {
      const std::size_t length = std::min(kBlock, slice_end - begin);
      std::fill_n(sums.begin(), length, 0.0);
      for (const Offer& offer : exchange.offers()) {
        const std::span<const T> values = view(offer).subspan(begin, length);
        for (std::size_t i = 0; i < length; ++i) sums[i] += static_cast<double>(values[i]);
      }
      for (const Offer& offer : exchange.offers()) {
        const std::span<T> values = view(offer).subspan(begin, length);
        for (std::size_t i = 0; i < length; ++i) values[i] = static_cast<T>(sums[i]);
      }
    }
  }

  std::shared_ptr<Team> kept_ = {};
  Team& team_;
  std::uint32_t rank_;
  std::vector<std::uint64_t> sizes_;
  std::size_t opened_ = 0;  // second communicators
};

// Why bodies failed: the first exception that is not a CommError, and the first that is. The latter
// are mostly the echo of the former on other ranks.
class Failures {
 public:
  void add(std::exception_ptr failure, bool is_comm_error) {
    const std::scoped_lock lock(mutex_);
    std::exception_ptr& first = is_comm_error ? comm_error_ : other_;
    if (first == nullptr) first = std::move(failure);
  }
  // Precondition: all threads have ended.
  void rethrow_first() const {
    if (other_ != nullptr) std::rethrow_exception(other_);
    if (comm_error_ != nullptr) std::rethrow_exception(comm_error_);
  }

 private:
  std::mutex mutex_;  // guards both below while threads run
  std::exception_ptr comm_error_;
  std::exception_ptr other_;
};

void run_rank(ThreadCommunicator& comm, const std::function<void(Communicator&)>& body,
              Failures& failures) {
  try {
    body(comm);
    comm.leave();
  } catch (const CommError& e) {
    failures.add(std::current_exception(), true);
    comm.abort(e.what());
  } catch (const std::exception& e) {
    failures.add(std::current_exception(), false);
    comm.abort(fmt::format("rank {} failed: {}", comm.rank(), e.what()));
  } catch (...) {
    failures.add(std::current_exception(), false);
    comm.abort(fmt::format("rank {} failed with an exception of unknown type", comm.rank()));
  }
}

}  // namespace

void run_on_threads(std::uint32_t ranks, const std::function<void(Communicator&)>& body,
                    const std::atomic<bool>* stop) {
  LACONIC_EXPECTS(ranks > 0);
  ThreadCommunicator::Team team(ranks);
  Failures failures;
  {
    std::vector<std::jthread>
        threads;  // joined at the end of the scope, also when one cannot start
    threads.reserve(ranks);
    try {
      for (std::uint32_t rank = 0; rank < ranks; ++rank) {
        threads.emplace_back([&, rank] {
          ThreadCommunicator comm(team, rank, stop);
          run_rank(comm, body, failures);
        });
      }
    } catch (const std::exception& e) {
      team.end(fmt::format("threads: {} of {} ranks could be started: {}", threads.size(), ranks,
                           e.what()));
      throw;
    }
  }
  failures.rethrow_first();
}

}  // namespace laconic
