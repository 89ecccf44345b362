// SPDX-License-Identifier: Apache-2.0
// signsgd.md section 6, check 9, and the format of the sign compressor.
#include <gtest/gtest.h>

#include <cmath>

#include "laconic/aggregate/vote_theory.hpp"
#include "laconic/kernels/kernels.hpp"
#include "laconic/rng/stream.hpp"
#include "tests/oracle/sign_oracle.hpp"
#include "tests/support/aggregate_loop.hpp"

namespace laconic {
namespace {

template <Real T>
std::unique_ptr<Compressor<T>> make(const std::string& spec) {
  return compressors<T>().make(
      aggregator_catalog().canonical(parse_spec(spec).value_or_throw(), "compressor"), {});
}

template <Real T>
std::vector<T> through(const Compressor<T>& compressor, const std::vector<T>& v) {
  const Shape shape = {static_cast<std::uint32_t>(v.size()), 1};
  wire::Message message;
  compressor.encode({v, shape}, {}, message);
  std::vector<T> out(v.size(), T{0});
  wire::WireReader reader(message.bytes);
  EXPECT_TRUE(compressor.decode_add(reader, {}, T{1}, {out, shape}));
  EXPECT_TRUE(reader.finish());
  return out;
}

enum class Family : std::uint8_t { kGaussian, kHeavyTailed, kSparse, kFlat, kOneHot };

template <Real T>
std::vector<T> sample(Family family, std::uint32_t dim, std::uint32_t seed) {
  std::vector<T> v(dim);
  rng::Reader reader(
      rng::Stream(9, {rng::Purpose::kTest, seed, dim, static_cast<std::uint32_t>(family)}));
  for (T& value : v) {
    const double z = reader.normal();
    switch (family) {
      case Family::kGaussian:
        value = static_cast<T>(z);
        break;
      case Family::kHeavyTailed:
        value = static_cast<T>(z * z * z * z * z);
        break;
      case Family::kSparse:
        value = static_cast<T>(reader.unit_double() < 0.9 ? 0.0 : z);
        break;
      case Family::kFlat:
        value = static_cast<T>(z < 0 ? -0.75 : 0.75);
        break;
      case Family::kOneHot:
        value = T{0};
        break;
    }
  }
  if (family == Family::kOneHot || family == Family::kSparse) v[dim / 2] = static_cast<T>(-2.5);
  return v;
}

template <Real T>
void expect_projection_identity(double tolerance) {
  for (const Family family :
       {Family::kGaussian, Family::kHeavyTailed, Family::kSparse, Family::kFlat, Family::kOneHot}) {
    for (const std::uint32_t dim : {1U, 7U, 64U, 100U, 1000U, 5000U}) {
      const auto v = sample<T>(family, dim, 1);
      const std::vector<double> wide(v.begin(), v.end());
      const double norm2 = oracle::l2_squared(wide);
      const double phi = oracle::phi(wide);
      EXPECT_GE(phi, (1 - 1e-12) / dim);
      EXPECT_LE(phi, 1 + 1e-12);
      EXPECT_NEAR(density(kernels::l1_norm<T>(v), kernels::squared_norm<T>(v), dim), phi, 1e-12);
      const auto sent = through<T>(*make<T>("sign"), v);
      double error = 0;
      double inner = 0;
      for (std::uint32_t i = 0; i < dim; ++i) {
        error +=
            (static_cast<double>(sent[i]) - wide[i]) * (static_cast<double>(sent[i]) - wide[i]);
        inner += oracle::sign_pos(wide[i]) * wide[i];
      }
      EXPECT_NEAR(error, (1 - phi) * norm2, tolerance * norm2);
      EXPECT_NEAR(inner / std::sqrt(norm2 * dim), std::sqrt(phi), 1e-12);
    }
  }
}

TEST(SignsgdCheck09, ScaledSignIsTheProjectionOnItsSignsInFloat) {
  expect_projection_identity<float>(1e-5);
}
TEST(SignsgdCheck09, ScaledSignIsTheProjectionOnItsSignsInDouble) {
  expect_projection_identity<double>(1e-12);
}

TEST(SignsgdCheck09, BlocksNeverCompressWorse) {
  for (std::uint32_t seed = 0; seed < 20; ++seed) {
    auto v = sample<double>(Family::kGaussian, 1000, seed);
    for (std::size_t i = 0; i < v.size(); ++i) v[i] *= 1.0 + static_cast<double>(i) * 0.01;
    const auto error = [&v](const char* spec) {
      const auto sent = through<double>(*make<double>(spec), v);
      double sum = 0;
      for (std::size_t i = 0; i < v.size(); ++i) sum += (sent[i] - v[i]) * (sent[i] - v[i]);
      return sum;
    };
    EXPECT_LE(error("sign:block=128"), error("sign") * (1 + 1e-12));
    EXPECT_LE(error("sign:block=64"), error("sign:block=128") * (1 + 1e-12));
  }
}

TEST(Sign, MatchesTheOracleForManyShapesAndBlocks) {
  for (const std::uint32_t dim :
       {1U, 63U, 64U, 65U, 127U, 128U, 129U, 4095U, 4096U, 4097U, 9000U}) {
    for (const std::size_t block : {0U, 64U, 192U, 4096U, 4160U, 100000U}) {
      const auto v = sample<double>(Family::kGaussian, dim, 3);
      const auto sent = through<double>(*make<double>("sign:block=" + std::to_string(block)), v);
      const auto expected = oracle::scaled_sign(v, block == 0 ? dim : block);
      for (std::uint32_t i = 0; i < dim; ++i) {
        ASSERT_NEAR(sent[i], expected[i], 1e-6)
            << "dim " << dim << " block " << block << " at " << i;
        ASSERT_EQ(sent[i] < 0, v[i] < 0);
      }
    }
  }
}

TEST(Sign, RoundsTheBlockUpToWholeWords) {
  const auto v = sample<float>(Family::kGaussian, 300, 4);
  EXPECT_EQ(through<float>(*make<float>("sign:block=100"), v),
            through<float>(*make<float>("sign:block=128"), v));
}

TEST(Sign, FusedErrorFeedbackSendsTheSameBytesAsThreePasses) {
  for (const char* spec : {"sign", "sign:block=64", "sign:block=192"}) {
    for (const std::uint32_t dim : {1U, 64U, 65U, 1000U, 20000U}) {
      const auto compressor = make<float>(spec);
      const Shape shape = {dim, 1};
      const auto g = sample<float>(Family::kGaussian, dim, 5);
      auto fused_e = sample<float>(Family::kHeavyTailed, dim, 6);
      auto plain_e = fused_e;
      wire::Message fused;
      compressor->encode_with_feedback({g, shape}, 0.5F, {fused_e, shape}, {}, fused);
      kernels::axpby<float>(1.0F, g, 0.5F, plain_e);
      wire::Message plain;
      compressor->encode({plain_e, shape}, {}, plain);
      wire::WireReader reader(plain.bytes);
      ASSERT_TRUE(compressor->decode_add(reader, {}, -1.0F, {plain_e, shape}));
      EXPECT_EQ(fused.bytes, plain.bytes) << spec << " " << dim;
      EXPECT_EQ(fused.payload_bits, plain.payload_bits);
      EXPECT_EQ(fused_e, plain_e) << spec << " " << dim;
    }
  }
}

TEST(Sign, CountsOneBitPerCoordinateAndOneFloatPerBlock) {
  const std::vector<float> v(1000, 1.0F);
  wire::Message message;
  make<float>("sign:block=256")->encode({v, {1000, 1}}, {}, message);
  EXPECT_EQ(message.payload_bits, 1000U + 4 * 32);
  EXPECT_EQ(message.bytes.size(), 4 * 4U + 16 * 8);
}

}  // namespace
}  // namespace laconic
