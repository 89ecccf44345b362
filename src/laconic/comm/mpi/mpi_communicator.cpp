// SPDX-License-Identifier: Apache-2.0
#include "laconic/comm/mpi/mpi_communicator.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdlib>
#include <thread>

#include "laconic/base/assert.hpp"
#include "laconic/base/error.hpp"

namespace laconic {
namespace {

// Calls work(piece) for consecutive pieces of at most `largest` elements; not at all for no
// elements.
template <class T, class Work>
void for_pieces(std::span<T> values, std::size_t largest, Work work) {
  for (std::size_t at = 0; at < values.size(); at += largest) {
    work(values.subspan(at, std::min(largest, values.size() - at)));
  }
}

constexpr int kMessageTag = 0;

int as_int(std::size_t value) { return static_cast<int>(value); }  // bounded by the largest message

std::uint64_t hash_of(std::string_view text) {  // FNV-1a
  std::uint64_t hash = 14695981039346656037ULL;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211ULL;
  return hash;
}

}  // namespace

MpiCommunicator::MpiCommunicator(const MpiOptions& options, const OnAbort& on_abort,
                                 const std::atomic<bool>* stop)
    : options_(options), on_abort_(on_abort) {
  LACONIC_EXPECTS(options.largest_message_bytes >= sizeof(double));
  LACONIC_EXPECTS(options.largest_message_bytes <= std::size_t{1} << 30);
  watch(stop);
  check(MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN), "MPI_Comm_set_errhandler");
  check(MPI_Comm_dup(MPI_COMM_WORLD, &comm_), "MPI_Comm_dup");
  int rank = 0;
  int size = 1;
  check(MPI_Comm_rank(comm_, &rank), "MPI_Comm_rank");
  check(MPI_Comm_size(comm_, &size), "MPI_Comm_size");
  rank_ = static_cast<std::uint32_t>(rank);
  size_ = static_cast<std::uint32_t>(size);
  sent_.resize(size_);
  received_.resize(size_);
  infos_.resize(size_);
  sizes_.resize(size_);
}

MpiCommunicator::~MpiCommunicator() { MPI_Comm_free(&comm_); }

std::unique_ptr<Communicator> MpiCommunicator::do_open_second() {
  int provided = MPI_THREAD_SINGLE;
  check(MPI_Query_thread(&provided), "MPI_Query_thread");
  if (provided < MPI_THREAD_MULTIPLE) return Communicator::do_open_second();
  return std::make_unique<MpiCommunicator>(options_, on_abort_, nullptr);
}

void MpiCommunicator::abort(std::string_view why) noexcept {
  report(why);
  end_job();
}

void MpiCommunicator::report(std::string_view why) noexcept {
  if (reported_.test_and_set()) return;
  try {
    if (on_abort_) on_abort_(fmt::format("rank {}: {}", rank_, why));
  } catch (...) {
    // The job ends all the same.
  }
}

void MpiCommunicator::end_job() noexcept {
  MPI_Abort(comm_, EXIT_FAILURE);
  // It may return, when another thread is in it; the launcher ends a job that loses a rank.
  std::_Exit(EXIT_FAILURE);
}

void MpiCommunicator::abort_together(std::string_view why) noexcept {
  report(why);
  try {
    MPI_Request request = start_control();
    static_cast<void>(done_in_time(request));
  } catch (...) {
    // The others may miss their turn to report; the job ends all the same.
  }
  end_job();
}

void MpiCommunicator::check(int code, std::string_view call) {
  if (code == MPI_SUCCESS) return;
  std::array<char, MPI_MAX_ERROR_STRING> text = {};
  int length = 0;
  if (MPI_Error_string(code, text.data(), &length) != MPI_SUCCESS) length = 0;
  finished_ = fmt::format("{} failed with code {}: {}", call, code,
                          std::string_view(text.data(), static_cast<std::size_t>(length)));
  throw CommError(finished_);
}

