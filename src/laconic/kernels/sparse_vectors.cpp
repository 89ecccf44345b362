// SPDX-License-Identifier: Apache-2.0
#include "laconic/kernels/sparse_vectors.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>

#include "laconic/base/assert.hpp"
#include "laconic/kernels/simd_tables.hpp"

namespace laconic::kernels {
namespace {

constexpr std::size_t kLanes = 16;

// The canonical order of reductions.
class Lanes {
 public:
  void add(std::uint32_t index, double term) { lanes_[index % kLanes] += term; }
  [[nodiscard]] double sum() const {
    std::array<double, kLanes> lanes = lanes_;
    for (std::size_t half = kLanes / 2; half > 0; half /= 2) {
      for (std::size_t j = 0; j < half; ++j) lanes[j] += lanes[j + half];
    }
    return lanes[0];
  }

 private:
  std::array<double, kLanes> lanes_{};
};

// The upper halves of the draws, one block of the stream for up to eight coordinates.
class Draws {
 public:
  explicit Draws(const rng::Stream& stream) : stream_(stream) {}
  [[nodiscard]] std::uint64_t upper(std::uint64_t coordinate) {
    const std::uint64_t word = 16 * (coordinate / 32) + coordinate % 16;
    if (word / 4 != block_) {
      block_ = word / 4;
      words_ = stream_.block(static_cast<std::uint32_t>(block_));
    }
    return coordinate % 32 < 16 ? words_[word % 4] & 0xffffU : words_[word % 4] >> 16;
  }
  [[nodiscard]] std::uint64_t lower(std::uint64_t coordinate) const {
    return stream_.word((std::uint64_t{1} << 33) + coordinate);
  }

 private:
  const rng::Stream& stream_;
  std::uint64_t block_ = ~std::uint64_t{0};
  rng::PhiloxCounter words_{};
};

}  // namespace

template <Real T>
double squared_norm(const SparseView<T>& x) {
  Lanes lanes;
  for (std::size_t j = 0; j < x.indices.size(); ++j) {
    const auto value = static_cast<double>(x.values[j]);
    lanes.add(x.indices[j], value * value);
  }
  return lanes.sum();
}

template <Real T>
MagnitudeSums bracket_magnitudes(T low, T high, const SparseView<T>& x, std::vector<T>& bracketed) {
  LACONIC_EXPECTS(0 <= low && low <= high);
  bracketed.reserve(x.dim);  // how many there are varies; memory shall not
  Lanes l1;
  Lanes l1_above;
  MagnitudeSums out;
  for (std::size_t j = 0; j < x.indices.size(); ++j) {
    const T a = std::abs(x.values[j]);
    if (a == 0) continue;
    ++out.nonzeros;
    l1.add(x.indices[j], static_cast<double>(a));
    if (a > high) {
      ++out.above;
      l1_above.add(x.indices[j], static_cast<double>(a));
    } else if (a > low) {
      bracketed.push_back(a);
    }
  }
  out.l1 = l1.sum();
  out.l1_above = l1_above.sum();
  return out;
}

template <Real T>
void round_to_codes(const RandomRounding<T>& rounding, const SparseView<T>& x,
                    const rng::Stream& stream, std::span<std::uint16_t> codes) {
  LACONIC_EXPECTS(codes.size() == x.values.size());
  LACONIC_EXPECTS(rounding.levels > 0 && rounding.levels <= 32767);
  LACONIC_EXPECTS(std::isfinite(rounding.scale) && rounding.scale > 0);
  const T shift = detail::rounding_shift(rounding);
  const T scale = rounding.scale * shift;
  const auto levels = static_cast<T>(rounding.levels);
  const T factor = levels / scale;
  const std::uint32_t negative = std::uint32_t{1} << std::bit_width(rounding.levels);
  Draws draws(stream);
  for (std::size_t j = 0; j < codes.size(); ++j) {
    const T a = std::abs(x.values[j] * shift);
    const T y = a >= scale ? levels : std::min(a * factor, levels);
    const T floor = std::floor(y);
    const auto bar = static_cast<std::uint64_t>(static_cast<double>(y - floor) * 0x1p48);
    auto level = static_cast<std::uint32_t>(floor);
    if (bar > 0) {
      const std::uint64_t upper = draws.upper(x.indices[j]);
      const bool up =
          upper != bar >> 32 ? upper < bar >> 32 : draws.lower(x.indices[j]) < (bar & 0xffffffffU);
      level += up ? 1U : 0U;
    }
    codes[j] = static_cast<std::uint16_t>(level + (x.values[j] < 0 && level > 0 ? negative : 0));
  }
}

#define LACONIC_INSTANTIATE(T)                                                                     \
  template double squared_norm(const SparseView<T>&);                                              \
  template MagnitudeSums bracket_magnitudes(T, T, const SparseView<T>&, std::vector<T>&);          \
  template void round_to_codes(const RandomRounding<T>&, const SparseView<T>&, const rng::Stream&, \
                               std::span<std::uint16_t>)
LACONIC_INSTANTIATE(float);
LACONIC_INSTANTIATE(double);
#undef LACONIC_INSTANTIATE

}  // namespace laconic::kernels
