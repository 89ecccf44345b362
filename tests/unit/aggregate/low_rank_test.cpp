// SPDX-License-Identifier: Apache-2.0
// lowrank and noiseless laser against the oracle, and the checks of laser.md 6 about projections,
// memories and replicas: T5 to T9, T18, T20, T21, T23, T24.
#include "laconic/aggregate/low_rank.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "laconic/rng/stream.hpp"
#include "tests/oracle/laser_oracle.hpp"
#include "tests/support/session.hpp"

namespace laconic {
namespace {

using aggregate::LowRank;
using oracle::Matrix;
using test::LoopSetup;
using test::run_loop;
using test::Session;

Layout matrix_layout(std::uint32_t rows, std::uint32_t cols) {
  return Layout({{.name = "w", .shape = {rows, cols}}});
}

template <Real T>
std::vector<T> normals(std::size_t size, std::uint32_t round, std::uint32_t worker = 0,
                       std::uint64_t seed = 77) {
  std::vector<T> out(size);
  rng::fill_normal(rng::Stream(seed, {rng::Purpose::kTest, worker, round, 0}), {},
                   std::span<T>(out));
  return out;
}

template <Real T>
Matrix to_matrix(std::span<const T> values, std::size_t rows, std::size_t cols) {
  Matrix out = oracle::zeros(rows, cols);
  for (std::size_t i = 0; i < rows; ++i) {
    for (std::size_t j = 0; j < cols; ++j) out[i][j] = static_cast<double>(values[i * cols + j]);
  }
  return out;
}
// Components one after the other, as columns.
template <Real T>
Matrix columns(std::span<const T> components, std::size_t length) {
  return oracle::transposed(to_matrix(components, components.size() / length, length));
}

template <Real T>
double squared_norm(const std::vector<T>& x) {
  double total = 0;
  for (const T value : x) total += static_cast<double>(value) * static_cast<double>(value);
  return total;
}
template <Real T>
double distance(const std::vector<T>& a, const Matrix& b) {
  double total = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double difference = static_cast<double>(a[i]) - b[i / b[0].size()][i % b[0].size()];
    total += difference * difference;
  }
  return std::sqrt(total);
}

// --- against the oracle ---

struct Case {
  std::uint32_t rows, cols, rank, workers;
};

template <Real T>
void follow_oracle(const std::string& spec, bool two_factor, double tolerance) {
  for (const Case& one : {Case{12, 9, 1, 1}, Case{9, 12, 2, 3}, Case{20, 33, 4, 5},
                          Case{33, 20, 3, 2}, Case{64, 17, 5, 4}}) {
    for (std::uint64_t seed = 1; seed <= 3; ++seed) {
      Session<T> session(spec + std::to_string(one.rank), matrix_layout(one.rows, one.cols),
                         one.workers, seed);
      const auto& low_rank = session.template as<LowRank<T>>();
      ASSERT_EQ(low_rank.plan().matrices.size(), 1U);
      oracle::LowRankOracle expected{
          .p = columns(low_rank.p(), one.rows),
          .q = columns(low_rank.q(), one.cols),
          .memory = std::vector<Matrix>(one.workers, oracle::zeros(one.rows, one.cols))};
      for (std::uint32_t t = 0; t < 12; ++t) {
        std::vector<std::vector<T>> gradients;
        std::vector<Matrix> matrices;
        for (std::uint32_t w = 0; w < one.workers; ++w) {
          gradients.push_back(normals<T>(one.rows * one.cols, t, w, seed));
          matrices.push_back(to_matrix<T>(gradients.back(), one.rows, one.cols));
        }
        session.round(t, gradients);
        const Matrix direction =
            two_factor ? expected.two_factor(matrices) : expected.alternating(t, matrices);
        const double size = std::sqrt(oracle::squared_norm(direction));
        ASSERT_LE(distance(session.direction(), direction), tolerance * size)
            << spec << " " << one.rows << "x" << one.cols << " round " << t;
        for (std::uint32_t w = 0; w < one.workers; ++w) {
          const std::vector<T> memory(low_rank.memory(w).begin(), low_rank.memory(w).end());
          ASSERT_LE(distance(memory, expected.memory[w]),
                    tolerance * std::sqrt(oracle::squared_norm(expected.memory[w])));
        }
      }
    }
  }
}

TEST(LowRank, FollowsTheOracleInBothForms) {
  follow_oracle<double>("lowrank:form=two-factor,rank=", true, 1e-11);
  follow_oracle<double>("lowrank:form=alternating,rank=", false, 1e-11);
  follow_oracle<float>("lowrank:form=two-factor,rank=", true, 1e-4);
  follow_oracle<float>("lowrank:form=alternating,rank=", false, 1e-4);
}

TEST(Laser, WithoutNoiseFollowsTheOracleInBothVariants) {
  const std::string air = "laser:power=10,channel=(noiseless),";
  follow_oracle<double>(air + "variant=two-factor,rank=", true, 1e-11);
  follow_oracle<double>(air + "variant=alternating,rank=", false, 1e-11);
  follow_oracle<double>(air + "form=physical,rank=", false, 1e-10);
}

// --- laser.md 6 ---

template <Real T>
void check_exactness(double tolerance) {
  double first_fraction = 0;
  constexpr int kSeeds = 40;
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    const auto u = normals<double>(30 * 3, 0, 0, seed);
    const auto v = normals<double>(3 * 40, 1, 0, seed);
    const Matrix m = oracle::product(to_matrix<double>(u, 30, 3), to_matrix<double>(v, 3, 40));
    std::vector<T> g;
    for (const auto& row : m) {
      for (const double value : row) g.push_back(static_cast<T>(value));
    }
    Session<T> session("lowrank:form=alternating,memory=false,rank=3", matrix_layout(30, 40), 1,
                       seed);
    session.round(0, {g});
    first_fraction += distance(session.direction(), m) * distance(session.direction(), m) /
                      oracle::squared_norm(m) / kSeeds;
    session.round(1, {g});
    EXPECT_LE(distance(session.direction(), m), tolerance * std::sqrt(oracle::squared_norm(m)));
  }
  // A random basis of 3 of 30 dimensions: the residual keeps 0.9 of the energy on average.
  EXPECT_NEAR(first_fraction, 0.9, 0.03);
}

