// SPDX-License-Identifier: Apache-2.0
#include "laconic/experiment/stopping.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>

namespace laconic::experiment {
namespace {

using Quantity = Until::Quantity;

TEST(Until, ReadsWhatItPrints) {
  for (const Until& until : {Until{Quantity::kGradNorm2, 1e-12}, Until{Quantity::kGradNorm, 0.01},
                             Until{Quantity::kLoss, -3.5}, Until{Quantity::kLossGap, 0}}) {
    const auto again = parse_until(text_of(until));
    ASSERT_TRUE(again) << again.error();
    EXPECT_EQ(*again, until);
  }
  EXPECT_EQ(text_of(*parse_until("  grad_norm2<=1e-12 ")), "grad_norm2 <= 1e-12");
}

TEST(Until, RefusesWhatItDoesNotKnow) {
  for (const auto& [text, part] : std::initializer_list<std::pair<const char*, const char*>>{
           {"", "until = '' is not QUANTITY <= NUMBER, e.g. 'grad_norm2 <= 1e-12'"},
           {"grad_norm2 < 1", "is not QUANTITY <= NUMBER"},
           {"accuracy <= 1", "'accuracy' is not a known quantity"},
           {"loss <= low", "'low' is not a number"},
           {"loss <= nan", "'nan' is not a number"},
           {"grad_norm <= -1", "grad_norm is never below 0, so it is not <= -1"}}) {
    const auto until = parse_until(text);
    ASSERT_FALSE(until) << text;
    EXPECT_NE(until.error().find(part), std::string::npos) << until.error();
    EXPECT_EQ(until.error().find('\n'), std::string::npos);
  }
}

TEST(Until, HoldsAtItsLimitAndNotForWhatIsNotANumber) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const Until square = {Quantity::kGradNorm2, 1e-20};
  EXPECT_TRUE(holds_for_gradient(square, 1e-20));
  EXPECT_FALSE(holds_for_gradient(square, std::nextafter(1e-20, 1.0)));
  EXPECT_FALSE(holds_for_gradient(square, nan));
  EXPECT_TRUE(holds_for_gradient({Quantity::kGradNorm, 0.5}, 0.25));
  EXPECT_FALSE(holds_for_gradient({Quantity::kGradNorm, 0.5}, 0.26));
  EXPECT_TRUE(holds_for_loss({Quantity::kLoss, -1}, -1, 100));
  EXPECT_TRUE(holds_for_loss({Quantity::kLossGap, 1}, -1, -2));
  EXPECT_FALSE(holds_for_loss({Quantity::kLossGap, 1}, -0.5, -2));
  EXPECT_FALSE(holds_for_loss({Quantity::kLossGap, 1}, nan, 0));
  Metrics metrics;
  EXPECT_FALSE(holds(square, metrics, {}));
  metrics.grad_norm2 = 0.0;
  metrics.loss = 1.0;
  EXPECT_TRUE(holds(square, metrics, {}));
  EXPECT_FALSE(holds({Quantity::kLossGap, 5}, metrics, {}));
  EXPECT_TRUE(holds({Quantity::kLossGap, 5}, metrics, 0.0));
}

TEST(Budget, ReadsUnitsAndMeters) {
  EXPECT_EQ(*parse_budget("5Mbit"), (Budget{5e6, Budget::Meter::kPaper}));
  EXPECT_EQ(*parse_budget("1.5 kbit wire"), (Budget{1500, Budget::Meter::kWire}));
  EXPECT_EQ(*parse_budget("2Gbit frame"), (Budget{2e9, Budget::Meter::kFrame}));
  EXPECT_EQ(*parse_budget("7bit paper"), (Budget{7, Budget::Meter::kPaper}));
  for (const Budget& budget : {Budget{5e6, Budget::Meter::kWire}, Budget{1e12, {}}}) {
    EXPECT_EQ(*parse_budget(text_of(budget)), budget);
  }
}

TEST(Budget, RefusesWhatIsNoAmount) {
  for (const char* text : {"", "5", "5MB", "0bit", "-1Mbit", "Mbit", "5Mbit air", "1e308Gbit",
                           "wire", "5 wire Mbit", "nanbit"}) {
    const auto budget = parse_budget(text);
    ASSERT_FALSE(budget) << text;
    EXPECT_EQ(budget.error(),
              std::string("budget = '") + text +
                  "' is not a positive number and bit, kbit, Mbit or Gbit, e.g. '5Mbit' or '5Mbit "
                  "wire'; meters are paper, wire and frame");
  }
}

TEST(Budget, CountsWithItsMeter) {
  const TrafficPerWorker traffic = {1, 2, 3};
  EXPECT_EQ(spent({1, Budget::Meter::kPaper}, traffic), 1);
  EXPECT_EQ(spent({1, Budget::Meter::kWire}, traffic), 2);
  EXPECT_EQ(spent({1, Budget::Meter::kFrame}, traffic), 24);
}

}  // namespace
}  // namespace laconic::experiment
