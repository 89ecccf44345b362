// SPDX-License-Identifier: Apache-2.0
// The two phases of a round through a sharded server, for any payload:
//
//   uplink    every worker writes one frame per shard; an all-to-all brings them to the shards
//   downlink  every shard writes one result frame; an all-gather brings them to everybody
//
// Frames are real bytes even when all workers live in one process, and are parsed as if they came
// from an enemy: a bad frame of a worker is refused and counted, and the round goes on with the
// workers that remain. A bad frame of a server shard would let replicas drift apart and throws
// CommError.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "laconic/aggregate/aggregator.hpp"
#include "laconic/aggregate/shards.hpp"
#include "laconic/wire/frame.hpp"

namespace laconic {

// Phases of a round, as they stand in tags and frame headers. Append only.
enum class Phase : std::uint8_t {
  kUplink = 1,
  kDownlink = 2,
  kSecondUplink = 3,  // of methods that exchange twice in a round
  kSecondDownlink = 4,
  kSideInfo = 5,  // norms, before an analog transmission
  kSignal = 6,    // sums of rows
};
// Of a method's collective call in a round.
[[nodiscard]] inline Tag tag_of(const Round& round, Phase phase) {
  constexpr std::uint32_t kPhases = 16;
  return {round.index, kPhases * round.part + static_cast<std::uint32_t>(phase)};
}

// What the server side of one shard holds after the uplink: one payload per worker; present is 0
// where none arrived or it was refused.
struct Inbox {
  std::vector<wire::Bytes> payloads = {};  // by worker
  std::vector<std::uint8_t> present = {};  // by worker
};

struct Refusals {
  std::uint64_t count = 0;
  Status first = {};
  void add(const Status& status) {
    if (count++ == 0) first = status;
  }
};
struct Divergence {
  std::uint32_t worker = 0;
  std::uint32_t tensor = 0;
  std::uint64_t index = 0;
};
struct OwnedShard {
  std::size_t shard = 0;  // index into the plan
  Inbox inbox = {};
};
// Sorts the frames in `bytes` into the inbox of the shard that they belong to. Frames that do not
// check are refused and counted. After a frame whose header cannot be read the rest of `bytes` is
// given up. Frames of kind kDiverged are appended to `diverged`. expected.dim and expected.offset
// are ignored: they follow from the shard.
void collect_frames(wire::Bytes bytes, const wire::Expected& expected, std::span<const Shard> plan,
                    std::span<OwnedShard> owned, Refusals& refusals,
                    std::vector<Divergence>& diverged);

class ShardedExchange {
 public:
  // Precondition: plan covers 0..layout.size() in order, without gaps.
  ShardedExchange(const AggregatorSetup& setup, std::vector<Shard> plan);

  [[nodiscard]] std::span<const Shard> plan() const { return plan_; }
  // Starts a round: forgets the frames of the last one.
  void begin(const Round& round);
  // Starts the second exchange of the round, after the first downlink. The report goes on; results
  // of the first exchange are gone.
  void begin_second();
  // The buffer to which hosted worker `worker` writes its frame for shard s: call open, append the
  // payload, call close. Payload bits are added to the worker's uplink meter.
  wire::Message& open_uplink(std::uint32_t worker, std::size_t s, wire::Kind kind,
                             std::uint8_t mode);
  // Returns the payload as it arrives, empty where the link lost it. Valid until the next call.
  wire::Bytes close_uplink();
  // True when every gradient of this rank is finite. If not, all ranks are told of those that are
  // not in place of this rank's frames, and deliver_uplink throws.
  template <Real T>
  [[nodiscard]] bool finite(std::span<const WorkerGradient<T>> mine);
  template <Real T>
  [[nodiscard]] bool finite(std::span<const SparseGradient<T>> mine);
  // The same for a number that the method itself cannot send.
  void report_divergence(const Divergence& divergence) { diverged_.push_back(divergence); }
  // Collective. Delivers the frames. Throws the same DivergedError on every rank if any was
  // reported.
  void deliver_uplink(wire::Kind kind, std::uint8_t mode, Communicator& comm);

  // The shards that this rank serves, with what arrived for them.
  [[nodiscard]] std::span<OwnedShard> owned() { return owned_; }
  [[nodiscard]] Refusals& refusals() { return refusals_; }
  // The result frame of an owned shard, as above.
  wire::Message& open_downlink(std::size_t s, wire::Kind kind, std::uint8_t mode);
  void close_downlink();
  // Collective. Afterwards result(s) is the payload of every shard.
  void deliver_downlink(wire::Kind kind, std::uint8_t mode, Communicator& comm);
  [[nodiscard]] wire::Bytes result(std::size_t s) const { return results_[s]; }
  // A result whose payload cannot be decoded.
  [[noreturn]] void bad_result(std::size_t s, const Status& status) const;
  // Where a worker's message for an owned shard is missing or cannot be decoded, and the method
  // cannot go on without it.
  [[noreturn]] void bad_message(std::size_t s, std::uint32_t worker, const Status& status) const;

  // Meters, latency and refusals; complete after deliver_downlink. The counters of the method's own
  // (votes, clamped messages) are zero at the start of the round.
  [[nodiscard]] RoundReport& report() { return report_; }

 private:
  // Sends the frame that was just closed over the link; takes it back if it is lost.
  void send_over_link(std::uint64_t& frame_bytes, std::uint64_t& wire_bits);
  void write_divergences(std::vector<std::byte>& out) const;
  void close_phase();
  void clear_frames();

  AggregatorSetup setup_;
  std::vector<Shard> plan_;
  Round round_ = {};
  Phase up_ = Phase::kUplink;
  Phase down_ = Phase::kDownlink;
  std::vector<wire::Message> to_shard_ = {};        // uplink frames of all hosted workers, by shard
  std::vector<std::vector<std::byte>> sends_ = {};  // the same, by the rank that serves the shard
  std::vector<std::span<const std::byte>> parts_ = {};
  wire::Message downlink_ = {};
  struct OpenFrame {
    wire::Message* message = nullptr;
    std::size_t token = 0;
    std::uint64_t bits_before = 0;
    std::uint32_t worker = 0;
    std::size_t shard = 0;
  } open_ = {};
  Gathered uplink_gathered_ = {};
  Gathered downlink_gathered_ = {};
  std::vector<OwnedShard> owned_ = {};
  std::vector<wire::Bytes> results_ = {};
  std::vector<Divergence> diverged_ = {};
  Refusals refusals_ = {};
  std::vector<std::uint64_t> link_out_ = {};  // by hosted worker, in this phase
  std::vector<std::uint64_t> link_in_ = {};
  std::vector<std::uint64_t> link_sent_ = {};  // by hosted worker, over setup_.link in this round
  RoundReport report_ = {};
};

// The first non-finite coordinate of a gradient.
template <Real T>
[[nodiscard]] Divergence find_divergence(const Layout& layout, const WorkerGradient<T>& gradient);
// Collective, for methods whose sum turned out not to be finite: the ranks tell each other whose
// gradient is to blame, and throw. Finite terms whose sum overflowed: the first worker is named.
template <Real T>
[[noreturn]] void blame_divergence(const Layout& layout, const Round& round,
                                   std::span<const WorkerGradient<T>> mine, Communicator& comm);
// The exception that every rank throws for these reports (the one of the lowest worker).
[[noreturn]] void throw_diverged(std::span<const Divergence> reports, const Layout& layout,
                                 const Round& round);

}  // namespace laconic
