// SPDX-License-Identifier: Apache-2.0
// What ranks say to each other. A rank is hardware (a thread, an MPI process) that hosts a
// contiguous block of workers; a Communicator is one rank's end. Every call but rank, size,
// transport, meters and abort is collective: all ranks make the same calls in the same order.
//
// Every call carries a Tag. Before data moves the ranks compare (call, tag, sizes); if they differ
// every rank throws the same CommError, which says which rank was where. Bytes are counted here and
// nowhere else. One thread per communicator; abort and request_stop may be called from any thread,
// and request_stop from a signal handler.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "laconic/base/error.hpp"
#include "laconic/tensor/layout.hpp"

namespace laconic {

struct Tag {
  std::uint32_t round = 0;
  std::uint32_t phase = 0;
  bool operator==(const Tag&) const = default;
};

// Bytes that this rank handed to collectives since the meter was reset. A byte sent to r ranks
// counts r times. The counts follow from the calls alone and are the same on every transport, for b
// bytes on each of s ranks:
//   all_gather      sent (s-1) b, received the other parts, self b
//   all_to_all      sent and received the parts of the other ranks, self the own part
//   broadcast       root: sent (s-1) b, self b; the others: received b
//   barrier         nothing
//   all_reduce_sum  kCanonical: as the all_to_all of the rows followed by the all_gather of the
//   sums.
//                   kFast: sent b and received b for a sum of b bytes, whatever algorithm the
//                   transport uses; on one rank self b
// Each call sends kControlBytes of control to every other rank; a canonical sum does so twice.
struct Traffic {
  std::uint64_t sent_bytes = 0;      // to other ranks
  std::uint64_t received_bytes = 0;  // from other ranks
  std::uint64_t self_bytes = 0;      // from this rank to itself: never on a wire
  std::uint64_t control_bytes = 0;   // sent to other ranks to compare calls and sizes
  std::uint64_t calls = 0;
  bool operator==(const Traffic&) const = default;
};
inline constexpr std::uint64_t kControlBytes = 32;

// One buffer per rank, concatenated in order of rank. Reused from call to call; memory only grows.
class Gathered {
 public:
  [[nodiscard]] std::size_t size() const { return offsets_.empty() ? 0 : offsets_.size() - 1; }
  [[nodiscard]] std::span<const std::byte> part(std::size_t rank) const {
    return std::span<const std::byte>(bytes_).subspan(offsets_[rank],
                                                      offsets_[rank + 1] - offsets_[rank]);
  }
  [[nodiscard]] std::span<const std::byte> all() const {
    return std::span<const std::byte>(bytes_).first(offsets_.empty() ? 0 : offsets_.back());
  }
  // For transports: makes room for parts of these sizes and returns the whole buffer, contents
  // unspecified.
  std::span<std::byte> reset(std::span<const std::uint64_t> sizes);
  [[nodiscard]] std::span<const std::size_t> offsets() const { return offsets_; }

 private:
  std::vector<std::byte> bytes_;  // may be longer than the parts
  std::vector<std::size_t> offsets_;
};

enum class Reduction : std::uint8_t {
  kCanonical,  // rows added in order of worker, in double, rounded once: the same bits on any
               // number of ranks
  kFast,  // per-rank partial sums, then the transport's own all-reduce; bits depend on the ranks
};

class Communicator {
 public:
  virtual ~Communicator() = default;
  Communicator() = default;
  Communicator(const Communicator&) = delete;
  Communicator& operator=(const Communicator&) = delete;

  [[nodiscard]] virtual std::uint32_t rank() const = 0;
  [[nodiscard]] virtual std::uint32_t size() const = 0;
  [[nodiscard]] virtual std::string_view transport() const = 0;  // "self", "threads", "mpi"

  // In all calls: buffers that are read must not overlap buffers that are written. When a call
  // throws, what it writes is unspecified.
  //
  // out.part(r) = what rank r contributed. Contributions may differ in size and be empty.
  void all_gather(Tag tag, std::span<const std::byte> mine, Gathered& out);
  // parts[r] goes to rank r; out.part(r) = what rank r sent here. Precondition: parts.size() ==
  // size().
  void all_to_all(Tag tag, std::span<const std::span<const std::byte>> parts, Gathered& out);
  // On every rank `bytes` becomes root's. Precondition: root < size(), the same on all ranks.
  void broadcast(Tag tag, std::uint32_t root, std::vector<std::byte>& bytes);
  void barrier(Tag tag);
  // out = sum of all rows of all ranks; `rows` are the vectors of this rank's workers in order of
  // worker (possibly none), each of out.size(). Ranks must host contiguous blocks of workers in
  // order of rank. Without any row the sum is zero. Allocates only when it meets its largest size
  // so far.
  template <Real T>
  void all_reduce_sum(Tag tag, Reduction reduction, std::span<const T* const> rows,
                      std::span<T> out);

  // Ends the communicator on all ranks: pending and later calls throw CommError with `why`. On MPI
  // the job ends. Safe to call more than once.
  virtual void abort(std::string_view why) noexcept = 0;

