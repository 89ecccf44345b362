// SPDX-License-Identifier: Apache-2.0
// Messages over the air, and laser.md 6 about power, noise and lambda: T1 to T4, T10 to T14, T22.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "laconic/aggregate/allocation.hpp"
#include "laconic/aggregate/laser_theory.hpp"
#include "laconic/aggregate/svd.hpp"
#include "laconic/aggregate/symbol_mean.hpp"
#include "laconic/channel/analog.hpp"
#include "laconic/rng/stream.hpp"
#include "tests/support/session.hpp"

namespace laconic {
namespace {

using aggregate::SymbolMean;
using test::LoopSetup;
using test::run_loop;
using test::Session;

rng::Reader reader(std::uint32_t id) {
  return rng::Reader(rng::Stream(31, {.purpose = rng::Purpose::kTest, .round = id}));
}

template <Real T>
std::vector<T> normals(std::size_t size, std::uint32_t round, std::uint32_t worker = 0) {
  std::vector<T> out(size);
  rng::fill_normal(rng::Stream(32, {rng::Purpose::kTest, worker, round, 0}), {}, std::span<T>(out));
  return out;
}

double norm(std::span<const double> x) {
  double total = 0;
  for (const double value : x) total += value * value;
  return std::sqrt(total);
}

// Sends fixed rows of some workers again and again, one round each.
class Air {
 public:
  Air(const std::string& spec, std::vector<std::size_t> sizes, std::uint32_t workers)
      : layout_(layout_of(sizes)),
        comm_(make_self_communicator()),
        mean_(aggregate::make_air_mean<double>(
            Args(test::canonical_aggregator(spec)),
            {.layout = &layout_, .workers = workers, .mine = {0, workers}, .seed = 6})) {
    std::size_t offset = 0;
    for (std::uint32_t b = 0; b < sizes.size(); ++b) {
      blocks_.push_back({.offset = offset, .size = sizes[b], .group = b});
      offset += sizes[b];
    }
    received_.resize(offset);
  }

  const std::vector<double>& send(std::uint32_t round, std::vector<std::vector<double>> rows) {
    std::vector<WorkerGradient<double>> views;
    std::vector<double*> pointers;
    for (std::uint32_t w = 0; w < rows.size(); ++w) {
      views.push_back({.worker = w, .values = gradient_});
      pointers.push_back(rows[w].data());
    }
    mean_->begin({.index = round}, views);
    mean_->mean({.blocks = blocks_, .rows = pointers}, received_, *comm_);
    return received_;
  }
  [[nodiscard]] const ChannelReport& report() { return *mean_->report().channel; }
  [[nodiscard]] const std::vector<AirBlock>& blocks() const { return blocks_; }
  [[nodiscard]] std::vector<double> noiseless() const {
    return {mean_->noiseless().begin(), mean_->noiseless().end()};
  }