MPI_Request MpiCommunicator::start_control() {
  MPI_Request request = MPI_REQUEST_NULL;
  constexpr int kBytes = sizeof(ControlRecord);
  check(MPI_Ialltoall(sent_.data(), kBytes, MPI_BYTE, received_.data(), kBytes, MPI_BYTE, comm_,
                      &request),
        "MPI_Ialltoall");
  return request;
}

void MpiCommunicator::compare() {
  for (std::size_t r = 0; r < size_; ++r) {
    infos_[r] = received_[r].info;
    sizes_[r] = received_[r].bytes;
  }
  try {
    agree(infos_);
  } catch (const CommError& e) {
    finished_ = e.what();
    disagreed_ = true;
    throw;
  }
}

template <class SendBytes>
void MpiCommunicator::open(const CallInfo& info, SendBytes send_bytes) {
  if (!finished_.empty()) throw CommError(finished_);
  for (std::size_t r = 0; r < size_; ++r) sent_[r] = {info, send_bytes(r)};
  // Not blocking by name only: it has to match the one in leave().
  MPI_Request request = start_control();
  check(MPI_Wait(&request, MPI_STATUS_IGNORE), "MPI_Wait");
  compare();
}

bool MpiCommunicator::done_in_time(MPI_Request& request) {
  const auto deadline =
      std::chrono::steady_clock::now() + std::chrono::duration<double>(options_.leave_wait_seconds);
  while (true) {
    int done = 0;
    check(MPI_Test(&request, &done, MPI_STATUS_IGNORE), "MPI_Test");
    if (done != 0) return true;
    if (std::chrono::steady_clock::now() >= deadline) return false;
    std::this_thread::yield();
  }
}

void MpiCommunicator::leave(Ending ending, std::string_view what) {
  const CallInfo info = {
      .call = Call::kLeave, .phase = static_cast<std::uint32_t>(ending), .argument = hash_of(what)};
  const auto describe_end = [&](std::string_view why) {
    return what.empty() ? std::string(why) : fmt::format("{} ({})", what, why);
  };
  disagreed_ = false;  // about this call, not an earlier one whose error the body has caught
  try {
    for (ControlRecord& record : sent_) record = {info, 0};
    MPI_Request request = start_control();
    if (ending == Ending::kReturned) {
      check(MPI_Wait(&request, MPI_STATUS_IGNORE), "MPI_Wait");
    } else if (!done_in_time(request)) {
      abort(describe_end(fmt::format("the other ranks did not end likewise within {} seconds",
                                     options_.leave_wait_seconds)));
    }
    compare();
  } catch (const CommError& e) {
    if (disagreed_) abort_together(describe_end(e.what()));
    abort(describe_end(e.what()));
  }
}

void MpiCommunicator::send(std::uint32_t to, std::span<const std::byte> bytes) {
  for_pieces(bytes, options_.largest_message_bytes, [&](std::span<const std::byte> piece) {
    check(MPI_Isend(piece.data(), as_int(piece.size()), MPI_BYTE, as_int(to), kMessageTag, comm_,
                    &requests_.emplace_back(MPI_REQUEST_NULL)),
          "MPI_Isend");
  });
}

void MpiCommunicator::receive(std::uint32_t from, std::span<std::byte> bytes) {
  for_pieces(bytes, options_.largest_message_bytes, [&](std::span<std::byte> piece) {
    check(MPI_Irecv(piece.data(), as_int(piece.size()), MPI_BYTE, as_int(from), kMessageTag, comm_,
                    &requests_.emplace_back(MPI_REQUEST_NULL)),
          "MPI_Irecv");
  });
}

void MpiCommunicator::wait() {
  check(MPI_Waitall(as_int(requests_.size()), requests_.data(), MPI_STATUSES_IGNORE),
        "MPI_Waitall");
  requests_.clear();
}

