// SPDX-License-Identifier: Apache-2.0
#include "laconic/aggregate/exchange.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "laconic/base/assert.hpp"
#include "laconic/kernels/kernels.hpp"

namespace laconic {
namespace {

Divergence place_of(const Layout& layout, std::uint32_t worker, std::size_t i) {
  const Tensor& tensor = layout.tensor_of(i);
  const auto index = static_cast<std::uint32_t>(&tensor - layout.tensors().data());
  return {.worker = worker, .tensor = index, .index = i - tensor.offset};
}

// The shard that starts at `offset`, or plan.size().
std::size_t find_shard(std::span<const Shard> plan, std::size_t offset) {
  const auto it =
      std::lower_bound(plan.begin(), plan.end(), offset,
                       [](const Shard& shard, std::size_t begin) { return shard.begin < begin; });
  return it != plan.end() && it->begin == offset ? static_cast<std::size_t>(it - plan.begin())
                                                 : plan.size();
}

Status read_divergence(const wire::Frame& frame, const wire::Expected& expected, Divergence& out) {
  wire::Expected header = expected;
  header.kind = wire::Kind::kDiverged;
  header.mode = 0;
  header.dim = 0;
  header.offset = 0;
  if (Status status = check_header(frame.header, header); !status) return status;
  wire::WireReader reader(frame.payload);
  out = {.worker = frame.header.sender, .tensor = reader.u32(), .index = reader.u64()};
  return reader.finish();
}

}  // namespace

void collect_frames(wire::Bytes bytes, const wire::Expected& expected, std::span<const Shard> plan,
                    std::span<OwnedShard> owned, Refusals& refusals,
                    std::vector<Divergence>& diverged) {
  while (!bytes.empty()) {
    wire::Frame frame;
    if (Status status = take_frame(bytes, frame); !status) {
      refusals.add(status);
      return;
    }
    if (frame.header.kind == wire::Kind::kDiverged) {
      Divergence divergence;
      if (Status status = read_divergence(frame, expected, divergence); !status) {
        refusals.add(status);
      } else {
        diverged.push_back(divergence);
      }
      continue;
    }
    const std::size_t s = find_shard(plan, frame.header.offset);
    const auto slot =
        std::find_if(owned.begin(), owned.end(), [s](const OwnedShard& o) { return o.shard == s; });
    if (slot == owned.end()) {
      refusals.add({Fault::kBadDimension, 20, frame.header.offset});
      continue;
    }
    wire::Expected own = expected;
    own.dim = static_cast<std::uint32_t>(plan[s].size());
    own.offset = static_cast<std::uint32_t>(plan[s].begin);
    if (Status status = check_header(frame.header, own); !status) {
      refusals.add(status);
    } else if (slot->inbox.present[frame.header.sender] != 0) {
      refusals.add({Fault::kDuplicateSender, 12, frame.header.sender});
    } else {
      slot->inbox.present[frame.header.sender] = 1;
      slot->inbox.payloads[frame.header.sender] = frame.payload;
    }
  }
}

ShardedExchange::ShardedExchange(const AggregatorSetup& setup, std::vector<Shard> plan)
    : setup_(setup), plan_(std::move(plan)) {
  std::size_t end = 0;
  for (std::size_t s = 0; s < plan_.size(); ++s) {
    LACONIC_EXPECTS(plan_[s].begin == end && plan_[s].owner < setup_.workers);
    end = plan_[s].end;
    if (!setup_.mine.contains(plan_[s].owner)) continue;
    owned_.push_back({.shard = s,
                      .inbox = {.payloads = std::vector<wire::Bytes>(setup_.workers),
                                .present = std::vector<std::uint8_t>(setup_.workers)}});
  }
  LACONIC_EXPECTS(end == setup_.layout->size());
  to_shard_.resize(plan_.size());
  results_.resize(plan_.size());
  link_out_.resize(setup_.mine.size());
  link_in_.resize(setup_.mine.size());
  link_sent_.resize(setup_.mine.size());
  report_.link_bytes.resize(setup_.mine.size());
  report_.distortion.reserve(setup_.mine.size());
}

void ShardedExchange::begin(const Round& round) {
  round_ = round;
  up_ = Phase::kUplink;
  down_ = Phase::kDownlink;
  diverged_.clear();
  refusals_ = {};
  clear_frames();
  std::fill(link_out_.begin(), link_out_.end(), 0);
  std::fill(link_in_.begin(), link_in_.end(), 0);
  std::fill(link_sent_.begin(), link_sent_.end(), 0);
  std::fill(report_.link_bytes.begin(), report_.link_bytes.end(), 0);
  report_.distortion.clear();
  report_.uplink = {};
  report_.downlink = {};
  report_.latency_steps = 2;
  report_.clamped_messages = 0;
  report_.votes = 0;
  report_.agreeing_votes = 0;
  report_.silent_workers = 0;
  report_.lost_frames = 0;
  report_.resent_frames = 0;
}

void ShardedExchange::clear_frames() {
  for (wire::Message& message : to_shard_) message.clear();
  downlink_.clear();
  for (OwnedShard& shard : owned_)
    std::fill(shard.inbox.present.begin(), shard.inbox.present.end(), std::uint8_t{0});
}

void ShardedExchange::begin_second() {
  LACONIC_EXPECTS(open_.message == nullptr && up_ == Phase::kUplink);
  up_ = Phase::kSecondUplink;
  down_ = Phase::kSecondDownlink;
  clear_frames();
  report_.latency_steps += 2;
}

wire::Message& ShardedExchange::open_uplink(std::uint32_t worker, std::size_t s, wire::Kind kind,
                                            std::uint8_t mode) {
  LACONIC_EXPECTS(open_.message == nullptr && setup_.mine.contains(worker));
  wire::Message& message = to_shard_[s];
  const wire::FrameHeader header = {.kind = kind,
                                    .mode = mode,
                                    .phase = static_cast<std::uint8_t>(up_),
                                    .round = round_.index,
                                    .sender = worker,
                                    .dim = static_cast<std::uint32_t>(plan_[s].size()),
                                    .offset = static_cast<std::uint32_t>(plan_[s].begin)};
  open_ = {.message = &message,
           .token = wire::begin_frame(header, message.bytes),
           .bits_before = message.payload_bits,
           .worker = worker,
           .shard = s};
  return message;
}

wire::Bytes ShardedExchange::close_uplink() {
  LACONIC_EXPECTS(open_.message != nullptr);
  wire::end_frame(open_.token, open_.message->bytes);
  std::uint64_t frame_bytes = open_.message->bytes.size() - open_.token;
  std::uint64_t wire_bits = (frame_bytes - wire::kHeaderBytes) * 8;
  if (setup_.link != nullptr) send_over_link(frame_bytes, wire_bits);
  report_.uplink += {.payload_bits = open_.message->payload_bits - open_.bits_before,
                     .wire_bits = wire_bits,
                     .frame_bytes = frame_bytes};
  if (plan_[open_.shard].owner != open_.worker)
    link_out_[open_.worker - setup_.mine.begin] += frame_bytes;
  const wire::Bytes frame = wire::Bytes(open_.message->bytes).subspan(open_.token);
  open_.message = nullptr;
  return frame.empty() ? frame : frame.subspan(wire::kHeaderBytes);
}

void ShardedExchange::send_over_link(std::uint64_t& frame_bytes, std::uint64_t& wire_bits) {
  std::vector<std::byte>& bytes = open_.message->bytes;
  std::uint64_t& sent = link_sent_[open_.worker - setup_.mine.begin];
  const Delivery delivery = setup_.link->send(
      {.round = round_.index,
       .worker = open_.worker,
       .frame = static_cast<std::uint32_t>(open_.shard),
       .sent_bytes = sent},
      wire::kHeaderBytes, std::span<std::byte>(bytes).subspan(open_.token + wire::kHeaderBytes));
  sent += delivery.sent_bytes;
  frame_bytes = delivery.sent_bytes;
  wire_bits = (delivery.sent_bytes - delivery.attempts * wire::kHeaderBytes) * 8;
  report_.resent_frames += delivery.attempts > 1 ? delivery.attempts - 1 : 0;
  if (delivery.arrived) return;
  ++report_.lost_frames;
  bytes.resize(open_.token);
}

template <Real T>
bool ShardedExchange::finite(std::span<const WorkerGradient<T>> mine) {
  for (const WorkerGradient<T>& gradient : mine) {
    if (kernels::all_finite<T>(gradient.values)) continue;
    diverged_.push_back(find_divergence(*setup_.layout, gradient));
  }
  return diverged_.empty();
}
template bool ShardedExchange::finite(std::span<const WorkerGradient<float>>);
template bool ShardedExchange::finite(std::span<const WorkerGradient<double>>);

template <Real T>
bool ShardedExchange::finite(std::span<const SparseGradient<T>> mine) {
  for (const SparseGradient<T>& gradient : mine) {
    const auto& values = gradient.values.values;
    if (kernels::all_finite<T>(values)) continue;
    const auto bad =
        std::find_if(values.begin(), values.end(), [](T value) { return !std::isfinite(value); });
    const std::size_t j = static_cast<std::size_t>(bad - values.begin());
    diverged_.push_back(place_of(*setup_.layout, gradient.worker, gradient.values.indices[j]));
  }
  return diverged_.empty();
}
template bool ShardedExchange::finite(std::span<const SparseGradient<float>>);
template bool ShardedExchange::finite(std::span<const SparseGradient<double>>);

void ShardedExchange::deliver_uplink(wire::Kind kind, std::uint8_t mode, Communicator& comm) {
  LACONIC_EXPECTS(open_.message == nullptr);
  sends_.resize(comm.size());
  for (std::vector<std::byte>& send : sends_) send.clear();
  if (diverged_.empty()) {
    for (std::size_t s = 0; s < plan_.size(); ++s) {
      std::vector<std::byte>& send =
          sends_[rank_of_worker(setup_.workers, plan_[s].owner, comm.size())];
      wire::make_room(send, to_shard_[s].bytes.size());
      send.insert(send.end(), to_shard_[s].bytes.begin(), to_shard_[s].bytes.end());
    }
  } else {
    for (std::vector<std::byte>& send : sends_) write_divergences(send);
  }
  parts_.assign(sends_.begin(), sends_.end());
  diverged_.clear();
  comm.all_to_all(tag_of(round_, up_), parts_, uplink_gathered_);
  const wire::Expected expected = {.kind = kind,
                                   .mode = mode,
                                   .phase = static_cast<std::uint8_t>(up_),
                                   .round = round_.index,
                                   .senders = setup_.workers};
  for (std::uint32_t rank = 0; rank < comm.size(); ++rank) {
    collect_frames(uplink_gathered_.part(rank), expected, plan_, owned_, refusals_, diverged_);
  }
  if (!diverged_.empty()) throw_diverged(diverged_, *setup_.layout, round_);
  for (const OwnedShard& shard : owned_) {
    const std::uint32_t owner = plan_[shard.shard].owner;
    for (std::uint32_t worker = 0; worker < setup_.workers; ++worker) {
      if (shard.inbox.present[worker] == 0 || worker == owner) continue;
      link_in_[owner - setup_.mine.begin] +=
          wire::kHeaderBytes + shard.inbox.payloads[worker].size();
    }
  }
  close_phase();
}

void ShardedExchange::write_divergences(std::vector<std::byte>& out) const {
  for (const Divergence& divergence : diverged_) {
    const std::size_t token = wire::begin_frame({.kind = wire::Kind::kDiverged,
                                                 .phase = static_cast<std::uint8_t>(up_),
                                                 .round = round_.index,
                                                 .sender = divergence.worker},
                                                out);
    wire::WireWriter writer(out);
    writer.u32(divergence.tensor);
    writer.u64(divergence.index);
    wire::end_frame(token, out);
  }
}

void ShardedExchange::close_phase() {
  for (std::size_t w = 0; w < link_out_.size(); ++w) {
    report_.link_bytes[w] += std::max(link_out_[w], link_in_[w]);
    link_out_[w] = 0;
    link_in_[w] = 0;
  }
}

wire::Message& ShardedExchange::open_downlink(std::size_t s, wire::Kind kind, std::uint8_t mode) {
  LACONIC_EXPECTS(open_.message == nullptr && setup_.mine.contains(plan_[s].owner));
  const wire::FrameHeader header = {.kind = kind,
                                    .mode = mode,
                                    .phase = static_cast<std::uint8_t>(down_),
                                    .round = round_.index,
                                    .sender = static_cast<std::uint32_t>(s),
                                    .dim = static_cast<std::uint32_t>(plan_[s].size()),
                                    .offset = static_cast<std::uint32_t>(plan_[s].begin)};
  open_ = {.message = &downlink_,
           .token = wire::begin_frame(header, downlink_.bytes),
           .bits_before = downlink_.payload_bits,
           .worker = plan_[s].owner,
           .shard = s};
  return downlink_;
}

void ShardedExchange::close_downlink() {
  LACONIC_EXPECTS(open_.message != nullptr);
  wire::end_frame(open_.token, downlink_.bytes);
  const std::uint64_t frame_bytes = downlink_.bytes.size() - open_.token;
  const std::uint64_t payload_bits = downlink_.payload_bits - open_.bits_before;
  // Every worker hears every shard: the shard's own rank accounts for all of them.
  report_.downlink += {.payload_bits = payload_bits * setup_.workers,
                       .wire_bits = (frame_bytes - wire::kHeaderBytes) * 8 * setup_.workers,
                       .frame_bytes = frame_bytes * setup_.workers};
  link_out_[open_.worker - setup_.mine.begin] += frame_bytes * (setup_.workers - 1);
  open_.message = nullptr;
}

void ShardedExchange::deliver_downlink(wire::Kind kind, std::uint8_t mode, Communicator& comm) {
  LACONIC_EXPECTS(open_.message == nullptr);
  comm.all_gather(tag_of(round_, down_), downlink_.bytes, downlink_gathered_);
  wire::Bytes rest = downlink_gathered_.all();
  for (std::size_t s = 0; s < plan_.size(); ++s) {
    wire::Frame frame;
    Status status = take_frame(rest, frame);
    if (status) {
      status = check_header(frame.header, {.kind = kind,
                                           .mode = mode,
                                           .phase = static_cast<std::uint8_t>(down_),
                                           .round = round_.index,
                                           .senders = static_cast<std::uint32_t>(s + 1),
                                           .dim = static_cast<std::uint32_t>(plan_[s].size()),
                                           .offset = static_cast<std::uint32_t>(plan_[s].begin)});
    }
    if (!status) bad_result(s, status);
    results_[s] = frame.payload;
    const std::uint64_t frame_bytes = wire::kHeaderBytes + frame.payload.size();
    for (std::uint32_t w = 0; w < setup_.mine.size(); ++w) {
      if (setup_.mine.begin + w != plan_[s].owner) link_in_[w] += frame_bytes;
    }
  }
  if (!rest.empty()) bad_result(plan_.size() - 1, {Fault::kTrailingBytes, 0, rest.size()});
  close_phase();
  report_.refused_frames = refusals_.count;
  report_.first_refusal = refusals_.first;
}

void ShardedExchange::bad_result(std::size_t s, const Status& status) const {
  throw CommError(
      fmt::format("round {}: the result of server shard {} (coordinates {} to {}) cannot be read: "
                  "{}; the replicas would "
                  "drift apart, so the run ends; check the transport",
                  round_.index, s, plan_[s].begin, plan_[s].end, status.message()));
}

void ShardedExchange::bad_message(std::size_t s, std::uint32_t worker, const Status& status) const {
  throw CommError(fmt::format(
      "round {}: the message of worker {} for server shard {} (coordinates {} to {}) {}; the "
      "server's memory of that worker would drift away from the worker's, so the run ends; check "
      "the transport",
      round_.index, worker, s, plan_[s].begin, plan_[s].end,
      status ? std::string("is missing") : "cannot be read: " + status.message()));
}

template <Real T>
Divergence find_divergence(const Layout& layout, const WorkerGradient<T>& gradient) {
  for (std::size_t i = 0; i < gradient.values.size(); ++i) {
    if (!std::isfinite(gradient.values[i])) return place_of(layout, gradient.worker, i);
  }
  return {.worker = gradient.worker};
}
template Divergence find_divergence(const Layout&, const WorkerGradient<float>&);
template Divergence find_divergence(const Layout&, const WorkerGradient<double>&);

template <Real T>
void blame_divergence(const Layout& layout, const Round& round,
                      std::span<const WorkerGradient<T>> mine, Communicator& comm) {
  std::vector<std::byte> report;
  wire::WireWriter writer(report);
  for (const WorkerGradient<T>& gradient : mine) {
    if (kernels::all_finite<T>(gradient.values)) continue;
    const Divergence found = find_divergence(layout, gradient);
    writer.u32(found.worker);
    writer.u32(found.tensor);
    writer.u64(found.index);
  }
  Gathered gathered;
  comm.all_gather(tag_of(round, Phase::kDownlink), report, gathered);
  wire::WireReader reader(gathered.all());
  std::vector<Divergence> reports;
  while (reader.remaining() > 0) {
    const std::uint32_t worker = reader.u32();
    const std::uint32_t tensor = reader.u32();
    reports.push_back({.worker = worker, .tensor = tensor, .index = reader.u64()});
  }
  if (reports.empty()) reports.push_back({});
  throw_diverged(reports, layout, round);
}
template void blame_divergence(const Layout&, const Round&, std::span<const WorkerGradient<float>>,
                               Communicator&);
template void blame_divergence(const Layout&, const Round&, std::span<const WorkerGradient<double>>,
                               Communicator&);

void throw_diverged(std::span<const Divergence> reports, const Layout& layout, const Round& round) {
  const auto first = std::min_element(
      reports.begin(), reports.end(),
      [](const Divergence& a, const Divergence& b) { return a.worker < b.worker; });
  const bool known = first->tensor < layout.tensors().size();
  throw DivergedError(
      {.worker = first->worker,
       .tensor = known ? layout.tensors()[first->tensor].name : fmt::format("#{}", first->tensor),
       .round = round.index,
       .index = first->index});
}

}  // namespace laconic
