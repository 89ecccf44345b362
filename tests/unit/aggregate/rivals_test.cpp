// SPDX-License-Identifier: Apache-2.0
// The methods that laser is compared with, over the same channel: laser.md 6, T15 to T17, and what
// each does against a plain computation of it.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "laconic/aggregate/random_projection.hpp"
#include "laconic/base/exact_math.hpp"
#include "laconic/channel/power.hpp"
#include "laconic/kernels/kernels.hpp"
#include "laconic/rng/stream.hpp"
#include "tests/support/session.hpp"

namespace laconic {
namespace {

using test::LoopSetup;
using test::run_loop;
using test::Session;

std::vector<double> normals(std::size_t size, std::uint32_t round, std::uint32_t worker = 0) {
  std::vector<double> out(size);
  rng::fill_normal(rng::Stream(41, {rng::Purpose::kTest, worker, round, 0}), {},
                   std::span<double>(out));
  return out;
}

double squared_norm(std::span<const double> x) {
  double total = 0;
  for (const double value : x) total += value * value;
  return total;
}

// --- Z-SGD ---

TEST(Air, WithIdentityIsTheMeanPlusNoise) {
  const Layout layout({{.name = "a", .shape = {30, 10}}, {.name = "b", .shape = {7, 1}}});
  Session<double> session("air:power=11", layout, 3);
  Session<double> clean("air:power=11,channel=(noiseless)", layout, 3);
  for (std::uint32_t t = 0; t < 5; ++t) {
    std::vector<std::vector<double>> g;
    for (std::uint32_t w = 0; w < 3; ++w) g.push_back(normals(layout.size(), t, w));
    const ChannelReport report = *session.round(t, g).channel;
    clean.round(t, g);
    double error = 0;
    double mean2 = 0;
    for (std::size_t i = 0; i < layout.size(); ++i) {
      const double mean = (g[0][i] + g[1][i] + g[2][i]) / 3;
      EXPECT_NEAR(clean.direction()[i], mean, 1e-14);
      error += std::pow(session.direction()[i] - mean, 2);
      mean2 += mean * mean;
    }
    EXPECT_EQ(report.uses, layout.size());
    EXPECT_NEAR(report.lambda, error / mean2, 1e-9 * report.lambda);
    EXPECT_NEAR(report.lambda / report.predicted_lambda, 1.0, 5 * std::sqrt(2.0 / 300));
  }
}

// --- T15 ---

TEST(LaserCheck15, RandomKContractsByKOverDAndLeavesTheRestInTheMemory) {
  const Layout layout = test::flat_layout(50);
  Session<double> session("air:power=5,channel=(noiseless):crandk:correlated=true,k=0.2", layout,
                          2);
  constexpr std::uint32_t kDraws = 10000;
  const auto g = normals(50, 1);
  double error = 0;
  std::set<std::vector<std::size_t>> supports;
  for (std::uint32_t t = 0; t < kDraws; ++t) {
    session.round(t, {g, g});
    std::vector<std::size_t> support;
    for (std::size_t i = 0; i < 50; ++i) {
      const double c = session.direction()[i];
      EXPECT_TRUE(c == 0 || std::fabs(c - g[i]) < 1e-15);  // not scaled
      if (c != 0) support.push_back(i);
      error += std::pow(c - g[i], 2) / kDraws;
    }
    ASSERT_EQ(support.size(), 10U);
    supports.insert(support);
  }
  EXPECT_NEAR(error / squared_norm(g), 1 - 10.0 / 50, 0.02 * 0.8);
  EXPECT_GT(supports.size(), kDraws - 10);  // indices of their own in every round
}

TEST(LaserCheck15, RandomKSendsTheSameIndicesOnAllWorkersAndTelescopes) {
  const Layout layout = test::flat_layout(40);
  Session<double> session(
      "air:power=5,memory=ef14,channel=(noiseless):crandk:correlated=true,k=0.25", layout, 3);
  std::vector<double> memory(40, 0.0);  // the mean memory, by a plain computation
  for (std::uint32_t t = 0; t < 100; ++t) {
    std::vector<std::vector<double>> g;
    for (std::uint32_t w = 0; w < 3; ++w) g.push_back(normals(40, t, w));
    session.round(t, g);
    std::size_t sent = 0;
    for (std::size_t i = 0; i < 40; ++i) {
      memory[i] += (g[0][i] + g[1][i] + g[2][i]) / 3;
      if (session.direction()[i] == 0) continue;
      // Everything that all workers had at this coordinate, and nothing is left.
      ASSERT_NEAR(session.direction()[i], memory[i], 1e-12);
      memory[i] = 0;
      ++sent;
    }
    ASSERT_EQ(sent, 10U);
  }
}

TEST(LaserCheck15, CountSketchesAreUnbiasedWithTheStatedVariance) {
  constexpr std::size_t kSize = 20;
  const Layout layout = test::flat_layout(kSize);
  Session<double> session("air-sketch:power=5,ratio=0.25,channel=(noiseless)", layout, 1);
  const auto g = normals(kSize, 2);
  constexpr std::uint32_t kDraws = 100000;
  std::vector<double> mean(kSize, 0.0);
  std::vector<double> square(kSize, 0.0);
  for (std::uint32_t t = 0; t < kDraws; ++t) {
    session.round(t, {g});
    for (std::size_t j = 0; j < kSize; ++j) {
      mean[j] += session.direction()[j] / kDraws;
      square[j] += session.direction()[j] * session.direction()[j] / kDraws;
    }
  }
  for (std::size_t j = 0; j < kSize; ++j) {
    const double variance = (squared_norm(g) - g[j] * g[j]) / 5;  // s = 5
    EXPECT_NEAR(mean[j], g[j], 5 * std::sqrt(variance / kDraws)) << j;
    EXPECT_NEAR((square[j] - mean[j] * mean[j]) / variance, 1.0, 0.03) << j;
  }
}

TEST(AirSketch, IsLinearOverWorkers) {
  const Layout layout({{.name = "a", .shape = {30, 10}}, {.name = "b", .shape = {7, 1}}});
  Session<double> many("air-sketch:power=5,channel=(noiseless)", layout, 4);
  Session<double> one("air-sketch:power=5,channel=(noiseless)", layout, 1);
  std::vector<std::vector<double>> g;
  std::vector<double> mean(layout.size(), 0.0);
  for (std::uint32_t w = 0; w < 4; ++w) {
    g.push_back(normals(layout.size(), 3, w));
    for (std::size_t i = 0; i < mean.size(); ++i) mean[i] += g[w][i] / 4;
  }
  many.round(7, g);
  one.round(7, {mean});
  for (std::size_t i = 0; i < mean.size(); ++i) {
    EXPECT_NEAR(many.direction()[i], one.direction()[i], 1e-13);
  }
}

TEST(Air, Ef21BeliefsFollowTheGradientAndTheirNoiseFades) {
  // Constant gradients: beliefs converge, so messages and with them the noise shrink to nothing.
  const Layout layout = test::flat_layout(60);
  Session<double> session("air:power=100,memory=ef21:crandk:correlated=true,k=0.5", layout, 3);
  std::vector<std::vector<double>> g;
  for (std::uint32_t w = 0; w < 3; ++w) g.push_back(normals(60, 5, w));
  std::vector<double> last;
  for (std::uint32_t t = 0; t < 60; ++t) {
    session.round(t, g);
    last = session.direction();
  }
  session.round(60, g);
  double moved = 0;
  double error = 0;
  double mean2 = 0;
  for (std::size_t i = 0; i < 60; ++i) {
    const double mean = (g[0][i] + g[1][i] + g[2][i]) / 3;
    moved += std::pow(session.direction()[i] - last[i], 2);
    error += std::pow(session.direction()[i] - mean, 2);
    mean2 += mean * mean;
  }
  EXPECT_LT(moved, 1e-12 * mean2);  // the noise of late rounds is as small as their messages
  EXPECT_GT(error, 1e-6 * mean2);   // that of early rounds stays
  EXPECT_LT(error, 2 * mean2);
}

TEST(Air, RefusesCompressorsThatAreNotLinear) {
  const auto problems = [](const std::string& spec) {
    return aggregator_problems(test::canonical_aggregator(spec), 4);
  };
  EXPECT_EQ(problems("air:power=1:topk:k=0.01"),
            std::vector<std::string>{
                "air: topk:k=0.01 is not linear over the workers, so that its messages cannot be "
                "added in the air; use identity, crandk:correlated=true or the aggregators laser, "
                "air-sketch, air-sign"});
  EXPECT_EQ(problems("air:power=1:randk:k=0.1"),
            std::vector<std::string>{
                "air: randk:k=0.1 is not linear over the workers, so that its messages cannot be "
                "added in the air; use randk:correlated=true, identity, crandk:correlated=true or "
                "the aggregators laser, air-sketch, air-sign"});
  EXPECT_TRUE(problems("air:power=1").empty());
  EXPECT_TRUE(problems("air:power=1:randk:correlated=true,k=0.1").empty());
  EXPECT_EQ(problems("air:power=1,memory=ef14:randk:correlated=true,k=0.1").size(), 1U);
  EXPECT_EQ(problems("air:power=1:crandk:correlated=true,k=0.1,values=f32").size(), 1U);
  // Every compressor runs or is refused in one line with a remedy.
  for (const auto& inner : compressors<double>().methods()) {
    const std::string spec = "air:power=1:" + std::string(inner.card->name);
    for (const std::string& problem : problems(spec)) {
      EXPECT_NE(problem.find("use "), std::string::npos) << problem;
    }
  }
}

// --- T16 ---

// P(Z > x)
double upper_tail(double x) { return 1 - exact::normal_cdf(x); }

TEST(LaserCheck16, VotesOverTheAirAreWrongWithTheProbabilityOfTheirMargin) {
  // K = 9 workers; in thirds of the coordinates the vote sums are 1, 4 (of 8: one abstains) and 9.
  constexpr std::uint32_t kWorkers = 9;
  constexpr std::uint32_t kSize = 300;
  const Layout layout = test::flat_layout(kSize);
  std::vector<std::vector<double>> g(kWorkers, std::vector<double>(kSize, 1.0));
  for (std::uint32_t i = 0; i < kSize; ++i) {
    const std::uint32_t part = i % 3;
    const std::uint32_t against = part == 0 ? 4 : part == 1 ? 2 : 0;
    for (std::uint32_t w = 0; w < against; ++w) g[w][i] = -1.0;
    if (part == 1) g[8][i] = 0.0;  // 6 for, 2 against, 1 abstains
  }
  const double power = 60;
  Session<double> session("air-sign:power=60", layout, kWorkers);
  std::vector<double> wrong(3, 0.0);
  constexpr std::uint32_t kRounds = 1000;  // 10^5 votes of each kind
  for (std::uint32_t t = 0; t < kRounds; ++t) {
    session.round(t, g);
    for (std::uint32_t i = 0; i < kSize; ++i) wrong[i % 3] += session.direction()[i] > 0 ? 0 : 1;
  }
  // c_b is the largest norm: of a worker without abstentions, sqrt(d).
  const double per_vote = std::sqrt(power / kSize);
  const double sums[3] = {1, 4, 9};
  for (std::size_t part = 0; part < 3; ++part) {
    EXPECT_NEAR(wrong[part] / (kRounds * kSize / 3.0), upper_tail(sums[part] * per_vote), 0.003);
  }
}

TEST(LaserCheck16, PowerOfSignsGoesToTensorsBySqrtOfTheirSize) {
  const Layout layout({{.name = "a", .shape = {400, 1}}, {.name = "b", .shape = {100, 1}}});
  // Noise of a block's mean is sqrt(d_b) / (K sqrt(P_b)); with P_b = P sqrt(d_b) / sum of sqrt(d):
  // predicted lambda = sum of d_b^2 / P_b, over d.
  Session<double> session("air-sign:power=10", layout, 1);
  const double lambda = session.round(0, {normals(500, 1)}).channel->predicted_lambda;
  const double pa = 10.0 * 20 / 30;
  const double pb = 10.0 * 10 / 30;
  EXPECT_NEAR(lambda, (400 * 400 / pa + 100 * 100 / pb) / 500, 1e-9 * lambda);
}

TEST(AirSign, WithoutNoiseIsTheMajorityAndTiesGiveZero) {
  const Layout layout = test::flat_layout(4);
  Session<float> session("air-sign:power=1,channel=(noiseless)", layout, 2);
  session.round(0, {{3, -2, 5, 0}, {1, -7, -5, 0}});
  EXPECT_EQ(session.direction(), (std::vector<float>{1, -1, 0, 0}));
}

// --- T17 ---

TEST(LaserCheck17, ThePseudoInverseInvertsAndKeepsSOverDOfTheEnergy) {
  constexpr std::size_t kS = 20;
  constexpr std::size_t kD = 100;
  const auto g = normals(kD, 8);
  double kept = 0;
  constexpr std::uint32_t kDraws = 500;
  for (std::uint32_t draw = 0; draw < kDraws; ++draw) {
    aggregate::RandomProjection<double> a(kS, kD, rng::Stream(9, {.round = draw}));
    std::vector<double> y(kS);
    std::vector<double> x(kD);
    std::vector<double> back(kS);
    a.project(g, y);
    a.pseudo_inverse(y, x);
    kept += squared_norm(x) / squared_norm(g) / kDraws;
    a.project(x, back);
    for (std::size_t i = 0; i < kS; ++i) ASSERT_NEAR(back[i], y[i], 1e-8);
  }
  EXPECT_NEAR(kept / (double{kS} / kD), 1.0, 0.03);
}

TEST(LaserCheck17, MessagePassingFindsSparseVectorsThatThePseudoInverseMisses) {
  constexpr std::size_t kS = 200;
  constexpr std::size_t kD = 500;
  aggregate::RandomProjection<double> a(kS, kD, rng::Stream(9, {.round = 1}));
  std::vector<double> truth(kD, 0.0);
  const auto values = normals(20, 3);
  for (std::size_t i = 0; i < 20; ++i) truth[25 * i + 3] = values[i];
  std::vector<double> y(kS);
  a.project(truth, y);
  const auto error_of = [&](std::span<const double> x) {
    double error = 0;
    for (std::size_t i = 0; i < kD; ++i) error += std::pow(x[i] - truth[i], 2);
    return error / squared_norm(truth);
  };
  std::vector<double> x(kD);
  a.message_passing(y, 20, x);
  EXPECT_LT(error_of(x), 0.01);
  a.pseudo_inverse(y, x);
  EXPECT_GT(error_of(x), 0.4);
}

TEST(Adsgd, SendsTheLargestEntriesAndKeepsTheRest) {
  // One piece, no noise: the direction is A+ A of the sparse message.
  const Layout layout = test::flat_layout(60);
  Session<double> session("adsgd:power=5,ratio=0.4,channel=(noiseless)", layout, 1);
  aggregate::RandomProjection<double> a(24, 60, rng::Stream(1, {rng::Purpose::kShared, 0, 0, 60}));
  std::vector<double> memory(60, 0.0);
  for (std::uint32_t t = 0; t < 20; ++t) {
    const auto g = normals(60, t);
    session.round(t, {g});
    for (std::size_t i = 0; i < 60; ++i) memory[i] += g[i];
    std::vector<std::size_t> order(60);
    for (std::size_t i = 0; i < 60; ++i) order[i] = i;
    std::sort(order.begin(), order.end(), [&](std::size_t i, std::size_t j) {
      return std::fabs(memory[i]) > std::fabs(memory[j]);
    });
    std::vector<double> sparse(60, 0.0);
    for (std::size_t i = 0; i < 12; ++i) std::swap(sparse[order[i]], memory[order[i]]);
    std::vector<double> y(24);
    std::vector<double> x(60);
    a.project(sparse, y);
    a.pseudo_inverse(y, x);
    for (std::size_t i = 0; i < 60; ++i) ASSERT_NEAR(session.direction()[i], x[i], 1e-10);
  }
}

// --- D-DSGD ---

TEST(Ddsgd, SpendsAtMostTheCapacity) {
  LoopSetup<double> setup;
  setup.layout = test::flat_layout(1000);
  setup.workers = 4;
  setup.rounds = 5;
  setup.gradient = [](std::uint32_t w, std::uint32_t t, std::span<const double>,
                      std::span<double> g) { std::ranges::copy(normals(1000, t, w), g.begin()); };
  for (const double power : {100.0, 1000.0, 10000.0}) {
    const auto result = run_loop<double>("ddsgd:power=" + std::to_string(power), setup);
    const double capacity = mac_capacity_bits(500, 4, power);
    const double used = static_cast<double>(result.uplink.payload_bits) / (4 * 5);
    EXPECT_LE(used, capacity + 1);
    EXPECT_GT(used, 0.0);
    // One more coordinate would not fit: log2 binom grows by less than log2 d.
    EXPECT_GT(used + std::log2(1000.0), capacity);
    EXPECT_EQ(result.channel[0].energy, power);
  }
}

TEST(Ddsgd, SendsTheGroupWithTheLargerMeanAndKeepsTheRest) {
  const Layout layout = test::flat_layout(64);
  Session<double> session("ddsgd:power=100000,ratio=1", layout, 1);
  std::vector<double> memory(64, 0.0);
  const double bits = mac_capacity_bits(64, 1, 100000);
  std::size_t q = 0;
  double choices = 0;
  for (std::size_t k = 1; k <= 32; ++k) {
    choices += std::log2((64.0 - static_cast<double>(k) + 1) / static_cast<double>(k));
    if (choices + 33 <= bits) q = k;
  }
  ASSERT_GT(q, 2U);
  for (std::uint32_t t = 0; t < 20; ++t) {
    const auto g = normals(64, t);
    session.round(t, {g});
    for (std::size_t i = 0; i < 64; ++i) memory[i] += g[i];
    std::vector<std::size_t> order(64);
    for (std::size_t i = 0; i < 64; ++i) order[i] = i;
    std::sort(order.begin(), order.end(),
              [&](std::size_t i, std::size_t j) { return memory[i] > memory[j]; });
    double top = 0;
    double bottom = 0;
    for (std::size_t i = 0; i < q; ++i) {
      top += std::max(memory[order[i]], 0.0) / static_cast<double>(q);
      bottom += std::max(-memory[order[63 - i]], 0.0) / static_cast<double>(q);
    }
    const auto sent = static_cast<double>(static_cast<float>(top >= bottom ? top : -bottom));
    std::vector<double> expected(64, 0.0);
    for (std::size_t i = 0; i < q; ++i) expected[order[top >= bottom ? i : 63 - i]] = sent;
    for (std::size_t i = 0; i < 64; ++i) {
      ASSERT_NEAR(session.direction()[i], expected[i], 1e-6) << t;
      memory[i] -= expected[i];
    }
  }
}

TEST(Ddsgd, RefusesPowerThatIsTooSmallForOneCoordinate) {
  const Layout layout = test::flat_layout(1000);
  const auto problems =
      aggregator_problems(test::canonical_aggregator("ddsgd:power=1"), 4, &layout);
  ASSERT_EQ(problems.size(), 1U);
  EXPECT_NE(problems[0].find("more power or a larger ratio"), std::string::npos);
  EXPECT_TRUE(
      aggregator_problems(test::canonical_aggregator("ddsgd:power=1000"), 4, &layout).empty());
}

// --- links under the sharded exchange ---

LoopSetup<float> linked_setup(const std::string& link, std::uint32_t ranks) {
  LoopSetup<float> setup;
  setup.layout = test::flat_layout(300);
  setup.workers = 6;
  setup.ranks = ranks;
  setup.rounds = 30;
  setup.link = link;
  setup.gradient = [](std::uint32_t w, std::uint32_t t, std::span<const float> x,
                      std::span<float> g) {
    rng::fill_normal(rng::Stream(5, {rng::Purpose::kTest, w, t, 0}), {}, g);
    for (std::size_t i = 0; i < g.size(); ++i) g[i] += x[i];
  };
  return setup;
}

TEST(Links, GiveTheSameBitsOnAnyNumberOfRanks) {
  for (const char* link :
       {"bitflip:p=0.0001,repair=none", "bitflip:p=0.00005,repair=drop", "bitflip:p=0.00005",
        "erasure:p=0.3,repair=drop", "capacity:bits=5000"}) {
    for (const char* spec : {"dense", "vote", "ef:sign"}) {
      const auto one = run_loop<float>(spec, linked_setup(link, 1));
      for (const std::uint32_t ranks : {2U, 4U}) {
        const auto many = run_loop<float>(spec, linked_setup(link, ranks));
        EXPECT_TRUE(many.replicas_equal);
        EXPECT_EQ(many.x, one.x) << spec << " over " << link;
        EXPECT_EQ(many.uplink, one.uplink);
        EXPECT_EQ(many.lost, one.lost);
        EXPECT_EQ(many.resent, one.resent);
      }
    }
  }
}

TEST(Links, LostFramesAreLeftOutOfTheMeanAndResentOnesCostBytes) {
  const auto perfect = run_loop<float>("dense", linked_setup("", 1));
  const auto resent = run_loop<float>("dense", linked_setup("bitflip:p=0.00002,attempts=100", 1));
  EXPECT_EQ(resent.x, perfect.x);
  EXPECT_EQ(resent.lost, 0U);
  EXPECT_GT(resent.resent, 0U);
  EXPECT_EQ(resent.uplink.payload_bits, perfect.uplink.payload_bits);
  EXPECT_GT(resent.uplink.frame_bytes, perfect.uplink.frame_bytes);
  const auto lossy = run_loop<float>("dense", linked_setup("erasure:p=0.3,repair=drop", 1));
  EXPECT_GT(lossy.lost, 0U);
  EXPECT_NE(lossy.x, perfect.x);
  const auto damaged = run_loop<float>("dense", linked_setup("bitflip:p=0.0001,repair=none", 1));
  EXPECT_EQ(damaged.lost, 0U);
  EXPECT_NE(damaged.x, perfect.x);
}

}  // namespace
}  // namespace laconic