TEST(LaserCheck05, LowRankMatricesAreExactAfterTheSecondHalfStep) {
  check_exactness<double>(1e-12);
  check_exactness<float>(1e-5);
}

TEST(LaserCheck06, CompressionIsAnOrthogonalProjection) {
  // Random bases every round: even rounds keep r/m of the energy on average, odd ones r/n.
  double left[2] = {0, 0};
  constexpr std::uint32_t kRounds = 2000;
  Session<double> session("lowrank:form=alternating,memory=false,warm_start=false,rank=3",
                          matrix_layout(30, 45), 1);
  for (std::uint32_t t = 0; t < kRounds; ++t) {
    const auto g = normals<double>(30 * 45, t);
    session.round(t, {g});
    const auto& c = session.direction();
    double inner = 0;
    double rest = 0;
    for (std::size_t i = 0; i < g.size(); ++i) {
      inner += c[i] * (g[i] - c[i]);
      rest += (g[i] - c[i]) * (g[i] - c[i]);
    }
    const double whole = squared_norm(g);
    ASSERT_LE(std::fabs(inner), 1e-12 * whole);
    ASSERT_LE(std::fabs(squared_norm(c) + rest - whole), 1e-12 * whole);
    left[t % 2] += rest / whole / (kRounds / 2.0);
  }
  EXPECT_NEAR(left[0], 1 - 3.0 / 30, 0.005);
  EXPECT_NEAR(left[1], 1 - 3.0 / 45, 0.005);
}

template <Real T>
void check_linearity(double tolerance) {
  const Layout layout = matrix_layout(20, 31);
  for (const char* form : {"alternating", "two-factor"}) {
    const std::string spec = std::string("lowrank:memory=false,rank=4,form=") + form;
    Session<T> many(spec, layout, 6);
    Session<T> one(spec, layout, 1);
    for (std::uint32_t t = 0; t < 8; ++t) {
      std::vector<std::vector<T>> gradients;
      std::vector<T> mean(layout.size(), T{0});
      for (std::uint32_t w = 0; w < 6; ++w) {
        gradients.push_back(normals<T>(layout.size(), t, w));
        for (std::size_t i = 0; i < mean.size(); ++i) mean[i] += gradients[w][i] / T{6};
      }
      many.round(t, gradients);
      one.round(t, {mean});
      const Matrix expected = to_matrix<T>(one.direction(), 20, 31);
      ASSERT_LE(distance(many.direction(), expected),
                tolerance * std::sqrt(oracle::squared_norm(expected)));
    }
  }
}

TEST(LaserCheck07, CompressionIsLinearOverWorkers) {
  check_linearity<double>(1e-12);
  check_linearity<float>(1e-5);
}

// 24 x 18 and a vector, three workers.
Layout mixed_layout() {
  return Layout({{.name = "w", .shape = {24, 18}}, {.name = "b", .shape = {24, 1}}});
}

