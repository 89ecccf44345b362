// SPDX-License-Identifier: Apache-2.0
#include "tests/contract/communicator_cases.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "laconic/comm/transports.hpp"
#include "laconic/rng/stream.hpp"
#include "tests/contract/allocations.hpp"

namespace laconic::test {
namespace {

using Bytes = std::span<const std::byte>;
using Buffer = std::vector<std::byte>;

constexpr std::uint64_t kSeed = 17;
constexpr std::uint32_t kWorkers = 7;

// What rank `from` says to rank `to` in round `round`: `size` bytes that tell all three.
Buffer message(std::uint32_t from, std::uint32_t to, std::uint32_t round, std::size_t size) {
  const rng::Stream stream(kSeed, {rng::Purpose::kTest, from, round, to});
  Buffer bytes(size);
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<std::byte>(stream.word(i) & 0xffU);
  return bytes;
}

bool equal(Bytes a, Bytes b) { return std::ranges::equal(a, b); }

// Sizes that differ between ranks and rounds; some are 0.
std::size_t uneven_size(std::uint32_t from, std::uint32_t to, std::uint32_t round) {
  return (std::size_t{from} * 5 + std::size_t{to} * 3 + std::size_t{round} * 7) % 4 *
         (100 + 37 * std::size_t{from} + to);
}

// Numbers of very different magnitude, so that every change of order or precision changes bits.
template <Real T>
std::vector<T> row_of(std::uint32_t worker, std::size_t count) {
  const rng::Stream stream(kSeed, {rng::Purpose::kTest, worker, 1000, 0});
  std::vector<T> row(count);
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint32_t word = stream.word(i);
    const auto number = static_cast<double>(static_cast<std::int32_t>(word));
    row[i] = static_cast<T>(std::ldexp(number, -static_cast<int>(word % 41)));
  }
  return row;
}

// The rows of the workers that this rank hosts.
template <Real T>
struct HostedRows {
  HostedRows(const Communicator& comm, std::uint32_t workers, std::size_t count) {
    const WorkerBlock block = workers_of_rank(workers, comm.rank(), comm.size());
    for (std::uint32_t w = block.begin; w < block.end; ++w) storage.push_back(row_of<T>(w, count));
    for (const std::vector<T>& row : storage) pointers.push_back(row.data());
  }
  std::vector<std::vector<T>> storage;
  std::vector<const T*> pointers;
};

template <Real T>
bool same_bits(std::span<const T> a, std::span<const T> b) {
  return equal(std::as_bytes(a), std::as_bytes(b));
}

void gathers_unequal_and_empty_buffers(Communicator& comm) {
  Gathered out;
  for (std::uint32_t round = 0; round < 8; ++round) {
    const Buffer mine = message(comm.rank(), 0, round, uneven_size(comm.rank(), 0, round));

    comm.all_gather({round, 1}, mine, out);

    ASSERT_EQ(out.size(), comm.size());
    std::size_t total = 0;
    for (std::uint32_t r = 0; r < comm.size(); ++r) {
      const std::size_t size = uneven_size(r, 0, round);
      EXPECT_TRUE(equal(out.part(r), message(r, 0, round, size)))
          << "round " << round << ", part " << r;
      total += size;
    }
    EXPECT_EQ(out.all().size(), total);
  }
}

void exchanges_unequal_and_empty_parts(Communicator& comm) {
  Gathered out;
  for (std::uint32_t round = 0; round < 8; ++round) {
    std::vector<Buffer> buffers;
    for (std::uint32_t to = 0; to < comm.size(); ++to) {
      buffers.push_back(message(comm.rank(), to, round, uneven_size(comm.rank(), to, round)));
    }
    const std::vector<Bytes> parts(buffers.begin(), buffers.end());

    comm.all_to_all({round, 2}, parts, out);

    ASSERT_EQ(out.size(), comm.size());
    for (std::uint32_t from = 0; from < comm.size(); ++from) {
      const std::size_t size = uneven_size(from, comm.rank(), round);
      EXPECT_TRUE(equal(out.part(from), message(from, comm.rank(), round, size)))
          << "round " << round << ", part " << from;
    }
  }
}

void broadcasts_from_each_root(Communicator& comm) {
  for (std::uint32_t round = 0; round < 3; ++round) {
    for (std::uint32_t root = 0; root < comm.size(); ++root) {
      const Buffer sent = message(root, 0, round, uneven_size(root, 1, round));
      Buffer bytes = comm.rank() == root ? sent : Buffer(comm.rank() * 100);

      comm.broadcast({round, root}, root, bytes);

      EXPECT_TRUE(equal(bytes, sent)) << "round " << round << ", root " << root;
    }
  }
}

void carries_nothing_when_all_buffers_are_empty(Communicator& comm) {
  Gathered out;
  Buffer none;
  const std::vector<Bytes> parts(comm.size());
  comm.all_gather({}, none, out);
  EXPECT_EQ(out.all().size(), 0U);
  comm.all_to_all({}, parts, out);
  EXPECT_EQ(out.size(), comm.size());
  EXPECT_EQ(out.all().size(), 0U);
  comm.broadcast({}, comm.size() - 1, none);
  EXPECT_TRUE(none.empty());
  comm.barrier({});
  comm.all_reduce_sum<float>({}, Reduction::kCanonical, {}, {});
  comm.all_reduce_sum<double>({}, Reduction::kFast, {}, {});
}

template <Real T>
void expect_canonical_sums(Communicator& comm, std::uint32_t workers) {
  const std::unique_ptr<Communicator> self = make_self_communicator();
  for (const std::size_t count : {0U, 1U, 3U, 64U, 1000U, 4097U}) {
    const HostedRows<T> mine(comm, workers, count);
    const HostedRows<T> all(*self, workers, count);
    std::vector<T> naive(count);
    for (std::size_t i = 0; i < count; ++i) {
      double sum = 0;
      for (const std::vector<T>& row : all.storage) sum += static_cast<double>(row[i]);
      naive[i] = static_cast<T>(sum);
    }
    std::vector<T> alone(count);
    self->all_reduce_sum<T>({}, Reduction::kCanonical, all.pointers, alone);
    std::vector<T> out(count, T{1});

    comm.all_reduce_sum<T>({1, 2}, Reduction::kCanonical, mine.pointers, out);

    EXPECT_TRUE(same_bits<T>(out, naive)) << workers << " workers, " << count << " coordinates";
    EXPECT_TRUE(same_bits<T>(out, alone)) << workers << " workers, " << count << " coordinates";
  }
}

void sums_in_order_of_worker_to_the_same_bits(Communicator& comm) {
  for (const std::uint32_t workers : {kWorkers, 1U, 2U, 30U}) {
    expect_canonical_sums<float>(comm, workers);
    expect_canonical_sums<double>(comm, workers);
  }
}

void sums_no_rows_to_zero(Communicator& comm) {
  for (const Reduction reduction : {Reduction::kCanonical, Reduction::kFast}) {
    std::vector<float> out(100, 1.0F);
    comm.all_reduce_sum<float>({}, reduction, {}, out);
    EXPECT_EQ(out, std::vector<float>(100, 0.0F));
  }
}

template <Real T>
void expect_exact_fast_sums(Communicator& comm) {
  // Integers below 2^24 are added exactly in any order.
  const WorkerBlock block = workers_of_rank(kWorkers, comm.rank(), comm.size());
  for (const std::size_t count : {1U, 5U, 1500U}) {
    std::vector<std::vector<T>> rows;
    for (std::uint32_t w = block.begin; w < block.end; ++w) {
      rows.emplace_back(count);
      for (std::size_t i = 0; i < count; ++i) rows.back()[i] = static_cast<T>((w + 1) * i);
    }
    std::vector<const T*> pointers;
    for (const std::vector<T>& row : rows) pointers.push_back(row.data());
    std::vector<T> expected(count);
    for (std::size_t i = 0; i < count; ++i) expected[i] = static_cast<T>(28 * i);
    std::vector<T> out(count);

    comm.all_reduce_sum<T>({}, Reduction::kFast, pointers, out);

    EXPECT_EQ(out, expected);
  }
}

void sums_fast_to_the_right_numbers(Communicator& comm) {
  expect_exact_fast_sums<float>(comm);
  expect_exact_fast_sums<double>(comm);
}

void expect_traffic(const Traffic& got, const Traffic& expected, const char* call) {
  EXPECT_EQ(got.sent_bytes, expected.sent_bytes) << call;
  EXPECT_EQ(got.received_bytes, expected.received_bytes) << call;
  EXPECT_EQ(got.self_bytes, expected.self_bytes) << call;
  EXPECT_EQ(got.control_bytes, expected.control_bytes) << call;
  EXPECT_EQ(got.calls, expected.calls) << call;
}

// Contribution of rank r: 10 (r + 1) bytes; part from rank a to rank b: 100 a + b bytes.
void counts_bytes_of_gather_exchange_broadcast_and_barrier(Communicator& comm) {
  const std::uint64_t others = comm.size() - 1;
  const std::uint64_t rank = comm.rank();
  Traffic meter;
  Traffic* const own = comm.set_meter(&meter);
  const Traffic own_before = *own;
  Gathered out;

  comm.all_gather({}, Buffer(10 * (rank + 1)), out);
  std::uint64_t all = 0;
  for (std::uint64_t r = 0; r < comm.size(); ++r) all += 10 * (r + 1);
  expect_traffic(meter,
                 {others * 10 * (rank + 1), all - 10 * (rank + 1), 10 * (rank + 1), others * 32, 1},
                 "all_gather");

  meter = {};
  std::vector<Buffer> buffers;
  Traffic expected = {0, 0, 101 * rank, others * 32, 1};
  for (std::uint64_t r = 0; r < comm.size(); ++r) {
    buffers.emplace_back(100 * rank + r);
    if (r == rank) continue;
    expected.sent_bytes += 100 * rank + r;
    expected.received_bytes += 100 * r + rank;
  }
  comm.all_to_all({}, std::vector<Bytes>(buffers.begin(), buffers.end()), out);
  expect_traffic(meter, expected, "all_to_all");

  meter = {};
  const bool is_root = rank == others;  // the last rank
  Buffer bytes(is_root ? 33 : 1);
  comm.broadcast({}, comm.size() - 1, bytes);
  expect_traffic(
      meter,
      is_root ? Traffic{others * 33, 0, 33, others * 32, 1} : Traffic{0, 33, 0, others * 32, 1},
      "broadcast");

  meter = {};
  comm.barrier({});
  expect_traffic(meter, {0, 0, 0, others * 32, 1}, "barrier");
  EXPECT_EQ(comm.set_meter(nullptr), &meter);
  EXPECT_EQ(&comm.traffic(), own);
  EXPECT_EQ(*own, own_before) << "a meter that is not in use must not count";
}

void counts_bytes_of_sums(Communicator& comm) {
  constexpr std::uint64_t kCount = 101;
  const HostedRows<float> mine(comm, kWorkers, kCount);
  const std::uint64_t hosted = mine.pointers.size();
  const std::uint64_t others = comm.size() - 1;
  // Slices are dealt out like workers.
  const auto slice = [&](std::uint32_t r) -> std::uint64_t {
    return workers_of_rank(kCount, r, comm.size()).size();
  };
  std::vector<float> out(kCount);
  Traffic meter;
  comm.set_meter(&meter);

  comm.all_reduce_sum<float>({}, Reduction::kCanonical, mine.pointers, out);
  const std::uint64_t my_slice = slice(comm.rank());
  expect_traffic(
      meter,
      {4 * (hosted * (kCount - my_slice) + others * my_slice),
       4 * ((kWorkers - hosted) * my_slice + kCount - my_slice), 4 * (hosted + 1) * my_slice,
       // One exchange for the rows, one for the sums.
       others * 64, 1},
      "canonical");

  meter = {};
  comm.all_reduce_sum<float>({}, Reduction::kFast, mine.pointers, out);
  expect_traffic(meter,
                 comm.size() == 1 ? Traffic{0, 0, 4 * kCount, 0, 1}
                                  : Traffic{4 * kCount, 4 * kCount, 0, others * 32, 1},
                 "fast");
  comm.set_meter(nullptr);
}

void agrees_to_stop_after_the_same_call(Communicator& comm) {
  for (std::uint32_t step = 0; step < 2 * kSteps; ++step) {
    if (step == 8 && comm.rank() == comm.size() - 1) comm.request_stop();
    EXPECT_FALSE(comm.stop_requested() && step <= 8) << "step " << step;
    make_call(comm, step);
    EXPECT_EQ(comm.stop_requested(), step >= 8) << "step " << step;
  }
}

void allocates_nothing_after_warm_up(Communicator& comm) {
  const HostedRows<float> rows(comm, kWorkers, 3000);
  std::vector<float> sum(3000);
  Buffer mine = message(comm.rank(), 0, 0, 500 + comm.rank());
  Buffer sent = mine;
  const std::vector<Bytes> parts(comm.size(), mine);
  Gathered out;
  const auto round = [&](std::uint32_t t) {
    comm.all_gather({t, 0}, Bytes(mine).first(mine.size() - t), out);
    comm.all_to_all({t, 1}, parts, out);
    comm.broadcast({t, 2}, t % comm.size(), sent);
    comm.all_reduce_sum<float>({t, 3}, Reduction::kCanonical, rows.pointers, sum);
    comm.all_reduce_sum<float>({t, 4}, Reduction::kFast, rows.pointers, sum);
    comm.barrier({t, 5});
  };
  sent.reserve(1000);
  round(0);
  // Ranks that are threads share the count: nobody goes on before all have read it.
  comm.barrier({1, 6});
  const std::size_t before = allocations();
  comm.barrier({1, 7});
  for (std::uint32_t t = 1; t < 6; ++t) round(t);
  comm.barrier({1, 8});
  const std::size_t after = allocations();
  comm.barrier({1, 9});
  EXPECT_EQ(after, before);
}

// All ranks but the last make one call, the last another; all see the same error, and again later.
template <class Call, class OtherCall>
void expect_disagreement(Communicator& comm, Call call, OtherCall other_call,
                         const std::string& text) {
  const auto error_of = [&](auto work) -> std::string {
    try {
      work();
    } catch (const CommError& e) {
      return e.what();
    }
    return "no error";
  };
  comm.barrier({6, 0});
  const std::string error = error_of([&] {
    if (comm.rank() + 1 == comm.size()) {
      other_call();
    } else {
      call();
    }
  });
  EXPECT_EQ(error, text);
  EXPECT_EQ(error_of([&] {
              comm.barrier({7, 0});
            }),
            text)
      << "a finished communicator throws again";
}

std::string disagreement(const Communicator& comm, const std::string& first,
                         const std::string& last) {
  return "ranks disagree: rank 0 " + first + ", rank " + std::to_string(comm.size() - 1) + " " +
         last + "; all ranks must make the same calls in the same order";
}

void refuses_different_rounds(Communicator& comm) {
  Gathered out;
  expect_disagreement(
      comm,
      [&] {
        comm.all_gather({6, 2}, {}, out);
      },
      [&] {
        comm.all_gather({7, 2}, {}, out);
      },
      disagreement(comm, "is in all_gather of round 6, phase 2",
                   "is in all_gather of round 7, phase 2"));
}

void refuses_different_phases(Communicator& comm) {
  expect_disagreement(
      comm,
      [&] {
        comm.barrier({6, 2});
      },
      [&] {
        comm.barrier({6, 3});
      },
      disagreement(comm, "is in barrier of round 6, phase 2", "is in barrier of round 6, phase 3"));
}

void refuses_different_calls(Communicator& comm) {
  Gathered out;
  const std::vector<Bytes> parts(comm.size());
  Buffer bytes(10);
  expect_disagreement(
      comm,
      [&] {
        comm.all_to_all({6, 1}, parts, out);
      },
      [&] {
        comm.broadcast({6, 1}, 0, bytes);
      },
      disagreement(comm, "is in all_to_all of round 6, phase 1",
                   "is in broadcast from rank 0 of round 6, phase 1"));
}

void refuses_different_roots(Communicator& comm) {
  Buffer bytes(10);
  expect_disagreement(
      comm,
      [&] {
        comm.broadcast({6, 1}, 0, bytes);
      },
      [&] {
        comm.broadcast({6, 1}, 1, bytes);
      },
      disagreement(comm, "is in broadcast from rank 0 of round 6, phase 1",
                   "is in broadcast from rank 1 of round 6, phase 1"));
}

void refuses_sums_of_different_size(Communicator& comm) {
  std::vector<float> out(10);
  const auto sum = [&](std::size_t count) {
    comm.all_reduce_sum<float>({6, 1}, Reduction::kCanonical, {}, std::span(out).first(count));
  };
  expect_disagreement(
      comm, [&] { sum(10); }, [&] { sum(9); },
      disagreement(comm, "is in all_reduce_sum of 10 floats (canonical) of round 6, phase 1",
                   "is in all_reduce_sum of 9 floats (canonical) of round 6, phase 1"));
}

void refuses_sums_of_different_kind(Communicator& comm) {
  std::vector<double> out(10);
  const auto sum = [&](Reduction reduction) {
    comm.all_reduce_sum<double>({6, 1}, reduction, {}, out);
  };
  expect_disagreement(
      comm, [&] { sum(Reduction::kCanonical); }, [&] { sum(Reduction::kFast); },
      disagreement(comm, "is in all_reduce_sum of 10 doubles (canonical) of round 6, phase 1",
                   "is in all_reduce_sum of 10 doubles (fast) of round 6, phase 1"));
}

constexpr std::array kCases = {
    CommunicatorCase{"GathersUnequalAndEmptyBuffers", gathers_unequal_and_empty_buffers},
    CommunicatorCase{"ExchangesUnequalAndEmptyParts", exchanges_unequal_and_empty_parts},
    CommunicatorCase{"BroadcastsFromEachRoot", broadcasts_from_each_root},
    CommunicatorCase{"CarriesNothingWhenAllBuffersAreEmpty",
                     carries_nothing_when_all_buffers_are_empty},
    CommunicatorCase{"SumsInOrderOfWorkerToTheSameBits", sums_in_order_of_worker_to_the_same_bits},
    CommunicatorCase{"SumsNoRowsToZero", sums_no_rows_to_zero},
    CommunicatorCase{"SumsFastToTheRightNumbers", sums_fast_to_the_right_numbers},
    CommunicatorCase{"CountsBytesOfGatherExchangeBroadcastAndBarrier",
                     counts_bytes_of_gather_exchange_broadcast_and_barrier},
    CommunicatorCase{"CountsBytesOfSums", counts_bytes_of_sums},
    CommunicatorCase{"AllocatesNothingAfterWarmUp", allocates_nothing_after_warm_up},
    CommunicatorCase{"AgreesToStopAfterTheSameCall", agrees_to_stop_after_the_same_call, 1, true},
    CommunicatorCase{"RefusesDifferentRounds", refuses_different_rounds, 2, true},
    CommunicatorCase{"RefusesDifferentPhases", refuses_different_phases, 2, true},
    CommunicatorCase{"RefusesDifferentCalls", refuses_different_calls, 2, true},
    CommunicatorCase{"RefusesDifferentRoots", refuses_different_roots, 2, true},
    CommunicatorCase{"RefusesSumsOfDifferentSize", refuses_sums_of_different_size, 2, true},
    CommunicatorCase{"RefusesSumsOfDifferentKind", refuses_sums_of_different_kind, 2, true},
};

}  // namespace

std::span<const CommunicatorCase> communicator_cases() { return kCases; }

void make_call(Communicator& comm, std::uint32_t step) {
  const Tag tag = {step, step % kSteps};
  const std::array<float, 50> row = {};
  const std::array<const float*, 1> rows = {row.data()};
  std::array<float, 50> sum = {};
  Buffer bytes(10 * std::size_t{comm.rank()});
  Gathered out;
  switch (step % kSteps) {
    case 0:
      comm.all_gather(tag, bytes, out);
      break;
    case 1:
      comm.all_to_all(tag, std::vector<Bytes>(comm.size(), bytes), out);
      break;
    case 2:
      comm.broadcast(tag, step % comm.size(), bytes);
      break;
    case 3:
      comm.all_reduce_sum<float>(tag, Reduction::kCanonical, rows, sum);
      break;
    case 4:
      comm.all_reduce_sum<float>(tag, Reduction::kFast, rows, sum);
      break;
    default:
      comm.barrier(tag);
      break;
  }
}

}  // namespace laconic::test
