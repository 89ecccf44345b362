// SPDX-License-Identifier: Apache-2.0
// What every channel's file defines, made from methods.def, and what the files share.
#pragma once

#include <memory>
#include <vector>

#include "laconic/base/assert.hpp"
#include "laconic/channel/analog.hpp"
#include "laconic/channel/link.hpp"
#include "laconic/rng/stream.hpp"

namespace laconic::channel {

#define LACONIC_CHANNEL(name) \
  const Card& name##_card();  \
  std::unique_ptr<AnalogChannel> make_##name(const Args& args, const ChannelSetup& setup);
#include "laconic/channel/methods.def"
#undef LACONIC_CHANNEL

#define LACONIC_LINK(name)   \
  const Card& name##_card(); \
  std::unique_ptr<DigitalLink> make_##name(const Args& args, const LinkSetup& setup);
#include "laconic/channel/links.def"
#undef LACONIC_LINK

// Streams of purpose kChannel. Noise: worker 0, the block as tensor. Links: the worker, 2^23 + the
// frame as tensor. Fading and dropout: the worker (for fading the coherence interval as round), the
// last tensors.
inline constexpr std::uint32_t kLinkTensor = 1U << 23;
inline constexpr std::uint32_t kFadingTensor = (1U << 24) - 1;
inline constexpr std::uint32_t kDropoutTensor = (1U << 24) - 2;
[[nodiscard]] inline rng::Stream noise_stream(const ChannelSlot& slot) {
  LACONIC_EXPECTS(slot.block < kLinkTensor);
  return rng::Stream(slot.seed, {rng::Purpose::kChannel, 0, slot.round, slot.block});
}

[[nodiscard]] ParamCard dropout_param();
[[nodiscard]] ParamCard side_info_param();
[[nodiscard]] ParamCard side_info_bits_param();
[[nodiscard]] SideInfo side_info_of(const Args& args);
// What links share: what happens to a frame that did not arrive whole.
[[nodiscard]] std::vector<ParamCard> repair_params(std::string_view default_repair,
                                                   std::vector<std::string_view> choices);
// Whether a worker that drops out of a round with this probability does so.
[[nodiscard]] bool drops_out(double probability, std::uint64_t seed, std::uint32_t round,
                             std::uint32_t worker);

// Without fading.
[[nodiscard]] std::unique_ptr<AnalogChannel> make_plain(const Args& args, const ChannelSetup& setup,
                                                        double noise_variance);
// With fading; k: power of the direct path over that of the scattered ones.
[[nodiscard]] std::vector<ParamCard> fading_params();
[[nodiscard]] std::unique_ptr<AnalogChannel> make_fading(const Args& args,
                                                         const ChannelSetup& setup, double k);

}  // namespace laconic::channel
