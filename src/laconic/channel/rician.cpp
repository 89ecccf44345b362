// SPDX-License-Identifier: Apache-2.0
// rician: block fading with a direct path.
#include "laconic/channel/methods.hpp"

namespace laconic::channel {

const Card& rician_card() {
  static const Card card = [] {
    Card out = {
        .kind = "channel",
        .name = "rician",
        .summary = "block fading with a direct path, inverted by the senders, plus noise",
        .formula =
            "y = sum of Re(h_i / e_i) x_i + z, z ~ N(0, I), e_i = h_i as the sender knows it\n"
            "worker i is silent where |e_i|^2 < threshold; x_i costs it |x_i|^2 / |e_i|^2\n"
            "inversion=false: y = sum of Re(h_i) x_i + z\n"
            "h_i = sqrt(k / (k + 1)) + (a + i b) / sqrt(2 (k + 1)), a, b ~ N(0, 1),\n"
            "drawn every `coherence` rounds",
        .params = fading_params(),
        .promises =
            "E|h|^2 = 1; with exact knowledge the active workers are received as without "
            "fading",
    };
    out.params.insert(out.params.begin(),
                      {.key = "k",
                       .type = ParamType::kReal,
                       .default_text = "3",
                       .help = "power of the direct path over that of the scattered ones",
                       .min = 0});
    return out;
  }();
  return card;
}

std::unique_ptr<AnalogChannel> make_rician(const Args& args, const ChannelSetup& setup) {
  return make_fading(args, setup, args.real("k"));
}

}  // namespace laconic::channel
