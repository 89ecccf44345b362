// SPDX-License-Identifier: Apache-2.0
// noiseless: y = sum of x_i, to compare with.
#include "laconic/channel/methods.hpp"

namespace laconic::channel {

const Card& noiseless_card() {
  static const Card card = {
      .kind = "channel",
      .name = "noiseless",
      .summary = "signals add up, nothing else: what the methods do without noise",
      .formula = "y = sum of x_i",
      .params = {dropout_param(), side_info_param(), side_info_bits_param()},
      .promises = "the received signal is the sum of the sent ones",
  };
  return card;
}

std::unique_ptr<AnalogChannel> make_noiseless(const Args& args, const ChannelSetup& setup) {
  return make_plain(args, setup, 0);
}

}  // namespace laconic::channel
