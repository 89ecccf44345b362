// SPDX-License-Identifier: Apache-2.0
// The numeric checks of 3pc.md section 6 that concern compressors alone: T1, T2, T4, T11 and T22.
#include <algorithm>
#include <numeric>

#include "tests/unit/compress/support.hpp"

namespace laconic::test {
namespace {

using oracle::minus;
using oracle::plus;
using oracle::squared;
using oracle::times;

TEST(ThreePcCheck01, TopKContracts) {
  constexpr std::size_t kSize = 40;
  for (const char* spec : {"topk:k=1", "topk:k=4", "topk:k=13", "topk:k=40"}) {
    const auto compressor = make<double>(spec);
    const double alpha = *compressor->traits(shape_of(kSize)).alpha;
    for (const Family family : {Family::kGaussian, Family::kHeavyTailed, Family::kSparse}) {
      for (std::uint32_t seed = 0; seed < 834; ++seed) {
        const Vector v = sample(family, kSize, seed);
        const Vector c = through(*compressor, v, context(seed));
        ASSERT_LE(squared(minus(c, v)), (1 - alpha) * squared(v) * (1 + 1e-12));
      }
    }
    for (std::uint32_t seed = 0; seed < 20; ++seed) {
      const Vector v = sample(Family::kFlat, kSize, seed);
      const Vector c = through(*compressor, v, context(seed));
      ASSERT_NEAR(squared(minus(c, v)), (1 - alpha) * squared(v), 1e-12 * squared(v));
    }
  }
}

TEST(ThreePcCheck01, TopKIsTheOracle) {
  for (const std::size_t size : {1U, 2U, 40U, 129U, 1500U}) {
    for (const Family family : {Family::kGaussian, Family::kSparse, Family::kFlat}) {
      const Vector v = sample(family, size, 5);
      for (const std::size_t k : {std::size_t{1}, size / 3 + 1, size}) {
        EXPECT_EQ(through(*make<double>("topk:k=" + std::to_string(k)), v, context(0)),
                  oracle::top_k(v, k));
      }
    }
  }
}

struct Unbiased {
  const char* spec;
  std::uint32_t workers;
  std::size_t size;
};

TEST(ThreePcCheck02, UnbiasedCompressorsHaveTheRightMeanAndVariance) {
  for (const auto& [spec, workers, size] :
       std::initializer_list<Unbiased>{{"randk:k=4", 1, 20},
                                       {"randk:correlated=true,k=3", 1, 20},
                                       {"permk", 4, 20},
                                       {"permk", 3, 20},
                                       {"permk", 12, 4},
                                       {"permk", 7, 3},
                                       {"randperm_block:k=2", 4, 20},
                                       {"randperm_block:k=2", 3, 20},
                                       {"randperm_global:k=8", 4, 20},
                                       {"randperm_global:k=2", 7, 3},
                                       {"natural", 1, 20},
                                       {"dithering:s=2", 1, 20},
                                       {"dithering:p=inf,s=5", 1, 20},
                                       {"natdithering:s=3", 1, 20},
                                       {"natdithering:p=inf,s=5", 1, 20},
                                       {"qsgd:bucket=7,s=2", 1, 20},
                                       {"terngrad", 1, 20},
                                       {"bernoulli:p=0.3", 1, 20},
                                       {"bernoulli:p=0.6:randk:k=5", 1, 20},
                                       {"compose:first=(randk:k=5):natural", 1, 20}}) {
    SCOPED_TRACE(std::string(spec) + " of " + std::to_string(workers));
    const auto compressor = make<double>(spec, workers);
    const Traits traits = compressor->traits(shape_of(size));
    ASSERT_TRUE(traits.unbiased);
    const Vector v = sample(Family::kGaussian, size, 1);
    std::vector<Mean> means(size);
    Mean error;
    for (std::uint32_t round = 0; round < 20000; ++round) {
      const Vector c = through(*compressor, v, context(round, workers / 2, workers));
      for (std::size_t j = 0; j < size; ++j) means[j].add(c[j]);
      error.add(squared(minus(c, v)));
    }
    for (std::size_t j = 0; j < size; ++j) EXPECT_TRUE(means[j].is(v[j])) << j;
    EXPECT_LE(error.value(), *traits.omega * squared(v) + 5 * error.error());
  }
}

TEST(ThreePcCheck02, SelectionsHaveExactlyTheVarianceThatTheyPromise) {
  for (const auto& [spec, workers, size] :
       std::initializer_list<Unbiased>{{"randk:k=4", 1, 20},
                                       {"permk", 4, 20},
                                       {"permk", 3, 20},
                                       {"permk", 12, 4},
                                       {"permk", 7, 3},
                                       {"randperm_block:k=2", 4, 20},
                                       {"randperm_block:k=2", 3, 20},
                                       {"randperm_global:k=8", 4, 20},
                                       {"randperm_global:k=2", 7, 3},
                                       {"bernoulli:p=0.3", 1, 20}}) {
    SCOPED_TRACE(std::string(spec) + " of " + std::to_string(workers));
    const auto compressor = make<double>(spec, workers);
    const Vector v = sample(Family::kGaussian, size, 2);
    Mean error;
    for (std::uint32_t round = 0; round < 20000; ++round) {
      error.add(squared(minus(through(*compressor, v, context(round, 0, workers)), v)));
    }
    EXPECT_TRUE(error.is(*compressor->traits(shape_of(size)).omega * squared(v)));
  }
}

TEST(ThreePcCheck02, RandPermConstantsOfThePoster) {
  // d = 1000, n = 100: the block version of Rand4 after Perm10, and the authors' own.
  const Shape shape = shape_of(1000);
  EXPECT_DOUBLE_EQ(*make<double>("randperm_block:k=4", 100)->traits(shape).omega, 249);
  EXPECT_DOUBLE_EQ(*make<double>("randperm_global:k=4", 100)->traits(shape).omega, 24999);
  EXPECT_DOUBLE_EQ(*make<double>("permk", 100)->traits(shape).omega, 99);
}

template <class Outcomes>
void expect_outcomes(const char* spec, const Vector& v, Outcomes outcomes) {
  const auto compressor = make<double>(spec);
  constexpr double kDraws = 4000;
  std::vector<double> up(v.size(), 0.0);
  for (std::uint32_t round = 0; round < kDraws; ++round) {
    const Vector c = through(*compressor, v, context(round));
    for (std::size_t j = 0; j < v.size(); ++j) {
      const oracle::TwoOutcomes expected = outcomes(v[j]);
      const double magnitude = std::abs(c[j]);
      const bool low = std::abs(magnitude - expected.lower) <= 1e-13 * expected.upper;
      const bool high = std::abs(magnitude - expected.upper) <= 1e-13 * expected.upper;
      ASSERT_TRUE(low || high) << spec << ": " << v[j] << " became " << c[j];
      ASSERT_TRUE(c[j] == 0 || std::signbit(c[j]) == std::signbit(v[j]));
      up[j] += (low ? 0 : 1) / kDraws;
    }
  }
  for (std::size_t j = 0; j < v.size(); ++j) {
    const oracle::TwoOutcomes expected = outcomes(v[j]);
    if (expected.upper == expected.lower) continue;
    const double p = 1 - expected.down;
    EXPECT_NEAR(up[j], p, 5 * (std::sqrt(p * (1 - p) / kDraws) + 1 / kDraws))
        << spec << " of number " << j;
  }
}

TEST(ThreePcCheck02, RoundingAtRandomHasTheTwoOutcomesOfTheOracle) {
  Vector v = sample(Family::kHeavyTailed, 30, 3);
  v[4] = 0;
  v[5] = 4.0 / 3;
  expect_outcomes("natural", v, [](double x) { return oracle::natural(x); });
  const double norm = std::sqrt(squared(v));
  for (const int s : {1, 2, 7}) {
    expect_outcomes(("dithering:s=" + std::to_string(s)).c_str(), v,
                    [&](double x) { return oracle::dithering(x, norm, s); });
    expect_outcomes(("natdithering:s=" + std::to_string(s)).c_str(), v,
                    [&](double x) { return oracle::natural_dithering(x, norm, s); });
  }
  double largest = 0;
  for (const double x : v) largest = std::max(largest, std::abs(x));
  expect_outcomes("terngrad", v, [&](double x) { return oracle::dithering(x, largest, 1); });
}

TEST(ThreePcCheck02, TheWorstNumberOfNaturalHasVarianceOneEighth) {
  for (int k = -20; k < 20; ++k) {
    const double v = std::ldexp(4.0 / 3, k);
    const oracle::TwoOutcomes two = oracle::natural(v);
    const double variance = two.down * (v - two.lower) * (v - two.lower) +
                            (1 - two.down) * (two.upper - v) * (two.upper - v);
    EXPECT_NEAR(variance / (v * v), 1.0 / 8, 1e-14);
  }
}

TEST(ThreePcCheck04, TopKMakesTheEf21InequalityTight) {
  // Flat v, h - y = v, x - y = -s v with the best s: both sides agree.
  constexpr std::size_t kSize = 40;
  const auto compressor = make<double>("topk:k=4");
  const double u = std::sqrt(1 - *compressor->traits(shape_of(kSize)).alpha);
  const double s = 1 / u - 1;
  Vector v = sample(Family::kFlat, kSize, 6);
  for (double& value : v) value = value < 0 ? -1 : 1;
  const Vector difference = times(-s - 1, v);  // x - h
  const Vector error = minus(through(*compressor, difference, context(0)), difference);
  const double rhs = u * squared(v) + u * u / (1 - u) * s * s * squared(v);
  EXPECT_NEAR(squared(error) / rhs, 1, 1e-12);
}

TEST(ThreePcCheck04, RandomSelectionsReachTheirConstantsInsideThreePointMaps) {
  constexpr std::size_t kSize = 40;
  const auto contractive = make<double>("crandk:k=4");
  const auto unbiased = make<double>("randk:k=5");
  const double alpha = 0.1;
  const double omega = 7;
  const Vector h_minus_y = sample(Family::kGaussian, kSize, 7);
  const Vector x_minus_y = sample(Family::kHeavyTailed, kSize, 8);
  Mean v1;
  Mean v2;
  Mean v5;
  for (std::uint32_t round = 0; round < 20000; ++round) {
    const CompressContext first = child(context(round), 0);
    const CompressContext second = child(context(round), 1);
    v1.add(squared(minus(through(*contractive, x_minus_y, first), x_minus_y)));
    // x - b = (x - y) - (h - y) - Q(x - y).
    const Vector q = through(*unbiased, x_minus_y, first);
    const Vector rest = minus(minus(x_minus_y, h_minus_y), q);
    v2.add(squared(minus(through(*contractive, rest, second), rest)));
    v5.add(squared(plus(h_minus_y, minus(q, x_minus_y))));  // given tails
  }
  EXPECT_TRUE(v1.is((1 - alpha) * squared(x_minus_y)));
  EXPECT_TRUE(v2.is((1 - alpha) * (squared(h_minus_y) + omega * squared(x_minus_y))));
  EXPECT_TRUE(v5.is(squared(h_minus_y) + omega * squared(x_minus_y)));
}

struct Together {
  const char* spec;
  std::uint32_t workers;
  std::size_t size;
};

// E|(1/n) sum C_i(a_i) - mean|^2, and (1/n) sum |a_i|^2, |mean|^2.
TEST(ThreePcCheck11, TheMeanOfAllWorkersHasExactlyTheErrorPromised) {
  for (const auto& [spec, workers, size] :
       std::initializer_list<Together>{{"permk", 4, 20},
                                       {"permk", 3, 20},
                                       {"permk", 12, 4},
                                       {"permk", 7, 3},
                                       {"permk", 5, 5},
                                       {"randperm_block:k=2", 4, 20},
                                       {"randperm_block:k=2", 3, 20},
                                       {"randperm_global:k=8", 4, 20},
                                       {"randperm_global:k=2", 7, 3},
                                       {"randk:k=4", 5, 20},
                                       {"bernoulli:p=0.4", 5, 20},
                                       {"bernoulli:p=0.4:permk", 4, 20}}) {
    SCOPED_TRACE(std::string(spec) + " of " + std::to_string(workers));
    const auto compressor = make<double>(spec, workers);
    std::vector<Vector> a;
    Vector mean(size, 0.0);
    double norms = 0;
    for (std::uint32_t w = 0; w < workers; ++w) {
      a.push_back(sample(Family::kGaussian, size, w));
      for (double& value : a.back()) value += 1;
      mean = plus(mean, times(1.0 / workers, a.back()));
      norms += squared(a.back()) / workers;
    }
    Mean error;
    for (std::uint32_t round = 0; round < 10000; ++round) {
      Vector sum(size, 0.0);
      for (std::uint32_t w = 0; w < workers; ++w)
        sum = plus(sum, through(*compressor, a[w], context(round, w, workers)));
      error.add(squared(minus(times(1.0 / workers, sum), mean)));
    }
    const Joint joint = *compressor->traits(shape_of(size)).joint;
    EXPECT_TRUE(error.is(joint.a * norms - joint.b * squared(mean)));
  }
}

TEST(ThreePcCheck11, ConstantsOfPermK) {
  const Joint blocks = *make<double>("permk", 4)->traits(shape_of(20)).joint;
  EXPECT_DOUBLE_EQ(blocks.a, 1);
  EXPECT_DOUBLE_EQ(blocks.b, 1);
  const Joint singles = *make<double>("permk", 12)->traits(shape_of(4)).joint;
  EXPECT_NEAR(singles.a, 3.0 / 11, 1e-15);
  EXPECT_NEAR(singles.b, 3.0 / 11, 1e-15);
}

TEST(ThreePcCheck11, EqualVectorsAggregateExactly) {
  for (const auto& [workers, size] : std::initializer_list<std::pair<std::uint32_t, std::size_t>>{
           {4, 20}, {3, 20}, {12, 4}, {7, 3}, {1, 6}}) {
    const auto compressor = make<double>("permk", workers);
    const Vector v = sample(Family::kGaussian, size, 4);
    for (std::uint32_t round = 0; round < 20; ++round) {
      Vector sum(size, 0.0);
      for (std::uint32_t w = 0; w < workers; ++w)
        sum = plus(sum, through(*compressor, v, context(round, w, workers)));
      EXPECT_LE(std::sqrt(squared(minus(times(1.0 / workers, sum), v))),
                1e-13 * std::sqrt(squared(v)));
    }
  }
}

TEST(ThreePcCheck11, TheSupportsPartitionTheCoordinates) {
  for (const std::uint32_t workers : {1U, 3U, 4U, 20U}) {
    for (const bool drop : {false, true}) {
      const auto compressor = make<double>(drop ? "cpermk:ragged=drop" : "cpermk", workers);
      const Vector v(20, 1.0);
      for (std::uint32_t round = 0; round < 20; ++round) {
        Vector sum(20, 0.0);
        for (std::uint32_t w = 0; w < workers; ++w)
          sum = plus(sum, through(*compressor, v, context(round, w, workers)));
        const auto kept = std::accumulate(sum.begin(), sum.end(), 0.0);
        EXPECT_EQ(*std::max_element(sum.begin(), sum.end()), 1.0);
        EXPECT_EQ(kept, drop ? static_cast<double>(20 / workers * workers) : 20.0);
      }
    }
  }
}

TEST(ThreePcCheck22, PartialParticipationIsTheBernoulliWrappedCompressor) {
  const std::string inner = "topk:k=3";
  const auto wrapped = make<double>("bernoulli:p=0.4,scale=false:" + inner);
  const auto plain = make<double>(inner);
  EXPECT_DOUBLE_EQ(*wrapped->traits(shape_of(30)).alpha, 0.4 * 0.1);
  Vector h_wrapped(30, 0.0);
  Vector h_plain(30, 0.0);
  int sent = 0;
  for (std::uint32_t round = 0; round < 500; ++round) {
    const Vector x = sample(Family::kGaussian, 30, round);
    h_wrapped = plus(h_wrapped, through(*wrapped, minus(x, h_wrapped), context(round)));
    // The same coin, thrown here.
    const bool heads = rng::Reader(own_stream(context(round))).unit_double() < 0.4;
    sent += heads ? 1 : 0;
    if (heads)
      h_plain = plus(h_plain, through(*plain, minus(x, h_plain), child(context(round), 0)));
    ASSERT_EQ(h_wrapped, h_plain);
    ASSERT_EQ(encoded(*wrapped, x, context(round)).bytes.empty(), !heads);
  }
  EXPECT_NEAR(sent, 200, 5 * 11);
}

}  // namespace
}  // namespace laconic::test