// C(M) by a basis with orthonormal columns: of the columns of M, or (right) of its rows.
Matrix projected(const Matrix& basis, const Matrix& m, bool right) {
  if (right) return oracle::product(oracle::product(m, basis), oracle::transposed(basis));
  return oracle::product(basis, oracle::product(oracle::transposed(basis), m));
}

// For every worker: what it sent, here made from its memory and the basis that the round has left
// behind, adds up to its gradients less its memory. With the channel as without.
TEST(LaserCheck08, WhatAWorkerSentTelescopesToItsGradients) {
  constexpr std::uint32_t kRows = 24;
  constexpr std::uint32_t kCols = 18;
  constexpr std::size_t kWorkers = 3;
  for (const char* spec : {"lowrank:rank=2,form=alternating", "lowrank:rank=2,form=two-factor",
                           "laser:rank=2,power=20", "laser:rank=2,power=20,variant=two-factor"}) {
    const bool alternating = std::string(spec).find("two-factor") == std::string::npos;
    Session<double> session(spec, matrix_layout(kRows, kCols), kWorkers);
    const auto& low_rank = session.as<LowRank<double>>();
    const auto memory = [&](std::size_t w) {
      return to_matrix<double>(low_rank.memory(w), kRows, kCols);
    };
    std::vector<Matrix> sent(kWorkers, oracle::zeros(kRows, kCols));
    std::vector<Matrix> given(kWorkers, oracle::zeros(kRows, kCols));
    for (std::uint32_t t = 0; t < 200; ++t) {
      std::vector<std::vector<double>> gradients;
      std::vector<Matrix> messages;
      for (std::uint32_t w = 0; w < kWorkers; ++w) {
        gradients.push_back(normals<double>(kRows * kCols, t, w));
        const Matrix g = to_matrix<double>(std::span<const double>(gradients[w]), kRows, kCols);
        given[w] = oracle::sum(given[w], g);
        messages.push_back(oracle::sum(memory(w), g));
      }
      session.round(t, gradients);
      const bool right = alternating && t % 2 == 1;
      const Matrix basis = right ? columns(low_rank.q(), kCols) : columns(low_rank.p(), kRows);
      for (std::size_t w = 0; w < kWorkers; ++w) {
        sent[w] = oracle::sum(sent[w], projected(basis, messages[w], right));
      }
    }
    for (std::size_t w = 0; w < kWorkers; ++w) {
      const Matrix all = oracle::sum(sent[w], memory(w));
      double error = 0;
      for (std::size_t i = 0; i < kRows; ++i) {
        for (std::size_t j = 0; j < kCols; ++j) error += std::pow(all[i][j] - given[w][i][j], 2);
      }
      EXPECT_LE(std::sqrt(error), 1e-12 * std::sqrt(oracle::squared_norm(given[w])))
          << spec << ", worker " << w;
    }
  }
}

// The direction of lowrank is the mean of what the workers sent; tensors that are not compressed
// have no memory.
TEST(LaserCheck08, TheDirectionsTelescopeToTheMeanGradients) {
  const Layout layout = mixed_layout();
  for (const char* form : {"alternating", "two-factor"}) {
    Session<double> session(std::string("lowrank:rank=2,form=") + form, layout, 3);
    std::vector<double> sent(layout.size(), 0.0);
    std::vector<double> given(layout.size(), 0.0);
    for (std::uint32_t t = 0; t < 200; ++t) {
      std::vector<std::vector<double>> gradients;
      for (std::uint32_t w = 0; w < 3; ++w) {
        gradients.push_back(normals<double>(layout.size(), t, w));
        for (std::size_t i = 0; i < given.size(); ++i) given[i] += gradients[w][i] / 3;
      }
      session.round(t, gradients);
      for (std::size_t i = 0; i < sent.size(); ++i) sent[i] += session.direction()[i];
    }
    const auto& low_rank = session.as<LowRank<double>>();
    ASSERT_EQ(low_rank.memory(0).size(), 24U * 18U);  // vectors have none
    double error = 0;
    for (std::size_t i = 0; i < sent.size(); ++i) {
      double memory = 0;
      for (std::size_t w = 0; w < 3 && i < 24 * 18; ++w) memory += low_rank.memory(w)[i] / 3;
      error += std::pow(sent[i] - (given[i] - memory), 2);
    }
    EXPECT_LE(std::sqrt(error), 1e-12 * std::sqrt(squared_norm(given))) << form;
  }
}

