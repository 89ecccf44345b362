// SPDX-License-Identifier: Apache-2.0
// What the generators share: how their random numbers are named, and checks of their options.
// Private to this layer.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <string_view>

#include "laconic/base/card.hpp"
#include "laconic/base/error.hpp"
#include "laconic/rng/stream.hpp"

namespace laconic::data {

// The stream of row i of a split is {kData, worker = i, round = split, tensor = 0}; what all rows
// share has tensors of its own.
enum class Split : std::uint8_t { kTrain = 0, kTest = 1 };
inline constexpr std::uint32_t kRowTensor = 0;
inline constexpr std::uint32_t kRankingTensor = 1;
inline constexpr std::uint32_t kHyperplaneTensor = 2;
inline constexpr std::uint32_t kPrototypeTensor = 3;
inline constexpr std::uint32_t kBasisTensor = 4;
inline constexpr std::uint32_t kRotationTensor = 5;
inline constexpr std::uint32_t kSourceTensor = 6;
inline constexpr std::uint32_t kWavesTensor = 7;

inline constexpr std::uint64_t kMaxEntries = std::uint64_t{1} << 31;
inline constexpr double kMaxRows = 1e7;

inline rng::Stream row_stream(std::uint64_t seed, Split split, std::uint32_t row) {
  return {seed,
          {.purpose = rng::Purpose::kData,
           .worker = row,
           .round = static_cast<std::uint32_t>(split),
           .tensor = kRowTensor}};
}

inline rng::Stream common_stream(std::uint64_t seed, std::uint32_t tensor, std::uint32_t part = 0) {
  return {seed, {.purpose = rng::Purpose::kData, .worker = part, .round = 0, .tensor = tensor}};
}

struct Limit {
  std::string_view method;
  std::string_view key;
  double min = 0;
  double max = 1;
};

inline void check(double value, const Limit& limit) {
  if (value >= limit.min && value <= limit.max) return;
  throw ConfigError(fmt::format("{}: {}={} is not in [{}, {}]", limit.method, limit.key,
                                shortest(value), shortest(limit.min), shortest(limit.max)));
}

inline void check_entries(std::string_view method, std::uint64_t rows, std::uint64_t per_row) {
  if (rows * per_row <= kMaxEntries) return;
  throw ConfigError(
      fmt::format("{}: {} rows of {} entries are more than {} entries; take fewer rows", method,
                  rows, per_row, kMaxEntries));
}

}  // namespace laconic::data
