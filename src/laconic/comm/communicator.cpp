// SPDX-License-Identifier: Apache-2.0
#include "laconic/comm/communicator.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <type_traits>

#include "laconic/base/assert.hpp"

namespace laconic {
namespace {

struct Slice {
  std::size_t begin = 0;
  std::size_t end = 0;
  [[nodiscard]] std::size_t size() const { return end - begin; }
};

// Part `part` of `parts` of [0, count): contiguous, in order, sizes differ by at most one.
Slice slice_of(std::size_t count, std::size_t part, std::size_t parts) {
  const std::size_t quotient = count / parts;
  const std::size_t larger = count % parts;
  const std::size_t begin = part * quotient + std::min(part, larger);
  return {begin, begin + quotient + (part < larger ? 1 : 0)};
}

template <Real T>
const std::byte* bytes_of(const T* values) {
  return std::as_bytes(std::span<const T>(values, std::size_t{1})).data();
}

// out_i = sum over the rows, in their order, in double, rounded once. Rows are bytes because
// received ones are: values are copied out of them block by block, which stays in the first-level
// cache.
template <Real T>
void sum_rows(std::span<const std::byte* const> rows, std::span<T> out) {
  constexpr std::size_t kBlock = 512;
  std::array<double, kBlock> sums;
  std::array<T, kBlock> values;
  for (std::size_t begin = 0; begin < out.size(); begin += kBlock) {
    const std::size_t count = std::min(kBlock, out.size() - begin);
    std::fill_n(sums.begin(), count, 0.0);
    for (const std::byte* row : rows) {
      std::memcpy(values.data(), row + begin * sizeof(T), count * sizeof(T));
      for (std::size_t i = 0; i < count; ++i) sums[i] += static_cast<double>(values[i]);
    }
    for (std::size_t i = 0; i < count; ++i) out[begin + i] = static_cast<T>(sums[i]);
  }
}

}  // namespace

std::span<std::byte> Gathered::reset(std::span<const std::uint64_t> sizes) {
  offsets_.resize(sizes.size() + 1);
  offsets_[0] = 0;
  for (std::size_t rank = 0; rank < sizes.size(); ++rank) {
    offsets_[rank + 1] = offsets_[rank] + static_cast<std::size_t>(sizes[rank]);
  }
  if (bytes_.size() < offsets_.back()) {
    bytes_.clear();  // nothing to move to the new place
    // Some messages differ in length from round to round; a quarter to spare saves later rounds an
    // allocation.
    bytes_.resize(offsets_.back() + offsets_.back() / 4);
  }
  return std::span<std::byte>(bytes_).first(offsets_.back());
}

Communicator::CallInfo Communicator::info_for(Call call, Tag tag, std::uint64_t argument) const {
  const bool wanted = stop_wanted_.load(std::memory_order_relaxed) ||
                      (watched_stop_ != nullptr && watched_stop_->load(std::memory_order_relaxed));
  return {.call = call,
          .round = tag.round,
          .phase = tag.phase,
          .flags = wanted ? kWantsStop : 0,
          .argument = argument};
}

std::string Communicator::describe(const CallInfo& info) {
  const auto at = [&info](std::string_view what) {
    return fmt::format("is in {} of round {}, phase {}", what, info.round, info.phase);
  };
  const auto ended = [&info]() -> std::string {
    switch (static_cast<Ending>(info.phase)) {
      case Ending::kReturned:
        return "has returned";
      case Ending::kConfigError:
        return "has ended with a ConfigError";
      case Ending::kDivergedError:
        return "has ended with a DivergedError";
    }
    return "has ended";
  };
  const auto sum = [&](std::string_view type, std::string_view reduction) {
    return at(fmt::format("all_reduce_sum of {} {} ({})", info.argument, type, reduction));
  };
  switch (info.call) {
    case Call::kAllGather:
      return at("all_gather");
    case Call::kAllToAll:
      return at("all_to_all");
    case Call::kBroadcast:
      return at(fmt::format("broadcast from rank {}", info.argument));
    case Call::kBarrier:
      return at("barrier");
    case Call::kReduceFloat:
      return sum("floats", "canonical");
    case Call::kReduceDouble:
      return sum("doubles", "canonical");
    case Call::kFastSumFloat:
      return sum("floats", "fast");
    case Call::kFastSumDouble:
      return sum("doubles", "fast");
    case Call::kLeave:
      return ended();
  }
  return fmt::format("is in unknown call {}", static_cast<std::uint32_t>(info.call));
}

void Communicator::agree(std::span<const CallInfo> infos) {
  const auto same = [&infos](const CallInfo& other) {
    return other.call == infos[0].call && other.round == infos[0].round &&
           other.phase == infos[0].phase && other.argument == infos[0].argument;
  };
  const auto differs = std::find_if_not(infos.begin(), infos.end(), same);
  if (differs != infos.end()) {
    std::string other = describe(*differs);
    if (other == describe(infos[0])) other += " with another text";
    throw CommError(
        fmt::format("ranks disagree: rank 0 {}, rank {} {}; all ranks must make the same "
                    "calls in the same order",
                    describe(infos[0]), differs - infos.begin(), other));
  }
  for (const CallInfo& info : infos) stop_agreed_ = stop_agreed_ || (info.flags & kWantsStop) != 0;
}

void Communicator::all_gather(Tag tag, std::span<const std::byte> mine, Gathered& out) {
  do_all_gather(info_for(Call::kAllGather, tag, 0), mine, out);
  ++meter_->calls;
  count_control(1);
  count_gather(mine.size(), out.all().size());
}

void Communicator::count_gather(std::uint64_t mine_bytes, std::uint64_t all_bytes) {
  meter_->sent_bytes += mine_bytes * (size() - 1);
  meter_->received_bytes += all_bytes - mine_bytes;
  meter_->self_bytes += mine_bytes;
}

void Communicator::all_to_all(Tag tag, std::span<const std::span<const std::byte>> parts,
                              Gathered& out) {
  LACONIC_EXPECTS(parts.size() == size());
  do_all_to_all(info_for(Call::kAllToAll, tag, 0), parts, out);
  ++meter_->calls;
  count_control(1);
  const std::uint64_t self_bytes = parts[rank()].size();
  for (const std::span<const std::byte> part : parts) meter_->sent_bytes += part.size();
  meter_->sent_bytes -= self_bytes;
  meter_->received_bytes += out.all().size() - self_bytes;
  meter_->self_bytes += self_bytes;
}

void Communicator::broadcast(Tag tag, std::uint32_t root, std::vector<std::byte>& bytes) {
  LACONIC_EXPECTS(root < size());
  do_broadcast(info_for(Call::kBroadcast, tag, root), root, bytes);
  ++meter_->calls;
  count_control(1);
  if (rank() == root) {
    meter_->sent_bytes += bytes.size() * (size() - 1);
    meter_->self_bytes += bytes.size();
  } else {
    meter_->received_bytes += bytes.size();
  }
}

std::unique_ptr<Communicator> Communicator::open_second(Tag tag) {
  barrier(tag);
  return do_open_second();
}

std::unique_ptr<Communicator> Communicator::do_open_second() {
  throw CommError(
      fmt::format("transport {}: it cannot open a second communicator; do without what "
                  "runs beside the training",
                  transport()));
}

void Communicator::barrier(Tag tag) {
  do_barrier(info_for(Call::kBarrier, tag, 0));
  ++meter_->calls;
  count_control(1);
}

template <Real T>
void Communicator::all_reduce_sum(Tag tag, Reduction reduction, std::span<const T* const> rows,
                                  std::span<T> out) {
  constexpr bool kIsFloat = std::is_same_v<T, float>;
  if (reduction == Reduction::kCanonical) {
    const Call call = kIsFloat ? Call::kReduceFloat : Call::kReduceDouble;
    canonical_sum<T>(info_for(call, tag, out.size()), rows, out);
  } else {
    const Call call = kIsFloat ? Call::kFastSumFloat : Call::kFastSumDouble;
    reduce_rows_.clear();
    for (const T* row : rows) reduce_rows_.push_back(bytes_of(row));
    sum_rows<T>(reduce_rows_, out);
    do_fast_sum(info_for(call, tag, out.size()), out);
    count_control(1);
    if (size() == 1) {
      meter_->self_bytes += out.size_bytes();
    } else {
      meter_->sent_bytes += out.size_bytes();
      meter_->received_bytes += out.size_bytes();
    }
  }
  ++meter_->calls;
}

template <Real T>
void Communicator::canonical_sum(const CallInfo& info, std::span<const T* const> rows,
                                 std::span<T> out) {
  const Slice mine = slice_of(out.size(), rank(), size());
  if (size() == 1) {
    do_barrier(info);
  } else {
    exchange_slices<T>(info, rows, out.size());
  }

  reduce_rows_.clear();
  for (std::uint32_t r = 0; r < size(); ++r) {
    if (r == rank()) {
      for (const T* row : rows) reduce_rows_.push_back(bytes_of(row + mine.begin));
    } else if (const std::size_t row_bytes = mine.size() * sizeof(T); row_bytes > 0) {
      const std::span<const std::byte> part = reduce_gathered_.part(r);
      LACONIC_ASSERT(part.size() % row_bytes == 0);
      for (std::size_t at = 0; at < part.size(); at += row_bytes) reduce_rows_.push_back(&part[at]);
    }
  }
  const std::span<T> sums = out.subspan(mine.begin, mine.size());
  sum_rows<T>(reduce_rows_, sums);
  meter_->self_bytes += rows.size() * sums.size_bytes();

  if (size() > 1) {
    do_all_gather(info, std::as_bytes(sums), reduce_gathered_);
    std::ranges::copy(reduce_gathered_.all(), std::as_writable_bytes(out).begin());
    count_control(1);
  }
  count_gather(sums.size_bytes(), out.size_bytes());
}

template <Real T>
void Communicator::exchange_slices(const CallInfo& info, std::span<const T* const> rows,
                                   std::size_t count) {
  const auto slice_for = [&](std::size_t r) {
    // The own rows are read where they lie.
    return r == rank() ? Slice{} : slice_of(count, r, size());
  };
  std::size_t send_bytes = 0;
  for (std::size_t r = 0; r < size(); ++r)
    send_bytes += rows.size() * slice_for(r).size() * sizeof(T);
  if (reduce_send_.size() < send_bytes) reduce_send_.resize(send_bytes);

  reduce_parts_.resize(size());
  std::size_t at = 0;
  for (std::size_t r = 0; r < size(); ++r) {
    const Slice slice = slice_for(r);
    const std::size_t begin = at;
    for (const T* row : rows) {
      const auto values = std::as_bytes(std::span<const T>(row + slice.begin, slice.size()));
      std::ranges::copy(values, reduce_send_.begin() + static_cast<std::ptrdiff_t>(at));
      at += values.size();
    }
    reduce_parts_[r] = std::span<const std::byte>(reduce_send_).subspan(begin, at - begin);
  }
  do_all_to_all(info, reduce_parts_, reduce_gathered_);
  meter_->sent_bytes += send_bytes;
  meter_->received_bytes += reduce_gathered_.all().size();
  count_control(1);
}

template void Communicator::all_reduce_sum<float>(Tag, Reduction, std::span<const float* const>,
                                                  std::span<float>);
template void Communicator::all_reduce_sum<double>(Tag, Reduction, std::span<const double* const>,
                                                   std::span<double>);

Traffic* Communicator::set_meter(Traffic* meter) {
  Traffic* const before = meter_;
  meter_ = meter == nullptr ? &own_meter_ : meter;
  return before;
}

WorkerBlock workers_of_rank(std::uint32_t workers, std::uint32_t rank, std::uint32_t ranks) {
  LACONIC_EXPECTS(rank < ranks);
  const Slice slice = slice_of(workers, rank, ranks);
  return {static_cast<std::uint32_t>(slice.begin), static_cast<std::uint32_t>(slice.end)};
}

std::uint32_t rank_of_worker(std::uint32_t workers, std::uint32_t worker, std::uint32_t ranks) {
  LACONIC_EXPECTS(worker < workers);
  LACONIC_EXPECTS(ranks > 0);
  // The first workers % ranks ranks host one worker more than the others.
  const std::uint32_t quotient = workers / ranks;
  const std::uint32_t larger = workers % ranks;
  const std::uint64_t in_larger = std::uint64_t{larger} * (quotient + 1);
  if (worker < in_larger) return worker / (quotient + 1);
  return larger + static_cast<std::uint32_t>((worker - in_larger) / quotient);
}

}  // namespace laconic
