// SPDX-License-Identifier: Apache-2.0
// Block fading, which rayleigh and rician make. The channel of a worker is h, complex, E|h|^2 = 1,
// drawn anew every `coherence` rounds: h = sqrt(k / (k + 1)) + (u + i v) / sqrt(2 (k + 1)) with u,
// v ~ N(0, 1) and k the power of the direct path over that of the scattered ones (0: Rayleigh).
// Senders invert the channel as they know it; with exact knowledge that turns fading into the plain
// channel at the price of energy (Guo, Liu, Lau 2020; Amiri and Gunduz 2020).
#include <cmath>

#include "laconic/base/exact_math.hpp"
#include "laconic/channel/methods.hpp"

namespace laconic::channel {
namespace {

struct FadingOptions {
  double k = 0;
  double threshold = 0.1;
  bool inversion = true;
  std::uint32_t coherence = 1;
  double dropout = 0;
  SideInfo side_info = SideInfo::kPerfect;
  std::uint32_t bits = 8;
  std::uint64_t seed = 0;
};

struct Complex {
  double re = 0;
  double im = 0;
  [[nodiscard]] double squared() const { return re * re + im * im; }
};

class FadingChannel final : public AnalogChannel {
 public:
  explicit FadingChannel(const FadingOptions& options) : options_(options) {}

  [[nodiscard]] ChannelPath path(std::uint32_t round, std::uint32_t worker) const override {
    const Complex h = state(round, worker);
    const bool present = !drops_out(options_.dropout, options_.seed, round, worker);
    if (!options_.inversion) return {.active = present, .gain = h.re};
    const Complex known = estimate(round, worker);
    const double strength = known.squared();
    if (!present || strength == 0 || strength < options_.threshold) return {.active = false};
    // Re(h / known)
    return {.gain = (h.re * known.re + h.im * known.im) / strength, .energy_factor = 1 / strength};
  }
  [[nodiscard]] bool aligned() const override { return options_.inversion; }
  [[nodiscard]] double noise_variance() const override { return 1; }
  [[nodiscard]] SideInfo side_info() const override { return options_.side_info; }
  [[nodiscard]] std::uint32_t side_info_bits() const override {
    return options_.side_info == SideInfo::kQuantised ? options_.bits : 0;
  }

 private:
  [[nodiscard]] Complex state(std::uint32_t round, std::uint32_t worker) const {
    rng::Reader reader(rng::Stream(options_.seed, {rng::Purpose::kChannel, worker,
                                                   round / options_.coherence, kFadingTensor}));
    const double scattered = std::sqrt(0.5 / (options_.k + 1));
    const double direct = std::sqrt(options_.k / (options_.k + 1));
    const double re = direct + scattered * reader.normal();
    return {re, scattered * reader.normal()};
  }

  [[nodiscard]] Complex estimate(std::uint32_t round, std::uint32_t worker) const {
    switch (options_.side_info) {
      case SideInfo::kPerfect:
        return state(round, worker);
      case SideInfo::kStale:
        return state(round == 0 ? 0 : round - 1, worker);
      case SideInfo::kQuantised:
        return quantised(state(round, worker));
    }
    return {};
  }

  // Magnitude and phase with `bits` bits each; the phase to the nearest level.
  [[nodiscard]] Complex quantised(Complex h) const {
    const double magnitude = quantise_up(std::sqrt(h.squared()), options_.bits);
    const auto levels = static_cast<std::uint32_t>(std::uint64_t{1} << options_.bits);
    const double turn = phase_turn(h);
    const double level = std::floor(turn * levels + 0.5);
    const double rounded = level / levels;
    const auto [sine, cosine] = exact::sincos_2pi(rounded >= 1 ? 0.0 : rounded);
    return {magnitude * cosine, magnitude * sine};
  }

  // The phase of h as a part of a turn, in [0, 1), by bisection on exact sines: no C library.
  static double phase_turn(Complex h) {
    const bool upper = h.im >= 0;
    double low = 0;
    double high = 0.5;
    const double magnitude = std::sqrt(h.squared());
    for (int step = 0; step < 52; ++step) {
      const double middle = 0.5 * (low + high);
      if (exact::sincos_2pi(middle).second * magnitude > h.re) {
        low = middle;
      } else {
        high = middle;
      }
    }
    const double turn = 0.5 * (low + high);
    return upper || turn == 0 ? turn : 1 - turn;
  }

  FadingOptions options_;
};

ParamCard threshold_param() {
  return {.key = "threshold",
          .type = ParamType::kReal,
          .default_text = "0.1",
          .help = "a worker whose |h|^2 is below stays silent; 0 inverts every channel",
          .min = 0};
}
ParamCard inversion_param() {
  return {.key = "inversion",
          .type = ParamType::kFlag,
          .default_text = "true",
          .help = "whether senders divide by their channel, so that signals arrive in phase"};
}
ParamCard coherence_param() {
  return {.key = "coherence",
          .type = ParamType::kInteger,
          .default_text = "1",
          .help = "rounds for which a channel stays the same",
          .min = 1,
          .max = 1e9};
}

}  // namespace

std::vector<ParamCard> fading_params() {
  return {threshold_param(), inversion_param(), coherence_param(),
          dropout_param(),   side_info_param(), side_info_bits_param()};
}

std::unique_ptr<AnalogChannel> make_fading(const Args& args, const ChannelSetup& setup, double k) {
  return std::make_unique<FadingChannel>(
      FadingOptions{.k = k,
                    .threshold = args.real("threshold"),
                    .inversion = args.flag("inversion"),
                    .coherence = static_cast<std::uint32_t>(args.integer("coherence")),
                    .dropout = args.real("dropout"),
                    .side_info = side_info_of(args),
                    .bits = static_cast<std::uint32_t>(args.integer("bits")),
                    .seed = setup.seed});
}

}  // namespace laconic::channel