// Small parts go to everybody at once. Others go round a ring: in every step a rank hands on to the
// right what it was given from the left. As many bytes, but each link has one flow that never
// stops, where several flows would overflow the queue in front of a slow link, and a flow that
// rested would have to find the link's rate anew.
void MpiCommunicator::do_all_gather(const CallInfo& info, std::span<const std::byte> mine,
                                    Gathered& out) {
  open(info, [&](std::size_t) { return mine.size(); });
  const std::span<std::byte> to = out.reset(sizes_);
  const std::span<const std::size_t> offsets = out.offsets();
  const auto part = [&](std::uint32_t r) {
    return to.subspan(offsets[r], offsets[r + 1] - offsets[r]);
  };
  std::ranges::copy(mine, part(rank_).begin());
  requests_.clear();
  const bool small = *std::max_element(sizes_.begin(), sizes_.end()) <= options_.at_once_bytes;
  const auto before = [&](std::uint32_t step) { return (rank_ + size_ - step) % size_; };
  for (std::uint32_t step = 1; step < size_; ++step) {
    if (small) {
      receive(before(step), part(before(step)));
      send((rank_ + step) % size_, mine);
    } else {
      receive(before(1), part(before(step)));
      send((rank_ + 1) % size_, part(before(step - 1)));
      wait();
    }
  }
  wait();
}

// Messages between the ranks of each pair: both know the sizes, and empty parts cost nothing. Those
// that are not small go in steps, in each of which a rank sends to one other and receives from one,
// so that flows do not meet in front of a link.
void MpiCommunicator::do_all_to_all(const CallInfo& info,
                                    std::span<const std::span<const std::byte>> parts,
                                    Gathered& out) {
  open(info, [&](std::size_t r) { return parts[r].size(); });
  const std::span<std::byte> to = out.reset(sizes_);
  const std::span<const std::size_t> offsets = out.offsets();
  const auto place = [&](std::uint32_t r) {
    return to.subspan(offsets[r], offsets[r + 1] - offsets[r]);
  };
  requests_.clear();
  for (std::uint32_t step = 1; step < size_; ++step) {
    const std::uint32_t from = (rank_ + size_ - step) % size_;
    const std::uint32_t peer = (rank_ + step) % size_;
    receive(from, place(from));
    send(peer, parts[peer]);
    // Ranks need not agree on this: what a rank waits for is sent in the same step.
    if (std::max(place(from).size(), parts[peer].size()) > options_.at_once_bytes) wait();
  }
  std::ranges::copy(parts[rank_], place(rank_).begin());
  wait();
}

void MpiCommunicator::broadcast_bytes(std::uint32_t root, std::span<std::byte> bytes) {
  for_pieces(bytes, options_.largest_message_bytes, [&](std::span<std::byte> piece) {
    check(MPI_Bcast(piece.data(), as_int(piece.size()), MPI_BYTE, as_int(root), comm_),
          "MPI_Bcast");
  });
}

void MpiCommunicator::do_broadcast(const CallInfo& info, std::uint32_t root,
                                   std::vector<std::byte>& bytes) {
  open(info, [&](std::size_t) { return bytes.size(); });
  bytes.resize(static_cast<std::size_t>(sizes_[root]));
  broadcast_bytes(root, bytes);
}

void MpiCommunicator::do_barrier(const CallInfo& info) {
  open(info, [](std::size_t) { return std::uint64_t{0}; });
}

template <Real T>
void MpiCommunicator::sum_in_place(MPI_Datatype type, std::span<T> values) {
  for_pieces(values, options_.largest_message_bytes / sizeof(T), [&](std::span<T> piece) {
    check(MPI_Allreduce(MPI_IN_PLACE, piece.data(), as_int(piece.size()), type, MPI_SUM, comm_),
          "MPI_Allreduce");
  });
}

void MpiCommunicator::do_fast_sum(const CallInfo& info, std::span<float> values) {
  do_barrier(info);
  sum_in_place(MPI_FLOAT, values);
}

void MpiCommunicator::do_fast_sum(const CallInfo& info, std::span<double> values) {
  do_barrier(info);
  sum_in_place(MPI_DOUBLE, values);
}

}  // namespace laconic
