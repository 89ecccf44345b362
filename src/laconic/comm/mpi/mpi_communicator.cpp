// SPDX-License-Identifier: Apache-2.0
#include "laconic/comm/mpi/mpi_communicator.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdlib>
#include <cstring>
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

template <Real T>
void add_bytes(std::span<const std::byte> terms, std::span<T> sums) {
  for (std::size_t i = 0; i < sums.size(); ++i) {
    T term;
    std::memcpy(&term, terms.data() + i * sizeof(T), sizeof term);
    sums[i] += term;
  }
}

std::uint64_t hash_of(std::string_view text) {  // FNV-1a
  std::uint64_t hash = 14695981039346656037ULL;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211ULL;
  return hash;
}

}  // namespace

MpiCommunicator::MpiCommunicator(const MpiOptions& options, const OnAbort& on_abort,
                                 const std::atomic<bool>* stop)
    : options_(options), on_abort_(on_abort) {
  LACONIC_EXPECTS(options.largest_message_bytes > 0);
  LACONIC_EXPECTS(options.largest_message_bytes <= std::size_t{1} << 30);
  LACONIC_EXPECTS(options.piece_bytes > 0 && options.piece_bytes <= std::size_t{1} << 30);
  LACONIC_EXPECTS(options.window_bytes > 0);
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

template <class Done>
void MpiCommunicator::wait_until(Done done) {
  using Seconds = std::chrono::duration<double>;
  const auto start = std::chrono::steady_clock::now();
  Seconds pause(options_.spin_seconds);
  while (!done()) {
    if (std::chrono::steady_clock::now() - start < Seconds(options_.spin_seconds)) continue;
    std::this_thread::sleep_for(pause);
    pause = std::min(2 * pause, Seconds(options_.longest_pause_seconds));
  }
}

void MpiCommunicator::wait(MPI_Request& request) {
  wait_until([&] {
    int done = 0;
    check(MPI_Test(&request, &done, MPI_STATUS_IGNORE), "MPI_Test");
    return done != 0;
  });
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
  wait(request);
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
      wait(request);
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

void MpiCommunicator::send(std::uint32_t to, std::span<const std::byte> bytes,
                           std::size_t handed_on) {
  for_pieces(bytes, options_.piece_bytes, [&](std::span<const std::byte> piece) {
    out_.pieces.push_back({.peer = to, .bytes = piece, .handed_on = handed_on});
    if (handed_on != kNone) ++handed_on;
  });
}

std::size_t MpiCommunicator::receive(std::uint32_t from, std::span<std::byte> bytes) {
  const std::size_t first = in_.pieces.size();
  for_pieces(bytes, options_.piece_bytes, [&](std::span<std::byte> piece) {
    in_.pieces.push_back({.peer = from, .bytes = piece});
  });
  return first;
}

void MpiCommunicator::start_receives() {
  while (in_.started < in_.pieces.size() && in_.bytes_under_way < options_.window_bytes) {
    const auto& piece = in_.pieces[in_.started];
    check(MPI_Irecv(piece.bytes.data(), as_int(piece.bytes.size()), MPI_BYTE, as_int(piece.peer),
                    kMessageTag, comm_, &requests_.emplace_back(MPI_REQUEST_NULL)),
          "MPI_Irecv");
    under_way_.push_back({.incoming = true, .piece = in_.started++});
    in_.bytes_under_way += piece.bytes.size();
  }
}

void MpiCommunicator::start_sends() {
  while (out_.started < out_.pieces.size() && out_.bytes_under_way < options_.window_bytes) {
    const auto& piece = out_.pieces[out_.started];
    if (piece.handed_on != kNone && arrived_[piece.handed_on] == 0) return;
    check(MPI_Isend(piece.bytes.data(), as_int(piece.bytes.size()), MPI_BYTE, as_int(piece.peer),
                    kMessageTag, comm_, &requests_.emplace_back(MPI_REQUEST_NULL)),
          "MPI_Isend");
    under_way_.push_back({.incoming = false, .piece = out_.started++});
    out_.bytes_under_way += piece.bytes.size();
  }
}

void MpiCommunicator::await_some() {
  done_.resize(requests_.size());
  int count = 0;
  wait_until([&] {
    check(MPI_Testsome(as_int(requests_.size()), requests_.data(), &count, done_.data(),
                       MPI_STATUSES_IGNORE),
          "MPI_Testsome");
    return count != 0;
  });
  for (int i = 0; i < count; ++i) {
    const UnderWay& one = under_way_[static_cast<std::size_t>(done_[static_cast<std::size_t>(i)])];
    if (one.incoming) {
      arrived_[one.piece] = 1;
      in_.bytes_under_way -= in_.pieces[one.piece].bytes.size();
    } else {
      out_.bytes_under_way -= out_.pieces[one.piece].bytes.size();
    }
  }
  std::size_t kept = 0;  // finished requests are null now
  for (std::size_t i = 0; i < requests_.size(); ++i) {
    if (requests_[i] == MPI_REQUEST_NULL) continue;
    requests_[kept] = requests_[i];
    under_way_[kept++] = under_way_[i];
  }
  requests_.resize(kept);
  under_way_.resize(kept);
}

void MpiCommunicator::flow() {
  arrived_.assign(in_.pieces.size(), 0);
  while (true) {
    start_receives();
    start_sends();
    if (requests_.empty()) break;
    await_some();
  }
  LACONIC_ASSERT(in_.started == in_.pieces.size() && out_.started == out_.pieces.size());
  in_.clear();
  out_.clear();
}

// As many bytes as when everybody sends to everybody, but each link has one flow that never stops,
// where several flows would overflow the queue in front of a slow link, and a flow that rested
// would have to find the link's rate anew.
template <class Part>
void MpiCommunicator::gather_round_a_ring(Part part) {
  const auto before = [&](std::uint32_t step) { return (rank_ + size_ - step) % size_; };
  std::size_t handed_on = kNone;
  for (std::uint32_t step = 1; step < size_; ++step) {
    send((rank_ + 1) % size_, part(before(step - 1)), handed_on);
    handed_on = receive(before(1), part(before(step)));
  }
  flow();
}

void MpiCommunicator::do_all_gather(const CallInfo& info, std::span<const std::byte> mine,
                                    Gathered& out) {
  open(info, [&](std::size_t) { return mine.size(); });
  const std::span<std::byte> to = out.reset(sizes_);
  const std::span<const std::size_t> offsets = out.offsets();
  const auto part = [&](std::uint32_t r) {
    return to.subspan(offsets[r], offsets[r + 1] - offsets[r]);
  };
  std::ranges::copy(mine, part(rank_).begin());
  if (*std::max_element(sizes_.begin(), sizes_.end()) > options_.at_once_bytes) {
    gather_round_a_ring(part);
    return;
  }
  for (std::uint32_t step = 1; step < size_; ++step) {
    const std::uint32_t from = (rank_ + size_ - step) % size_;
    receive(from, part(from));
    send((rank_ + step) % size_, mine);
  }
  flow();
}

// Messages between the ranks of each pair: both know the sizes, and empty parts cost nothing. At
// any time most ranks send to one other and receive from one, so that flows hardly meet in front of
// a link.
void MpiCommunicator::do_all_to_all(const CallInfo& info,
                                    std::span<const std::span<const std::byte>> parts,
                                    Gathered& out) {
  open(info, [&](std::size_t r) { return parts[r].size(); });
  const std::span<std::byte> to = out.reset(sizes_);
  const std::span<const std::size_t> offsets = out.offsets();
  for (std::uint32_t step = 1; step < size_; ++step) {
    const std::uint32_t from = (rank_ + size_ - step) % size_;
    const std::uint32_t peer = (rank_ + step) % size_;
    receive(from, to.subspan(offsets[from], offsets[from + 1] - offsets[from]));
    send(peer, parts[peer]);
  }
  std::ranges::copy(parts[rank_], to.begin() + static_cast<std::ptrdiff_t>(offsets[rank_]));
  flow();
}

void MpiCommunicator::broadcast_bytes(std::uint32_t root, std::span<std::byte> bytes) {
  for_pieces(bytes, options_.largest_message_bytes, [&](std::span<std::byte> piece) {
    MPI_Request request = MPI_REQUEST_NULL;
    check(MPI_Ibcast(piece.data(), as_int(piece.size()), MPI_BYTE, as_int(root), comm_, &request),
          "MPI_Ibcast");
    wait(request);
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

// Every rank sums one slice, in the order of the ranks, and gathers the others.
template <Real T>
void MpiCommunicator::sum(const CallInfo& info, std::span<T> values) {
  const auto slice = [&](std::uint32_t r) {
    const std::size_t begin = values.size() * r / size_;
    return values.subspan(begin, values.size() * (r + std::size_t{1}) / size_ - begin);
  };
  do_barrier(info);
  const std::span<T> mine = slice(rank_);
  scratch_.resize(mine.size_bytes() * size_);
  const auto row = [&](std::uint32_t r) {
    return std::span<std::byte>(scratch_).subspan(mine.size_bytes() * r, mine.size_bytes());
  };
  for (std::uint32_t step = 1; step < size_; ++step) {
    receive((rank_ + size_ - step) % size_, row((rank_ + size_ - step) % size_));
    send((rank_ + step) % size_, std::as_bytes(slice((rank_ + step) % size_)));
  }
  flow();
  std::ranges::copy(std::as_bytes(mine), row(rank_).begin());
  std::ranges::fill(mine, T{0});
  for (std::uint32_t r = 0; r < size_; ++r) add_bytes<T>(row(r), mine);
  gather_round_a_ring([&](std::uint32_t r) { return std::as_writable_bytes(slice(r)); });
}

void MpiCommunicator::do_fast_sum(const CallInfo& info, std::span<float> values) {
  sum(info, values);
}

void MpiCommunicator::do_fast_sum(const CallInfo& info, std::span<double> values) {
  sum(info, values);
}

}  // namespace laconic
