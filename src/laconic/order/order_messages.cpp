// SPDX-License-Identifier: Apache-2.0
#include "laconic/order/order_messages.hpp"

#include <algorithm>

#include "laconic/kernels/kernels.hpp"
#include "laconic/wire/bits.hpp"
#include "laconic/wire/values.hpp"

namespace laconic::order {
namespace {

wire::FrameHeader header_of(wire::Kind kind, std::uint8_t phase, const Item& item) {
  return {.kind = kind, .phase = phase, .round = item.epoch, .sender = item.worker};
}

}  // namespace

template <Real T>
std::size_t write_gradient(wire::Kind kind, const Item& item, Slice slice,
                           const UnitGradient<T>& gradient, std::vector<std::byte>& out) {
  const std::size_t before = out.size();
  wire::FrameHeader header = header_of(kind, kUp, item);
  header.mode = static_cast<std::uint8_t>(wire::native_format<T>());
  if (gradient.is_sparse) header.mode = static_cast<std::uint8_t>(header.mode + kSparseMode);
  header.dim = slice.size;
  header.offset = slice.begin;
  const std::size_t token = wire::begin_frame(header, out);
  wire::WireWriter writer(out);
  writer.u32(item.index);
  std::span<const T> values = gradient.values;
  if (gradient.is_sparse) {
    const auto first = std::ranges::lower_bound(gradient.indices, slice.begin);
    const auto last =
        std::lower_bound(first, gradient.indices.end(), std::uint64_t{slice.begin} + slice.size);
    const auto begin = static_cast<std::size_t>(first - gradient.indices.begin());
    const auto count = static_cast<std::size_t>(last - first);
    writer.u32(static_cast<std::uint32_t>(count));
    for (std::size_t e = begin; e < begin + count; ++e) writer.u32(gradient.indices[e]);
    values = values.subspan(begin, count);
  } else {
    values = values.subspan(slice.begin, slice.size);
  }
  wire::write_values<T>(wire::native_format<T>(), values, out);
  wire::end_frame(token, out);
  return out.size() - before;
}

std::size_t write_diverged(const Item& item, std::vector<std::byte>& out) {
  const std::size_t before = out.size();
  const std::size_t token =
      wire::begin_frame(header_of(wire::Kind::kOrderDiverged, kUp, item), out);
  wire::WireWriter(out).u32(item.index);
  wire::end_frame(token, out);
  return out.size() - before;
}

std::size_t write_signs(const Item& item, std::uint32_t pairs, std::span<const std::uint64_t> signs,
                        std::vector<std::byte>& out) {
  const std::size_t before = out.size();
  wire::FrameHeader header = header_of(wire::Kind::kOrderSigns, kDown, item);
  header.dim = pairs;
  const std::size_t token = wire::begin_frame(header, out);
  wire::WireWriter writer(out);
  for (std::size_t byte = 0; byte < wire::bytes_for_bits(pairs); ++byte) {
    writer.u8(static_cast<std::uint8_t>(signs[byte / 8] >> (8 * (byte % 8))));
  }
  wire::end_frame(token, out);
  return out.size() - before;
}

std::size_t write_sums(const Item& item, std::span<const double> sums,
                       std::vector<std::byte>& out) {
  const std::size_t before = out.size();
  wire::FrameHeader header = header_of(wire::Kind::kOrderSums, kDown, item);
  header.dim = static_cast<std::uint32_t>(sums.size());
  const std::size_t token = wire::begin_frame(header, out);
  wire::WireWriter writer(out);
  writer.u32(item.index);
  for (const double sum : sums) writer.f64(sum);
  wire::end_frame(token, out);
  return out.size() - before;
}

bool begins_with_note(wire::Bytes message) {
  wire::Frame frame;
  return wire::take_frame(message, frame) && frame.header.kind == wire::Kind::kOrderDiverged;
}

Status take_message(wire::Bytes& rest, const Awaited& awaited, Received& out, bool& diverged) {
  wire::Bytes after = rest;
  wire::Frame frame;
  if (Status status = wire::take_frame(after, frame); !status) return status;
  const wire::FrameHeader& header = frame.header;
  diverged = header.kind == wire::Kind::kOrderDiverged;
  const bool is_sparse = !diverged && (header.mode & kSparseMode) != 0;
  wire::Expected expected{.kind = awaited.kind,
                          .mode = awaited.format,
                          .phase = kUp,
                          .round = awaited.epoch,
                          .senders = awaited.end_worker,
                          .dim = awaited.slice.size,
                          .offset = awaited.slice.begin};
  if (is_sparse) expected.mode = static_cast<std::uint8_t>(awaited.format + kSparseMode);
  if (diverged) {
    expected = {.kind = wire::Kind::kOrderDiverged,
                .phase = kUp,
                .round = awaited.epoch,
                .senders = std::max(awaited.end_worker, awaited.noted_workers)};
  }
  if (Status status = wire::check_header(header, expected); !status) return status;
  const std::uint32_t first = diverged && awaited.noted_workers > 0 ? 0 : awaited.first_worker;
  if (header.sender < first) return {Fault::kBadSender, 12, header.sender, first};
  wire::WireReader reader(frame.payload);
  const std::uint32_t index = reader.u32();
  if (diverged) {
    if (Status status = reader.finish(); !status) return status;
  }
  if (!reader.ok()) return reader.status();
  out = {.item = {.epoch = header.round, .worker = header.sender, .index = index},
         .is_sparse = is_sparse,
         .values = frame.payload.subspan(reader.position())};
  rest = after;
  return {};
}

template <Real T>
Status read_gradient(const Received& received, Slice slice, Row<T>& out) {
  wire::WireReader reader(received.values);
  out.is_sparse = received.is_sparse;
  std::size_t count = slice.size;
  if (received.is_sparse) {
    count = reader.u32();
    if (count > slice.size) reader.fail_at(0, Fault::kBadDimension, count, slice.size);
  }
  const std::uint64_t bytes =
      std::uint64_t{count} * (sizeof(T) + (received.is_sparse ? sizeof(std::uint32_t) : 0));
  if (reader.ok() && reader.remaining() < bytes) {
    reader.fail(Fault::kTruncated, reader.remaining(), bytes);
  }
  if (!reader.ok()) return reader.status();
  out.indices.resize(received.is_sparse ? count : 0);
  std::uint64_t lowest = slice.begin;
  for (std::uint32_t& index : out.indices) {
    index = reader.u32();
    if (index < lowest || index >= std::uint64_t{slice.begin} + slice.size) {
      reader.fail(Fault::kBadIndex, index, lowest);
    }
    lowest = std::uint64_t{index} + 1;
  }
  out.values.resize(count);
  wire::read_values<T>(wire::native_format<T>(), reader, std::span<T>(out.values));
  return reader.finish();
}

Status take_signs(wire::Bytes& rest, const Item& item, std::uint32_t pairs,
                  std::span<std::uint64_t> signs) {
  wire::Bytes after = rest;
  wire::Frame frame;
  if (Status status = wire::take_frame(after, frame); !status) return status;
  const wire::Expected expected{.kind = wire::Kind::kOrderSigns,
                                .phase = kDown,
                                .round = item.epoch,
                                .senders = item.worker + 1,
                                .dim = pairs};
  if (Status status = wire::check_header(frame.header, expected); !status) return status;
  if (frame.header.sender != item.worker) {
    return {Fault::kBadSender, 12, frame.header.sender, item.worker};
  }
  wire::WireReader reader(frame.payload);
  const wire::Bytes bits = reader.bytes(wire::bytes_for_bits(pairs));
  if (Status status = reader.finish(); !status) return status;
  if (pairs % 8 != 0 && std::to_integer<unsigned>(bits.back()) >> (pairs % 8) != 0) {
    return {Fault::kNonZeroPadding, bits.size() - 1};
  }
  std::ranges::fill(signs, std::uint64_t{0});
  for (std::size_t byte = 0; byte < bits.size(); ++byte) {
    signs[byte / 8] |= std::to_integer<std::uint64_t>(bits[byte]) << (8 * (byte % 8));
  }
  rest = after;
  return {};
}

Status take_sums(wire::Bytes& rest, const Item& item, std::span<double> sums) {
  wire::Bytes after = rest;
  wire::Frame frame;
  if (Status status = wire::take_frame(after, frame); !status) return status;
  const wire::Expected expected{.kind = wire::Kind::kOrderSums,
                                .phase = kDown,
                                .round = item.epoch,
                                .senders = item.worker + 1,
                                .dim = static_cast<std::uint32_t>(sums.size())};
  if (Status status = wire::check_header(frame.header, expected); !status) return status;
  if (frame.header.sender != item.worker) {
    return {Fault::kBadSender, 12, frame.header.sender, item.worker};
  }
  wire::WireReader reader(frame.payload);
  const std::uint32_t step = reader.u32();
  if (reader.ok() && step != item.index) reader.fail_at(0, Fault::kBadIndex, step, item.index);
  if (reader.ok() && reader.remaining() != sums.size_bytes()) {
    reader.fail(reader.remaining() < sums.size_bytes() ? Fault::kTruncated : Fault::kTrailingBytes,
                reader.remaining(), sums.size_bytes());
  }
  if (!reader.ok()) return reader.status();
  for (double& sum : sums) sum = reader.f64();
  if (Status status = reader.finish(); !status) return status;
  rest = after;
  return {};
}

#define LACONIC_INSTANTIATE(T)                                                                \
  template std::size_t write_gradient(wire::Kind, const Item&, Slice, const UnitGradient<T>&, \
                                      std::vector<std::byte>&);                               \
  template Status read_gradient(const Received&, Slice, Row<T>&)
LACONIC_INSTANTIATE(float);
LACONIC_INSTANTIATE(double);
#undef LACONIC_INSTANTIATE

}  // namespace laconic::order
