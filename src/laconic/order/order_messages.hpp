// SPDX-License-Identifier: Apache-2.0
// The frames that example orders exchange (docs/wire-format.md, kinds 7 to 11): written into byte
// vectors, and parsed as if they came from an enemy. The sender of a frame is a worker (kOrderSums:
// a rank), its round the epoch. Private to the layer.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "laconic/order/unit_store.hpp"
#include "laconic/wire/frame.hpp"

namespace laconic::order {

inline constexpr std::uint8_t kUp = 1;    // phase of kOrderUnit, kOrderPair, kOrderDiverged
inline constexpr std::uint8_t kDown = 2;  // phase of kOrderSigns, kOrderSums
// Added to the value format in the mode of kOrderUnit and kOrderPair when values are sparse.
inline constexpr std::uint8_t kSparseMode = 16;

// Which gradient a frame is about.
struct Item {
  std::uint32_t epoch = 0;
  std::uint32_t worker = 0;
  std::uint32_t index = 0;  // position (kOrderUnit, kOrderDiverged) or pair (kOrderPair)
};
struct Slice {
  std::uint32_t begin = 0;
  std::uint32_t size = 0;
};

// One frame of kind kOrderUnit (slice = all coordinates) or kOrderPair. Returns its bytes.
template <Real T>
std::size_t write_gradient(wire::Kind kind, const Item& item, Slice slice,
                           const UnitGradient<T>& gradient, std::vector<std::byte>& out);
std::size_t write_diverged(const Item& item, std::vector<std::byte>& out);
// Sign bits of a worker's pairs, ceil(pairs / 8) bytes.
std::size_t write_signs(const Item& item, std::uint32_t pairs, std::span<const std::uint64_t> signs,
                        std::vector<std::byte>& out);
// item.worker is the rank, item.index the step.
std::size_t write_sums(const Item& item, std::span<const double> sums, std::vector<std::byte>& out);

// Bytes of these frames: 32 of header, 4 of index.
[[nodiscard]] constexpr std::uint64_t dense_frame_bytes(std::uint64_t dim, std::uint64_t width) {
  return wire::kHeaderBytes + 4 + dim * width;
}
[[nodiscard]] constexpr std::uint64_t sparse_frame_bytes(std::uint64_t count, std::uint64_t width) {
  return wire::kHeaderBytes + 4 + 4 + count * (4 + width);
}

// A frame whose header was checked and whose index was read.
struct Received {
  Item item = {};
  bool is_sparse = false;
  wire::Bytes values = {};  // what stands behind the index
};
// What a receiver knows before it looks.
struct Awaited {
  wire::Kind kind = wire::Kind::kOrderUnit;
  std::uint8_t format = 0;
  std::uint32_t epoch = 0;
  std::uint32_t first_worker = 0;  // hosted by the sender: first <= worker < end
  std::uint32_t end_worker = 0;
  // The sender is the order server: it may tell of a diverged unit of any of so many workers. 0: it
  // is not.
  std::uint32_t noted_workers = 0;
  Slice slice = {};
};
// Whether the message begins with a frame of kind kOrderDiverged; nothing else is checked.
[[nodiscard]] bool begins_with_note(wire::Bytes message);
// Takes the first frame off `rest`. `diverged` is set when it is of kind kOrderDiverged.
Status take_message(wire::Bytes& rest, const Awaited& awaited, Received& out, bool& diverged);
// The gradient of a received frame, checked: finite numbers, increasing indices within the slice.
template <Real T>
Status read_gradient(const Received& received, Slice slice, Row<T>& out);
// Sign bits of `pairs` pairs: one frame of exactly this worker.
Status take_signs(wire::Bytes& rest, const Item& item, std::uint32_t pairs,
                  std::span<std::uint64_t> signs);
// sums.size() numbers, which may be infinite or NaN: the caller knows what that means.
Status take_sums(wire::Bytes& rest, const Item& item, std::span<double> sums);

}  // namespace laconic::order
