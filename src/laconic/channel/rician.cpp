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
