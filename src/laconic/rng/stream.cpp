// SPDX-License-Identifier: Apache-2.0
#include "laconic/rng/stream.hpp"

#include <cmath>
#include <utility>

#include "laconic/base/assert.hpp"
#include "laconic/base/exact_math.hpp"

namespace laconic::rng {

Stream::Stream(std::uint64_t seed, StreamId id)
    : key_{static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32)},
      round_(id.round),
      worker_(id.worker),
      purpose_and_tensor_((static_cast<std::uint32_t>(id.purpose) << 24) | id.tensor) {
  LACONIC_EXPECTS(id.tensor < (1U << 24));
}

std::uint32_t Reader::u32() {
  if (used_ == 4) {
    words_ = stream_.block(next_block_++);
    used_ = 0;
  }
  return words_[used_++];
}

std::uint64_t Reader::u64() {
  const std::uint64_t low = u32();
  const std::uint64_t high = u32();
  return (high << 32) | low;
}

float Reader::unit_float() { return static_cast<float>(u32() >> 8) * 0x1p-24F; }
double Reader::unit_double() { return static_cast<double>(u64() >> 11) * 0x1p-53; }

std::uint64_t Reader::below(std::uint64_t bound) {
  LACONIC_EXPECTS(bound > 0);
  if (bound <= (std::uint64_t{1} << 32)) {
    const std::uint64_t threshold =
        (std::uint64_t{1} << 32) % bound;  // size of the short last interval
    while (true) {
      const std::uint64_t product = std::uint64_t{u32()} * bound;
      if ((product & 0xffffffffU) >= threshold) return product >> 32;
    }
  }
  const std::uint64_t threshold = (0 - bound) % bound;
  while (true) {
    __extension__ using Wide = unsigned __int128;
    const Wide product = static_cast<Wide>(u64()) * bound;
    if (static_cast<std::uint64_t>(product) >= threshold)
      return static_cast<std::uint64_t>(product >> 64);
  }
}

double Reader::normal() {
  if (has_spare_normal_) {
    has_spare_normal_ = false;
    return spare_normal_;
  }
  const double u = 1.0 - unit_double();  // in (0, 1]
  const double radius = std::sqrt(-2.0 * exact::log(u));
  const auto [sine, cosine] = exact::sincos_2pi(unit_double());
  spare_normal_ = radius * sine;
  has_spare_normal_ = true;
  return radius * cosine;
}

void permute(const Stream& stream, std::span<std::uint32_t> values) {
  Reader reader(stream);
  for (std::size_t i = values.size(); i > 1; --i) std::swap(values[i - 1], values[reader.below(i)]);
}

namespace {
template <class T>
void fill(const Stream& stream, Normal normal, std::span<T> out) {
  Reader reader(stream);
  for (T& value : out) value = static_cast<T>(normal.mean + normal.deviation * reader.normal());
}
}  // namespace

void fill_normal(const Stream& stream, Normal normal, std::span<float> out) {
  fill(stream, normal, out);
}
void fill_normal(const Stream& stream, Normal normal, std::span<double> out) {
  fill(stream, normal, out);
}

}  // namespace laconic::rng
