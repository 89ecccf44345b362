// SPDX-License-Identifier: Apache-2.0
// Epochs cut into batches: ragged ends, epochs that follow each other, and going on from a
// checkpoint.
#include <gtest/gtest.h>

#include <limits>

#include "laconic/order/order_policy.hpp"

namespace laconic {
namespace {

using Batch = std::vector<std::uint32_t>;

BatchCursor make_cursor(const std::string& name, std::uint32_t units, std::uint32_t batch) {
  Catalog catalog;
  add_order_cards(catalog);
  auto policy = orders().make(catalog.canonical(parse_spec(name).value_or_throw(), "order"),
                              {.units = units, .worker = 1, .seed = 3});
  return BatchCursor(std::move(policy), units, batch);
}

Batch take(BatchCursor& cursor) {
  const auto units = cursor.next();
  return Batch(units.begin(), units.end());
}

TEST(BatchCursor, CutsAnEpochIntoBatchesWithARaggedEnd) {
  BatchCursor cursor = make_cursor("incremental", 7, 3);
  EXPECT_EQ(cursor.batches_per_epoch(), 3U);
  EXPECT_EQ(take(cursor), (Batch{0, 1, 2}));
  EXPECT_EQ(take(cursor), (Batch{3, 4, 5}));
  EXPECT_EQ(take(cursor), (Batch{6}));
  EXPECT_EQ(cursor.epoch(), 0U);
  EXPECT_EQ(take(cursor), (Batch{0, 1, 2}));
  EXPECT_EQ(cursor.epoch(), 1U);
}

TEST(BatchCursor, EveryEpochIsThePolicysOrderForAllSizes) {
  Catalog catalog;
  add_order_cards(catalog);
  for (std::uint32_t units = 1; units <= 12; ++units) {
    for (std::uint32_t batch = 1; batch <= 14; ++batch) {
      BatchCursor cursor = make_cursor("reshuffle", units, batch);
      const auto policy =
          orders().make(catalog.canonical(parse_spec("reshuffle").value_or_throw(), "order"),
                        {.units = units, .worker = 1, .seed = 3});
      for (std::uint32_t e = 0; e < 3; ++e) {
        Batch visited;
        for (std::uint32_t b = 0; b < cursor.batches_per_epoch(); ++b) {
          const Batch units_of_batch = take(cursor);
          EXPECT_EQ(cursor.epoch(), e);
          const bool last = b + 1 == cursor.batches_per_epoch();
          EXPECT_EQ(units_of_batch.size(), last ? units - b * batch : batch);
          visited.insert(visited.end(), units_of_batch.begin(), units_of_batch.end());
        }
        const auto expected = policy->epoch(e);
        EXPECT_EQ(visited, Batch(expected.begin(), expected.end()))
            << units << " units, batches of " << batch;
      }
    }
  }
}

TEST(BatchCursor, ABatchLargerThanTheEpochIsTheWholeEpoch) {
  BatchCursor cursor = make_cursor("incremental", 3, std::numeric_limits<std::uint32_t>::max());
  EXPECT_EQ(cursor.batches_per_epoch(), 1U);
  EXPECT_EQ(take(cursor), (Batch{0, 1, 2}));
  EXPECT_EQ(take(cursor), (Batch{0, 1, 2}));
  EXPECT_EQ(cursor.epoch(), 1U);
}

TEST(BatchCursor, GoesOnFromEveryStateAsTheFirstCursorDid) {
  for (const char* name : {"incremental", "once", "reshuffle", "flipflop"}) {
    for (std::uint32_t stop = 0; stop < 12; ++stop) {
      BatchCursor first = make_cursor(name, 11, 4);
      for (std::uint32_t i = 0; i < stop; ++i) take(first);
      BatchCursor second = make_cursor(name, 11, 4);
      second.restore(first.state());
      EXPECT_EQ(second.state(), first.state());
      for (int i = 0; i < 7; ++i) {
        EXPECT_EQ(take(second), take(first)) << name << " stopped after " << stop;
        EXPECT_EQ(second.epoch(), first.epoch());
      }
    }
  }
}

TEST(BatchCursor, RefusesAStateThatNoCursorOfItsSizeHas) {
  BatchCursor cursor = make_cursor("incremental", 7, 3);
  EXPECT_THROW(cursor.restore({.epoch = 0, .position = 8}), std::logic_error);
  EXPECT_THROW(cursor.restore({.epoch = 0, .position = 4}), std::logic_error);
  EXPECT_NO_THROW(cursor.restore({.epoch = 0, .position = 7}));
}

TEST(BatchCursor, NeedsUnitsAndABatch) {
  EXPECT_THROW(make_cursor("incremental", 0, 1), std::logic_error);
  EXPECT_THROW(make_cursor("incremental", 1, 0), std::logic_error);
  EXPECT_THROW(BatchCursor(nullptr, 1, 1), std::logic_error);
}

}  // namespace
}  // namespace laconic
