// SPDX-License-Identifier: Apache-2.0
// signsgd.md section 6, the checks about noise and votes: 10 to 15. Votes are counted by the real
// kernel.
#include "laconic/aggregate/vote_theory.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <functional>
#include <utility>
#include <vector>

#include "laconic/base/exact_math.hpp"
#include "laconic/kernels/kernels.hpp"
#include "laconic/rng/stream.hpp"

namespace laconic {
namespace {

// Unit-variance noise.
enum class Noise { kGaussian, kLaplace, kUniform };

double draw(Noise noise, rng::Reader& reader) {
  switch (noise) {
    case Noise::kGaussian:
      return reader.normal();
    case Noise::kLaplace: {
      const double u = reader.unit_double() - 0.5;
      const double magnitude = -exact::log(1.0 - 2.0 * std::fabs(u)) / std::sqrt(2.0);
      return u < 0 ? -magnitude : magnitude;
    }
    case Noise::kUniform:
      return (reader.unit_double() - 0.5) * std::sqrt(12.0);
  }
  return 0;
}

// P[S + noise < 0] in closed form.
double wrong_sign(Noise noise, double snr) {
  switch (noise) {
    case Noise::kGaussian:
      return exact::normal_cdf(-snr);
    case Noise::kLaplace:
      return 0.5 * exact::exp(-std::sqrt(2.0) * snr);
    case Noise::kUniform:
      return std::max(0.0, 0.5 - snr / std::sqrt(12.0));
  }
  return 0;
}

rng::Reader reader_for(std::uint32_t check, std::uint32_t variant) {
  return rng::Reader(rng::Stream(2026, {rng::Purpose::kTest, check, variant, 0}));
}

// Share of `trials` votes whose majority is negative (half of the ties), by the bit-sliced kernel:
// trial i is coordinate i, wrong(voter, reader) says whether the voter is wrong there.
double simulate_vote(std::uint32_t voters, std::size_t trials, rng::Reader& reader,
                     const std::function<bool(std::uint32_t, rng::Reader&)>& wrong) {
  const std::size_t words = kernels::words_for(trials);
  std::vector<std::vector<std::uint64_t>> planes(voters, std::vector<std::uint64_t>(words));
  std::vector<const std::uint64_t*> pointers;
  for (std::uint32_t v = 0; v < voters; ++v) {
    for (std::size_t i = 0; i < trials; ++i) {
      if (wrong(v, reader)) planes[v][i / 64] |= std::uint64_t{1} << (i % 64);
    }
    pointers.push_back(planes[v].data());
  }
  std::vector<std::uint64_t> negative(words);
  std::vector<std::uint64_t> tie(words);
  kernels::majority(pointers, trials, {.negative = negative, .tie = tie});
  double failures = 0;
  for (std::size_t w = 0; w < words; ++w) {
    failures += std::popcount(negative[w]) + 0.5 * std::popcount(tie[w]);
  }
  return failures / static_cast<double>(trials);
}

double standard_error(double p, double trials) {
  return std::sqrt(std::max(p * (1 - p), 1e-12) / trials);
}

TEST(SignsgdCheck10, DensityOfAMillionDrawsIsTheTextbookValue) {
  const std::pair<Noise, double> cases[] = {
      {Noise::kGaussian, 0.6366}, {Noise::kLaplace, 0.5}, {Noise::kUniform, 0.75}};
  for (const auto& [noise, expected] : cases) {
    rng::Reader reader = reader_for(10, static_cast<std::uint32_t>(noise));
    std::vector<float> v(1000000);
    for (float& value : v) value = static_cast<float>(draw(noise, reader));
    const std::span<const float> view = v;
    EXPECT_NEAR(density(kernels::l1_norm(view), kernels::squared_norm(view), 1e6), expected, 0.005);
  }
}

TEST(SignsgdCheck11, GaussBoundHoldsForUnimodalNoiseAndIsTightForUniform) {
  constexpr std::size_t kDraws = 1000000;
  for (const Noise noise : {Noise::kGaussian, Noise::kLaplace, Noise::kUniform}) {
    rng::Reader reader = reader_for(11, static_cast<std::uint32_t>(noise));
    std::vector<double> draws(kDraws);
    for (double& value : draws) value = draw(noise, reader);
    for (const double snr :
         {0.02, 0.05, 0.1, 0.2, 0.5, 0.8, 1.0, 1.1, 1.2, 1.5, 2.0, 3.0, 4.0, 6.0}) {
      const auto wrong = static_cast<double>(
          std::count_if(draws.begin(), draws.end(), [snr](double e) { return snr + e < 0; }));
      const double q = wrong / kDraws;
      const double se = standard_error(q, kDraws);
      EXPECT_LE(q, wrong_sign_bound(snr) + 5 * se) << "S = " << snr;
      EXPECT_LE(q, wrong_sign_bound_any_noise(snr) + 5 * se) << "S = " << snr;
      EXPECT_NEAR(q, wrong_sign(noise, snr), 5 * se + 1e-9) << "S = " << snr;
      if (noise == Noise::kUniform && snr < kCriticalSnr) {
        EXPECT_NEAR(q, wrong_sign_bound(snr), 5 * se) << "S = " << snr;
      }
    }
  }
}

TEST(SignsgdCheck12, SpotValuesOfTheExactFormula) {
  const std::pair<std::uint32_t, double> cases[] = {{1, 0.3821},  {3, 0.3264},  {7, 0.2559},
                                                    {15, 0.1731}, {31, 0.0897}, {101, 0.0080}};
  for (const auto& [voters, expected] : cases) {
    EXPECT_NEAR(vote_failure({.honest = voters}, wrong_sign(Noise::kGaussian, 0.3)), expected,
                0.0005)
        << voters;
  }
}

TEST(SignsgdCheck12, FailureTimesRootMTimesSnrIsAtMostOne) {
  double largest = 0;
  for (const Noise noise : {Noise::kGaussian, Noise::kLaplace, Noise::kUniform}) {
    for (std::uint32_t voters = 1; voters <= 99; voters += 2) {
      for (double snr = 0.02; snr <= 6; snr *= 1.25) {
        const double failure = vote_failure({.honest = voters}, wrong_sign(noise, snr));
        largest = std::max(largest, failure * std::sqrt(static_cast<double>(voters)) * snr);
        EXPECT_LE(failure, vote_failure_bound({.honest = voters}, snr));
      }
    }
  }
  EXPECT_LE(largest, 1.0);
  EXPECT_NEAR(largest, 0.29, 0.02);  // the page's measured maximum
}

TEST(SignsgdCheck12, MonteCarloAgreesWithTheExactBinomial) {
  constexpr std::size_t kTrials = 100000;
  for (const std::uint32_t voters : {1U, 2U, 3U, 8U, 15U, 31U}) {
    const double q = wrong_sign(Noise::kLaplace, 0.3);
    rng::Reader reader = reader_for(12, voters);
    const double simulated = simulate_vote(
        voters, kTrials, reader,
        [](std::uint32_t, rng::Reader& r) { return 0.3 + draw(Noise::kLaplace, r) < 0; });
    const double exact = vote_failure({.honest = voters}, q);
    EXPECT_NEAR(simulated, exact, 5 * standard_error(exact, kTrials)) << voters;
  }
}

TEST(SignsgdCheck13, MarginGrowsLikeTheRootOfTheNumberOfVoters) {
  const double q = wrong_sign(Noise::kGaussian, 0.05);
  const double alone = 0.5 - vote_failure({.honest = 1}, q);
  const std::pair<std::uint32_t, double> cases[] = {
      {3, 1.499}, {9, 2.456}, {25, 4.004}, {49, 5.543}, {101, 7.830}};
  constexpr std::size_t kTrials = 100000;
  for (const auto& [voters, ratio] : cases) {
    const double failure = vote_failure({.honest = voters}, q);
    EXPECT_NEAR((0.5 - failure) / alone, ratio, 0.002) << voters;
    EXPECT_NEAR(ratio, std::sqrt(2 * voters / 3.14159265), 0.1 * ratio) << voters;
    rng::Reader reader = reader_for(13, voters);
    const double simulated =
        simulate_vote(voters, kTrials, reader,
                      [q = q](std::uint32_t, rng::Reader& r) { return r.unit_double() < q; });
    EXPECT_NEAR(simulated, failure, 5 * standard_error(failure, kTrials)) << voters;
  }
}

// Noise 50 with probability 0.1, -1 with 0.9: mean 4.1, but nine votes of ten are wrong.
TEST(SignsgdCheck14, SkewedNoiseMakesMoreVotersWorseAndBatchesRepairIt) {
  constexpr std::size_t kTrials = 100000;
  const std::pair<std::uint32_t, double> cases[] = {{1, 0.900}, {3, 0.972}, {9, 0.999}};
  for (const auto& [voters, expected] : cases) {
    rng::Reader reader = reader_for(14, voters);
    const double simulated =
        simulate_vote(voters, kTrials, reader,
                      [](std::uint32_t, rng::Reader& r) { return r.unit_double() >= 0.1; });
    EXPECT_NEAR(vote_failure({.honest = voters}, 0.9), expected, 0.001);
    EXPECT_NEAR(simulated, vote_failure({.honest = voters}, 0.9),
                5 * standard_error(expected, kTrials));
  }
  const auto batch_failure = [](std::uint32_t batch) {
    rng::Reader reader = reader_for(14, 1000 + batch);
    return simulate_vote(1, kTrials, reader, [batch](std::uint32_t, rng::Reader& r) {
      double sum = 0;
      for (std::uint32_t i = 0; i < batch; ++i) sum += r.unit_double() < 0.1 ? 50 : -1;
      return sum < 0;
    });
  };
  EXPECT_NEAR(batch_failure(8), 0.43, 0.01);
  EXPECT_NEAR(batch_failure(32), 0.034, 0.004);
  EXPECT_LT(batch_failure(64), 0.02);
}

TEST(SignsgdCheck15, InvertersDegradeTheVoteGracefullyAndOraclesFaster) {
  constexpr std::uint32_t kVoters = 27;
  constexpr double kSnr = 0.5;
  const double q = wrong_sign(Noise::kGaussian, kSnr);
  const std::pair<std::uint32_t, double> cases[] = {{0, 0.018}, {3, 0.050},  {6, 0.116},
                                                    {9, 0.235}, {11, 0.343}, {13, 0.468}};
  constexpr std::size_t kTrials = 100000;
  for (const auto& [inverters, expected] : cases) {
    const Electorate electorate = {.honest = kVoters - inverters, .inverters = inverters};
    EXPECT_NEAR(vote_failure(electorate, q), expected, 0.005) << inverters;
    EXPECT_LT(vote_failure(electorate, q), vote_failure_bound(electorate, kSnr)) << inverters;
    rng::Reader reader = reader_for(15, inverters);
    const double simulated = simulate_vote(
        kVoters, kTrials, reader, [inverters = inverters](std::uint32_t v, rng::Reader& r) {
          const bool wrong = kSnr + draw(Noise::kGaussian, r) < 0;
          return v < inverters ? !wrong : wrong;
        });
    EXPECT_NEAR(simulated, vote_failure(electorate, q), 5 * standard_error(expected, kTrials))
        << inverters;
  }
  EXPECT_NEAR(vote_failure({.honest = kVoters - 8, .against = 8}, q), 0.557, 0.01);
}

}  // namespace
}  // namespace laconic
