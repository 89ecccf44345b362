// SPDX-License-Identifier: Apache-2.0
// Level bodies: every kind decodes to the numbers that were meant, has the length that the page
// gives it, and refuses what 2.7 says to refuse; the chosen kind is the shortest.
#include "laconic/compress/level_body.hpp"

#include <bit>

#include "laconic/kernels/kernels.hpp"
#include "laconic/wire/bits.hpp"
#include "laconic/wire/sparse.hpp"
#include "tests/support/repeats.hpp"
#include "tests/unit/compress/support.hpp"

namespace laconic::test {
namespace {

using compress::LevelBucket;
using compress::LevelKind;

// A bucket with `count` numbers that are not 0 at random places, and the numbers that it decodes
// to.
template <Real T>
class Sample {
 public:
  Sample(std::size_t size, std::size_t count, std::uint32_t levels, bool exact)
      : x_(size),
        expected_(size, T{0}),
        mask_(kernels::words_for(size)),
        signs_(mask_.size()),
        exact_(exact ? mask_.size() : 0),
        codes_(levels > 1 ? size : 0) {
    rng::Reader random(rng::Stream(5, {rng::Purpose::kTest, static_cast<std::uint32_t>(size),
                                       static_cast<std::uint32_t>(count), levels}));
    std::size_t left = count;
    bool any_exact = false;
    for (std::size_t i = 0; i < size; ++i) {
      if (random.below(size - i) >= left) continue;
      --left;
      const bool negative = random.below(2) == 1;
      const auto level = static_cast<std::uint32_t>(1 + random.below(levels));
      const bool as_it_is = exact && random.below(3) == 0;
      const T value = as_it_is ? static_cast<T>(1.5 + random.unit_double())
                               : compress::level_value(kScale, level, levels);
      expected_[i] = negative ? -value : value;
      x_[i] = expected_[i];
      const std::uint64_t bit = std::uint64_t{1} << (i % 64);
      mask_[i / 64] |= bit;
      if (negative) signs_[i / 64] |= bit;
      if (as_it_is) exact_[i / 64] |= bit;
      any_exact = any_exact || as_it_is;
      if (levels > 1)
        codes_[i] = static_cast<std::uint16_t>(
            level + (negative ? std::uint32_t{1} << std::bit_width(levels) : 0));
    }
    if (!any_exact) exact_.clear();
    bucket_ = {.scale = kScale, .levels = levels, .x = x_};
    if (levels == 1) {
      bucket_.mask = mask_;
      bucket_.signs = signs_;
      bucket_.exact = exact_;
    } else {
      bucket_.codes = codes_;
    }
  }
  [[nodiscard]] const LevelBucket<T>& bucket() const { return bucket_; }
  [[nodiscard]] const std::vector<T>& expected() const { return expected_; }
  [[nodiscard]] compress::LevelFormat format() const {
    return {.levels = bucket_.levels, .exact = !exact_.empty()};
  }

