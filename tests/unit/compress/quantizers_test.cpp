// SPDX-License-Identifier: Apache-2.0
// Quantizers: the grid of LAQ, codings, numbers at both ends of the range, sizes, and bodies that
// must be refused.
#include <limits>

#include "laconic/wire/bits.hpp"
#include "tests/unit/compress/support.hpp"

namespace laconic::test {
namespace {

TEST(Uniform, IsTheGridOfTheOracle) {
  for (const int bits : {1, 2, 4, 9, 16, 32}) {
    const auto compressor = make<double>("uniform:bits=" + std::to_string(bits));
    for (const Family family : {Family::kGaussian, Family::kHeavyTailed, Family::kSparse}) {
      const Vector v = sample(family, 100, 2);
      const Vector c = through(*compressor, v, context(0));
      const Vector expected = oracle::laq(v, bits);
      double largest = 0;
      for (const double x : v) largest = std::max(largest, std::abs(x));
      const double tau = 1 / (std::ldexp(1.0, bits) - 1);
      for (std::size_t j = 0; j < v.size(); ++j) {
        // As near as the oracle's; where two are equally near, rounding decides.
        EXPECT_LE(std::abs(c[j] - v[j]), std::abs(expected[j] - v[j]) + 1e-13 * largest);
        EXPECT_LE(std::abs(c[j] - v[j]), (tau + 1e-7) * largest);
      }
    }
  }
}

TEST(Quantizers, TheZeroVectorStaysZeroInFewBytes) {
  for (const char* spec : {"dithering", "natdithering", "qsgd", "terngrad", "uniform"}) {
    const std::vector<float> zero(100, 0.0F);
    EXPECT_EQ(through(*make<float>(spec), zero, context(0)), Vector(100, 0.0));
    EXPECT_LE(encoded(*make<float>(spec), zero, context(0)).bytes.size(), 5U) << spec;
  }
  EXPECT_EQ(through(*make<float>("natural"), std::vector<float>(9, -0.0F), context(0)),
            Vector(9, 0.0));
}

template <Real T>
void expect_ends_of_the_range() {
  using Limits = std::numeric_limits<T>;
  std::vector<T> v = {Limits::max(),        -Limits::max(),    Limits::min(), -Limits::min() / 8,
                      Limits::denorm_min(), Limits::max() / 3, T{1},          T{0}};
  for (const char* spec : {"natural", "dithering", "natdithering", "qsgd", "terngrad"}) {
    // Of natural the largest numbers come back smaller; of the others the norm has to be finite.
    v[0] = Limits::max() / (std::string(spec) == "natural" ? 1 : 2);
    v[1] = -v[0];
    for (std::uint32_t round = 0; round < 20; ++round) {
      for (const double c : through(*make<T>(spec), v, context(round)))
        ASSERT_TRUE(std::isfinite(c)) << spec;
    }
    std::vector<T> tiny(40, Limits::denorm_min());
    tiny[3] = -3 * Limits::denorm_min();
    for (std::uint32_t round = 0; round < 20; ++round) {
      for (const double c : through(*make<T>(spec), tiny, context(round)))
        ASSERT_LE(std::abs(c), static_cast<double>(Limits::min())) << spec;
    }
  }
}
TEST(Quantizers, NumbersAtBothEndsOfTheRangeStayFiniteInFloat) {
  expect_ends_of_the_range<float>();
}
TEST(Quantizers, NumbersAtBothEndsOfTheRangeStayFiniteInDouble) {
  expect_ends_of_the_range<double>();
}

TEST(Natural, SubnormalNumbersAreUnbiased) {
  const auto compressor = make<float>("natural");
  const float v = std::numeric_limits<float>::min() * 0.3F;
  const std::vector<float> x(1000, v);
  Mean mean;
  for (std::uint32_t round = 0; round < 50; ++round) {
    for (const double c : through(*compressor, x, context(round))) mean.add(c);
  }
  EXPECT_TRUE(mean.is(static_cast<double>(v)));
}

TEST(Natural, PowersOfTwoAreExact) {
  std::vector<double> v;
  for (int k = -1022; k <= 1023; k += 5)
    v.push_back(k % 2 == 0 ? std::ldexp(1, k) : -std::ldexp(1, k));
  EXPECT_EQ(through(*make<double>("natural"), v, context(0)), v);
}

TEST(Quantizers, PayloadIsTheWireColumnOfTheTable) {
  const Vector v = sample(Family::kGaussian, 1000, 1);
  const std::vector<float> f(v.begin(), v.end());
  EXPECT_EQ(encoded(*make<float>("natural"), f, context(0)).payload_bits, 9000U);
  EXPECT_EQ(encoded(*make<double>("natural"), v, context(0)).payload_bits, 12000U);
  EXPECT_EQ(encoded(*make<float>("dithering:s=4"), f, context(0)).payload_bits, 32U + 4000U);
  EXPECT_EQ(encoded(*make<double>("natdithering:s=7"), v, context(0)).payload_bits, 64U + 4000U);
  EXPECT_EQ(encoded(*make<float>("uniform:bits=5"), f, context(0)).payload_bits, 32U + 5000U);
  EXPECT_EQ(encoded(*make<float>("terngrad"), f, context(0)).payload_bits, 32U + 1600U);
  EXPECT_EQ(encoded(*make<float>("topk:k=10"), f, context(0)).payload_bits, 320U);
  EXPECT_EQ(encoded(*make<float>("randk:indices=true,k=10"), f, context(0)).payload_bits, 320U);
  EXPECT_EQ(encoded(*make<double>("topk:k=10,values=f32"), v, context(0)).payload_bits, 320U);
}

TEST(Qsgd, TakesTheShorterCoding) {
  // One level of a long bucket is sparse, many levels of a short one are not.
  const std::vector<float> f(4096, 1.0F);
  const auto sparse = encoded(*make<float>("qsgd:bucket=4096,s=1"), f, context(0));
  EXPECT_EQ(sparse.bytes[0], std::byte{1});
  EXPECT_LT(sparse.bytes.size(), 5U + 4096U * 2 / 8);
  const auto dense = encoded(*make<float>("qsgd:bucket=16,s=127"), f, context(0));
  EXPECT_EQ(dense.bytes[0], std::byte{0});
  EXPECT_EQ(dense.bytes.size(), 1U + 256U * 4 + 4096U);
}

TEST(TernGrad, ClippingLimitsTheScale) {
  Vector v = sample(Family::kGaussian, 1000, 1);
  v[0] = 100;
  const auto message = encoded(*make<double>("terngrad:clip=2.5"), v, context(0));
  wire::WireReader reader(message.bytes);
  EXPECT_LT(reader.f64(), 2.5 * std::sqrt(oracle::squared(v) / 1000) * (1 + 1e-12));
}

TEST(Natural, RefusesInfinityNegativeZeroAndPadding) {
  const auto c = make<float>("natural");
  EXPECT_EQ(fault_of(*c, bytes_of({127, 0, 1}), 2), Fault::kNone);
  EXPECT_EQ(fault_of(*c, bytes_of({255, 0, 0}), 2), Fault::kBadValue);
  EXPECT_EQ(fault_of(*c, bytes_of({127, 0, 2}), 2), Fault::kBadValue);
  EXPECT_EQ(fault_of(*c, bytes_of({127, 0, 4}), 2), Fault::kNonZeroPadding);
  EXPECT_EQ(fault_of(*c, bytes_of({127, 0}), 2), Fault::kTruncated);
  EXPECT_EQ(fault_of(*c, bytes_of({127, 0, 1, 0}), 2), Fault::kTrailingBytes);
  const auto d = make<double>("natural");
  EXPECT_EQ(fault_of(*d, bytes_of({255, 0x03}), 1), Fault::kNone);
  EXPECT_EQ(fault_of(*d, bytes_of({255, 0x07}), 1), Fault::kBadValue);
  EXPECT_EQ(fault_of(*d, bytes_of({0, 0x08}), 1), Fault::kBadValue);
  EXPECT_EQ(fault_of(*d, bytes_of({255, 0x13}), 1), Fault::kNonZeroPadding);
}

TEST(Dithering, RefusesBadNormsLevelsAndPadding) {
  const auto c = make<float>("dithering:s=4");  // levels of 3 bits, then the sign
  EXPECT_EQ(fault_of(*c, bytes_of({0, 0, 0x80, 0x3f, 0x9c, 0x00}), 3), Fault::kNone);
  EXPECT_EQ(fault_of(*c, bytes_of({0, 0, 0x80, 0xbf, 0x9c, 0x00}), 3), Fault::kNegativeScale);
  EXPECT_EQ(fault_of(*c, bytes_of({0, 0, 0, 0x80}), 3), Fault::kNegativeScale);
  EXPECT_EQ(fault_of(*c, bytes_of({0, 0, 0x80, 0x7f, 0x9c, 0x00}), 3), Fault::kNonFinite);
  EXPECT_EQ(fault_of(*c, bytes_of({0, 0, 0x80, 0x3f, 0x05, 0x00}), 3), Fault::kBadValue);
  EXPECT_EQ(fault_of(*c, bytes_of({0, 0, 0x80, 0x3f, 0x08, 0x00}), 3), Fault::kBadValue);
  EXPECT_EQ(fault_of(*c, bytes_of({0, 0, 0x80, 0x3f, 0x9c, 0x10}), 3), Fault::kNonZeroPadding);
  EXPECT_EQ(fault_of(*c, bytes_of({0, 0, 0x80, 0x3f, 0x9c}), 3), Fault::kTruncated);
  EXPECT_EQ(fault_of(*c, bytes_of({0, 0, 0, 0}), 3), Fault::kNone);
  EXPECT_EQ(fault_of(*c, bytes_of({0, 0, 0, 0, 0, 0}), 3), Fault::kTrailingBytes);
}

TEST(TernGrad, RefusesBadTrits) {
  const auto c = make<float>("terngrad");
  EXPECT_EQ(fault_of(*c, bytes_of({0, 0, 0x80, 0x3f, 242}), 5), Fault::kNone);
  EXPECT_EQ(fault_of(*c, bytes_of({0, 0, 0x80, 0x3f, 243}), 5), Fault::kBadValue);
  EXPECT_EQ(fault_of(*c, bytes_of({0, 0, 0x80, 0x3f, 8}), 2), Fault::kNone);
  EXPECT_EQ(fault_of(*c, bytes_of({0, 0, 0x80, 0x3f, 9}), 2), Fault::kNonZeroPadding);
  EXPECT_EQ(fault_of(*c, bytes_of({0, 0, 0x80, 0x3f}), 2), Fault::kTruncated);
}

TEST(Qsgd, RefusesBadEliasCodes) {
  const auto c = make<float>("qsgd:s=1");
  const auto body = [](std::vector<std::uint64_t> fields) {  // pairs of value and width
    std::vector<std::byte> out = bytes_of({1, 0, 0, 0x80, 0x3f});
    std::uint64_t bits = 0;
    for (std::size_t i = 1; i < fields.size(); i += 2) bits += fields[i];
    out.resize(out.size() + wire::bytes_for_bits(bits));
    wire::BitWriter writer(std::span<std::byte>(out).subspan(5));
    for (std::size_t i = 0; i < fields.size(); i += 2)
      writer.put(fields[i], static_cast<std::uint32_t>(fields[i + 1]));
    writer.finish();
    return out;
  };
  // In gamma: 1 is 0; 2 is 1 0 0; 3 is 1 0 1.
  EXPECT_EQ(fault_of(*c, body({1, 3, 0, 1, 1, 1, 0, 1}), 20), Fault::kNone) << "-1 at 0";
  EXPECT_EQ(fault_of(*c, body({0, 1}), 20), Fault::kNone) << "no level";
  EXPECT_EQ(fault_of(*c, body({1, 3, 0, 1, 1, 1, 1, 3}), 20), Fault::kBadValue) << "level 2";
  EXPECT_EQ(fault_of(*c, body({1, 3, 0xffff, 16, 0, 17, 0, 2}), 20), Fault::kBadValue) << "gap";
  EXPECT_EQ(fault_of(*c, body({0xff, 8, 0, 9}), 20), Fault::kBadValue) << "255 levels";
  EXPECT_EQ(fault_of(*c, body({1, 3, 0, 1, 1, 1, 0, 1, 1, 1}), 20), Fault::kNonZeroPadding);
  EXPECT_EQ(fault_of(*c, bytes_of({1, 0, 0, 0x80, 0x3f, 0xff}), 20), Fault::kTruncated);
  EXPECT_EQ(fault_of(*c, body({1, 3, 0, 1, 1, 1, 0, 1}), 3), Fault::kBadMode) << "not shorter";
  EXPECT_EQ(fault_of(*c, bytes_of({2, 0, 0, 0x80, 0x3f, 0}), 3), Fault::kBadMode);
  EXPECT_EQ(fault_of(*c, bytes_of({1, 0, 0, 0, 0}), 3), Fault::kBadMode) << "codes of nothing";
}

TEST(Uniform, RefusesBadRangesAndPadding) {
  const auto c = make<float>("uniform:bits=3");
  EXPECT_EQ(fault_of(*c, bytes_of({0, 0, 0x80, 0x3f, 0x3f}), 2), Fault::kNone);
  EXPECT_EQ(fault_of(*c, bytes_of({0, 0, 0x80, 0x3f, 0x40}), 2), Fault::kNonZeroPadding);
  EXPECT_EQ(fault_of(*c, bytes_of({0, 0, 0x80, 0xbf, 0x3f}), 2), Fault::kNegativeScale);
  EXPECT_EQ(fault_of(*c, bytes_of({0, 0, 0x80, 0x7f, 0x3f}), 2), Fault::kNonFinite);
  EXPECT_EQ(fault_of(*c, bytes_of({0, 0, 0x80, 0x3f}), 2), Fault::kTruncated);
}

}  // namespace
}  // namespace laconic::test