 private:
  static Layout layout_of(const std::vector<std::size_t>& sizes) {
    std::size_t total = 0;
    for (const std::size_t size : sizes) total += size;
    return test::flat_layout(static_cast<std::uint32_t>(total));
  }
  Layout layout_;
  std::unique_ptr<Communicator> comm_;
  std::unique_ptr<SymbolMean<double>> mean_;
  std::vector<AirBlock> blocks_ = {};
  std::vector<double> received_ = {};
  std::vector<double> gradient_ = {0.0};  // what the messages are made of does not matter here
};

// docs/channels.md, to the digits that stand there.
TEST(AirMean, IsTheWorkedExampleOfThePage) {
  const std::vector<std::vector<double>> rows = {{3, 0, 4}, {1, 2, 2}};
  for (const char* form : {"physical", "effective"}) {
    Air air(std::string("air:power=8,form=") + form, {3}, 2);
    const std::vector<double> received = air.send(0, rows);
    const ChannelReport report = air.report();
    EXPECT_EQ(report.uses, 3U);
    EXPECT_NEAR(report.largest_energy, 8, 1e-12);
    EXPECT_NEAR(report.energy, (8 + 2.88) / 2, 1e-12);
    EXPECT_NEAR(report.predicted_lambda, 0.167, 0.0005);
    const std::vector<double> mean = air.noiseless();
    std::vector<double> noise(3, 0.0);
    add_channel_noise<double>({.seed = 6}, 1, noise);
    for (std::size_t i = 0; i < 3; ++i) {
      EXPECT_NEAR(mean[i], (std::vector<double>{2, 1, 3})[i], 1e-12);
      EXPECT_NEAR(received[i] - mean[i], 0.884 * noise[i], 0.0005 * std::fabs(noise[i])) << form;
    }
  }
}

const std::vector<std::size_t> kSizes = {10, 100, 37};

// What every worker sends, and its norms per block, worker after worker.
struct Rows {
  explicit Rows(std::uint32_t workers) {
    for (std::uint32_t w = 0; w < workers; ++w) {
      rows.push_back(normals<double>(147, 9, w));
      for (double& value : rows.back()) value *= 1 + 0.3 * w;
      std::size_t at = 0;
      for (const std::size_t size : kSizes) {
        norms.push_back(norm(std::span<const double>(rows.back()).subspan(at, size)));
        at += size;
      }
    }
    mean.assign(147, 0.0);
    for (const auto& row : rows) {
      for (std::size_t i = 0; i < mean.size(); ++i) mean[i] += row[i] / workers;
    }
  }
  std::vector<std::vector<double>> rows;
  std::vector<double> norms;
  std::vector<double> mean;
};

// --- T1 ---

TEST(LaserCheck01, SharesAddUpToOneForEveryRule) {
  rng::Reader random = reader(1);
  for (std::size_t rule = 0; rule < allocation_names().size(); ++rule) {
    for (const double exponent : {0.0, 1.0, 2.0, 0.5}) {
      for (int trial = 0; trial < 50; ++trial) {
        std::vector<AirBlock> blocks;
        std::uint32_t group = 0;
        for (std::size_t b = 0; b < 12; ++b) {
          if (b > 0 && random.below(2) == 0) ++group;
          blocks.push_back({.size = 1 + random.below(1000), .group = group});
        }
        std::vector<double> norms(12 * 5);
        for (double& value : norms) {
          value = random.below(4) == 0 ? 0 : std::exp(40 * random.unit_double() - 20);
        }
        std::vector<double> shares(12);
        allocate({.groups = static_cast<Allocation>(rule), .exponent = exponent}, blocks, norms,
                 shares);
        double total = 0;
        for (std::size_t b = 0; b < 12; ++b) {
          EXPECT_GE(shares[b], 0.0);
          total += shares[b];
          bool silent = true;
          for (std::size_t w = 0; w < 5; ++w) silent = silent && norms[w * 12 + b] == 0;
          EXPECT_EQ(shares[b] == 0, silent);
        }
        EXPECT_NEAR(total, 1.0, 1e-12);
      }
    }
  }
}

TEST(LaserCheck01, SharesOfSilentWorkersAreZero) {
  const std::vector<AirBlock> blocks = {{.size = 3, .group = 0}, {.size = 4, .group = 1}};
  std::vector<double> shares(2, 7.0);
  allocate({}, blocks, std::vector<double>{0, 0, 0, 0}, shares);
  EXPECT_EQ(shares, (std::vector<double>{0, 0}));
  allocate({}, blocks, std::vector<double>{0, 0, 1, 3}, shares);  // the first worker has no say
  EXPECT_EQ(shares, (std::vector<double>{0.25, 0.75}));
}

TEST(LaserCheck01, TheEnergyOfEveryWorkerIsAtMostThePower) {
  for (const char* rule : {"norm", "norm-sqrtd", "uniform", "numel", "numel2", "norm2"}) {
    const std::string spec = std::string("laser:power=7,allocation=") + rule;
    Air several(spec, kSizes, 5);
    several.send(0, Rows(5).rows);
    EXPECT_LE(several.report().largest_energy, 7 * (1 + 1e-12));
    EXPECT_LT(several.report().energy, 7.0);  // the budget is not used fully
    Air alone(spec, kSizes, 1);
    alone.send(0, Rows(1).rows);
    EXPECT_NEAR(alone.report().energy, 7.0, 7e-12);
    Air alike(spec, kSizes, 4);
    alike.send(0, std::vector<std::vector<double>>(4, Rows(1).rows[0]));
    EXPECT_NEAR(alike.report().energy, 7.0, 7e-12);
    EXPECT_NEAR(alike.report().largest_energy, 7.0, 7e-12);
  }
}

// --- T2, T3 ---

struct NoiseStatistics {
  std::vector<double> energy = {};  // by block, mean over the draws
  std::vector<double> mean = {};    // of what was received
};
NoiseStatistics measure_noise(Air& air, const Rows& rows, std::uint32_t draws) {
  NoiseStatistics out{.energy = std::vector<double>(kSizes.size(), 0.0),
                      .mean = std::vector<double>(rows.mean.size(), 0.0)};
  for (std::uint32_t t = 0; t < draws; ++t) {
    const auto& received = air.send(t, rows.rows);
    for (std::size_t b = 0; b < kSizes.size(); ++b) {
      const AirBlock& block = air.blocks()[b];
      for (std::size_t i = block.offset; i < block.offset + block.size; ++i) {
        out.energy[b] += std::pow(received[i] - rows.mean[i], 2) / draws;
        out.mean[i] += received[i] / draws;
      }
    }
  }
  return out;
}

TEST(LaserCheck02And03, NoiseHasTheStatedEnergyAndNoBiasInBothForms) {
  constexpr std::uint32_t kDraws = 4000;
  for (const std::uint32_t workers : {1U, 4U}) {
    const Rows rows(workers);
    for (const char* form : {"effective", "physical"}) {
      Air air(std::string("laser:power=7,form=") + form, kSizes, workers);
      const NoiseStatistics measured = measure_noise(air, rows, kDraws);
      std::vector<double> shares(kSizes.size());
      allocate({}, air.blocks(), rows.norms, shares);
      for (std::size_t b = 0; b < kSizes.size(); ++b) {
        double largest = 0;
        for (std::size_t w = 0; w < workers; ++w) {
          largest = std::max(largest, rows.norms[w * kSizes.size() + b]);
        }
        const double d = static_cast<double>(kSizes[b]);
        const double variance =
            largest * largest /
            (static_cast<double>(workers * workers) * 7 * shares[b]);  // sigma_b^2
        EXPECT_NEAR(measured.energy[b] / (d * variance), 1.0, 4 * std::sqrt(2 / (kDraws * d)))
            << form << " block " << b;
        // T3
        const AirBlock& block = air.blocks()[b];
        double bias = 0;
        for (std::size_t i = block.offset; i < block.offset + block.size; ++i) {
          bias += std::pow(measured.mean[i] - rows.mean[i], 2);
        }
        EXPECT_NEAR(bias / (variance * d / kDraws), 1.0, 5 * std::sqrt(2 / d));
      }
    }
  }
}

TEST(LaserCheck02And03, PredictedLambdaIsTheMeanOfTheMeasuredOne) {
  const Rows rows(3);
  Air air("laser:power=5,allocation=norm-sqrtd", kSizes, 3);
  double measured = 0;
  for (std::uint32_t t = 0; t < 2000; ++t) {
    air.send(t, rows.rows);
    measured += air.report().lambda / 2000;
  }
  // Relative deviation of one draw is at most sqrt(2 / 10), of the smallest block.
  EXPECT_NEAR(measured / air.report().predicted_lambda, 1.0, 5 * std::sqrt(0.2 / 2000));
}

TEST(LaserCheck03, DirectionsOfVariantAAreUnbiasedForTheProjection) {
  const Layout layout({{.name = "w", .shape = {12, 15}}});
  const auto g = normals<double>(layout.size(), 3);
  // Even rounds only, so that the basis stays.
  Session<double> noisy("laser:power=30,rank=2,memory=false", layout, 1);
  Session<double> clean("laser:power=30,rank=2,memory=false,channel=(noiseless)", layout, 1);
  clean.round(0, {g});
  constexpr std::uint32_t kDraws = 4000;
  std::vector<double> mean(layout.size(), 0.0);
  double lambda = 0;
  for (std::uint32_t t = 0; t < kDraws; ++t) {
    lambda = noisy.round(2 * t, {g}).channel->predicted_lambda;
    for (std::size_t i = 0; i < mean.size(); ++i) mean[i] += noisy.direction()[i] / kDraws;
  }
  double bias = 0;
  for (std::size_t i = 0; i < mean.size(); ++i) bias += std::pow(mean[i] - clean.direction()[i], 2);
  const double c2 = std::pow(norm(clean.direction()), 2);
  EXPECT_NEAR(bias / (lambda * c2 / kDraws), 1.0, 5 * std::sqrt(2.0 / 30));  // 2 x 15 entries
}

TEST(LaserCheck03, TheIdealSchemeIsUnbiasedForTheProduct) {
  const Layout layout({{.name = "w", .shape = {8, 10}}});
  const auto g = normals<double>(layout.size(), 4);
  Session<double> noisy("laser:power=300,rank=2,memory=false,variant=ideal", layout, 1);
  Session<double> clean("laser:power=300,rank=2,memory=false,variant=ideal,channel=(noiseless)",
                        layout, 1);
  clean.round(0, {g});
  constexpr std::uint32_t kDraws = 4000;
  double along = 0;
  double lambda = 0;
  for (std::uint32_t t = 0; t < kDraws; ++t) {
    lambda += noisy.round(t, {g}).channel->lambda / kDraws;
    for (std::size_t i = 0; i < g.size(); ++i) {
      along += noisy.direction()[i] * clean.direction()[i] / kDraws;
    }
  }
  // The ratio of the means; its deviation is at most sqrt(lambda / draws).
  EXPECT_NEAR(along / std::pow(norm(clean.direction()), 2), 1.0, 5 * std::sqrt(lambda / kDraws));
}

TEST(Svd, GivesTheBestApproximationAndIsExactForLowRank) {
  for (const auto& [rows, cols] : std::vector<std::pair<std::size_t, std::size_t>>{
           {5, 5}, {12, 7}, {7, 12}, {1, 9}, {30, 4}}) {
    const auto a = normals<double>(rows * cols, 5);
    aggregate::TruncatedSvd svd;
    const std::size_t full = std::min(rows, cols);
    svd.compute(rows, cols, full, a);
    double energy = 0;
    for (std::size_t j = 0; j < full; ++j) {
      energy += std::pow(svd.singular_values()[j], 2);
      EXPECT_LE(svd.singular_values()[j], svd.singular_values()[j > 0 ? j - 1 : 0]);
    }
    EXPECT_NEAR(energy, std::pow(norm(a), 2), 1e-12 * energy);
    double error = 0;
    for (std::size_t i = 0; i < rows; ++i) {
      for (std::size_t k = 0; k < cols; ++k) {
        double value = 0;
        for (std::size_t j = 0; j < full; ++j) {
          value += svd.singular_values()[j] * svd.left()[j * rows + i] * svd.right()[j * cols + k];
        }
        error += std::pow(value - a[i * cols + k], 2);
      }
    }
    EXPECT_LE(std::sqrt(error), 1e-12 * norm(a));
    for (std::size_t j = 0; j < full; ++j) {
      EXPECT_NEAR(norm(svd.left().subspan(j * rows, rows)), 1.0, 1e-12);
      EXPECT_NEAR(norm(svd.right().subspan(j * cols, cols)), 1.0, 1e-12);
    }
  }
  aggregate::TruncatedSvd zero;
  zero.compute(3, 4, 2, std::vector<double>(12, 0.0));
  EXPECT_EQ(zero.singular_values()[0], 0.0);
  EXPECT_EQ(norm(zero.left()), 0.0);
}

// --- T4 ---

TEST(LaserCheck04, NoiseIsWhiteOverCoordinatesRoundsAndBlocks) {
  // All messages alike, so that what is left after subtracting the mean is noise times a constant.
  const std::vector<std::size_t> sizes = {5000, 5000};
  Air air("laser:power=3", sizes, 2);
  const std::vector<double> row(10000, 1.0);
  std::vector<std::vector<double>> noise;
  constexpr std::uint32_t kRounds = 100;
  for (std::uint32_t t = 0; t < kRounds; ++t) {
    auto received = air.send(t, {row, row});
    for (double& value : received) value -= 1.0;
    noise.push_back(received);
  }
  double power = 0;
  double fourth = 0;
  double next = 0;
  double later = 0;
  double across = 0;
  for (std::uint32_t t = 0; t < kRounds; ++t) {
    for (std::size_t i = 0; i < 10000; ++i) {
      const double z = noise[t][i];
      power += z * z;
      fourth += z * z * z * z;
      if (i + 1 < 10000) next += z * noise[t][i + 1];
      if (t + 1 < kRounds) later += z * noise[t + 1][i];
      if (i < 5000) across += z * noise[t][i + 5000];
    }
  }
  const double n = 10000.0 * kRounds;
  EXPECT_LT(std::fabs(next / power), 4 / std::sqrt(n));
  EXPECT_LT(std::fabs(later / power), 4 / std::sqrt(n));
  EXPECT_LT(std::fabs(across / power), 4 / std::sqrt(n));
  EXPECT_NEAR(fourth / n / std::pow(power / n, 2), 3.0, 0.1);
}

TEST(LaserCheck04, WorkersDoNotAddNoiseOfTheirOwn) {
  // The sum before the division by K a has variance 1, whatever K: for equal messages of norm c the
  // noise of the mean is c / (K sqrt P) exactly.
  const std::vector<double> row(20000, 1.0);
  for (const std::uint32_t workers : {1U, 4U, 16U}) {
    Air air("laser:power=3", {20000}, workers);
    const auto& received = air.send(2, std::vector<std::vector<double>>(workers, row));
    double power = 0;
    for (const double value : received) power += (value - 1) * (value - 1);
    const double expected =
        20000.0 / (static_cast<double>(workers * workers) * 3.0);  // c^2 / (K^2 P)
    EXPECT_NEAR(power / 20000 / expected, 1.0, 5 * std::sqrt(2.0 / 20000));
  }
}

// --- T10 to T14: theory ---

TEST(LaserCheck10, TheOptimalSplitBeatsEveryGridPoint) {
  const double spots[2][5] = {{0.49963, 0.49638, 0.47214, 0.41421, 0.38778},
                              {0.49877, 0.48825, 0.41575, 0.24252, 0.10492}};
  const double powers[5] = {0.1, 1, 10, 100, 1e4};
  int which = 0;
  for (const MatrixSize size : {MatrixSize{20, 50}, MatrixSize{10, 784}, MatrixSize{64, 64}}) {
    for (int i = 0; i < 5; ++i) {
      const double p = powers[i];
      const double best = optimal_first_power(size, p);
      const auto value = [&](double first) {
        return rank_one_lambda(size, {.first = first, .second = p - first});
      };
      constexpr int kGrid = 200000;
      double grid_best = 1;
      double grid_value = std::numeric_limits<double>::infinity();
      for (int k = 1; k < kGrid; ++k) {
        const double x = p * k / kGrid;
        if (value(x) < grid_value) {
          grid_value = value(x);
          grid_best = x;
        }
      }
      EXPECT_LE(std::fabs(best - grid_best) / p, 1e-5);
      EXPECT_LE(value(best), grid_value * (1 + 1e-9));
      EXPECT_NEAR(best / p, which < 2 ? spots[which][i] : 0.5, 5e-6);
    }
    ++which;
  }
}

TEST(LaserCheck11, RankOneLambdaIsTheFormulaAndTheMeasuredMean) {
  const MatrixSize size{20, 50};
  EXPECT_NEAR(rank_one_lambda(size, {.first = 12, .second = 18}), 9.0741, 5e-5);
  EXPECT_NEAR(plain_lambda(size, 30), 33.333, 5e-4);
  const Layout layout({{.name = "w", .shape = {20, 50}}});
  std::vector<double> g;
  const auto u = normals<double>(20, 1);
  const auto v = normals<double>(50, 2);
  for (const double a : u) {
    for (const double b : v) g.push_back(a * b);
  }
  Session<double> session("laser:power=30,fraction=0.6,rank=1,memory=false,variant=ideal", layout,
                          1);
  constexpr std::uint32_t kDraws = 40000;
  double lambda = 0;
  for (std::uint32_t t = 0; t < kDraws; ++t) lambda += session.round(t, {g}).channel->lambda;
  EXPECT_NEAR(lambda / kDraws / 9.0741, 1.0, 0.02);
}

TEST(LaserCheck12, RankRLambdaAndItsBound) {
  const MatrixSize size{16, 40};
  const std::vector<double> sigma = {4, 2, 1, 0.5};
  const auto lambda = [&](double exponent) {
    std::vector<double> shares;
    double total = 0;
    for (const double s : sigma) total += std::pow(s, exponent);
    for (const double s : sigma) shares.push_back(std::pow(s, exponent) / total);
    return two_factor_lambda(size, 50, sigma, shares);
  };
  const double bound = two_factor_bound(size, 4, 50);
  EXPECT_NEAR(lambda(0), 25.344, 5e-4);
  EXPECT_NEAR(lambda(1), 16.772, 5e-4);
  EXPECT_NEAR(lambda(2), 124.56, 5e-3);
  EXPECT_NEAR(bound, 29.184, 5e-4);
  EXPECT_NEAR(plain_lambda(size, 50), 12.8, 1e-12);
  EXPECT_LE(lambda(0), bound);
  EXPECT_LE(lambda(1), bound);
  EXPECT_GT(lambda(2), bound);
}

TEST(LaserCheck12, TheIdealAggregatorHasTheLambdaOfEquation6) {
  // p_j and q_j have norm sqrt(sigma_j), so shares by their square are proportional to sigma_j.
  const Layout layout({{.name = "w", .shape = {16, 40}}});
  std::vector<double> g(layout.size(), 0.0);
  const double sigma[4] = {4, 2, 1, 0.5};
  for (std::size_t j = 0; j < 4; ++j) g[j * 40 + j] = sigma[j];
  for (const auto& [components, expected] :
       std::vector<std::pair<std::string, double>>{{"uniform", 25.344}, {"norm2", 16.772}}) {
    Session<double> four(
        "laser:power=50,rank=4,memory=false,variant=ideal,components=" + components, layout, 1);
    double lambda = 0;
    constexpr std::uint32_t kDraws = 3000;
    for (std::uint32_t t = 0; t < kDraws; ++t) lambda += four.round(t, {g}).channel->lambda;
    EXPECT_NEAR(lambda / kDraws / expected, 1.0, 0.03) << components;
  }
}

TEST(LaserCheck13, NoiseEnergyOfTheRulesAndNoRandomAllocationIsBetter) {
  const std::vector<double> norms = {1, 3, 0.5, 2};
  const std::vector<AirBlock> blocks = {{.size = 10, .group = 0},
                                        {.size = 100, .group = 1},
                                        {.size = 1000, .group = 2},
                                        {.size = 50, .group = 3}};
  const auto energy = [&](std::span<const double> shares) {
    double total = 0;
    for (std::size_t b = 0; b < 4; ++b) {
      total += static_cast<double>(blocks[b].size) * norms[b] * norms[b] / (20 * shares[b]);
    }
    return total;
  };
  const auto of = [&](Allocation rule) {
    std::vector<double> shares(4);
    allocate({.groups = rule}, blocks, norms, shares);
    return energy(shares);
  };
  EXPECT_NEAR(of(Allocation::kNorm), 295.75, 5e-3);
  EXPECT_NEAR(of(Allocation::kNormSqrtD), 199.180, 5e-4);
  EXPECT_NEAR(of(Allocation::kNorm2), 826.5, 5e-2);
  rng::Reader random = reader(13);
  for (int trial = 0; trial < 20000; ++trial) {
    std::vector<double> shares(4);
    double total = 0;
    for (double& share : shares) total += share = -std::log(1 - random.unit_double());
    for (double& share : shares) share /= total;
    ASSERT_GE(energy(shares), of(Allocation::kNormSqrtD) * (1 - 1e-12));
  }
}

TEST(LaserCheck14, TheBoundCrossesPlainLambdaAtTheBreakEvenPower) {
  for (const MatrixSize size : {MatrixSize{64, 576}, MatrixSize{20, 50}, MatrixSize{512, 4608}}) {
    for (const double rank : {1.0, 2.0, 4.0}) {
      const auto power = break_even_power(size, rank);
      ASSERT_TRUE(power.has_value());
      const auto excess = [&](double p) {
        return two_factor_bound(size, rank, p) - plain_lambda(size, p);
      };
      EXPECT_GT(excess(*power * (1 - 1e-9)), 0);
      EXPECT_LT(excess(*power * (1 + 1e-9)), 0);
    }
  }
  EXPECT_FALSE(break_even_power({16, 40}, 4).has_value());
}

// --- T22 ---

TEST(LaserCheck22, ScalingTheGradientsScalesTheNoiseAndNothingElse) {
  const Layout layout({{.name = "w", .shape = {20, 24}}, {.name = "b", .shape = {20, 1}}});
  Session<double> one("laser:power=9,rank=2", layout, 3);
  Session<double> big("laser:power=9,rank=2", layout, 3);
  for (std::uint32_t t = 0; t < 10; ++t) {
    std::vector<std::vector<double>> gradients;
    std::vector<std::vector<double>> scaled;
    for (std::uint32_t w = 0; w < 3; ++w) {
      gradients.push_back(normals<double>(layout.size(), t, w));
      scaled.push_back(gradients.back());
      for (double& value : scaled.back()) value *= 1024;  // a power of two: nothing rounds
    }
    const ChannelReport a = *one.round(t, gradients).channel;
    const ChannelReport b = *big.round(t, scaled).channel;
    EXPECT_NEAR(a.energy, b.energy, 1e-12 * a.energy);
    EXPECT_NEAR(a.lambda, b.lambda, 1e-9 * a.lambda);
    EXPECT_NEAR(a.predicted_lambda, b.predicted_lambda, 1e-12 * a.predicted_lambda);
    for (std::size_t i = 0; i < layout.size(); ++i) {
      ASSERT_NEAR(big.direction()[i], 1024 * one.direction()[i],
                  1e-9 * (1 + std::fabs(big.direction()[i])));
    }
  }
}

TEST(LaserCheck22, LambdaOfIdenticalWorkersFallsWithTheSquareOfTheirNumber) {
  const Layout layout({{.name = "w", .shape = {20, 24}}});
  const auto g = normals<double>(layout.size(), 1);
  const auto lambda = [&](std::uint32_t workers, double power) {
    Session<double> session("laser:rank=2,power=" + std::to_string(power), layout, workers);
    return session.round(0, std::vector<std::vector<double>>(workers, g)).channel->predicted_lambda;
  };
  for (const std::uint32_t workers : {2U, 4U, 16U, 64U}) {
    EXPECT_NEAR(lambda(workers, 9) * workers * workers / lambda(1, 9), 1.0, 1e-12);
    // Eq. (8): one block, r n / (K^2 P) in an even round.
    EXPECT_NEAR(lambda(workers, 9), alternating_lambda(2, 24, workers, 9),
                1e-12 * lambda(workers, 9));
  }
  EXPECT_NEAR(lambda(4, 90) * 10 / lambda(4, 9), 1.0, 1e-12);
}

// --- the channel's other sides ---

TEST(AirMean, SilentWorkersAreLeftOutOfTheMean) {
  const Rows rows(6);
  Air air("laser:power=7,channel=(noiseless:dropout=0.5)", kSizes, 6);
  const auto channel =
      channels().make(aggregator_catalog().canonical(
                          parse_spec("noiseless:dropout=0.5").value_or_throw(), "channel"),
                      {.seed = 6});
  for (std::uint32_t t = 0; t < 20; ++t) {
    std::vector<double> expected(147, 0.0);
    std::uint32_t active = 0;
    for (std::uint32_t w = 0; w < 6; ++w) active += channel->path(t, w).active ? 1 : 0;
    for (std::uint32_t w = 0; w < 6; ++w) {
      if (!channel->path(t, w).active) continue;
      for (std::size_t i = 0; i < 147; ++i) expected[i] += rows.rows[w][i] / active;
    }
    const auto& received = air.send(t, rows.rows);
    EXPECT_EQ(air.report().active, active);
    for (std::size_t i = 0; i < 147; ++i) ASSERT_NEAR(received[i], expected[i], 1e-12);
  }
}

TEST(AirMean, InvertedFadingIsTheMeanOfTheActiveWorkersWithMoreNoise) {
  const Rows rows(8);
  Air faded("laser:power=7,channel=(rayleigh:threshold=0.1)", kSizes, 8);
  Air plain("laser:power=7", kSizes, 8);
  double noisier = 0;
  for (std::uint32_t t = 0; t < 50; ++t) {
    faded.send(t, rows.rows);
    plain.send(t, rows.rows);
    EXPECT_LE(faded.report().largest_energy, 7 * (1 + 1e-12));
    noisier += faded.report().predicted_lambda / plain.report().predicted_lambda / 50;
  }
  EXPECT_GT(noisier, 1.5);
}

TEST(AirMean, StaleNormsAreClippedToTheBudget) {
  Air air("laser:power=7,channel=(noiseless:side_info=stale)", kSizes, 2);
  Rows rows(2);
  air.send(0, rows.rows);
  const auto small = air.noiseless();
  for (auto& row : rows.rows) {
    for (double& value : row) value *= 10;  // ten times what the others know
  }
  const auto& clipped = air.send(1, rows.rows);
  EXPECT_LE(air.report().largest_energy, 7 * (1 + 1e-12));
  EXPECT_LT(norm(clipped), 2 * norm(small));
  const auto& right = air.send(2, rows.rows);  // now they know
  for (std::size_t i = 0; i < small.size(); ++i) EXPECT_NEAR(right[i], 10 * small[i], 1e-9);
}

TEST(AirMean, QuantisedNormsCostALittlePower) {
  const Rows rows(3);
  Air exact("laser:power=7", kSizes, 3);
  Air coarse("laser:power=7,channel=(awgn:side_info=quantised,bits=8)", kSizes, 3);
  exact.send(0, rows.rows);
  coarse.send(0, rows.rows);
  EXPECT_LT(coarse.report().energy, exact.report().energy);
  EXPECT_GT(coarse.report().energy, 0.5 * exact.report().energy);
  EXPECT_GT(coarse.report().predicted_lambda, exact.report().predicted_lambda);
}

TEST(AirMean, ChargesSideInformationWhenAsked) {
  LoopSetup<float> setup;
  setup.layout = Layout({{.name = "w", .shape = {20, 24}}, {.name = "b", .shape = {20, 1}}});
  setup.workers = 3;
  setup.gradient = [](std::uint32_t, std::uint32_t, std::span<const float>, std::span<float> g) {
    std::fill(g.begin(), g.end(), 1.0F);
  };
  const auto free = run_loop<float>("laser:power=9,rank=2", setup);
  EXPECT_EQ(free.uplink.payload_bits, 0U);
  EXPECT_EQ(free.downlink.payload_bits, 3U * 32 * (2 * 24 + 20));
  EXPECT_EQ(free.channel[0].uses, 2U * 24 + 20);
  const auto charged = run_loop<float>("laser:power=9,rank=2,charge=true", setup);
  EXPECT_EQ(charged.uplink.payload_bits, 3U * 2 * 64);  // a norm for each of two blocks
  const auto coarse = run_loop<float>(
      "laser:power=9,rank=2,charge=true,channel=(awgn:side_info=quantised,bits=8)", setup);
  EXPECT_EQ(coarse.uplink.payload_bits, 3U * 2 * 8);
}

std::vector<std::string> problems_of(const std::string& spec, std::uint32_t workers = 4) {
  return aggregator_problems(test::canonical_aggregator(spec), workers);
}

TEST(Laser, RefusesWhatCannotBeMeantInOneLineEach) {
  const auto refusal = [](const std::string& spec) -> std::string {
    try {
      (void)test::canonical_aggregator(spec);
    } catch (const ConfigError& e) {
      return e.what();
    }
    return {};
  };
  EXPECT_NE(refusal("laser").find("power"), std::string::npos);
  EXPECT_NE(refusal("laser:power=0").find("power=0"), std::string::npos);
  EXPECT_NE(refusal("laser:power=-3").find("power=-3"), std::string::npos);
  EXPECT_NE(refusal("laser:power=1,rank=0").find("rank=0"), std::string::npos);
  EXPECT_NE(refusal("lowrank:rank=0").find("rank=0"), std::string::npos);
  EXPECT_EQ(problems_of("laser:power=1,channel=(rayleigh:inversion=false)"),
            std::vector<std::string>{
                "laser: over channel rayleigh without inversion the workers' signals arrive with "
                "random phases and their sum means nothing; use inversion=true"});
  EXPECT_EQ(problems_of("laser:power=1,course=increasing"),
            std::vector<std::string>{
                "laser: course=increasing needs horizon, the rounds over which the power changes; "
                "give the number of rounds of the run, at least 2"});
  EXPECT_EQ(problems_of("laser:power=1,variant=ideal").size(), 1U);
  EXPECT_TRUE(problems_of("laser:power=1,variant=ideal", 1).empty());
  EXPECT_EQ(problems_of("lowrank:rank=2,stacked_rank_one=true").size(), 1U);
  EXPECT_TRUE(problems_of("laser:power=1").empty());
}

}  // namespace
}  // namespace laconic
