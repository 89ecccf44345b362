// SPDX-License-Identifier: Apache-2.0
// awgn: y = sum of x_i + z, the channel of LASER.
#include "laconic/channel/methods.hpp"

namespace laconic::channel {

const Card& awgn_card() {
  static const Card card = {
      .kind = "channel",
      .name = "awgn",
      .summary = "signals add up, plus noise of unit variance per channel use; no fading",
      .formula = "y = sum of x_i + z, z ~ N(0, I)",
      .paper =
          "Makkuva, Bondaschi, Vogels, Jaggi, Kim, Gastpar: LASER, ICML 2024, arXiv 2310.13033",
      .params = {dropout_param(), side_info_param(), side_info_bits_param()},
      .promises =
          "independent standard normal noise, one number per coordinate and use, the same "
          "on every rank and transport",
  };
  return card;
}

std::unique_ptr<AnalogChannel> make_awgn(const Args& args, const ChannelSetup& setup) {
  return make_plain(args, setup, 1);
}

}  // namespace laconic::channel
