// SPDX-License-Identifier: Apache-2.0
// The numeric checks of quantized-adagrad.md section 6 about quantizers, by number, and table 3.7.
#include <limits>
#include <thread>

#include "laconic/compress/error.hpp"
#include "laconic/compress/threshold.hpp"
#include "tests/oracle/qadagrad_oracle.hpp"
#include "tests/unit/compress/support.hpp"

namespace laconic::test {
namespace {

Vector normal_vector(std::size_t size, std::uint32_t seed) {
  return sample(Family::kGaussian, size, seed);
}

// One coordinate after the other: its mean over n draws against `expected`, with the standard error
// from the analytic variance.
void expect_means(const std::string& spec, const Vector& v, const Vector& expected,
                  const Vector& variance) {
  constexpr std::uint32_t kDraws = 200000;
  const auto compressor = make<double>(spec);
  Vector sum(v.size(), 0.0);
  for (std::uint32_t draw = 0; draw < kDraws; ++draw) {
    const Vector q = through(*compressor, v, context(draw));
    for (std::size_t i = 0; i < v.size(); ++i) sum[i] += q[i] - expected[i];
  }
  double squares = 0;
  double random = 0;
  for (std::size_t i = 0; i < v.size(); ++i) {
    const double deviation = sum[i] / kDraws;
    const double error = std::sqrt(variance[i] / kDraws);
    EXPECT_LE(std::abs(deviation), 5 * error + 1e-12) << spec << " " << i;
    if (variance[i] < 1e-12) continue;
    squares += deviation / error * (deviation / error);
    ++random;
  }
  EXPECT_GE(squares / random, 0.6) << spec;
  EXPECT_LE(squares / random, 1.5) << spec;
}

Vector rounding_variances(const Vector& v, double scale, double levels) {
  Vector out;
  for (const double x : v) out.push_back(oracle::rounding_variance({x}, scale, levels));
  return out;
}

TEST(QadagradCheck06, UnbiasedQuantizersHaveTheRightMeanInEveryCoordinate) {
  const Vector v = normal_vector(64, 1);
  const double two = std::sqrt(oracle::squared(v));
  const double inf = oracle::linf(v);
  for (const double levels : {1.0, 7.0}) {
    const std::string s = std::to_string(static_cast<int>(levels));
    expect_means("van2:levels=" + s, v, v, rounding_variances(v, two, levels));
    expect_means("vaninf:levels=" + s, v, v, rounding_variances(v, inf, levels));
  }
  const double tau = oracle::optimal_clip(v);
  Vector variance;
  for (const double x : v) variance.push_back(oracle::unbiased_error({x}, tau));
  expect_means("thr-unb", v, v, variance);
}

TEST(QadagradCheck06, ClippingHasTheMeanOfTheClippedVector) {
  const Vector v = normal_vector(64, 2);
  for (const double levels : {1.0, 7.0}) {
    const double tau = levels == 1 ? oracle::optimal_clip(v) : oracle::surrogate_clip(v, levels);
    Vector clipped;
    for (const double x : v) clipped.push_back(std::clamp(x, -tau, tau));
    expect_means("thr-clip:levels=" + std::to_string(static_cast<int>(levels)), v, clipped,
                 rounding_variances(v, tau, levels));
  }
}

double mean_error(const std::string& spec, const Vector& v, std::uint32_t draws) {
  const auto compressor = make<double>(spec);
  double sum = 0;
  for (std::uint32_t draw = 0; draw < draws; ++draw)
    sum += oracle::squared(oracle::minus(through(*compressor, v, context(draw)), v)) / draws;
  return sum;
}

TEST(QadagradCheck07, ErrorsAreExactlyTheVariancesOfThePage) {
  constexpr std::uint32_t kDraws = 4000;
  const Vector v = normal_vector(300, 3);
  const double two = std::sqrt(oracle::squared(v));
  const double inf = oracle::linf(v);
  const auto expect = [&](const std::string& spec, double expected) {
    EXPECT_NEAR(mean_error(spec, v, kDraws), expected, 0.03 * expected) << spec;
  };
  expect("van2", two * oracle::l1(v) - oracle::squared(v));
  expect("vaninf", inf * oracle::l1(v) - oracle::squared(v));
  for (const double levels : {1.0, 3.0, 15.0}) {
    const std::string s = std::to_string(static_cast<int>(levels));
    expect("van2:levels=" + s, oracle::rounding_variance(v, two, levels));
    expect("vaninf:levels=" + s, oracle::rounding_variance(v, inf, levels));
  }
  expect("thr-unb", oracle::unbiased_error(v, oracle::optimal_clip(v)));
  expect("thr-unb:k=0.25,rule=budget", oracle::unbiased_error(v, oracle::budget_threshold(v, 75)));
  expect("thr-clip", oracle::clip_error(v, oracle::optimal_clip(v), 1));
  expect("thr-clip:levels=7", oracle::clip_error(v, oracle::surrogate_clip(v, 7), 7));
}

TEST(QadagradCheck08, TheErrorOfVan2IsWithinItsBound) {
  for (std::uint32_t seed = 0; seed < 500; ++seed) {
    const std::size_t size = std::array<std::size_t, 4>{1, 2, 10, 1000}[seed % 4];
    const Vector v = sample(static_cast<Family>(seed / 4 % 4), size, seed);
    const double norm2 = oracle::squared(v);
    if (norm2 == 0) continue;
    const double d = static_cast<double>(size);
    for (const double levels : {1.0, 3.0, 7.0, 127.0}) {
      const double bound = std::min(d / (levels * levels), std::sqrt(d) / levels);
      const double error = oracle::rounding_variance(v, std::sqrt(norm2), levels);
      EXPECT_LE(error, bound * norm2 * (1 + 1e-12));
      const auto quantizer =
          make<double>("van2:levels=" + std::to_string(static_cast<int>(levels)));
      const Traits traits = quantizer->traits(shape_of(size));
      EXPECT_LE(traits.omega.value(), bound) << "what is promised is no weaker";
      EXPECT_LE(error, *traits.omega * norm2 * (1 + 1e-12));
    }
  }
}

TEST(QadagradCheck09, NoThresholdOfAGridIsBetterThanTheClosedForm) {
  for (std::uint32_t seed = 0; seed < 200; ++seed) {
    const std::size_t size = 2 + seed * 7 % 120;
    const Vector v = sample(static_cast<Family>(seed % 4), size, seed);
    const double largest = oracle::linf(v);
    if (largest == 0) continue;
    const double tau = compress::choose_threshold<double>({}, v);
    const double best = oracle::clip_error(v, tau, 1);
    constexpr int kGrid = 20000;
    double least = INFINITY;
    for (int i = 1; i <= kGrid; ++i)
      least = std::min(least, oracle::clip_error(v, largest * i / kGrid, 1));
    EXPECT_LE(best, least * (1 + 1e-9) + 1e-13 * oracle::squared(v)) << seed;
    bool equal = true;
    for (const double x : v) equal = equal && (x == 0 || std::abs(x) == largest);
    if (equal) {
      EXPECT_LE(best, 1e-13 * oracle::squared(v));
    } else {
      EXPECT_LT(tau, largest);
    }
  }
}

TEST(QadagradCheck09, TheRuleForMoreLevelsIsWithinOnePercentOfTheGrid) {
  for (const double levels : {3.0, 7.0, 15.0}) {
    for (std::uint32_t seed = 0; seed < 3; ++seed) {
      const Vector v = normal_vector(2000, seed);
      const double tau =
          compress::choose_threshold<double>({.levels = static_cast<std::uint32_t>(levels)}, v);
      double least = INFINITY;
      for (int i = 1; i <= 2000; ++i)
        least = std::min(least, oracle::clip_error(v, oracle::linf(v) * i / 2000, levels));
      EXPECT_LE(oracle::clip_error(v, tau, levels), 1.01 * least) << levels;
    }
  }
}

TEST(QadagradCheck10, TheDeadZoneHasTheErrorOfThePage) {
  const auto quantizer = make<double>("thr-hard");
  for (std::uint32_t seed = 0; seed < 200; ++seed) {
    const std::size_t size = seed < 120 ? 1 + seed % 12 : 10 * seed;
    const Vector v = sample(static_cast<Family>(seed % 4), size, seed);
    const double norm2 = oracle::squared(v);
    if (norm2 == 0) continue;
    const Vector q = through(*quantizer, v, context(0));
    const oracle::DeadZone best = oracle::dead_zone(v);
    EXPECT_NEAR(oracle::squared(oracle::minus(q, v)), norm2 - best.gain, 1e-5 * norm2);
    const double delta = best.gain / norm2;
    EXPECT_GE(delta, oracle::density(v) * (1 - 1e-12));
    EXPECT_GE(oracle::density(v), (1 - 1e-12) / static_cast<double>(size));
    // a_(k) >= alpha/2 >= a_(k+1)
    const double alpha = oracle::linf(q);
    for (std::size_t i = 0; i < size; ++i) {
      if (q[i] != 0) {
        EXPECT_GE(std::abs(v[i]), alpha / 2 * (1 - 1e-12));
      } else {
        EXPECT_LE(std::abs(v[i]), alpha / 2 * (1 + 1e-12));
      }
    }
  }
}

// Rows of table 3.7. A row names phi and max/rms of its vector, on which the errors depend: draws
// are taken that have them.
struct Row {
  const char* name;
  double (*draw)(rng::Reader&);
  double phi;
  double peak;
  std::array<double, 6> errors;
};
double signed_by(rng::Reader& reader, double magnitude) {
  return reader.below(2) == 0 ? magnitude : -magnitude;
}
const std::array<Row, 4> kTable = {{
    {"N(0,1)",
     [](rng::Reader& r) { return r.normal(); },
     0.63,
     3.4,
     {24.1, 1.69, 0.264, 0.185, 0.121, 0.21}},
    {"Laplace",
     [](rng::Reader& r) { return signed_by(r, -std::log(1 - r.unit_double())); },
     0.48,
     5.7,
     {21.0, 2.97, 0.369, 0.265, 0.137, 0.53}},
    {"heavy tail",
     [](rng::Reader& r) { return r.normal() * std::exp(0.7 * r.normal()); },
     0.37,
     8.8,
     {18.3, 4.38, 0.489, 0.354, 0.157, 0.99}},
    {"5 % dense",
     [](rng::Reader& r) { return r.unit_double() < 0.05 ? r.normal() : 0.0; },
     0.04,
     11.9,
     {5.3, 1.37, 0.274, 0.200, 0.120, 0.17}},
}};
constexpr std::array<const char*, 6> kColumns = {"van2",     "vaninf",  "thr-clip",
                                                 "thr-hard", "thr-unb", "vaninf:levels=3"};

TEST(QadagradCheck11, ErrorsAreThoseOfTable37AndInItsOrder) {
  constexpr std::size_t kSize = 1000;
  constexpr int kVectors = 12;
  constexpr std::uint32_t kDraws = 25;
  for (const Row& row : kTable) {
    std::array<double, 6> errors{};
    int found = 0;
    for (std::uint32_t seed = 0; found < kVectors && seed < 20000; ++seed) {
      rng::Reader reader(rng::Stream(37, {rng::Purpose::kTest, seed, 0, 0}));
      Vector v(kSize);
      for (double& x : v) x = row.draw(reader);
      const double norm2 = oracle::squared(v);
      const double peak = oracle::linf(v) / std::sqrt(norm2 / kSize);
      // As far apart as the page's rounding.
      if (std::abs(oracle::density(v) - row.phi) > 0.005 || std::abs(peak - row.peak) > 0.05)
        continue;
      ++found;
      for (std::size_t c = 0; c < kColumns.size(); ++c)
        errors[c] += mean_error(kColumns[c], v, kDraws) / norm2 / kVectors;
    }
    ASSERT_EQ(found, kVectors) << row.name;
    for (std::size_t c = 0; c < kColumns.size(); ++c)
      EXPECT_NEAR(errors[c], row.errors[c], 0.1 * row.errors[c]) << row.name << " " << kColumns[c];
    for (std::size_t c = 0; c + 2 < kColumns.size(); ++c)
      EXPECT_GT(errors[c], errors[c + 1]) << row.name << " " << kColumns[c];
  }
}

TEST(QadagradCheck11, TheDeadZoneOfManyNormalNumbersIsTheLloydMaxQuantizer) {
  const Vector v = normal_vector(200000, 1);
  const Vector q = through(*make<double>("thr-hard"), v, context(0));
  EXPECT_NEAR(oracle::squared(oracle::minus(q, v)) / oracle::squared(v), 0.190, 0.001);
}

constexpr std::array<const char*, 9> kAll = {
    "van2",     "van2:levels=7",     "vaninf",  "vaninf:levels=7",
    "thr-clip", "thr-clip:levels=7", "thr-unb", "thr-unb:k=0.3,rule=budget",
    "thr-hard"};

template <Real T>
void expect_equivariance() {
  for (const char* spec : kAll) {
    const auto quantizer = make<T>(spec);
    for (std::uint32_t seed = 0; seed < 20; ++seed) {
      const Vector wide = sample(static_cast<Family>(seed % 4), 150, seed);
      const std::vector<T> v(wide.begin(), wide.end());
      const Vector q = through(*quantizer, v, context(seed));
      std::vector<T> changed = v;
      for (T& x : changed) x = -x;
      EXPECT_EQ(through(*quantizer, changed, context(seed)), oracle::times(-1, q)) << spec;
      for (const int power : {-20, 3, 17}) {
        for (std::size_t i = 0; i < v.size(); ++i) changed[i] = std::ldexp(v[i], power);
        EXPECT_EQ(through(*quantizer, changed, context(seed)),
                  oracle::times(std::ldexp(1.0, power), q))
            << spec << " 2^" << power;
      }
    }
  }
}
TEST(QadagradCheck12, SignsAndPowersOfTwoPassThroughInFloat) { expect_equivariance<float>(); }
TEST(QadagradCheck12, SignsAndPowersOfTwoPassThroughInDouble) { expect_equivariance<double>(); }

// The draws of docs/reproducibility.md, in [0, 1).
double draw_of(const rng::Stream& stream, std::size_t i) {
  const std::uint32_t word = stream.word(16 * (i / 32) + i % 16);
  const std::uint64_t upper = i % 32 < 16 ? word % 65536 : word / 65536;
  const std::uint64_t lower = stream.word((std::uint64_t{1} << 33) + i);
  return std::ldexp(static_cast<double>(upper << 32 | lower), -48);
}

TEST(QadagradCheck12, ACoordinateDependsOnItsNumberItsDrawAndTheScaleAlone) {
  // That Q_i = f(v_i, U_i, scale) with the same f for all i: permuting coordinates together with
  // their draws permutes Q.
  for (const double levels : {1.0, 5.0, 300.0}) {
    const auto quantizer =
        make<double>("vaninf:levels=" + std::to_string(static_cast<int>(levels)));
    for (std::uint32_t round = 0; round < 20; ++round) {
      const Vector v = normal_vector(200, round);
      const double scale = oracle::linf(v);
      const Vector q = through(*quantizer, v, context(round));
      const rng::Stream stream = own_stream(context(round));
      for (std::size_t i = 0; i < v.size(); ++i) {
        const oracle::Level level = oracle::level_of(v[i], scale, levels);
        const double up = level.level + (draw_of(stream, i) < level.p ? 1 : 0);
        EXPECT_NEAR(q[i], std::copysign(scale * up / levels, v[i]), 1e-15 * scale);
      }
    }
  }
}

TEST(QadagradCheck13, AThresholdAtTheMaximumIsVanInf) {
  for (const char* levels : {"1", "7"}) {
    for (std::uint32_t round = 0; round < 50; ++round) {
      Vector v = normal_vector(100, round);
      v[3] = -4;  // the largest; tau is the same number
      const std::string s = levels;
      EXPECT_EQ(
          encoded(*make<double>("thr-clip:levels=" + s + ",rule=fixed,tau=4"), v, context(1)).bytes,
          encoded(*make<double>("vaninf:levels=" + s), v, context(1)).bytes);
    }
  }
}

TEST(QadagradCheck13, TheUnbiasedSamplerAtTheMaximumIsVanInfAndBelowEverythingExact) {
  Vector v = normal_vector(100, 7);
  v[3] = 4;
  for (std::uint32_t round = 0; round < 50; ++round)
    EXPECT_EQ(through(*make<double>("thr-unb:rule=fixed,tau=4"), v, context(round)),
              through(*make<double>("vaninf"), v, context(round)));
  EXPECT_EQ(through(*make<double>("thr-unb:rule=fixed,tau=1e-9"), v, context(0)), v);
  EXPECT_EQ(through(*make<double>("thr-unb:k=100,rule=budget"), v, context(0)), v);
}

TEST(QadagradCheck13, TheBudgetIsTheExpectedNumberOfNumbers) {
  const Vector v = sample(Family::kHeavyTailed, 500, 3);
  const auto quantizer = make<double>("thr-unb:k=50,rule=budget");
  Mean count;
  for (std::uint32_t round = 0; round < 2000; ++round) {
    const Vector q = through(*quantizer, v, context(round));
    count.add(500.0 - static_cast<double>(std::count(q.begin(), q.end(), 0.0)));
  }
  EXPECT_TRUE(count.is(50));
}

template <Real T>
void expect_degenerate() {
  using Limits = std::numeric_limits<T>;
  for (const char* spec : kAll) {
    const auto quantizer = make<T>(spec);
    for (const std::size_t size : {1U, 7U, 200U}) {
      const std::vector<T> zero(size, T{0});
      EXPECT_EQ(through(*quantizer, zero, context(0)), Vector(size, 0.0)) << spec;
      EXPECT_EQ(encoded(*quantizer, zero, context(0)).bytes.size(), 1 + sizeof(T)) << spec;
      std::vector<T> one = zero;
      one[size / 2] = static_cast<T>(-0.3);
      if (quantizer->traits(shape_of(size)).unbiased || size == 1 ||
          std::string(spec).starts_with("thr")) {
        for (std::uint32_t round = 0; round < 50; ++round)
          EXPECT_EQ(through(*quantizer, one, context(round)), Vector(one.begin(), one.end()))
              << spec;
      }
      // Denormal numbers, and the largest ones.
      std::vector<T> tiny(size, 3 * Limits::denorm_min());
      tiny[0] = -7 * Limits::denorm_min();
      std::vector<T> huge(size, Limits::max() / 4);
      huge[0] = -Limits::max() / 2;
      for (std::uint32_t round = 0; round < 20; ++round) {
        for (const double q : through(*quantizer, tiny, context(round)))
          EXPECT_LE(std::abs(q), 200 * static_cast<double>(Limits::denorm_min())) << spec;
        for (const double q : through(*quantizer, huge, context(round)))
          EXPECT_TRUE(std::isfinite(q)) << spec;
      }
    }
  }
}
TEST(QadagradCheck14, DegenerateVectorsInFloat) { expect_degenerate<float>(); }
TEST(QadagradCheck14, DegenerateVectorsInDouble) { expect_degenerate<double>(); }

TEST(QadagradCheck22, BytesDoNotDependOnTheNumberOfThreads) {
  constexpr std::uint32_t kTensors = 14;
  for (const char* spec : kAll) {
    const auto quantizer = make<float>(spec);
    std::vector<std::vector<float>> tensors;
    for (std::uint32_t t = 0; t < kTensors; ++t) {
      const Vector v = normal_vector(100 + 531 * t, t);
      tensors.emplace_back(v.begin(), v.end());
    }
    std::vector<std::vector<std::byte>> expected(kTensors);
    for (const std::uint32_t threads : {1U, 2U, 7U}) {
      std::vector<std::vector<std::byte>> bytes(kTensors);
      {
        std::vector<std::jthread> running;
        for (std::uint32_t w = 0; w < threads; ++w) {
          running.emplace_back([&, w] {
            for (std::uint32_t t = w; t < kTensors; t += threads)
              bytes[t] = encoded(*quantizer, tensors[t], context(t)).bytes;
          });
        }
      }
      if (threads == 1) expected = bytes;
      EXPECT_EQ(bytes, expected) << spec << " " << threads;
    }
  }
}

TEST(Thresholds, ParametersThatDoNothingAreNamed) {
  EXPECT_EQ(compressor_problems(canonical("thr-clip:tau=1"), 1),
            std::vector<std::string>{"thr-clip: tau=1 has no effect with rule=optimal; use "
                                     "rule=fixed, or leave it out"});
  EXPECT_EQ(compressor_problems(canonical("thr-unb:k=0.2"), 1),
            std::vector<std::string>{"thr-unb: k=0.2 has no effect with rule=optimal; use "
                                     "rule=budget, or leave it out"});
  EXPECT_TRUE(compressor_problems(canonical("thr-clip:rule=rms,tau=3"), 1).empty());
  EXPECT_EQ(compressor_catalog()
                .problems(parse_spec("vaninf:levels=0").value_or_throw(), "compressor")
                .size(),
            1U);
}

TEST(SignalToNoise, IsMinusTenTimesTheLogarithmOfTheRelativeError) {
  using Numbers = std::vector<double>;
  const auto snr = [](const Numbers& x, const Numbers& q) {
    return snr_db(distortion<double>(x, q));
  };
  const Numbers x = {3, 4};
  EXPECT_EQ(distortion<double>(x, Numbers{3, 3.5}), (Distortion{.signal = 25, .noise = 0.25}));
  EXPECT_NEAR(snr(x, {3, 3.5}), 20.0, 1e-12);
  EXPECT_EQ(snr(x, x), std::numeric_limits<double>::infinity());
  EXPECT_NEAR(snr(x, {0, 0}), 0.0, 1e-15);
  EXPECT_EQ(snr({0, 0}, {0, 0}), std::numeric_limits<double>::infinity());
  EXPECT_EQ(snr({0, 0}, x), -std::numeric_limits<double>::infinity());
}

}  // namespace
}  // namespace laconic::test