TEST(LaserCheck08, MemoriesDoNotSeeTheChannel) {
  // The same gradients and the same bases, with and without noise.
  const Layout layout = mixed_layout();
  Session<double> clean("laser:power=1,warm_start=false,channel=(noiseless)", layout, 2);
  Session<double> noisy("laser:power=1,warm_start=false", layout, 2);
  for (std::uint32_t t = 0; t < 20; ++t) {
    const std::vector<std::vector<double>> gradients = {normals<double>(layout.size(), t, 0),
                                                        normals<double>(layout.size(), t, 1)};
    clean.round(t, gradients);
    noisy.round(t, gradients);
    EXPECT_NE(clean.direction(), noisy.direction());
    for (std::size_t w = 0; w < 2; ++w) {
      const auto a = clean.as<LowRank<double>>().memory(w);
      const auto b = noisy.as<LowRank<double>>().memory(w);
      ASSERT_TRUE(std::equal(a.begin(), a.end(), b.begin()));
    }
  }
}

TEST(LaserCheck09, TheVirtualIterateMakesPlainNoisySteps) {
  constexpr std::uint32_t kRows = 12;
  constexpr std::uint32_t kCols = 9;
  constexpr double kStep = 0.02;
  Session<double> session("laser:power=200,rank=2", matrix_layout(kRows, kCols), 3);
  const auto& laser = session.as<LowRank<double>>();
  std::vector<double> x(kRows * kCols, 1.0);
  const auto mean_memory = [&] {
    std::vector<double> out(x.size(), 0.0);
    for (std::size_t w = 0; w < 3; ++w) {
      for (std::size_t i = 0; i < out.size(); ++i) out[i] += laser.memory(w)[i] / 3;
    }
    return out;
  };
  std::vector<double> virtual_x = x;
  std::vector<double> before(x.size(), 0.0);
  for (std::uint32_t t = 0; t < 4000; ++t) {
    std::vector<std::vector<double>> gradients;
    std::vector<double> mean(x.size(), 0.0);
    for (std::uint32_t w = 0; w < 3; ++w) {
      auto g = normals<double>(x.size(), t, w);
      for (std::size_t i = 0; i < g.size(); ++i) {
        g[i] = 0.3 * g[i] + x[i];
        mean[i] += g[i] / 3;
      }
      gradients.push_back(std::move(g));
    }
    session.round(t, gradients);
    // C(mean M) by the basis that the round has left behind, independently of what was sent.
    const Matrix m =
        oracle::sum(to_matrix<double>(before, kRows, kCols), to_matrix<double>(mean, kRows, kCols));
    const bool right = t % 2 == 1;
    const Matrix c =
        projected(right ? columns(laser.q(), kCols) : columns(laser.p(), kRows), m, right);
    for (std::size_t i = 0; i < x.size(); ++i) {
      const double noise = session.direction()[i] - c[i / kCols][i % kCols];
      virtual_x[i] -= kStep * (mean[i] + noise);
      x[i] -= kStep * session.direction()[i];
    }
    before = mean_memory();
    double error = 0;
    for (std::size_t i = 0; i < x.size(); ++i) {
      error += std::pow(x[i] - kStep * before[i] - virtual_x[i], 2);
    }
    ASSERT_LE(std::sqrt(error), 1e-11 * std::max(1.0, std::sqrt(squared_norm(x)))) << t;
  }
}

LoopSetup<double> degenerate_setup(std::uint32_t workers) {
  LoopSetup<double> setup;
  setup.layout = Layout({{.name = "row", .shape = {1, 30}},
                         {.name = "square", .shape = {12, 12}},
                         {.name = "dead", .shape = {15, 20}},
                         {.name = "one", .shape = {1, 1}},
                         {.name = "wide", .shape = {3, 40}},
                         {.name = "bias", .shape = {12, 1}, .role = Role::kBias}});
  setup.workers = workers;
  setup.rounds = 12;
  setup.x0.assign(setup.layout.size(), 0.5);
  setup.gradient = [](std::uint32_t worker, std::uint32_t round, std::span<const double> x,
                      std::span<double> g) {
    if (round == 4 || round == 5) return;  // nobody has anything to say
    rng::fill_normal(rng::Stream(3, {rng::Purpose::kTest, worker, round, 0}), {}, g);
    for (std::size_t i = 0; i < g.size(); ++i) g[i] += x[i];
    for (std::size_t i = 30 + 144; i < 30 + 144 + 300; ++i) g[i] = 0;  // never any gradient
  };
  return setup;
}

TEST(LaserCheck18, NoiseDisabledIsPowerSgdBitForBitAndHugePowerNearly) {
  for (const std::uint32_t workers : {1U, 4U}) {
    for (const char* rank : {"1", "2", "16"}) {
      const auto setup = degenerate_setup(workers);
      const auto wire =
          run_loop<double>(std::string("lowrank:form=alternating,rank=") + rank, setup);
      const auto clean =
          run_loop<double>(std::string("laser:power=3,channel=(noiseless),rank=") + rank, setup);
      EXPECT_EQ(wire.directions, clean.directions);
      const auto loud = run_loop<double>(std::string("laser:power=1e30,rank=") + rank, setup);
      for (std::size_t i = 0; i < wire.x.size(); ++i) {
        EXPECT_NEAR(loud.x[i], wire.x[i], 1e-10 * std::max(1.0, std::fabs(wire.x[i])));
      }
    }
  }
}

