// SPDX-License-Identifier: Apache-2.0
// A rank that is an MPI process. Every call begins with one small all-to-all in which each rank
// tells every other what it calls and how many bytes it has for it; data moves when all agree.
//
// Invariant: this control exchange is the same MPI operation for every call, the last one (leave)
// included. So ranks that disagree meet in it and find out, where they would hang in different
// ones.
#pragma once

#include <mpi.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "laconic/comm/communicator.hpp"
#include "laconic/comm/mpi/mpi_options.hpp"

namespace laconic {

class MpiCommunicator final : public Communicator {
 public:
  using Communicator::Ending;
  using OnAbort = std::function<void(std::string_view)>;

  // Collective; MPI is initialised. `on_abort` and `stop` must outlive the communicator.
  MpiCommunicator(const MpiOptions& options, const OnAbort& on_abort,
                  const std::atomic<bool>* stop);
  // Collective: all ranks have left alike.
  ~MpiCommunicator() override;

  [[nodiscard]] std::uint32_t rank() const override { return rank_; }
  [[nodiscard]] std::uint32_t size() const override { return size_; }
  [[nodiscard]] std::string_view transport() const override { return "mpi"; }
  // Reports and ends the job on all ranks. Does not return.
  void abort(std::string_view why) noexcept override;

  // The last call: the body of this rank has ended, with the exception text `what` unless it
  // returned. Ends the job when another rank is elsewhere or ended otherwise. With an exception it
  // waits for the others a bounded time only.
  void leave(Ending ending, std::string_view what);
  // True once ranks disagreed about a call; all of them know it then.
  [[nodiscard]] bool disagreed() const { return disagreed_; }
  // As abort, for a reason that all ranks have: lets each of them report before the job ends, so
  // that the line of the rank that caused it is not lost. Waits a bounded time.
  [[noreturn]] void abort_together(std::string_view why) noexcept;

 private:
  // What a rank tells each other rank before data moves. Between processes of one build.
  struct ControlRecord {
    CallInfo info = {};
    std::uint64_t bytes = 0;  // that this rank has for the receiver
  };
  static_assert(sizeof(ControlRecord) == kControlBytes);

  static constexpr std::size_t kNone = static_cast<std::size_t>(-1);
  // Pieces of one direction, and how far they are.
  template <class Byte>
  struct Stream {
    struct Piece {
      std::uint32_t peer = 0;
      std::span<Byte> bytes = {};
      std::size_t handed_on = kNone;  // the piece of the other direction that it has to wait for
    };
    std::vector<Piece> pieces = {};
    std::size_t started = 0;
    std::size_t bytes_under_way = 0;
    void clear() {
      pieces.clear();
      started = 0;
    }
  };
  struct UnderWay {
    bool incoming = false;
    std::size_t piece = 0;
  };

  void do_all_gather(const CallInfo& info, std::span<const std::byte> mine, Gathered& out) override;
  void do_all_to_all(const CallInfo& info, std::span<const std::span<const std::byte>> parts,
                     Gathered& out) override;
  void do_broadcast(const CallInfo& info, std::uint32_t root,
                    std::vector<std::byte>& bytes) override;
  void do_barrier(const CallInfo& info) override;
  std::unique_ptr<Communicator> do_open_second() override;
  void do_fast_sum(const CallInfo& info, std::span<float> values) override;
  void do_fast_sum(const CallInfo& info, std::span<double> values) override;

  // Tells rank r about send_bytes(r) bytes. Afterwards sizes_[r] is what rank r has for this one.
  template <class SendBytes>
  void open(const CallInfo& info, SendBytes send_bytes);
  // Puts messages into the stream of this call, in pieces. With `handed_on` the pieces are those of
  // the receive() that began with this piece, and each leaves when it has come.
  void send(std::uint32_t to, std::span<const std::byte> bytes, std::size_t handed_on = kNone);
  // The number of its first piece.
  std::size_t receive(std::uint32_t from, std::span<std::byte> bytes);
  // Sends and receives all pieces, each way in the order in which they were put there.
  void flow();
  void start_receives();
  void start_sends();
  // Waits until some piece that is under way has come or gone.
  void await_some();
  MPI_Request start_control();
  void wait(MPI_Request& request);
  // Calls done() until it is true, with pauses.
  template <class Done>
  void wait_until(Done done);
  void compare();
  // Sends `bytes` of `root` in pieces. Precondition: all ranks know the size.
  void broadcast_bytes(std::uint32_t root, std::span<std::byte> bytes);
  template <Real T>
  void sum(const CallInfo& info, std::span<T> values);
  // A rank hands on to its right, piece by piece, what it was given from its left, until everybody
  // has part(r) of every rank r.
  template <class Part>
  void gather_round_a_ring(Part part);
  // Throws CommError unless code is MPI_SUCCESS; the communicator is then finished.
  void check(int code, std::string_view call);
  [[nodiscard]] bool done_in_time(MPI_Request& request);
  void report(std::string_view why) noexcept;
  [[noreturn]] void end_job() noexcept;

  MpiOptions options_;
  const OnAbort& on_abort_;
  std::atomic_flag reported_;
  MPI_Comm comm_ = MPI_COMM_NULL;
  std::uint32_t rank_ = 0;
  std::uint32_t size_ = 1;
  std::string finished_;  // why, once a call has thrown
  bool disagreed_ = false;
  // Reused from call to call, one element per rank unless said otherwise.
  std::vector<ControlRecord> sent_;
  std::vector<ControlRecord> received_;
  std::vector<CallInfo> infos_;
  std::vector<std::uint64_t> sizes_;
  Stream<std::byte> in_;
  Stream<const std::byte> out_;
  std::vector<std::uint8_t> arrived_;  // one per piece of in_
  std::vector<MPI_Request> requests_;  // of pieces under way
  std::vector<UnderWay> under_way_;    // what they are
  std::vector<int> done_;
  std::vector<std::byte> scratch_;  // what others have for the slice that this rank sums
};

}  // namespace laconic
