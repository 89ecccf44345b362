// SPDX-License-Identifier: Apache-2.0
// erasure: every frame is lost with probability p, whole, and the receiver knows.
#include "laconic/channel/methods.hpp"

namespace laconic::channel {
namespace {

struct ErasureOptions {
  double p = 0;
  std::uint32_t attempts = 1;
  std::uint64_t seed = 0;
};

class Erasure final : public DigitalLink {
 public:
  explicit Erasure(const ErasureOptions& options) : options_(options) {}

  Delivery send(const LinkSlot& slot, std::size_t header_bytes,
                std::span<std::byte> payload) const override {
    rng::Reader reader(rng::Stream(options_.seed, {rng::Purpose::kChannel, slot.worker, slot.round,
                                                   kLinkTensor + slot.frame}));
    const std::uint64_t frame_bytes = header_bytes + payload.size();
    for (std::uint32_t attempt = 1; attempt <= options_.attempts; ++attempt) {
      if (reader.unit_double() < options_.p) continue;
      return {.attempts = attempt, .sent_bytes = attempt * frame_bytes};
    }
    return {.arrived = false,
            .attempts = options_.attempts,
            .sent_bytes = options_.attempts * frame_bytes};
  }
  [[nodiscard]] bool loses() const override { return options_.p > 0 && options_.attempts == 1; }
  [[nodiscard]] bool damages() const override { return false; }

 private:
  ErasureOptions options_;
};

}  // namespace

const Card& erasure_card() {
  static const Card card = [] {
    Card out = {
        .kind = "link",
        .name = "erasure",
        .summary = "loses every frame with probability p",
        .params = repair_params("resend", {"drop", "resend"}),
        .promises = "independent losses, known to the receiver",
    };
    out.params.insert(out.params.begin(), {.key = "p",
                                           .type = ParamType::kReal,
                                           .help = "probability that a frame is lost",
                                           .min = 0,
                                           .max = 1,
                                           .max_open = true});
    return out;
  }();
  return card;
}

std::unique_ptr<DigitalLink> make_erasure(const Args& args, const LinkSetup& setup) {
  const bool resends = args.text("repair") == "resend";
  return std::make_unique<Erasure>(
      ErasureOptions{.p = args.real("p"),
                     .attempts = resends ? static_cast<std::uint32_t>(args.integer("attempts")) : 1,
                     .seed = setup.seed});
}

}  // namespace laconic::channel