TEST(LaserCheck18, NothingDegenerateGivesNumbersThatAreNotFinite) {
  for (const std::uint32_t workers : {1U, 3U}) {
    for (const char* rest :
         {"rank=1", "rank=2,variant=two-factor", "rank=64", "rank=4,form=physical",
          "rank=3,components=norm,allocation=uniform", "rank=1,stacked_rank_one=true",
          "rank=2,channel=(awgn:dropout=0.6)", "rank=2,channel=(awgn:side_info=stale)",
          "rank=2,channel=(rayleigh)", "rank=2,variant=ideal"}) {
      if (std::string(rest).ends_with("ideal") && workers > 1) continue;
      const auto result =
          run_loop<double>(std::string("laser:power=50,") + rest, degenerate_setup(workers));
      for (const auto& direction : result.directions) {
        for (const double value : direction) ASSERT_TRUE(std::isfinite(value)) << rest;
      }
      for (std::size_t t = 0; t < result.channel.size(); ++t) {
        ASSERT_TRUE(std::isfinite(result.channel[t].lambda)) << rest;
        ASSERT_LE(result.channel[t].largest_energy, 50 * (1 + 1e-12)) << rest << " round " << t;
      }
    }
  }
}

TEST(LaserCheck18, ZeroGradientsAndZeroBlocksSendNothing) {
  // Without a memory: rounds 4 and 5 have zero gradients, tensor "dead" always has.
  const auto result = run_loop<double>("laser:power=50,rank=2,memory=false", degenerate_setup(2));

  const LowRankPlan plan(degenerate_setup(2).layout, 2);
  ASSERT_EQ(plan.matrices.size(), 3U);  // square, dead and wide

  for (std::uint32_t t = 0; t < 12; ++t) {
    const ChannelReport& channel = result.channel[t];
    if (t == 4 || t == 5) {
      EXPECT_EQ(channel.uses, 0U);
      EXPECT_EQ(channel.energy, 0.0);
      EXPECT_EQ(channel.lambda, 0.0);
      for (const double value : result.directions[t]) EXPECT_EQ(value, 0.0);
    } else {
      // row, square, one, wide, bias; nothing for dead
      EXPECT_EQ(channel.uses, 30U + 2 * 12U + 1U + 2 * (t % 2 == 0 ? 40U : 3U) + 12U);
      for (std::size_t i = 30 + 144; i < 30 + 144 + 300; ++i) {
        EXPECT_EQ(result.directions[t][i], 0.0);
      }
    }
  }
}

// --- T20: the models of laser.md 5.1 as layouts ---

Layout resnet18() {
  std::vector<Tensor> tensors;
  const auto conv = [&tensors](std::uint32_t out, std::uint32_t in, std::uint32_t kernel) {
    const std::string name = std::to_string(tensors.size());
    tensors.push_back({.name = "conv" + name, .shape = {out, in * kernel * kernel}});
    tensors.push_back({.name = "scale" + name, .shape = {out, 1}});
    tensors.push_back({.name = "shift" + name, .shape = {out, 1}});
  };
  conv(64, 3, 3);
  std::uint32_t in = 64;
  for (const std::uint32_t out : {64U, 128U, 256U, 512U}) {
    conv(out, in, 3);
    conv(out, out, 3);
    if (out != in) conv(out, in, 1);
    conv(out, out, 3);
    conv(out, out, 3);
    in = out;
  }
  tensors.push_back({.name = "head", .shape = {10, 512}});
  tensors.push_back({.name = "head bias", .shape = {10, 1}, .role = Role::kBias});
  return Layout(std::move(tensors));
}

Layout gpt2() {
  std::vector<Tensor> tensors = {{.name = "tokens", .shape = {50304, 768}},
                                 {.name = "positions", .shape = {512, 768}}};
  for (int block = 0; block < 12; ++block) {
    const std::string name = std::to_string(block);
    tensors.push_back({.name = "norm1 " + name, .shape = {768, 1}});
    tensors.push_back({.name = "attention " + name, .shape = {2304, 768}});
    tensors.push_back({.name = "projection " + name, .shape = {768, 768}});
    tensors.push_back({.name = "norm2 " + name, .shape = {768, 1}});
    tensors.push_back({.name = "up " + name, .shape = {3072, 768}});
    tensors.push_back({.name = "down " + name, .shape = {768, 3072}});
  }
  tensors.push_back({.name = "norm", .shape = {768, 1}});
  return Layout(std::move(tensors));
}

