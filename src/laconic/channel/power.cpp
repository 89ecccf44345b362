// SPDX-License-Identifier: Apache-2.0
#include "laconic/channel/power.hpp"

#include <algorithm>

#include "laconic/base/assert.hpp"
#include "laconic/base/exact_math.hpp"

namespace laconic {

const std::vector<std::string_view>& power_course_names() {
  static const std::vector<std::string_view> names = {"constant", "increasing", "decreasing",
                                                      "step-increasing", "step-decreasing"};
  return names;
}

PowerCourse power_course(std::string_view name) {
  const auto& names = power_course_names();
  const auto it = std::find(names.begin(), names.end(), name);
  LACONIC_EXPECTS(it != names.end());
  return static_cast<PowerCourse>(it - names.begin());
}

double PowerSchedule::at(std::uint32_t t) const {
  if (course == PowerCourse::kConstant) return power;
  LACONIC_EXPECTS(rounds > 1);
  const std::uint32_t last = rounds - 1;
  t = std::min(t, last);
  const bool mirrored =
      course == PowerCourse::kDecreasing || course == PowerCourse::kStepDecreasing;
  if (mirrored) t = last - t;
  if (course == PowerCourse::kIncreasing || course == PowerCourse::kDecreasing) {
    return power * (1.0 / 3.0 + 4.0 / 3.0 * static_cast<double>(t) / static_cast<double>(last));
  }
  if (rounds % 2 != 0 && t == rounds / 2) return power;
  return power * (t < rounds / 2 ? 1.0 / 3.0 : 5.0 / 3.0);
}

double mac_capacity_bits(std::uint64_t uses, std::uint32_t workers, double power) {
  constexpr double kLn2 = 0.69314718055994530942;
  LACONIC_EXPECTS(workers > 0);
  if (uses == 0 || power <= 0) return 0;
  const double s = static_cast<double>(uses);
  const double k = static_cast<double>(workers);
  return s / (2 * k) * exact::log1p(k * power / s) / kLn2;
}

}  // namespace laconic