  // Collective. A second communicator among the same ranks, for another thread of each: its calls
  // and those of this one do not wait for each other. It ends when this one does, and must be
  // destroyed before it, on all ranks or on none. Throws CommError where the transport cannot serve
  // two threads (MPI without MPI_THREAD_MULTIPLE).
  [[nodiscard]] std::unique_ptr<Communicator> open_second(Tag tag);

  // Asks all ranks to stop. After the next collective call stop_requested() is true on every rank,
  // so that all of them leave their loops at the same place.
  void request_stop() noexcept { stop_wanted_.store(true, std::memory_order_relaxed); }
  [[nodiscard]] bool stop_requested() const noexcept { return stop_agreed_; }

  // Where bytes are counted from now on; the communicator's own meter by default. Returns the meter
  // that was in use. The meter must outlive its use; null stands for the communicator's own. Lets
  // the caller keep traffic apart by purpose.
  Traffic* set_meter(Traffic* meter);
  [[nodiscard]] const Traffic& traffic() const { return *meter_; }

 protected:
  enum class Call : std::uint32_t {
    kAllGather = 1,
    kAllToAll,
    kBroadcast,
    kBarrier,
    kReduceFloat,
    kReduceDouble,
    kFastSumFloat,
    kFastSumDouble,
    kLeave,  // the body of this rank has ended; made by the transports, so that nobody waits for it
  };
  struct CallInfo {
    Call call = Call::kBarrier;
    std::uint32_t round = 0;
    std::uint32_t phase = 0;     // of kLeave: how the body ended, see Ending
    std::uint32_t flags = 0;     // kWantsStop
    std::uint64_t argument = 0;  // root, or number of elements: must agree
  };
  static constexpr std::uint32_t kWantsStop = 1;
  enum class Ending : std::uint32_t { kReturned = 0, kConfigError, kDivergedError };

  // Transports implement these six. `info` of all ranks must be compared with `agree` before data
  // moves.
  virtual void do_all_gather(const CallInfo& info, std::span<const std::byte> mine,
                             Gathered& out) = 0;
  virtual void do_all_to_all(const CallInfo& info,
                             std::span<const std::span<const std::byte>> parts, Gathered& out) = 0;
  virtual void do_broadcast(const CallInfo& info, std::uint32_t root,
                            std::vector<std::byte>& bytes) = 0;
  virtual void do_barrier(const CallInfo& info) = 0;
  // values = sum of the values of all ranks.
  virtual void do_fast_sum(const CallInfo& info, std::span<float> values) = 0;
  virtual void do_fast_sum(const CallInfo& info, std::span<double> values) = 0;
  // For open_second; all ranks have agreed to the call.
  virtual std::unique_ptr<Communicator> do_open_second();
  // Throws CommError naming the first rank that differs, the call and tag on it and on rank 0; else
  // records the stop requests of all ranks.
  void agree(std::span<const CallInfo> infos);
  // What a rank does, for messages: "is in barrier of round 3, phase 0".
  [[nodiscard]] static std::string describe(const CallInfo& info);
  [[nodiscard]] CallInfo info_for(Call call, Tag tag, std::uint64_t argument) const;
  // While *stop is true, this rank wants to stop, as after request_stop. `stop` (may be null) must
  // outlive the communicator.
  void watch(const std::atomic<bool>* stop) { watched_stop_ = stop; }

 private:
  template <Real T>
  void canonical_sum(const CallInfo& info, std::span<const T* const> rows, std::span<T> out);
  // Sends to rank r the rows' share of r's slice of the coordinates, in order of worker.
  template <Real T>
  void exchange_slices(const CallInfo& info, std::span<const T* const> rows, std::size_t count);
  void count_gather(std::uint64_t mine_bytes, std::uint64_t all_bytes);
  void count_control(std::uint64_t exchanges) {
    meter_->control_bytes += exchanges * kControlBytes * (size() - 1);
  }

  Traffic own_meter_ = {};
  Traffic* meter_ = &own_meter_;
  std::atomic<bool> stop_wanted_{false};
  const std::atomic<bool>* watched_stop_ = nullptr;
  bool stop_agreed_ = false;
  // Reused by all_reduce_sum.
  std::vector<std::byte> reduce_send_;
  std::vector<std::span<const std::byte>> reduce_parts_;
  std::vector<const std::byte*> reduce_rows_;
  Gathered reduce_gathered_;
};

// The workers that rank `rank` of `ranks` hosts: contiguous blocks in order, sizes differ by at
// most one.
struct WorkerBlock {
  std::uint32_t begin = 0;
  std::uint32_t end = 0;
  [[nodiscard]] std::uint32_t size() const { return end - begin; }
  [[nodiscard]] bool contains(std::uint32_t worker) const {
    return worker >= begin && worker < end;
  }
};
[[nodiscard]] WorkerBlock workers_of_rank(std::uint32_t workers, std::uint32_t rank,
                                          std::uint32_t ranks);
// The rank that hosts a worker, under the same rule.
[[nodiscard]] std::uint32_t rank_of_worker(std::uint32_t workers, std::uint32_t worker,
                                           std::uint32_t ranks);

}  // namespace laconic