struct Counts {
  std::size_t both;   // floats of both factors and everything else
  std::size_t twice;  // two rounds of alternating
};
Counts counts_of(const Layout& layout, std::size_t rank) {
  const LowRankPlan plan(layout, rank);
  return {.both = plan.p_size + plan.q_size + plan.plain_size,
          .twice = plan.p_size + plan.q_size + 2 * plan.plain_size};
}

TEST(LaserCheck20, FloatsPerRoundAreThoseOfThePaper) {
  EXPECT_EQ(resnet18().size(), 11173962U);
  const LowRankPlan plan(resnet18(), 4);
  EXPECT_EQ(plan.matrices.size(), 21U);
  EXPECT_EQ(plan.plain_size, 9610U);
  EXPECT_EQ(plan.q_size + plan.plain_size, 135670U);  // even rounds
  EXPECT_EQ(plan.p_size + plan.plain_size, 28850U);   // odd rounds
  EXPECT_EQ(counts_of(resnet18(), 4).both, 154910U);
  EXPECT_EQ(counts_of(resnet18(), 4).twice, 2 * 82260U);
  EXPECT_EQ(counts_of(resnet18(), 8).both, 300210U);
  EXPECT_EQ(counts_of(resnet18(), 8).twice, 2 * 154910U);
  EXPECT_EQ(gpt2().size(), 123980544U);
  EXPECT_EQ(counts_of(gpt2(), 4).both, 818432U);
  EXPECT_EQ(counts_of(gpt2(), 4).twice, 2 * 418816U);
  const Layout softmax(
      {{.name = "w", .shape = {10, 784}}, {.name = "b", .shape = {10, 1}, .role = Role::kBias}});
  EXPECT_EQ(softmax.size(), 7850U);
  EXPECT_EQ(counts_of(softmax, 4).both, 3186U);
  EXPECT_EQ(counts_of(softmax, 4).twice, 2 * 1598U);
}

TEST(LaserCheck20, RuleTwoLeavesVectorsAndSmallMatricesAlone) {
  EXPECT_FALSE(low_rank_compresses({.shape = {1000, 1}}, 1));
  EXPECT_FALSE(low_rank_compresses({.shape = {10, 512}}, 16));
  EXPECT_TRUE(low_rank_compresses({.shape = {10, 512}}, 8));
  EXPECT_FALSE(low_rank_compresses({.shape = {4, 4}}, 2));  // strict: 16 > 2 * 8 is false
  EXPECT_FALSE(low_rank_compresses({.shape = {100, 100}, .role = Role::kBias}, 1));
}

// --- T21 ---

TEST(LaserCheck21, GradientsStayBelowTheRateWithExplicitConstants) {
  constexpr std::uint32_t kRows = 20;
  constexpr std::uint32_t kCols = 30;
  constexpr std::uint32_t kRounds = 4000;
  constexpr double kVariance = 100;  // E||xi||^2
  for (const int rank : {5, 10}) {
    // Random subspaces: delta = r / max(m, n). L = 1, M = 0.
    const double delta = rank / static_cast<double>(kCols);
    const double tau = 10 * 2 / delta;
    const double step = 1 / tau;
    for (const double part : {0.0, 0.5, 1.0}) {
      const double lambda = part / tau;
      std::string spec = "laser:warm_start=false,rank=" + std::to_string(rank);
      // Variant A has lambda = r n / P in even rounds and less in odd ones.
      spec += part == 0 ? ",power=1,channel=(noiseless)"
                        : ",power=" + std::to_string(rank * double{kCols} / lambda);
      Session<double> session(spec, matrix_layout(kRows, kCols), 1);
      std::vector<double> x(kRows * kCols, 1.0);
      const double f0 = 0.5 * squared_norm(x);
      double left = 0;
      for (std::uint32_t t = 0; t < kRounds; ++t) {
        left += squared_norm(x) / kRounds;
        auto g = normals<double>(x.size(), t);
        const double deviation = std::sqrt(kVariance / static_cast<double>(x.size()));
        for (std::size_t i = 0; i < g.size(); ++i) g[i] = x[i] + deviation * g[i];
        session.round(t, {g});
        for (std::size_t i = 0; i < x.size(); ++i) x[i] -= step * session.direction()[i];
      }
      const double right = 2.4 * (f0 / (step * kRounds) + step * kVariance * (1 + lambda));
      EXPECT_LT(left, right) << rank << " " << part;
      EXPECT_GT(left, 0.2 * right);  // the inequality means something here
    }
  }
}

