// SPDX-License-Identifier: Apache-2.0
// The four number formats and the planes: conversions against a naive oracle, and every refusal.
#include "laconic/wire/values.hpp"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>

#include "laconic/rng/stream.hpp"

namespace laconic::wire {
namespace {

constexpr ValueFormat kFormats[] = {ValueFormat::kF32, ValueFormat::kF64, ValueFormat::kBf16,
                                    ValueFormat::kF16};
constexpr float kInfinity = std::numeric_limits<float>::infinity();

// A binary floating-point format with `precision` significant bits (the leading one included) and
// exponents from lowest to highest.
struct Small {
  int precision = 0;
  int lowest = 0;
  int highest = 0;
};
constexpr Small kBf16{.precision = 8, .lowest = -126, .highest = 127};
constexpr Small kF16{.precision = 11, .lowest = -14, .highest = 15};

// value rounded to the format, by arithmetic instead of bits: in double every step is exact but the
// rounding to an integer, which takes ties to even.
float naive_round(float value, Small format) {
  if (value == 0 || !std::isfinite(value)) return value;
  const int exponent = std::max(std::ilogb(value), format.lowest);
  const int unit = exponent - format.precision + 1;
  const double rounded =
      std::ldexp(std::nearbyint(std::ldexp(static_cast<double>(value), -unit)), unit);
  if (std::fabs(rounded) >= std::ldexp(1.0, format.highest + 1))
    return std::copysign(kInfinity, value);
  return std::copysign(static_cast<float>(rounded), value);
}

// Two numbers are the same when their bits are, or when both are NaN of the same sign.
bool same(float a, float b) {
  if (std::isnan(a) || std::isnan(b))
    return std::isnan(a) && std::isnan(b) && std::signbit(a) == std::signbit(b);
  return std::bit_cast<std::uint32_t>(a) == std::bit_cast<std::uint32_t>(b);
}

TEST(SmallFloats, EveryBitPatternSurvivesTheRoundTrip) {
  for (std::uint32_t i = 0; i < 65536; ++i) {
    const auto bits = static_cast<std::uint16_t>(i);
    if (std::isnan(from_bf16(bits))) {
      EXPECT_TRUE(same(from_bf16(to_bf16(from_bf16(bits))), from_bf16(bits))) << i;
    } else {
      EXPECT_EQ(to_bf16(from_bf16(bits)), bits) << i;
    }
    if (std::isnan(from_f16(bits))) {
      EXPECT_TRUE(same(from_f16(to_f16(from_f16(bits))), from_f16(bits))) << i;
    } else {
      EXPECT_EQ(to_f16(from_f16(bits)), bits) << i;
    }
  }
}

TEST(SmallFloats, EveryF16BitPatternMeansWhatIeeeSays) {
  for (std::uint32_t i = 0; i < 65536; ++i) {
    const auto exponent = static_cast<int>((i >> 10) & 31U);
    const auto fraction = static_cast<double>(i & 1023U);
    const double sign = i >= 32768 ? -1 : 1;
    const float value = from_f16(static_cast<std::uint16_t>(i));
    if (exponent == 31) {
      EXPECT_EQ(std::isnan(value), fraction != 0);
      EXPECT_EQ(std::isinf(value), fraction == 0);
    } else {
      const double magnitude =
          exponent == 0 ? std::ldexp(fraction, -24) : std::ldexp(1024 + fraction, exponent - 25);
      EXPECT_EQ(value, static_cast<float>(sign * magnitude)) << i;
    }
    EXPECT_EQ(std::signbit(value), sign < 0) << i;
  }
}

void expect_rounded_as_naively(float value) {
  ASSERT_TRUE(same(from_bf16(to_bf16(value)), naive_round(value, kBf16))) << value;
  ASSERT_TRUE(same(from_f16(to_f16(value)), naive_round(value, kF16))) << value;
}

TEST(SmallFloats, AnyFloatIsRoundedToTheNearest) {
  rng::Reader reader(rng::Stream(8, {}));
  for (int i = 0; i < 1000000; ++i) {
    const auto value = std::bit_cast<float>(reader.u32());
    if (!std::isnan(value)) expect_rounded_as_naively(value);
  }
}

TEST(SmallFloats, FloatsInTheRangeOfF16AreRoundedToTheNearest) {
  rng::Reader reader(rng::Stream(8, {.round = 1}));
  for (int i = 0; i < 1000000; ++i) {
    const float mantissa = 1 + reader.unit_float();
    const auto exponent = static_cast<int>(reader.below(46)) - 28;
    expect_rounded_as_naively(std::ldexp(reader.below(2) == 0 ? mantissa : -mantissa, exponent));
  }
}

TEST(SmallFloats, TiesGoToEvenAndTheirNeighboursDoNot) {
  const auto around = [](float low, float high) {
    const float middle =
        static_cast<float>(0.5 * (static_cast<double>(low) + static_cast<double>(high)));
    for (const float value : {middle, std::nextafter(middle, low), std::nextafter(middle, high)}) {
      expect_rounded_as_naively(value);
      expect_rounded_as_naively(-value);
    }
  };
  for (std::uint32_t i = 0; i < 0x7f7f; ++i)
    around(from_bf16(static_cast<std::uint16_t>(i)), from_bf16(static_cast<std::uint16_t>(i + 1)));
  for (std::uint32_t i = 0; i < 0x7bff; ++i)
    around(from_f16(static_cast<std::uint16_t>(i)), from_f16(static_cast<std::uint16_t>(i + 1)));
}

TEST(SmallFloats, TooLargeBecomesInfinityAndOnlyThat) {
  EXPECT_EQ(from_f16(to_f16(65504.0F)), 65504.0F);
  EXPECT_EQ(from_f16(to_f16(std::nextafter(65520.0F, 0.0F))), 65504.0F);
  EXPECT_EQ(from_f16(to_f16(65520.0F)), kInfinity);
  EXPECT_EQ(from_f16(to_f16(-1e30F)), -kInfinity);
  EXPECT_EQ(from_bf16(to_bf16(std::numeric_limits<float>::max())), kInfinity);
  EXPECT_EQ(from_bf16(0x7f7f), 0x1.fep127F);
  EXPECT_EQ(from_bf16(to_bf16(std::nextafter(0x1.ffp127F, 0.0F))), 0x1.fep127F);
}

TEST(SmallFloats, NaNStaysNaN) {
  for (const std::uint32_t bits : {0x7f800001U, 0x7fc00000U, 0xff800001U, 0xffffffffU}) {
    const auto nan = std::bit_cast<float>(bits);
    EXPECT_TRUE(same(from_bf16(to_bf16(nan)), nan));
    EXPECT_TRUE(same(from_f16(to_f16(nan)), nan));
  }
}

TEST(ValueFormat, HasAWidthAndAName) {
  EXPECT_EQ(bytes_per_value(ValueFormat::kF32), 4U);
  EXPECT_EQ(bytes_per_value(ValueFormat::kF64), 8U);
  EXPECT_EQ(bytes_per_value(ValueFormat::kBf16), 2U);
  EXPECT_EQ(bytes_per_value(ValueFormat::kF16), 2U);
  EXPECT_EQ(format_name(ValueFormat::kF32), "f32");
  EXPECT_EQ(format_name(ValueFormat::kF64), "f64");
  EXPECT_EQ(format_name(ValueFormat::kBf16), "bf16");
  EXPECT_EQ(format_name(ValueFormat::kF16), "f16");
  EXPECT_EQ(native_format<float>(), ValueFormat::kF32);
  EXPECT_EQ(native_format<double>(), ValueFormat::kF64);
}

template <class T>
class Values : public testing::Test {};
using Types = testing::Types<float, double>;
TYPED_TEST_SUITE(Values, Types);

TYPED_TEST(Values, ArriveAsThroughSays) {
  using T = TypeParam;
  std::vector<T> sent(100);
  rng::fill_normal(rng::Stream(9, {}), {}, std::span<T>(sent));
  sent[3] = -T{0};
  for (const ValueFormat format : kFormats) {
    std::vector<std::byte> bytes(5);
    write_values<T>(format, sent, bytes);
    EXPECT_EQ(bytes.size(), 5 + sent.size() * bytes_per_value(format));
    WireReader reader(bytes);
    reader.bytes(5);
    std::vector<T> received(sent.size());
    read_values<T>(format, reader, received);
    ASSERT_TRUE(reader.finish());
    for (std::size_t i = 0; i < sent.size(); ++i) {
      EXPECT_EQ(received[i], through<T>(format, sent[i]));
      EXPECT_EQ(std::signbit(received[i]), std::signbit(sent[i]));
    }
  }
}

TYPED_TEST(Values, OfTheNativeFormatArriveAsTheyAre) {
  using T = TypeParam;
  for (const T value :
       {T(0.1), std::numeric_limits<T>::max(), std::numeric_limits<T>::denorm_min()}) {
    EXPECT_EQ(through<T>(native_format<T>(), value), value);
  }
}

TYPED_TEST(Values, NoneAreNoBytes) {
  using T = TypeParam;
  for (const ValueFormat format : kFormats) {
    std::vector<std::byte> bytes;
    write_values<T>(format, std::span<const T>(), bytes);
    EXPECT_TRUE(bytes.empty());
    WireReader reader(bytes);
    read_values<T>(format, reader, std::span<T>());
    EXPECT_TRUE(reader.finish());
  }
}

TYPED_TEST(Values, ThatAreNotFiniteAreRefusedAtTheirPosition) {
  using T = TypeParam;
  for (const ValueFormat format : kFormats) {
    for (const T bad : {std::numeric_limits<T>::infinity(), -std::numeric_limits<T>::infinity(),
                        std::numeric_limits<T>::quiet_NaN()}) {
      std::vector<T> values(9, T{1});
      values[4] = bad;
      values[7] = bad;
      std::vector<std::byte> bytes;
      write_values<T>(format, values, bytes);
      WireReader reader(bytes);
      std::vector<T> out(9);
      read_values<T>(format, reader, out);
      EXPECT_EQ(reader.status(), Status(Fault::kNonFinite, 4 * bytes_per_value(format)))
          << format_name(format);
    }
  }
}

TYPED_TEST(Values, ThatAreTooFewAreTruncatedAtEveryLength) {
  using T = TypeParam;
  const std::vector<T> values(3, T{1});
  for (const ValueFormat format : kFormats) {
    std::vector<std::byte> bytes;
    write_values<T>(format, values, bytes);
    for (std::size_t length = 0; length < bytes.size(); ++length) {
      WireReader reader(Bytes(bytes).first(length));
      std::vector<T> out(3, T{7});
      read_values<T>(format, reader, out);
      EXPECT_EQ(reader.status(), Status(Fault::kTruncated, 0, length, bytes.size()));
      EXPECT_EQ(out, std::vector<T>(3, T{7}));
    }
  }
}

TEST(Values, ADoubleThatNoFloatHoldsIsRefusedByAFloatReceiver) {
  std::vector<std::byte> bytes;
  const std::vector<double> values = {1e300};
  write_values<double>(ValueFormat::kF64, values, bytes);
  WireReader reader(bytes);
  std::vector<float> out(1);
  read_values<float>(ValueFormat::kF64, reader, out);
  EXPECT_EQ(reader.status(), Status(Fault::kNonFinite, 0));
}

TEST(Plane, TakesEveryLengthAndRefusesEveryPaddingBit) {
  for (std::size_t bits = 0; bits <= 130; ++bits) {
    const std::size_t words = (bits + 63) / 64;
    std::vector<std::uint64_t> plane(words, ~std::uint64_t{0});
    if (bits % 64 != 0) plane.back() >>= 64 - bits % 64;
    const auto status_of = [&](const std::vector<std::uint64_t>& sent) {
      std::vector<std::byte> bytes;
      WireWriter(bytes).words(sent);
      WireReader reader(bytes);
      std::vector<std::uint64_t> out(words);
      read_plane(reader, bits, out);
      if (reader.ok()) {
        EXPECT_EQ(out, sent);
      }
      return reader.finish();
    };
    EXPECT_TRUE(status_of(plane)) << bits;
    for (std::size_t bit = bits; bit < words * 64; ++bit) {
      std::vector<std::uint64_t> bad = plane;
      bad.back() |= std::uint64_t{1} << (bit % 64);
      EXPECT_EQ(status_of(bad), Status(Fault::kNonZeroPadding, 8 * (words - 1))) << bits;
    }
  }
}

TEST(Plane, NeedsAsManyWordsAsTheBitsFill) {
  WireReader reader({});
  std::vector<std::uint64_t> words(2);
  EXPECT_THROW(read_plane(reader, 64, words), std::logic_error);
}

TEST(MaskedSigns, RefuseASignWhereTheMaskIsZero) {
  std::vector<std::byte> bytes;
  WireWriter(bytes).words(std::vector<std::uint64_t>{0b1101, 0b11, 0b1001, 0b11});
  WireReader good(bytes);
  std::vector<std::uint64_t> mask(2);
  std::vector<std::uint64_t> signs(2);
  read_masked_signs(good, 66, {.mask = mask, .signs = signs});
  EXPECT_TRUE(good.finish());
  EXPECT_EQ(mask, (std::vector<std::uint64_t>{0b1101, 0b11}));
  EXPECT_EQ(signs, (std::vector<std::uint64_t>{0b1001, 0b11}));
  bytes[8] = std::byte{0b01};
  WireReader bad(bytes);
  read_masked_signs(bad, 66, {.mask = mask, .signs = signs});
  EXPECT_EQ(bad.status(), Status(Fault::kBadValue, 24));
}

}  // namespace
}  // namespace laconic::wire
