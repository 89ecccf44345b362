// SPDX-License-Identifier: Apache-2.0
// The power of a round (laser.md 2.5): constant, or between P/3 and 5P/3 with mean P.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace laconic {

enum class PowerCourse : std::uint8_t {
  kConstant,
  kIncreasing,      // linearly from P/3 to 5P/3
  kDecreasing,      // its mirror image
  kStepIncreasing,  // P/3 in the first half, 5P/3 in the second
  kStepDecreasing,
};
// In the order of PowerCourse.
[[nodiscard]] const std::vector<std::string_view>& power_course_names();
[[nodiscard]] PowerCourse power_course(std::string_view name);

struct PowerSchedule {
  double power = 1;  // P, the mean over the rounds
  PowerCourse course = PowerCourse::kConstant;
  std::uint32_t rounds = 0;  // T; later rounds are as the last one. Not used when constant.
  // Energy that a worker may spend in round t. An odd T has a middle round of power P in step
  // courses. Precondition: constant, or rounds > 1.
  [[nodiscard]] double at(std::uint32_t t) const;
};

// Bits that each of `workers` can send in one round without error over `uses` uses of the channel
// with the same power each: uses / (2 K) log2(1 + K P / uses), the symmetric capacity of the
// Gaussian multiple-access channel. 0 for no uses or no power.
[[nodiscard]] double mac_capacity_bits(std::uint64_t uses, std::uint32_t workers, double power);

}  // namespace laconic