// --- T23, T24 ---

TEST(LaserCheck23, EveryBasisHasUnitNormAndTheLegacyFlagNormalisesTheStack) {
  const Layout layout({{.name = "a", .shape = {9, 14}},
                       {.name = "b", .shape = {9, 14}},
                       {.name = "c", .shape = {9, 14}},
                       {.name = "d", .shape = {14, 9}}});
  const auto norms_after_round_0 = [&](const std::string& spec) {
    Session<double> session(spec, layout, 2);
    session.round(0, {normals<double>(layout.size(), 0, 0), normals<double>(layout.size(), 0, 1)});
    const auto& laser = session.as<LowRank<double>>();
    std::vector<double> out;  // squared norm of p, the basis of round 0
    for (const LowRankMatrix& matrix : laser.plan().matrices) {
      double total = 0;
      for (std::size_t i = 0; i < matrix.rows; ++i) {
        total += std::pow(laser.p()[matrix.p_offset + i], 2);
      }
      out.push_back(total);
    }
    return out;
  };
  for (const double norm : norms_after_round_0("laser:power=10,rank=1")) {
    EXPECT_NEAR(norm, 1.0, 1e-12);
  }
  const auto stacked = norms_after_round_0("laser:power=10,rank=1,stacked_rank_one=true");
  EXPECT_NEAR(stacked[0] + stacked[1] + stacked[2], 1.0, 1e-12);
  EXPECT_NEAR(stacked[3], 1.0, 1e-12);  // a shape of its own
  EXPECT_GT(stacked[0], 0.0);
  EXPECT_LT(stacked[0], 1.0);
}

TEST(LaserCheck24, ReplicasAreBitwiseEqualOnAllRanksAndMemoriesDiffer) {
  constexpr std::uint32_t kWorkers = 4;
  const Layout layout = mixed_layout();
  for (const char* variant : {"alternating", "two-factor"}) {
    const Spec spec = test::canonical_aggregator(
        std::string("laser:power=20,rank=3,channel=(rayleigh:dropout=0.2),variant=") + variant);
    std::vector<std::vector<float>> first;
    for (const std::uint32_t ranks : {1U, 2U, 4U}) {
      std::vector<std::vector<float>> states(ranks);
      std::vector<std::vector<float>> memories(kWorkers);
      run_on_threads(ranks, [&](Communicator& comm) {
        const WorkerBlock mine = workers_of_rank(kWorkers, comm.rank(), comm.size());
        const auto aggregator = aggregators<float>().make(
            spec, {.layout = &layout, .workers = kWorkers, .mine = mine, .seed = 8});
        std::vector<float> x(layout.size(), 1.0F);
        std::vector<float> direction(layout.size());
        for (std::uint32_t t = 0; t < 30; ++t) {
          std::vector<std::vector<float>> gradients;
          std::vector<WorkerGradient<float>> views;
          for (std::uint32_t w = mine.begin; w < mine.end; ++w) {
            gradients.push_back(normals<float>(layout.size(), t, w));
          }
          for (std::uint32_t w = mine.begin; w < mine.end; ++w) {
            views.push_back({.worker = w, .values = gradients[w - mine.begin]});
          }
          aggregator->aggregate({.index = t}, views, direction, comm);
          for (std::size_t i = 0; i < x.size(); ++i) x[i] -= 0.1F * direction[i];
        }
        const auto& laser = dynamic_cast<const LowRank<float>&>(*aggregator);
        std::vector<float>& state = states[comm.rank()];
        state = x;
        state.insert(state.end(), laser.p().begin(), laser.p().end());
        state.insert(state.end(), laser.q().begin(), laser.q().end());
        for (std::uint32_t w = 0; w < mine.size(); ++w) {
          memories[mine.begin + w].assign(laser.memory(w).begin(), laser.memory(w).end());
        }
      });
      for (const auto& state : states) EXPECT_EQ(state, states[0]) << ranks;
      for (std::uint32_t w = 1; w < kWorkers; ++w) EXPECT_NE(memories[w], memories[0]);
      memories.insert(memories.begin(), states[0]);
      if (first.empty()) first = memories;
      EXPECT_EQ(memories, first) << ranks;  // state, then the memories of the same workers
    }
  }
}

// --- memories stay bounded ---

