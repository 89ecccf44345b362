// SPDX-License-Identifier: Apache-2.0
// rayleigh: block fading without a direct path.
#include "laconic/channel/methods.hpp"

namespace laconic::channel {

const Card& rayleigh_card() {
  static const Card card = {
      .kind = "channel",
      .name = "rayleigh",
      .summary = "block fading without a direct path, inverted by the senders, plus noise",
      .formula =
          "y = sum of Re(h_i / e_i) x_i + z, z ~ N(0, I), e_i = h_i as the sender knows it\n"
          "worker i is silent where |e_i|^2 < threshold; x_i costs it |x_i|^2 / |e_i|^2\n"
          "inversion=false: y = sum of Re(h_i) x_i + z\n"
          "h_i = (a + i b) / sqrt(2), a, b ~ N(0, 1), drawn every `coherence` rounds",
      .paper =
          "Amiri, Gunduz: Federated Learning over Wireless Fading Channels, 2020, arXiv "
          "1907.09769",
      .params = fading_params(),
      .promises =
          "E|h|^2 = 1; with exact knowledge the active workers are received as without "
          "fading",
  };
  return card;
}

std::unique_ptr<AnalogChannel> make_rayleigh(const Args& args, const ChannelSetup& setup) {
  return make_fading(args, setup, 0);
}

}  // namespace laconic::channel
