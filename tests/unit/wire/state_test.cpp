// SPDX-License-Identifier: Apache-2.0
#include "laconic/wire/state.hpp"

#include <gtest/gtest.h>

#include <limits>

#include "laconic/base/error.hpp"

namespace laconic::wire {
namespace {

struct Thing {
  bool flag = true;
  std::uint64_t count = 77;
  double number = 0.1;
  std::vector<float> floats = {1, -0.0F, 3};
  std::vector<std::vector<double>> rows = {{1, 2}, {}, {3}};
  std::vector<double> steps = {5, 6};
  std::vector<std::uint32_t> places = {0, 4, 9};

  void state(StateArchive& archive) {
    archive.fact("colour", "blue");
    archive.number("flag", flag);
    archive.number("count", count);
    archive.number("number", number);
    archive.numbers("floats", std::span(floats));
    archive.rows("row", rows);
    archive.growing("steps", steps, 3);
    archive.indices("places", places, 10);
  }
  [[nodiscard]] std::vector<std::byte> saved() {
    std::vector<std::byte> out;
    StateArchive archive(out);
    state(archive);
    return out;
  }
  // What a load throws; empty if it succeeds.
  std::string load(Bytes bytes) {
    try {
      StateArchive archive(bytes);
      state(archive);
      archive.finish();
    } catch (const ConfigError& e) {
      return e.what();
    }
    return {};
  }
};

TEST(StateArchive, LoadsWhatItSaved) {
  Thing thing;
  const auto bytes = thing.saved();
  Thing other = {.flag = false,
                 .count = 1,
                 .number = 2,
                 .floats = {0, 0, 0},
                 .rows = {{0, 0}, {}, {0}},
                 .steps = {},
                 .places = {}};
  EXPECT_EQ(other.load(bytes), "");
  EXPECT_EQ(other.saved(), bytes);
}

TEST(StateArchive, RefusesEveryBeginningOfABody) {
  Thing thing;
  const auto bytes = thing.saved();
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_NE(Thing().load(Bytes(bytes).first(size)), "") << size;
  }
  auto longer = bytes;
  longer.push_back(std::byte{});
  EXPECT_NE(Thing().load(longer), "");
}

// Whatever a byte becomes, the load ends, with an answer.
TEST(StateArchive, SurvivesEveryChangedByte) {
  Thing thing;
  const auto bytes = thing.saved();
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    for (const unsigned flip : {1U, 0x80U, 0xffU}) {
      auto changed = bytes;
      changed[i] ^= static_cast<std::byte>(flip);
      static_cast<void>(Thing().load(changed));
    }
  }
}

TEST(StateArchive, NamesWhatDiffers) {
  const auto bytes_of = [](auto change) {
    Thing thing;
    change(thing);
    return thing.saved();
  };
  const auto expect = [](const std::vector<std::byte>& bytes, const std::string& part) {
    const std::string text = Thing().load(bytes);
    EXPECT_NE(text.find(part), std::string::npos) << text;
  };
  expect(bytes_of([](Thing& t) { t.floats.push_back(1); }),
         "'floats' was saved as 4 numbers of float, here it is 3 numbers of float");
  expect(bytes_of([](Thing& t) { t.rows[2].clear(); }), "'row 2' was saved as 0");
  expect(bytes_of([](Thing& t) { t.floats[1] = std::numeric_limits<float>::infinity(); }),
         "'floats': byte ");
  expect(bytes_of([](Thing& t) { t.places = {4, 4}; }), "'places': byte ");
  expect(bytes_of([](Thing& t) { t.places = {3, 2}; }), "'places': byte ");

  std::vector<std::byte> other;
  StateArchive archive(other);
  archive.fact("colour", "red");
  expect(other, "it was saved with colour red, here it is blue");
  other.clear();
  StateArchive renamed(other);
  renamed.fact("shape", "red");
  expect(other, "it has 'shape' where 'colour' is expected");
  std::vector<double> wide = {1, 2};
  other.clear();
  StateArchive kinds(other);
  kinds.numbers("floats", std::span(wide));
  StateArchive loaded{Bytes(other)};
  std::vector<float> narrow = {1, 2};
  EXPECT_THROW(loaded.numbers("floats", std::span(narrow)), ConfigError);
}

TEST(StateArchive, RefusesMoreThanThereMayBe) {
  std::vector<std::byte> bytes;
  StateArchive archive(bytes);
  std::vector<double> four = {1, 2, 3, 4};
  archive.growing("steps", four, 4);
  StateArchive loaded{Bytes(bytes)};
  std::vector<double> none;
  EXPECT_THROW(loaded.growing("steps", none, 3), ConfigError);
  EXPECT_TRUE(none.empty());
}

}  // namespace
}  // namespace laconic::wire