 private:
  static constexpr T kScale = static_cast<T>(1.25);
  std::vector<T> x_;
  std::vector<T> expected_;
  std::vector<std::uint64_t> mask_;
  std::vector<std::uint64_t> signs_;
  std::vector<std::uint64_t> exact_;
  std::vector<std::uint16_t> codes_;
  LevelBucket<T> bucket_;
};

Status read(const compress::LevelFormat& format, const std::vector<std::byte>& bytes,
            std::vector<float>& out) {
  wire::WireReader reader(bytes);
  compress::read_levels<float>(format, reader, out);
  return reader.finish();
}

// Length by the formulas of the page, with indices as sparse bodies write them.
std::size_t formula(LevelKind kind, const Sample<float>& sample) {
  const LevelBucket<float>& bucket = sample.bucket();
  const std::size_t size = bucket.x.size();
  const std::size_t bits = 1 + static_cast<std::size_t>(std::bit_width(bucket.levels));
  std::vector<std::uint32_t> small;
  std::vector<std::uint32_t> big;
  for (std::size_t i = 0; i < size; ++i) {
    if (sample.expected()[i] == 0) continue;
    const bool exact = !bucket.exact.empty() && (bucket.exact[i / 64] >> (i % 64) & 1) != 0;
    (exact ? big : small).push_back(static_cast<std::uint32_t>(i));
  }
  const auto set_bytes = [&](const std::vector<std::uint32_t>& indices) {
    std::vector<std::byte> out;
    wire::write_index_set(wire::plan_indices(size, indices), size, indices, out);
    return out.size();
  };
  switch (kind) {
    case LevelKind::kPlain:
      return 1 + 4 * size;
    case LevelKind::kDense:
      return 5 + (size * bits + 7) / 8;
    case LevelKind::kTrits:
      return 5 + (size + 4) / 5;
    case LevelKind::kSparseTrits:
      return 5 + set_bytes(small) + (small.size() + 7) / 8;
    case LevelKind::kSparseCodes:
      return 5 + set_bytes(small) + (small.size() * bits + 7) / 8;
    case LevelKind::kExact:
      return 5 + set_bytes(small) + (small.size() + 7) / 8 + set_bytes(big) + 4 * big.size();
  }
  return 0;
}

void expect_round_trip(std::size_t size, std::size_t count, std::uint32_t levels, bool exact) {
  const Sample<float> sample(size, count, levels, exact);
  std::size_t shortest = SIZE_MAX;
  for (std::uint8_t k = 0; k < compress::kLevelKinds; ++k) {
    const auto kind = static_cast<LevelKind>(k);
    const std::size_t bytes = compress::level_bytes(kind, sample.bucket());
    if (bytes == 0) continue;
    ASSERT_EQ(bytes, formula(kind, sample)) << int{k} << " " << size << " " << count;
    ASSERT_LE(bytes, compress::max_level_bytes<float>(size)) << int{k} << " " << count;
    shortest = std::min(shortest, bytes);
    wire::Message message;
    compress::write_levels(kind, sample.bucket(), message);
    ASSERT_EQ(message.bytes.size(), bytes) << int{k} << " " << size << " " << count;
    ASSERT_LE(message.payload_bits, 8 * bytes);
    std::vector<float> decoded(size, 9.0F);
    ASSERT_TRUE(read(sample.format(), message.bytes, decoded)) << int{k} << " " << size;
    ASSERT_EQ(decoded, sample.expected()) << int{k} << " " << size << " " << count;
  }
  wire::Message chosen;
  compress::write_shortest(sample.bucket(), chosen);
  ASSERT_EQ(chosen.bytes.size(), shortest) << size << " " << count;
  ASSERT_EQ(chosen.bytes[0], static_cast<std::byte>(compress::shortest_kind(sample.bucket())));
}

TEST(QadagradCheck15, EveryKindOfBodyDecodesToWhatWasMeantInEverySize) {
  const std::size_t stride = test::repeats({.all = 1, .sanitized = 13});
  for (std::size_t size = 1; size <= 4096; size += size < 70 ? 1 : stride) {
    const std::size_t step = size < 70 ? 1 : size;
    for (std::size_t count = size < 70 ? 0 : size * 7919 % size; count <= size; count += step) {
      expect_round_trip(size, count, 1, false);
      expect_round_trip(size, count, 1, true);
      expect_round_trip(size, count, size % 2 == 0 ? 7 : 3, false);
      if (testing::Test::HasFatalFailure()) return;
    }
    const std::size_t some = size * (size % 11) / 11;
    expect_round_trip(size, some, 1, size % 2 == 0);
    expect_round_trip(size, some, 1U + static_cast<std::uint32_t>(size) * 7, false);
    if (testing::Test::HasFatalFailure()) return;
  }
}

TEST(QadagradCheck15, NoCoordinatesAreABucketOfZeros) {
  wire::Message message;
  compress::write_shortest<float>({}, message);
  std::vector<float> none;
  EXPECT_TRUE(read({}, message.bytes, none));
  EXPECT_EQ(message.bytes, bytes_of({1, 0, 0, 0, 0}));
}

TEST(QadagradCheck15, EveryPadBitIsRefused) {
  // Sizes that leave bits over in dense codes, index sets, signs and trits.
  for (const std::size_t size : {3U, 37U, 101U, 333U}) {
    for (const std::uint32_t levels : {1U, 5U}) {
      const Sample<float> sample(size, size / 3, levels, false);
      for (std::uint8_t k = 1; k < compress::kLevelKinds; ++k) {
        const auto kind = static_cast<LevelKind>(k);
        if (compress::level_bytes(kind, sample.bucket()) == 0) continue;
        wire::Message message;
        compress::write_levels(kind, sample.bucket(), message);
        const std::size_t count = size / 3;
        const std::size_t width = 1 + static_cast<std::size_t>(std::bit_width(levels));
        const std::size_t used = kind == LevelKind::kDense         ? size * width
                                 : kind == LevelKind::kSparseTrits ? count
                                 : kind == LevelKind::kSparseCodes ? count * width
                                                                   : 0;
        std::vector<float> out(size);
        for (std::size_t bit = used % 8; bit < 8 && used % 8 != 0; ++bit) {
          auto bytes = message.bytes;
          bytes.back() ^= std::byte{1} << bit;
          EXPECT_EQ(read(sample.format(), bytes, out).fault(), Fault::kNonZeroPadding)
              << int{k} << " " << size;
        }
        if (kind != LevelKind::kTrits || size % 5 == 0) continue;
        unsigned worth = 1;
        for (std::size_t j = 0; j < size % 5; ++j) worth *= 3;
        for (unsigned digit = 1; digit < 3; ++digit) {
          auto bytes = message.bytes;
          const unsigned last = std::to_integer<unsigned>(bytes.back()) + digit * worth;
          bytes.back() = static_cast<std::byte>(last);
          EXPECT_EQ(read(sample.format(), bytes, out).fault(), Fault::kNonZeroPadding);
        }
      }
    }
  }
}

TEST(QadagradCheck16, SwitchesFromSparseTritsToTritsBetween55And65Percent) {
  constexpr std::size_t kSize = 100000;
  const auto kind_at = [](std::size_t count) {
    return compress::shortest_kind(Sample<float>(kSize, count, 1, false).bucket());
  };
  for (std::size_t percent = 1; percent <= 55; percent += 9)
    EXPECT_EQ(kind_at(kSize * percent / 100), LevelKind::kSparseTrits) << percent;
  for (std::size_t percent = 65; percent < 100; percent += 5)
    EXPECT_EQ(kind_at(kSize * percent / 100), LevelKind::kTrits) << percent;
  // Without zeros no places are needed: a sign per number.
  EXPECT_EQ(kind_at(kSize), LevelKind::kSparseTrits);
}

Fault fault_of(const compress::LevelFormat& format, std::vector<std::byte> bytes,
               std::size_t size) {
  std::vector<float> out(size);
  return read(format, bytes, out).fault();
}

TEST(LevelBody, RefusesWhatNoWriterSends) {
  const compress::LevelFormat one = {.levels = 1};
  const compress::LevelFormat three = {.levels = 3};
  const compress::LevelFormat exact = {.levels = 1, .exact = true};
  EXPECT_EQ(fault_of(one, bytes_of({6, 0, 0, 128, 63, 0}), 4), Fault::kBadMode) << "unknown kind";
  EXPECT_EQ(fault_of(one, bytes_of({4, 0, 0, 128, 63, 1}), 4), Fault::kBadMode) << "codes";
  EXPECT_EQ(fault_of(one, bytes_of({5, 0, 0, 128, 63, 1, 1}), 4), Fault::kBadMode) << "exact";
  EXPECT_EQ(fault_of(three, bytes_of({2, 0, 0, 128, 63, 0}), 4), Fault::kBadMode) << "trits";
  EXPECT_EQ(fault_of(three, bytes_of({3, 0, 0, 128, 63, 1}), 4), Fault::kBadMode) << "signs";
  EXPECT_EQ(fault_of(one, bytes_of({2, 0, 0, 128, 127, 0}), 4), Fault::kNonFinite) << "infinite";
  EXPECT_EQ(fault_of(one, bytes_of({2, 0, 0, 192, 127, 0}), 4), Fault::kNonFinite) << "NaN";
  EXPECT_EQ(fault_of(one, bytes_of({2, 0, 0, 128, 191, 0}), 4), Fault::kNegativeScale);
  EXPECT_EQ(fault_of(one, bytes_of({2, 0, 0, 0, 128, 0}), 4), Fault::kNegativeScale) << "-0";
  EXPECT_EQ(fault_of(one, bytes_of({2, 0, 0, 128, 63, 243}), 5), Fault::kBadValue) << "six trits";
  EXPECT_EQ(fault_of(one, bytes_of({2, 0, 0, 128, 63, 81}), 4), Fault::kNonZeroPadding);
  EXPECT_EQ(fault_of(one, bytes_of({1, 0, 0, 128, 63, 2}), 4), Fault::kBadValue) << "minus zero";
  EXPECT_EQ(fault_of(three, bytes_of({1, 0, 0, 128, 63, 4, 0}), 4), Fault::kBadValue);
  EXPECT_EQ(fault_of({.levels = 2}, bytes_of({1, 0, 0, 128, 63, 3, 0}), 4), Fault::kBadValue)
      << "level above the last";
  EXPECT_EQ(fault_of(three, bytes_of({4, 0, 0, 128, 63, 2, 1, 2, 0}), 4), Fault::kBadValue)
      << "a zero with a place";
  EXPECT_EQ(fault_of(one, bytes_of({3, 0, 0, 128, 63, 2, 2, 0x01, 0}), 4), Fault::kBadIndex)
      << "1, then 0";
  EXPECT_EQ(fault_of(one, bytes_of({3, 0, 0, 128, 63, 2, 1, 0x07, 0}), 5), Fault::kBadIndex)
      << "7 of 5";
  EXPECT_EQ(fault_of(one, bytes_of({1, 0, 0, 0, 0, 0}), 4), Fault::kTrailingBytes)
      << "codes behind a scale of 0";
  EXPECT_EQ(fault_of(one, bytes_of({2, 0, 0, 128, 63, 0, 0}), 4), Fault::kTrailingBytes);
  EXPECT_EQ(fault_of(one, bytes_of({0, 0, 0, 128, 127}), 1), Fault::kNonFinite) << "plain";
  // Index 1 of 4 twice: as +scale, and as it is.
  EXPECT_EQ(fault_of(exact, bytes_of({5, 0, 0, 128, 63, 2, 1, 1, 0, 2, 1, 1, 0, 0, 0, 64}), 4),
            Fault::kBadIndex);
  EXPECT_EQ(fault_of(exact, bytes_of({5, 0, 0, 128, 63, 2, 1, 1, 0, 2, 1, 2, 0, 0, 0, 64}), 4),
            Fault::kNone);
}

}  // namespace
}  // namespace laconic::test
