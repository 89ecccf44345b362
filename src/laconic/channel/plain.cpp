// SPDX-License-Identifier: Apache-2.0
// What all channels share, dropout and side information; and the channel without fading, which awgn
// and noiseless make.
#include "laconic/channel/methods.hpp"

namespace laconic::channel {

ParamCard dropout_param() {
  return {.key = "dropout",
          .type = ParamType::kReal,
          .default_text = "0",
          .help = "probability that a worker is silent in a round, drawn anew every round",
          .min = 0,
          .max = 1,
          .max_open = true};
}

ParamCard side_info_param() {
  return {.key = "side_info",
          .type = ParamType::kChoice,
          .default_text = "perfect",
          .help =
              "how well message norms and channel states are known: perfect, rounded to bits, "
              "or a round old",
          .choices = {"perfect", "quantised", "stale"}};
}

ParamCard side_info_bits_param() {
  return {.key = "bits",
          .type = ParamType::kInteger,
          .default_text = "8",
          .help = "bits per number of quantised side information",
          .min = 1,
          .max = 30};
}

SideInfo side_info_of(const Args& args) {
  const std::string& text = args.text("side_info");
  if (text == "quantised") return SideInfo::kQuantised;
  return text == "stale" ? SideInfo::kStale : SideInfo::kPerfect;
}

bool drops_out(double probability, std::uint64_t seed, std::uint32_t round, std::uint32_t worker) {
  if (probability == 0) return false;
  rng::Reader reader(rng::Stream(seed, {rng::Purpose::kChannel, worker, round, kDropoutTensor}));
  return reader.unit_double() < probability;
}

namespace {

struct PlainOptions {
  double noise_variance = 1;
  double dropout = 0;
  SideInfo side_info = SideInfo::kPerfect;
  std::uint32_t bits = 8;
  std::uint64_t seed = 0;
};

class PlainChannel final : public AnalogChannel {
 public:
  explicit PlainChannel(const PlainOptions& options) : options_(options) {}
  [[nodiscard]] ChannelPath path(std::uint32_t round, std::uint32_t worker) const override {
    return {.active = !drops_out(options_.dropout, options_.seed, round, worker)};
  }
  [[nodiscard]] bool aligned() const override { return true; }
  [[nodiscard]] double noise_variance() const override { return options_.noise_variance; }
  [[nodiscard]] SideInfo side_info() const override { return options_.side_info; }
  [[nodiscard]] std::uint32_t side_info_bits() const override {
    return options_.side_info == SideInfo::kQuantised ? options_.bits : 0;
  }

 private:
  PlainOptions options_;
};

}  // namespace

std::unique_ptr<AnalogChannel> make_plain(const Args& args, const ChannelSetup& setup,
                                          double noise_variance) {
  return std::make_unique<PlainChannel>(
      PlainOptions{.noise_variance = noise_variance,
                   .dropout = args.real("dropout"),
                   .side_info = side_info_of(args),
                   .bits = static_cast<std::uint32_t>(args.integer("bits")),
                   .seed = setup.seed});
}

}  // namespace laconic::channel
