// SPDX-License-Identifier: Apache-2.0
// capacity: a worker can send so many bits per round, without error; what does not fit is lost,
// frame by frame.
#include "laconic/channel/methods.hpp"

namespace laconic::channel {
namespace {

class Capacity final : public DigitalLink {
 public:
  explicit Capacity(double bits) : bits_(bits) {}

  Delivery send(const LinkSlot& slot, std::size_t header_bytes,
                std::span<std::byte> payload) const override {
    const std::uint64_t frame_bytes = header_bytes + payload.size();
    if (8.0 * static_cast<double>(slot.sent_bytes + frame_bytes) > bits_) {
      return {.arrived = false, .attempts = 0};
    }
    return {.sent_bytes = frame_bytes};
  }
  [[nodiscard]] bool loses() const override { return true; }
  [[nodiscard]] bool damages() const override { return false; }

 private:
  double bits_;
};

}  // namespace

const Card& capacity_card() {
  static const Card card = {
      .kind = "link",
      .name = "capacity",
      .summary =
          "takes so many bits per worker and round, headers included; loses what does not fit",
      .params = {{.key = "bits",
                  .type = ParamType::kReal,
                  .help = "bits that a worker can send per round; mac_capacity_bits of "
                          "docs/channels.md turns uses and power into it",
                  .min = 0,
                  .min_open = true}},
      .promises = "what arrives is what was sent",
  };
  return card;
}

std::unique_ptr<DigitalLink> make_capacity(const Args& args, const LinkSetup&) {
  return std::make_unique<Capacity>(args.real("bits"));
}

}  // namespace laconic::channel
