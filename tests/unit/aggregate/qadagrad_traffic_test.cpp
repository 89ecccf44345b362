// SPDX-License-Identifier: Apache-2.0
// quantized-adagrad.md section 7, E7: the bytes that a round of `quantized` puts on the wire are
// those of the formulas of 2.8, within 2 % plus headers, for gradients whose non-zeros lie anywhere
// with equal probability (the gaps that the formulas assume).
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "laconic/rng/stream.hpp"
#include "tests/support/aggregate_loop.hpp"

namespace laconic {
namespace {

constexpr std::uint32_t kDim = 1U << 16;
constexpr std::uint32_t kWorkers = 4;
// Of a message: kind, scale, counts and the Rice parameter.
constexpr double kBodyHeader = 160;
constexpr double kFrameHeader = 32;  // bytes

struct Case {
  const char* name;
  const char* spec;
  double share;  // of the coordinates that are not 0
  bool equal;    // all of one magnitude: quantizers with one level are exact
  double bits;   // of a worker's message; k = share * d
};

double k_of(double share) { return share * kDim; }
double plain(double share) { return k_of(share) * (33.5 + std::log2(1 / share)); }
double ternary(double share) { return k_of(share) * (std::log2(1 / share) + 2.5); }

const Case kCases[] = {
    {"plain_1", "quantized:down=lossless:nonzeros", 0.01, false, plain(0.01)},
    {"plain_10", "quantized:down=lossless:nonzeros", 0.1, false, plain(0.1)},
    {"ternary_sparse_1", "quantized:down=lossless:vaninf", 0.01, true, ternary(0.01)},
    {"ternary_sparse_5", "quantized:down=lossless:vaninf", 0.05, true, ternary(0.05)},
    {"ternary_hard_5", "quantized:down=lossless:thr-hard", 0.05, true, ternary(0.05)},
    {"ternary_bitmap", "quantized:down=lossless:vaninf", 0.5, true, kDim + k_of(0.5)},
    {"ternary_dense", "quantized:down=lossless:vaninf", 0.8, true, 1.6 * kDim},
    {"four_bits", "quantized:down=lossless:vaninf:levels=7", 1.0, false, 4.0 * kDim},
    {"eight_bits", "quantized:down=lossless:vaninf:levels=127", 1.0, false, 8.0 * kDim},
};

class QadagradE7 : public testing::TestWithParam<Case> {};

TEST_P(QadagradE7, BytesOnTheWireAreThoseOfTheFormulas) {
  const Case& c = GetParam();
  constexpr std::uint32_t kRounds = 3;
  test::LoopSetup<float> setup;
  setup.layout = test::flat_layout(kDim);
  setup.workers = kWorkers;
  setup.ranks = 2;
  setup.rounds = kRounds;
  setup.gradient = [&](std::uint32_t worker, std::uint32_t round, std::span<const float>,
                       std::span<float> g) {
    rng::Reader reader(rng::Stream(5, {.worker = worker, .round = round}));
    for (float& value : g) {
      const double place = reader.unit_double();
      const double number = reader.normal();
      if (place >= c.share) continue;
      value = static_cast<float>(c.equal ? std::copysign(0.5, number) : number);
    }
  };
  const auto result = test::run_loop<float>(c.spec, setup);
  const double messages = kWorkers * kRounds;
  const double wire_bits = static_cast<double>(result.uplink.wire_bits) / messages;
  EXPECT_NEAR(wire_bits, c.bits, 0.02 * c.bits + kBodyHeader);
  // What was handed to the communicator is that, and a header per frame and shard.
  const double frames = static_cast<double>(result.uplink.frame_bytes) / messages;
  EXPECT_DOUBLE_EQ(frames, wire_bits / 8 + kFrameHeader);
  EXPECT_EQ(result.traffic.sent_bytes + result.traffic.self_bytes,
            result.uplink.frame_bytes + result.downlink.frame_bytes / kWorkers * setup.ranks);
}

INSTANTIATE_TEST_SUITE_P(Formulas, QadagradE7, testing::ValuesIn(kCases),
                         [](const auto& tested) { return std::string(tested.param.name); });

// The model's download: min(d + 32 z, z (33.5 + log2(d / z))) bits.
TEST(QadagradE7, AModelCostsItsNonZeros) {
  for (const double share : {0.01, 0.2, 0.9}) {
    test::LoopSetup<float> setup;
    setup.layout = test::flat_layout(kDim);
    setup.workers = kWorkers;
    setup.rounds = 1;
    setup.gradient = [&](std::uint32_t, std::uint32_t, std::span<const float>, std::span<float> g) {
      rng::Reader reader(rng::Stream(6, {}));
      for (float& value : g) {
        const double place = reader.unit_double();
        const double number = reader.normal();
        if (place < share) value = static_cast<float>(number);
      }
    };
    const auto result = test::run_loop<float>("quantized:nonzeros", setup);
    const double bits = static_cast<double>(result.downlink.wire_bits) / kWorkers;
    const auto zeros = std::count(result.x.begin(), result.x.end(), 0.0F);
    const double left = 1 - static_cast<double>(zeros) / kDim;
    const double expected = std::min(kDim + 32 * k_of(left), plain(left));
    EXPECT_NEAR(bits, expected, 0.02 * expected + kBodyHeader) << share;
  }
}

}  // namespace
}  // namespace laconic
