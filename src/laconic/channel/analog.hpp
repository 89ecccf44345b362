// SPDX-License-Identifier: Apache-2.0
// The analog multiple-access channel (laser.md 1): workers transmit at the same time, signals add
// up in the air, the receiver gets the sum plus noise,
//
//   y = sum_i g_i x_i + z,   z ~ N(0, I): real, unit variance per coordinate and channel use.
//
// One real number sent by all workers together is one channel use. Energy is the sum of squares of
// what a worker transmits; "power" P is the energy that one worker may spend in one round, over all
// its uses. g_i is 1 without fading. With fading the channel multiplies by h_i, E|h_i|^2 = 1, which
// stays the same for `coherence` rounds; a sender that knows h_i divides by it (inversion), which
// costs 1 / |h_i|^2 of energy per unit received, and stays silent where |h_i|^2 is below a
// threshold (truncation). g_i = Re(h_i / estimate of h_i) is what an inexact inversion leaves.
//
// A channel is a pure function of (seed, round, worker, block): every rank that asks gets the same
// answer, so noise and fading do not depend on ranks or transports, and need not be sent.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "laconic/base/registry.hpp"
#include "laconic/tensor/layout.hpp"

namespace laconic {

// What lies between one worker and the receiver in one round.
struct ChannelPath {
  bool active = true;  // false: the worker transmits nothing, because it dropped out or its channel
                       // is too weak; the receiver knows
  double gain = 1;     // received amplitude per wanted amplitude; 1 if the inversion is exact
  double energy_factor = 1;  // transmitted energy per energy wanted at the receiver
};

// How well the sides know what they have to know: channel states, and the norms of messages from
// which powers follow.
enum class SideInfo : std::uint8_t {
  kPerfect,
  kQuantised,  // rounded to few bits
  kStale,      // what was true a round ago
};

// Immutable; const calls may run on many threads at once.
class AnalogChannel {
 public:
  virtual ~AnalogChannel() = default;
  AnalogChannel() = default;
  AnalogChannel(const AnalogChannel&) = delete;
  AnalogChannel& operator=(const AnalogChannel&) = delete;

  [[nodiscard]] virtual ChannelPath path(std::uint32_t round, std::uint32_t worker) const = 0;
  // Whether the signals of active workers arrive with a common phase, so that their sum means
  // something.
  [[nodiscard]] virtual bool aligned() const = 0;
  // Variance of the noise per use: 1, or 0 for a channel that is there to compare with.
  [[nodiscard]] virtual double noise_variance() const = 0;
  [[nodiscard]] virtual SideInfo side_info() const = 0;
  // Bits of a quantised number; 0 unless side_info is kQuantised.
  [[nodiscard]] virtual std::uint32_t side_info_bits() const = 0;
};

struct ChannelSetup {
  std::uint64_t seed = 0;
};
using ChannelRegistry = Registry<AnalogChannel, ChannelSetup>;
[[nodiscard]] const ChannelRegistry& channels();
void add_channel_cards(Catalog& catalog);

// A transmission: which block of which round. block < 2^23.
struct ChannelSlot {
  std::uint64_t seed = 0;
  std::uint32_t round = 0;
  std::uint32_t block = 0;
};
// y += scale z with the noise z of the slot; the same z in float and in double. Nothing happens if
// scale is 0.
template <Real T>
void add_channel_noise(const ChannelSlot& slot, double scale, std::span<T> y);
// The physical path where all signals lie in one place: y = sum over i of g_i x_i, in order of the
// worker and in double, rounded once, then the noise. rows[i] is what worker i would be heard as
// with an exact inversion; rows of silent workers are not looked at.
template <Real T>
void superpose(const AnalogChannel& channel, const ChannelSlot& slot,
               std::span<const T* const> rows, std::span<T> y);

// Rounds a positive number up to one of 2^bits that are evenly spaced in the logarithm from 2^-40
// to 2^24 (0 stays 0; beyond the ends: the end). Up, so that powers computed from it are kept.
[[nodiscard]] double quantise_up(double value, std::uint32_t bits);

}  // namespace laconic
