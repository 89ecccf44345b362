// SPDX-License-Identifier: Apache-2.0
// What the kernel tests share: running a check on every SIMD target, vectors with awkward values
// and awkward alignment, and comparison bit for bit.
#pragma once

#include <gtest/gtest.h>

#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include "laconic/kernels/kernels.hpp"
#include "laconic/rng/stream.hpp"
#include "laconic/tensor/workspace.hpp"

namespace laconic::kernels::test {

// Runs the check once per SIMD target of this CPU and lifts the restriction afterwards.
template <class Check>
void on_each_target(Check check) {
  struct Restore {
    ~Restore() { force_simd_target(""); }
  } restore;
  for (const std::string& target : simd_targets()) {
    SCOPED_TRACE("target " + target);
    force_simd_target(target);
    check();
    if (testing::Test::HasFatalFailure()) return;
  }
}

// 0 to 200 and some longer ones: every remainder of every vector width.
inline std::vector<std::size_t> lengths() {
  std::vector<std::size_t> all;
  for (std::size_t n = 0; n <= 200; ++n) all.push_back(n);
  all.push_back(1000);
  all.push_back(4097);
  return all;
}

inline rng::Reader reader(std::uint32_t round, std::uint32_t tensor = 0) {
  constexpr std::uint64_t kSeed = 20240;
  return rng::Reader(
      rng::Stream(kSeed, {.purpose = rng::Purpose::kTest, .round = round, .tensor = tensor}));
}

enum class Values : std::uint8_t {
  kModerate,  // normal numbers, some zeros of both signs
  kAwkward,   // also denormal numbers and magnitudes near both ends of the range (no sum overflows)
  kInfinite,  // also infinities
};

template <Real T>
T draw(rng::Reader& random, Values kind) {
  using Limits = std::numeric_limits<T>;
  const T sign = random.below(2) == 0 ? T{1} : T{-1};
  const std::uint64_t choice = random.below(16);
  if (choice == 0) return sign * T{0};
  if (kind != Values::kModerate) {
    if (choice == 1) return sign * Limits::denorm_min() * static_cast<T>(1 + random.below(1000));
    if (choice == 2) return sign * Limits::min();
    if (choice == 3) return sign * Limits::max() / T{65536};
  }
  if (kind == Values::kInfinite && choice == 4) return sign * Limits::infinity();
  return static_cast<T>(random.normal());
}

// A vector whose first element lies `offset` elements behind an aligned address.
template <class T>
class Shifted {
 public:
  Shifted(std::size_t size, std::size_t offset) : storage_(size + offset), offset_(offset) {}
  [[nodiscard]] std::span<T> span() { return std::span<T>(storage_).subspan(offset_); }
  [[nodiscard]] std::span<const T> span() const {
    return std::span<const T>(storage_).subspan(offset_);
  }

 private:
  AlignedVector<T> storage_;
  std::size_t offset_;
};

template <Real T>
Shifted<T> random_values(std::size_t size, std::uint32_t id, Values kind) {
  Shifted<T> out(size, id % 4);
  rng::Reader random = reader(static_cast<std::uint32_t>(size), id);
  for (T& value : out.span()) value = draw<T>(random, kind);
  return out;
}

// A plane of fair bits with a clear tail.
inline std::vector<std::uint64_t> random_plane(std::size_t bits, rng::Reader& random) {
  std::vector<std::uint64_t> plane(words_for(bits));
  for (std::uint64_t& word : plane) word = random.u64();
  if (bits % 64 != 0) plane.back() &= (std::uint64_t{1} << (bits % 64)) - 1;
  return plane;
}

template <class T>
auto bits_of(T value) {
  if constexpr (std::is_same_v<T, float>) {
    return std::bit_cast<std::uint32_t>(value);
  } else if constexpr (std::is_same_v<T, double>) {
    return std::bit_cast<std::uint64_t>(value);
  } else {
    return value;
  }
}

template <class T>
testing::AssertionResult same_bits(std::span<const T> actual, std::span<const T> expected) {
  if (actual.size() != expected.size()) return testing::AssertionFailure() << "sizes differ";
  for (std::size_t i = 0; i < actual.size(); ++i) {
    if (bits_of(actual[i]) != bits_of(expected[i])) {
      return testing::AssertionFailure()
             << "element " << i << " of " << actual.size() << ": " << actual[i] << ", expected "
             << expected[i] << std::hex << " (bits 0x" << bits_of(actual[i]) << ", expected 0x"
             << bits_of(expected[i]) << ")";
    }
  }
  return testing::AssertionSuccess();
}
template <class T>
testing::AssertionResult same_bits(const Shifted<T>& actual, const Shifted<T>& expected) {
  return same_bits(actual.span(), expected.span());
}
template <class T>
testing::AssertionResult same_bits(const std::vector<T>& actual, const std::vector<T>& expected) {
  return same_bits(std::span<const T>(actual), std::span<const T>(expected));
}

using RealTypes = testing::Types<float, double>;

}  // namespace laconic::kernels::test
