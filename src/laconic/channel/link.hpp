// SPDX-License-Identifier: Apache-2.0
// Digital links: what happens to the frames of a worker on their way to the server, so that every
// method that sends bytes can be run over a bad channel. A link flips bits, loses frames, or takes
// only so many bits per round; a rule says whether damage is found (by a checksum of 4 bytes per
// frame, CRC-32) and whether a frame is sent again. Frame headers are taken to be sent robustly:
// only payloads are damaged, and a frame never changes its length.
//
// Like an analog channel, a link is a pure function of (seed, round, worker, frame).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "laconic/base/registry.hpp"

namespace laconic {

struct LinkSlot {
  std::uint32_t round = 0;
  std::uint32_t worker = 0;
  std::uint32_t frame = 0;       // among the frames of this worker in this round, below 2^22
  std::uint64_t sent_bytes = 0;  // what this worker sent before in this round
};
struct Delivery {
  bool arrived = true;           // false: the receiver gets nothing
  bool damaged = false;          // arrived with other bytes than were sent, and nobody noticed
  std::uint32_t attempts = 1;    // how often it was sent; 0 if the link did not take it
  std::uint64_t sent_bytes = 0;  // by all attempts, with header and checksums
};

// Immutable; const calls may run on many threads at once.
class DigitalLink {
 public:
  virtual ~DigitalLink() = default;
  DigitalLink() = default;
  DigitalLink(const DigitalLink&) = delete;
  DigitalLink& operator=(const DigitalLink&) = delete;

  // Sends a frame of header_bytes and this payload. On return the payload is what the receiver
  // sees; unspecified if it did not arrive.
  virtual Delivery send(const LinkSlot& slot, std::size_t header_bytes,
                        std::span<std::byte> payload) const = 0;
  // Whether frames fail to arrive as a rule (a link that sends again gives up only after its last
  // attempt), or arrive damaged.
  [[nodiscard]] virtual bool loses() const = 0;
  [[nodiscard]] virtual bool damages() const = 0;
};

struct LinkSetup {
  std::uint64_t seed = 0;
};
using LinkRegistry = Registry<DigitalLink, LinkSetup>;
[[nodiscard]] const LinkRegistry& links();
void add_link_cards(Catalog& catalog);

// CRC-32 (ISO 3309, as in zlib and Ethernet).
[[nodiscard]] std::uint32_t crc32(std::span<const std::byte> bytes, std::uint32_t before = 0);
inline constexpr std::size_t kChecksumBytes = 4;

}  // namespace laconic
