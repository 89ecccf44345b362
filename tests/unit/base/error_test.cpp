// SPDX-License-Identifier: Apache-2.0
#include "laconic/base/error.hpp"

#include <gtest/gtest.h>

#include <set>

#include "laconic/base/assert.hpp"

namespace laconic {
namespace {

constexpr int kFaults = static_cast<int>(Fault::kDuplicateSender) + 1;

TEST(FaultName, EveryFaultHasANameOfItsOwn) {
  std::set<std::string_view> names;
  for (int i = 0; i < kFaults; ++i) names.insert(fault_name(static_cast<Fault>(i)));
  EXPECT_EQ(names.size(), static_cast<std::size_t>(kFaults));
  EXPECT_FALSE(names.contains("unknown fault"));
}

TEST(FaultName, TheNamesAreTheOnesThatAreDocumented) {
  EXPECT_EQ(fault_name(Fault::kNone), "no fault");
  EXPECT_EQ(fault_name(Fault::kTruncated), "truncated");
  EXPECT_EQ(fault_name(Fault::kTrailingBytes), "trailing bytes");
  EXPECT_EQ(fault_name(Fault::kBadMagic), "bad magic number");
  EXPECT_EQ(fault_name(Fault::kBadVersion), "unsupported format version");
  EXPECT_EQ(fault_name(Fault::kBadKind), "unexpected payload kind");
  EXPECT_EQ(fault_name(Fault::kBadMode), "unknown mode");
  EXPECT_EQ(fault_name(Fault::kBadDimension), "wrong dimension");
  EXPECT_EQ(fault_name(Fault::kNonZeroPadding), "padding bits are set");
  EXPECT_EQ(fault_name(Fault::kBadIndex), "bad coordinate index");
  EXPECT_EQ(fault_name(Fault::kBadValue), "bad value");
  EXPECT_EQ(fault_name(Fault::kNonFinite), "non-finite number");
  EXPECT_EQ(fault_name(Fault::kNegativeScale), "negative scale");
  EXPECT_EQ(fault_name(Fault::kWrongRound), "wrong round");
  EXPECT_EQ(fault_name(Fault::kWrongPhase), "wrong phase");
  EXPECT_EQ(fault_name(Fault::kBadSender), "unknown sender");
  EXPECT_EQ(fault_name(Fault::kDuplicateSender), "duplicate sender");
  EXPECT_EQ(fault_name(static_cast<Fault>(kFaults)), "unknown fault");
}

TEST(Status, IsTrueWithoutAFault) {
  EXPECT_TRUE(Status());
  EXPECT_EQ(Status().message(), "ok");
  EXPECT_FALSE(Status(Fault::kBadIndex, 3));
  EXPECT_EQ(Status(Fault::kBadIndex, 3).fault(), Fault::kBadIndex);
}

TEST(Status, SaysWhereWhatAndWhatWasExpected) {
  EXPECT_EQ(Status(Fault::kBadDimension, 12, 7, 9).message(),
            "byte 12: wrong dimension: 7, expected 9");
  EXPECT_EQ(Status(Fault::kNonFinite, 4).message(), "byte 4: non-finite number");
  EXPECT_EQ(Status(Fault::kWrongRound, 8, 0, 5).message(), "byte 8: wrong round: 0, expected 5");
}

TEST(Status, IsEqualWhenEverythingIs) {
  EXPECT_EQ(Status(Fault::kBadKind, 1, 2, 3), Status(Fault::kBadKind, 1, 2, 3));
  EXPECT_NE(Status(Fault::kBadKind, 1, 2, 3), Status(Fault::kBadKind, 2, 2, 3));
}

TEST(Result, HoldsAValueOrTheReasonWhyThereIsNone) {
  const Result<int> good = 3;
  const Result<int> bad = Failure{"no number"};
  EXPECT_TRUE(good);
  EXPECT_EQ(*good, 3);
  EXPECT_FALSE(bad);
  EXPECT_EQ(bad.error(), "no number");
}

TEST(Result, ValueOrThrowTurnsTheReasonIntoAConfigError) {
  EXPECT_EQ(Result<std::string>(std::string("text")).value_or_throw(), "text");
  try {
    static_cast<void>(Result<int>(Failure{"no number"}).value_or_throw());
    FAIL() << "nothing was thrown";
  } catch (const ConfigError& error) {
    EXPECT_STREQ(error.what(), "no number");
  }
}

TEST(Result, ReachesIntoItsValue) {
  Result<std::string> text = std::string("abc");
  EXPECT_EQ(text->size(), 3U);
  *text += "d";
  EXPECT_EQ(*std::move(text), "abcd");
}

TEST(DivergedError, NamesTheWorkerTheTensorAndTheRound) {
  const DivergedError error({.worker = 2, .tensor = "layer1.weight", .round = 17, .index = 5});
  EXPECT_STREQ(
      error.what(),
      "round 17: worker 2: the gradient of tensor 'layer1.weight' is not finite at index 5; "
      "lower the step size, or check the data for extreme values");
  EXPECT_EQ(error.place().worker, 2U);
  EXPECT_EQ(error.place().tensor, "layer1.weight");
}

TEST(Expects, ThrowsTheConditionAndThePlace) {
  const int limit = 3;
  EXPECT_NO_THROW(LACONIC_EXPECTS(limit == 3));
  try {
    LACONIC_EXPECTS(limit < 3);
    FAIL() << "nothing was thrown";
  } catch (const std::logic_error& error) {
    const std::string_view what = error.what();
    EXPECT_NE(what.find("precondition violated: limit < 3"), std::string_view::npos) << what;
    EXPECT_NE(what.find("error_test.cpp:"), std::string_view::npos) << what;
  }
}

}  // namespace
}  // namespace laconic