TEST(LowRank, MemoriesStayBoundedWhereWorkersDisagree) {
  const Layout layout = matrix_layout(20, 20);
  Session<double> session("lowrank:form=alternating,rank=2", layout, 4);
  const auto& low_rank = session.as<LowRank<double>>();
  // What published implementations do: subtract the mean of what was sent.
  oracle::LowRankOracle global{.p = columns(low_rank.p(), 20),
                               .q = columns(low_rank.q(), 20),
                               .memory = std::vector<Matrix>(4, oracle::zeros(20, 20))};
  const auto size_of = [](const auto& memories) {
    double total = 0;
    for (const Matrix& memory : memories) total += oracle::squared_norm(memory);
    return std::sqrt(total);
  };
  double early[2] = {};
  double late[2] = {};
  for (std::uint32_t t = 0; t < 800; ++t) {
    std::vector<std::vector<double>> gradients;
    std::vector<Matrix> matrices;
    for (std::uint32_t w = 0; w < 4; ++w) {
      gradients.push_back(normals<double>(400, t, w));
      matrices.push_back(to_matrix<double>(gradients.back(), 20, 20));
    }
    session.round(t, gradients);
    const auto before = global.memory;
    const Matrix direction = global.alternating(t, matrices);
    for (std::size_t w = 0; w < 4; ++w) {
      global.memory[w] = oracle::sum(oracle::sum(before[w], matrices[w]), direction, -1);
    }
    std::vector<Matrix> memories;
    for (std::size_t w = 0; w < 4; ++w) {
      memories.push_back(to_matrix<double>(low_rank.memory(w), 20, 20));
    }
    if (t == 199) early[0] = size_of(memories), early[1] = size_of(global.memory);
    if (t == 799) late[0] = size_of(memories), late[1] = size_of(global.memory);
  }
  EXPECT_LT(late[0], 1.2 * early[0]);
  EXPECT_GT(late[1], 1.7 * early[1]);  // like sqrt(t): a factor of 2
}

TEST(LowRank, ReportsTheBytesOfOneBufferPerMessage) {
  const auto setup = [] {
    LoopSetup<float> out;
    out.layout = mixed_layout();
    out.workers = 3;
    out.gradient = [](std::uint32_t w, std::uint32_t t, std::span<const float>,
                      std::span<float> g) {
      rng::fill_normal(rng::Stream(2, {rng::Purpose::kTest, w, t, 0}), {}, g);
    };
    return out;
  }();
  const auto result = run_loop<float>("lowrank:rank=2", setup);
  EXPECT_EQ(result.uplink.payload_bits, 3U * 32 * (2 * (24 + 18) + 24));
  EXPECT_EQ(result.latency_steps, 4U);
  EXPECT_FALSE(result.channel.size() > 0);
}

TEST(LowRank, NamesTheWorkerWhoseGradientIsNotFinite) {
  for (const char* spec : {"lowrank:rank=2", "laser:rank=2,power=10"}) {
    LoopSetup<float> setup;
    setup.layout = mixed_layout();
    setup.workers = 4;
    setup.ranks = 2;
    setup.rounds = 3;
    setup.gradient = [](std::uint32_t w, std::uint32_t t, std::span<const float>,
                        std::span<float> g) {
      g[0] = 1;
      if (w == 2 && t == 1) g[24 * 18 + 5] = std::numeric_limits<float>::infinity();
    };
    try {
      run_loop<float>(spec, setup);
      ADD_FAILURE() << spec;
    } catch (const DivergedError& e) {
      EXPECT_EQ(e.place().worker, 2U) << spec;
      EXPECT_EQ(e.place().tensor, "b");
      EXPECT_EQ(e.place().round, 1U);
      EXPECT_EQ(e.place().index, 5U);
    }
  }
}

TEST(LowRank, SaysWhatItMeansForAModelBeforeItRuns) {
  const Layout layout({{.name = "w", .shape = {64, 576}},
                       {.name = "small", .shape = {8, 8}},
                       {.name = "b", .shape = {64, 1}, .role = Role::kBias}});
  const AggregatorSetup setup = {.layout = &layout, .workers = 4, .mine = {0, 4}};
  EXPECT_EQ(aggregator_notes(test::canonical_aggregator("laser:power=100,rank=4"), setup),
            (std::vector<std::string>{
                "2432 numbers in even rounds, 384 in odd ones, of 36992; 128 of them uncompressed",
                "lambda of 4 equal workers at P = 100: about 1.52 and 0.24 in turn; 23.1 for the "
                "whole gradient",
                "w: 64 x 576 as rank 4; for one worker both factors beat the matrix from P = 85.33 "
                "on (laser.md eq. 7)"}));
  EXPECT_EQ(aggregator_notes(test::canonical_aggregator("lowrank:rank=4"), setup),
            (std::vector<std::string>{"2688 numbers per round, of 36992; 128 of them uncompressed",
                                      "w: 64 x 576 as rank 4"}));
  EXPECT_TRUE(aggregator_notes(test::canonical_aggregator("dense"), setup).empty());
}

}  // namespace
}  // namespace laconic
