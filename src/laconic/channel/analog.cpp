// SPDX-License-Identifier: Apache-2.0
#include "laconic/channel/analog.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include "laconic/base/assert.hpp"
#include "laconic/base/exact_math.hpp"
#include "laconic/channel/methods.hpp"
#include "laconic/kernels/kernels.hpp"
#include "laconic/kernels/normals.hpp"

namespace laconic {

const ChannelRegistry& channels() {
  static const ChannelRegistry registry({
#define LACONIC_CHANNEL(name) {&channel::name##_card(), &channel::make_##name},
#include "laconic/channel/methods.def"
#undef LACONIC_CHANNEL
  });
  return registry;
}

void add_channel_cards(Catalog& catalog) {
  for (const auto& method : channels().methods()) catalog.add(*method.card);
}

template <Real T>
void add_channel_noise(const ChannelSlot& slot, double scale, std::span<T> y) {
  if (scale == 0) return;
  const rng::Stream stream = channel::noise_stream(slot);
  std::array<T, 2048> noise;
  for (std::size_t done = 0; done < y.size(); done += noise.size()) {
    const std::size_t count = std::min(noise.size(), y.size() - done);
    const std::span<T> values = std::span<T>(noise).first(count);
    kernels::fill_normals<T>(stream, done, values);
    kernels::axpy<T>(static_cast<T>(scale), std::span<const T>(values), y.subspan(done, count));
  }
}
template void add_channel_noise(const ChannelSlot&, double, std::span<float>);
template void add_channel_noise(const ChannelSlot&, double, std::span<double>);

template <Real T>
void superpose(const AnalogChannel& channel, const ChannelSlot& slot,
               std::span<const T* const> rows, std::span<T> y) {
  std::vector<ChannelPath> paths;
  for (std::uint32_t i = 0; i < rows.size(); ++i) paths.push_back(channel.path(slot.round, i));
  for (std::size_t j = 0; j < y.size(); ++j) {
    double sum = 0;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      if (paths[i].active) sum += paths[i].gain * static_cast<double>(rows[i][j]);
    }
    y[j] = static_cast<T>(sum);
  }
  add_channel_noise<T>(slot, std::sqrt(channel.noise_variance()), y);
}
template void superpose(const AnalogChannel&, const ChannelSlot&, std::span<const float* const>,
                        std::span<float>);
template void superpose(const AnalogChannel&, const ChannelSlot&, std::span<const double* const>,
                        std::span<double>);

double quantise_up(double value, std::uint32_t bits) {
  constexpr double kLn2 = 0.69314718055994530942;
  constexpr double kLowest = -40;
  constexpr double kRange = 64;
  LACONIC_EXPECTS(bits >= 1 && bits <= 30);
  LACONIC_EXPECTS(value >= 0);
  if (value == 0) return 0;
  const double steps = static_cast<double>((std::uint64_t{1} << bits) - 1);
  const double place = (exact::log(value) / kLn2 - kLowest) / kRange * steps;
  const double level = std::clamp(std::ceil(place), 0.0, steps);
  const double rounded = exact::exp((kLowest + kRange * level / steps) * kLn2);
  // A value that is itself a level must not fall below itself by a rounding.
  return level < steps ? std::max(rounded, value) : rounded;
}

}  // namespace laconic
