// SPDX-License-Identifier: Apache-2.0
// Messages from a channel: frames, the payloads in them, and how the server side sorts them. The
// golden frames (round 7, phase 1, sender 2 of 4, coordinates 64 to 68) are where fuzzing starts.
#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "fuzz/fuzz.hpp"
#include "laconic/aggregate/exchange.hpp"
#include "laconic/compress/compressor.hpp"
#include "laconic/mechanism/mechanism.hpp"
#include "laconic/wire/frame.hpp"
#include "laconic/wire/values.hpp"

namespace laconic {
namespace {

using fuzz::require;

constexpr std::uint32_t kLargestDim = 1024;

std::size_t words_for(std::size_t bits) { return (bits + 63) / 64; }

void check_planes(wire::Bytes payload, std::size_t dim) {
  std::vector<std::uint64_t> signs(words_for(dim));
  std::vector<std::uint64_t> mask(words_for(dim));
  wire::WireReader one(payload);
  wire::read_plane(one, dim, signs);
  if (one.ok() && dim % 64 != 0) require(signs.back() >> (dim % 64) == 0, "no bits in the padding");
  wire::WireReader two(payload);
  wire::read_masked_signs(two, dim, {.mask = mask, .signs = signs});
  if (!two.ok()) return;
  for (std::size_t w = 0; w < mask.size(); ++w) {
    require((signs[w] & ~mask[w]) == 0, "signs lie within the mask");
  }
}

template <Real T>
void check_values(wire::Bytes payload, std::size_t dim) {
  for (const auto format : {wire::ValueFormat::kF32, wire::ValueFormat::kF64,
                            wire::ValueFormat::kBf16, wire::ValueFormat::kF16}) {
    std::vector<T> values(dim);
    wire::WireReader reader(payload);
    wire::read_values<T>(format, reader, values);
    if (!reader.ok()) continue;
    require(std::all_of(values.begin(), values.end(), [](T v) { return std::isfinite(v); }),
            "what was accepted is finite");
  }
}

// Every compressor with its default parameters, on a tensor of dim coordinates: whole or refused.
template <Real T>
void check_bodies(wire::Bytes payload, std::uint32_t dim) {
  Catalog cards;
  add_compressor_cards(cards);
  for (const auto& method : compressors<T>().methods()) {
    const Spec spec = cards.canonical({.name = std::string(method.card->name)}, "compressor");
    const auto compressor = compressors<T>().make(spec, {});
    std::vector<T> y(dim, T{0.5});
    wire::WireReader reader(payload);
    const Status status =
        compressor->decode_add(reader, {.workers = 4}, T{1}, {.values = y, .shape = {dim, 1}});
    require(static_cast<bool>(status) == reader.ok(), "status and reader agree");
    if (status) {
      require(reader.position() <= compressor->max_bytes({dim, 1}), "a body is at most max_bytes");
      require(std::all_of(y.begin(), y.end(), [](T v) { return std::isfinite(v); }),
              "what was accepted is finite");
    } else {
      require(std::count(y.begin(), y.end(), T{0.5}) == static_cast<std::ptrdiff_t>(dim),
              "a refused body changes nothing");
    }
  }
}

// Every mechanism with its default parameters, around a compressor or a mechanism where it needs
// one.
template <Real T>
void check_mechanisms(wire::Bytes payload, std::uint32_t dim) {
  static const Catalog cards = [] {
    Catalog c;
    add_compressor_cards(c);
    add_mechanism_cards(c);
    return c;
  }();
  for (const auto& method : mechanisms<T>().methods()) {
    std::string text(method.card->name);
    if (method.card->inner_kind == "compressor") text += ":topk";
    if (method.card->inner_kind == "mechanism") text += ":ef21:topk";
    const Spec spec = cards.canonical(parse_spec(text).value_or_throw(), "mechanism");
    const auto mechanism =
        mechanisms<T>().make(spec, {.workers = 4, .l_worker = std::vector<double>(4, 1.0)});
    std::vector<double> g(dim, 0.5);
    wire::WireReader reader(payload);
    const Status status =
        mechanism->decode_add(reader, {.workers = 4}, 1, {.values = g, .shape = {dim, 1}});
    if (status) {
      require(std::all_of(g.begin(), g.end(), [](double v) { return std::isfinite(v); }),
              "a belief stays finite");
    } else {
      require(!status.message().empty(), "a refusal has a reason");
    }
  }
}

void check_frames(wire::Bytes bytes) {
  wire::Bytes rest = bytes;
  wire::Frame frame;
  while (!rest.empty()) {
    const wire::Bytes before = rest;
    if (Status status = wire::take_frame(rest, frame); !status) {
      require(rest.data() == before.data() && rest.size() == before.size(),
              "a refused frame stays where it is");
      require(!status.message().empty(), "a refusal has a reason");
      return;
    }
    const std::size_t taken = before.size() - rest.size();
    require(taken == wire::kHeaderBytes + frame.header.payload_bytes, "a frame has a length");
    std::vector<std::byte> again;
    const std::size_t token = wire::begin_frame(frame.header, again);
    again.insert(again.end(), frame.payload.begin(), frame.payload.end());
    wire::end_frame(token, again);
    require(std::equal(again.begin(), again.end(), before.begin(),
                       before.begin() + static_cast<std::ptrdiff_t>(taken)),
            "what is written again are the same bytes");
    const std::uint32_t dim = std::clamp<std::uint32_t>(frame.header.dim, 1, kLargestDim);
    check_planes(frame.payload, dim);
    check_values<float>(frame.payload, dim);
    check_values<double>(frame.payload, dim);
    check_bodies<float>(frame.payload, dim);
    check_bodies<double>(frame.payload, dim);
    check_mechanisms<float>(frame.payload, dim);
    check_mechanisms<double>(frame.payload, dim);
  }
}

void check_collect(wire::Bytes bytes) {
  constexpr std::uint32_t kWorkers = 4;
  const std::array<Shard, 3> plan = {{{.begin = 0, .end = 64, .owner = 0},
                                      {.begin = 64, .end = 69, .owner = 1},
                                      {.begin = 69, .end = 70, .owner = 2}}};
  const Layout layout({{.name = "w", .shape = {70, 1}}});
  for (const auto kind :
       {wire::Kind::kSign, wire::Kind::kSignMask, wire::Kind::kValues, wire::Kind::kSegments}) {
    std::vector<OwnedShard> owned(2);
    for (std::size_t s = 0; s < owned.size(); ++s) {
      owned[s] = {.shard = s,
                  .inbox = {.payloads = std::vector<wire::Bytes>(kWorkers),
                            .present = std::vector<std::uint8_t>(kWorkers)}};
    }
    Refusals refusals;
    std::vector<Divergence> diverged;
    collect_frames(bytes, {.kind = kind, .phase = 1, .round = 7, .senders = kWorkers}, plan, owned,
                   refusals, diverged);
    std::uint64_t frames = refusals.count + diverged.size();
    for (const OwnedShard& shard : owned) {
      for (std::uint32_t w = 0; w < kWorkers; ++w) {
        frames += shard.inbox.present[w];
        const wire::Bytes payload = shard.inbox.payloads[w];
        require(payload.empty() || (payload.data() >= bytes.data() &&
                                    payload.data() + payload.size() <= bytes.data() + bytes.size()),
                "payloads lie in the message");
      }
    }
    require(frames <= bytes.size() / wire::kHeaderBytes + 1, "nothing is counted twice");
    for (const Divergence& d : diverged) require(d.worker < kWorkers, "a diverged worker exists");
    if (diverged.empty()) continue;
    try {
      throw_diverged(diverged, layout, {.index = 7});
    } catch (const DivergedError&) {
    }
  }
}

}  // namespace
}  // namespace laconic

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto bytes = laconic::fuzz::bytes_of(data, size);
  laconic::check_frames(bytes);
  laconic::check_collect(bytes);
  return 0;
}
