// SPDX-License-Identifier: Apache-2.0
#include "laconic/channel/power.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace laconic::test {
namespace {

// laser.md T19.
TEST(LaserCheck19, SchedulesHaveMeanPTheirEndpointsAndMirrorImages) {
  for (const std::string_view name : power_course_names()) {
    for (const std::uint32_t rounds : {2U, 3U, 10U, 301U}) {
      const PowerSchedule schedule{.power = 7, .course = power_course(name), .rounds = rounds};
      double sum = 0;
      for (std::uint32_t t = 0; t < rounds; ++t) sum += schedule.at(t);
      EXPECT_LE(std::fabs(sum / rounds - 7), 1e-12 * 7) << name << " " << rounds;
      const double first = schedule.at(0);
      const double last = schedule.at(rounds - 1);
      if (name == "constant") {
        EXPECT_EQ(first, 7.0);
        EXPECT_EQ(last, 7.0);
      } else {
        const bool up = name.find("increasing") != std::string_view::npos;
        EXPECT_NEAR(up ? first : last, 7.0 / 3, 1e-14 * 7);
        EXPECT_NEAR(up ? last : first, 35.0 / 3, 1e-14 * 35);
      }
      EXPECT_EQ(schedule.at(rounds + 5), last);
    }
  }
  for (const auto& [up, down] : std::vector<std::pair<PowerCourse, PowerCourse>>{
           {PowerCourse::kIncreasing, PowerCourse::kDecreasing},
           {PowerCourse::kStepIncreasing, PowerCourse::kStepDecreasing}}) {
    const PowerSchedule rising{.power = 3, .course = up, .rounds = 17};
    const PowerSchedule falling{.power = 3, .course = down, .rounds = 17};
    for (std::uint32_t t = 0; t < 17; ++t) EXPECT_EQ(rising.at(t), falling.at(16 - t));
  }
}

TEST(MacCapacity, IsTheFormulaAndItsLimits) {
  EXPECT_NEAR(mac_capacity_bits(1000, 10, 500), 1000.0 / 20 * std::log2(1 + 10 * 500 / 1000.0),
              1e-9);
  EXPECT_EQ(mac_capacity_bits(0, 10, 500), 0.0);
  EXPECT_EQ(mac_capacity_bits(1000, 10, 0), 0.0);
  // Many uses for little power: P / (2 ln 2) bits in all, however many uses.
  EXPECT_NEAR(mac_capacity_bits(1ULL << 40, 10, 5), 5 / (2 * std::log(2.0)), 1e-6);
}

}  // namespace
}  // namespace laconic::test
