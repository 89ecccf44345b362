// SPDX-License-Identifier: Apache-2.0
// bitflip: every bit of a payload, and of its checksum, is flipped with probability p (the binary
// symmetric channel). Flips are found by drawing the gaps between them, which are geometric.
#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "laconic/base/exact_math.hpp"
#include "laconic/channel/methods.hpp"

namespace laconic::channel {
namespace {

enum class Repair : std::uint8_t { kNone, kDrop, kResend };

struct BitflipOptions {
  double p = 0;
  Repair repair = Repair::kResend;
  std::uint32_t attempts = 16;
  std::uint64_t seed = 0;
};

class BitFlip final : public DigitalLink {
 public:
  explicit BitFlip(const BitflipOptions& options) : options_(options) {}

  Delivery send(const LinkSlot& slot, std::size_t header_bytes,
                std::span<std::byte> payload) const override {
    rng::Reader reader(rng::Stream(options_.seed, {rng::Purpose::kChannel, slot.worker, slot.round,
                                                   kLinkTensor + slot.frame}));
    if (options_.repair == Repair::kNone) {
      const std::uint64_t flips = flip(reader, payload, 8 * payload.size());
      return {.damaged = flips > 0, .sent_bytes = header_bytes + payload.size()};
    }
    const std::uint64_t frame_bytes = header_bytes + payload.size() + kChecksumBytes;
    const std::uint32_t most = options_.repair == Repair::kResend ? options_.attempts : 1;
    const std::vector<std::byte> original(payload.begin(), payload.end());
    const std::uint32_t checksum = crc32(original);
    for (std::uint32_t attempt = 1; attempt <= most; ++attempt) {
      std::copy(original.begin(), original.end(), payload.begin());
      std::array<std::byte, kChecksumBytes> tail;
      for (std::size_t i = 0; i < tail.size(); ++i) {
        tail[i] = static_cast<std::byte>((checksum >> (8 * i)) & 0xff);
      }
      const std::uint64_t flips = flip(reader, payload, 8 * payload.size());
      flip(reader, tail, 8 * tail.size());
      std::uint32_t received = 0;
      for (std::size_t i = 0; i < tail.size(); ++i) {
        received |= static_cast<std::uint32_t>(tail[i]) << (8 * i);
      }
      if (crc32(payload) == received) {
        return {.damaged = flips > 0, .attempts = attempt, .sent_bytes = attempt * frame_bytes};
      }
    }
    return {.arrived = false, .attempts = most, .sent_bytes = most * frame_bytes};
  }
  [[nodiscard]] bool loses() const override {
    const bool once = options_.repair == Repair::kResend && options_.attempts == 1;
    return options_.p > 0 && (once || options_.repair == Repair::kDrop);
  }
  [[nodiscard]] bool damages() const override {
    return options_.p > 0 && options_.repair == Repair::kNone;
  }

 private:
  // Returns the number of flips.
  std::uint64_t flip(rng::Reader& reader, std::span<std::byte> bytes, std::uint64_t bits) const {
    if (options_.p == 0) return 0;
    const double rate = exact::log1p(-options_.p);
    std::uint64_t flips = 0;
    double at = 0;
    while (true) {
      at += std::floor(exact::log(1.0 - reader.unit_double()) / rate);
      if (!(at < static_cast<double>(bits))) return flips;
      const auto bit = static_cast<std::uint64_t>(at);
      bytes[bit / 8] ^= static_cast<std::byte>(1U << (bit % 8));
      ++flips;
      at += 1;
    }
  }

  BitflipOptions options_;
};

}  // namespace

const Card& bitflip_card() {
  static const Card card = [] {
    Card out = {
        .kind = "link",
        .name = "bitflip",
        .summary = "flips every bit of a payload with probability p",
        .params = repair_params("resend", {"none", "drop", "resend"}),
        .promises =
            "independent flips; with a checksum, damage goes unnoticed with probability "
            "2^-32 per frame",
    };
    out.params.insert(out.params.begin(), {.key = "p",
                                           .type = ParamType::kReal,
                                           .help = "probability that a bit is flipped",
                                           .min = 0,
                                           .max = 0.5});
    return out;
  }();
  return card;
}

std::unique_ptr<DigitalLink> make_bitflip(const Args& args, const LinkSetup& setup) {
  const std::string& repair = args.text("repair");
  return std::make_unique<BitFlip>(
      BitflipOptions{.p = args.real("p"),
                     .repair = repair == "none"   ? Repair::kNone
                               : repair == "drop" ? Repair::kDrop
                                                  : Repair::kResend,
                     .attempts = static_cast<std::uint32_t>(args.integer("attempts")),
                     .seed = setup.seed});
}

}  // namespace laconic::channel
