// SPDX-License-Identifier: Apache-2.0
// The numeric checks of quantized-adagrad.md section 6 that take several workers, and the ways back
// of the quantized aggregator.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "laconic/compress/shared_scale.hpp"
#include "laconic/rng/stream.hpp"
#include "tests/support/aggregate_loop.hpp"

namespace laconic {
namespace {

using test::run_loop;

template <Real T>
OptimizerFactory<T> factory(const std::string& text) {
  return [text](const Layout& layout) {
    Catalog catalog;
    add_optimizer_cards(catalog);
    const Spec spec = catalog.canonical(parse_spec(text).value_or_throw(), "optimizer");
    return optimizers<T>().make(spec, {.layout = &layout});
  };
}

// Five workers on least squares: worker w pulls x towards a point of its own, with noise. The last
// third of the coordinates has no gradient.
struct Game {
  Layout layout = Layout({{.name = "w", .shape = {20, 10}},
                          {.name = "b", .shape = {10, 1}, .role = Role::kBias},
                          {.name = "v", .shape = {7, 1}}});
  std::uint32_t workers = 5;
  template <Real T>
  void gradient(std::uint32_t worker, std::uint32_t round, std::span<const T> x,
                std::span<T> g) const {
    rng::fill_normal(rng::Stream(2, {rng::Purpose::kTest, worker, round, 0}), {.deviation = 0.3},
                     g);
    for (std::size_t i = 0; i < g.size(); ++i) {
      const double pull = static_cast<double>((i * 7 + worker * 3) % 11) / 5 - 1;
      g[i] = i % 3 == 2 ? T{0} : g[i] + x[i] - static_cast<T>(pull);
    }
  }
};

// The model after `rounds` rounds, the same on all ranks, or a failure.
template <Real T>
std::vector<T> play(const Game& game, const std::string& aggregator, const std::string& optimizer,
                    std::uint32_t ranks, std::uint32_t rounds) {
  std::vector<std::vector<T>> finals(ranks);
  const std::size_t dim = game.layout.size();
  run_on_threads(ranks, [&](Communicator& comm) {
    const WorkerBlock mine = workers_of_rank(game.workers, comm.rank(), comm.size());
    const auto method = aggregators<T>().make(
        test::canonical_aggregator(aggregator),
        {.layout = &game.layout, .workers = game.workers, .mine = mine, .seed = 8});
    const auto replica = factory<T>(optimizer)(game.layout);
    std::vector<T> x(dim, T{0});
    std::vector<T> direction(dim);
    if (method->sends_model()) method->start(x, factory<T>(optimizer));
    std::vector<std::vector<T>> gradients(mine.size(), std::vector<T>(dim));
    for (std::uint32_t round = 0; round < rounds; ++round) {
      std::vector<WorkerGradient<T>> views;
      for (std::uint32_t w = 0; w < mine.size(); ++w) {
        game.gradient<T>(mine.begin + w, round, x, gradients[w]);
        views.push_back({.worker = mine.begin + w, .values = gradients[w]});
      }
      const RoundReport& report = method->aggregate(
          {.index = round, .step_size = 0.2, .previous_step_size = 0.2}, views, direction, comm);
      EXPECT_EQ(report.refused_frames, 0U);
      if (method->sends_model()) {
        x = direction;
      } else {
        replica->step(x, direction, 0.2);
      }
    }
    finals[comm.rank()] = x;
  });
  for (const auto& x : finals) EXPECT_EQ(x, finals[0]) << aggregator;
  return finals[0];
}

const char* const kDown[] = {"quantized:thr-unb", "quantized:down=lossless:thr-unb",
                             "quantized:down=quantized:thr-unb", "quantized:down=sum:vaninf",
                             "quantized:down=sum:vaninf:levels=7"};

TEST(QadagradCheck03, WorkersWithShareOfTheBatchAreOneWorkerWithTheWholeBatch) {
  Game many;
  for (const char* optimizer : {"adagrad-cmd:l1=0.05", "adagrad-rda:l1=0.05"}) {
    const auto split = play<double>(many, "quantized:down=lossless:identity", optimizer, 2, 200);
    // One worker whose gradient is the mean of all.
    std::vector<double> x(many.layout.size(), 0.0);
    const auto replica = factory<double>(optimizer)(many.layout);
    double largest = 0;
    for (std::uint32_t round = 0; round < 200; ++round) {
      std::vector<double> mean(x.size(), 0.0);
      std::vector<double> g(x.size());
      for (std::uint32_t w = 0; w < many.workers; ++w) {
        many.gradient<double>(w, round, x, g);
        for (std::size_t i = 0; i < g.size(); ++i) mean[i] += g[i] / many.workers;
      }
      replica->step(x, mean, 0.2);
    }
    for (std::size_t i = 0; i < x.size(); ++i)
      largest = std::max(largest, std::abs(x[i] - split[i]) / std::max(1.0, std::abs(x[i])));
    EXPECT_LE(largest, 1e-5) << optimizer;
  }
}

TEST(QadagradCheck17, TheMeanOfEightWorkersHasAnEighthOfTheVariance) {
  constexpr std::uint32_t kDim = 50;
  constexpr std::uint32_t kRounds = 6000;
  std::vector<double> v(kDim);
  rng::fill_normal(rng::Stream(17, {rng::Purpose::kTest, 0, 0, 0}), {}, std::span<double>(v));
  double largest = 0;
  double sum = 0;
  double squares = 0;
  for (const double x : v) {
    largest = std::max(largest, std::abs(x));
    sum += std::abs(x);
    squares += x * x;
  }
  const double one = largest * sum - squares;
  for (const char* spec : {"quantized:down=lossless:vaninf", "quantized:down=sum:vaninf"}) {
    test::LoopSetup<double> setup;
    setup.layout = test::flat_layout(kDim);
    setup.workers = 8;
    setup.rounds = kRounds;
    setup.gradient = [&v](std::uint32_t, std::uint32_t, auto, std::span<double> g) {
      std::copy(v.begin(), v.end(), g.begin());
    };
    const auto result = run_loop<double>(spec, setup);
    double error = 0;
    for (const auto& q : result.directions) {
      for (std::uint32_t i = 0; i < kDim; ++i) error += (q[i] - v[i]) * (q[i] - v[i]) / kRounds;
    }
    EXPECT_NEAR(error, one / 8, 0.05 * one / 8) << spec;
  }
}

template <Real T>
void expect_exact_sums(std::uint32_t workers, std::uint32_t levels) {
  constexpr std::uint32_t kDim = 333;
  const SharedScale<T> shared = {.scale = static_cast<T>(2.5), .levels = levels};
  std::vector<std::int32_t> sums(kDim, 0);
  std::vector<std::int32_t> expected(kDim, 0);
  for (std::uint32_t w = 0; w < workers; ++w) {
    std::vector<T> x(kDim);
    rng::fill_normal(rng::Stream(18, {rng::Purpose::kTest, w, 0, 0}), {}, std::span<T>(x));
    x[0] = 10;  // beyond the scale: all plus, and all minus
    x[1] = -10;
    wire::Message message;
    write_shared_levels<T>(shared, {x, {kDim, 1}}, {.seed = 3, .worker = w}, message);
    wire::WireReader reader(message.bytes);
    add_shared_levels<T>(shared, reader, sums);
    ASSERT_TRUE(reader.finish());
    std::vector<std::int32_t> own(kDim, 0);
    wire::WireReader again(message.bytes);
    add_shared_levels<T>(shared, again, own);
    for (std::uint32_t i = 0; i < kDim; ++i) {
      expected[i] += own[i];
      EXPECT_LE(std::abs(static_cast<double>(own[i]) * 2.5 / levels -
                         std::clamp(static_cast<double>(x[i]), -2.5, 2.5)),
                2.5 / levels * (1 + 1e-6));
    }
  }
  EXPECT_EQ(sums, expected);
  const auto most = static_cast<std::int32_t>(workers * levels);
  EXPECT_EQ(sums[0], most);
  EXPECT_EQ(sums[1], -most);
  wire::Message message;
  write_level_sums(workers * levels, sums, message);
  const auto width = static_cast<std::uint32_t>(std::ceil(std::log2(2.0 * most + 1)));
  EXPECT_EQ(level_sum_bits(workers * levels), width);
  EXPECT_EQ(message.bytes.size(), (kDim * width + 7) / 8);
  std::vector<std::int32_t> decoded(kDim);
  wire::WireReader reader(message.bytes);
  read_level_sums(workers * levels, reader, decoded);
  EXPECT_TRUE(reader.finish());
  EXPECT_EQ(decoded, sums);
}
TEST(QadagradCheck17, SumsOfLevelsAreExactAndNeverOverflow) {
  for (const std::uint32_t workers : {1U, 2U, 3U, 8U, 100U}) {
    for (const std::uint32_t levels : {1U, 7U, 32767U}) {
      expect_exact_sums<float>(workers, levels);
      expect_exact_sums<double>(workers, levels);
    }
  }
}

TEST(SharedScale, RefusesWhatNoWriterSends) {
  std::vector<std::int32_t> sums(4);
  const auto fault_of_sums = [&](std::initializer_list<unsigned> values) {
    std::vector<std::byte> bytes;
    for (const unsigned value : values) bytes.push_back(static_cast<std::byte>(value));
    wire::WireReader reader(bytes);
    read_level_sums(2, reader, sums);  // three bits, 0 to 4
    return reader.finish().fault();
  };
  EXPECT_EQ(fault_of_sums({0, 0}), Fault::kNone);
  EXPECT_EQ(fault_of_sums({5, 0}), Fault::kBadValue);
  EXPECT_EQ(fault_of_sums({0, 16}), Fault::kNonZeroPadding);
  EXPECT_EQ(fault_of_sums({0}), Fault::kTruncated);
  EXPECT_EQ(fault_of_sums({0, 0, 0}), Fault::kTrailingBytes);
  // A body of another scale, and plain numbers between the levels.
  const std::vector<float> x = {1, 0, -1, 0};
  wire::Message message;
  write_shared_levels<float>({.scale = 1}, {x, {4, 1}}, {}, message);
  sums = {9, 9, 9, 9};
  wire::WireReader other(message.bytes);
  add_shared_levels<float>({.scale = 2}, other, sums);
  EXPECT_EQ(other.status().fault(), Fault::kBadValue);
  std::vector<std::byte> plain(17, std::byte{0});
  plain[3] = std::byte{0x40};  // 2.0
  wire::WireReader between(plain);
  add_shared_levels<float>({.scale = 1}, between, sums);
  EXPECT_EQ(between.status().fault(), Fault::kBadValue);
  EXPECT_EQ(sums, (std::vector<std::int32_t>{9, 9, 9, 9}));
}

std::string adagrad(bool dual, double delta, double lambda) {
  return std::string(dual ? "adagrad-rda" : "adagrad-cmd") + ":delta=" + shortest(delta) +
         ",l1=" + shortest(lambda);
}

// Random linear losses f_t(x) = <g_t, x> with an l1 term, x* the best fixed point in a ball.
void expect_regret_bound(bool dual) {
  constexpr std::uint32_t kDim = 12;
  constexpr std::uint32_t kRounds = 120;
  constexpr double kEta = 0.4;
  const Layout layout = test::flat_layout(kDim);
  const auto quantizer = compressors<double>().make(
      test::aggregate_catalog().canonical({.name = "vaninf"}, "compressor"), {});
  double ratio = 0;
  for (std::uint32_t trial = 0; trial < 200; ++trial) {
    rng::Reader random(rng::Stream(21, {rng::Purpose::kTest, trial, 0, 0}));
    std::vector<std::vector<double>> q(kRounds, std::vector<double>(kDim, 0.0));
    std::vector<double> drift(kDim);
    for (double& value : drift) value = 0.3 * random.normal();
    double largest = 0;
    for (std::uint32_t t = 0; t < kRounds; ++t) {
      std::vector<double> g(kDim);
      for (std::uint32_t i = 0; i < kDim; ++i) g[i] = drift[i] + random.normal();
      wire::Message message;
      quantizer->encode({g, {kDim, 1}}, {.seed = 1, .round = t, .tensor = trial}, message);
      wire::WireReader reader(message.bytes);
      ASSERT_TRUE(quantizer->decode_add(reader, {}, 1.0, {q[t], {kDim, 1}}));
      for (const double value : q[t]) largest = std::max(largest, std::abs(value));
    }
    const double lambda = trial % 3 == 0 ? 0 : 0.05;
    const double delta = dual ? largest : 1e-8;
    const auto optimizer = factory<double>(adagrad(dual, delta, lambda))(layout);
    std::vector<double> best(kDim);
    for (double& value : best) value = random.normal();
    double best_squares = 0;
    double best_max = 0;
    for (const double value : best) {
      best_squares += value * value;
      best_max = std::max(best_max, std::abs(value));
    }
    std::vector<double> x(kDim, 0.0);
    std::vector<double> squares(kDim, 0.0);
    double left = 0;
    double distance = 0;
    for (std::uint32_t t = 0; t < kRounds; ++t) {
      for (std::uint32_t i = 0; i < kDim; ++i) {
        left += q[t][i] * (x[i] - best[i]) + lambda * (std::abs(x[i]) - std::abs(best[i]));
        distance = std::max(distance, std::abs(x[i] - best[i]));
        squares[i] += q[t][i] * q[t][i];
      }
      optimizer->step(x, q[t], kEta);
    }
    double gamma = 0;
    for (const double value : squares) gamma += std::sqrt(value);
    const double right =
        dual ? delta / kEta * best_squares + best_max * best_max / kEta * gamma + kEta * gamma
             : distance * distance / (2 * kEta) * gamma + kEta * gamma +
                   delta / (2 * kEta) * best_squares;
    EXPECT_LE(left, right) << trial;
    ratio = std::max(ratio, left / right);
  }
  EXPECT_GT(ratio, 0.0) << "the bound says something";
}
TEST(QadagradCheck18, MirrorDescentKeepsItsRegretBound) { expect_regret_bound(false); }
TEST(QadagradCheck18, DualAveragingKeepsItsRegretBound) { expect_regret_bound(true); }

template <Real T>
void expect_replicas() {
  const Game game;
  for (const char* optimizer : {"adagrad-cmd:l1=0.05", "adagrad-rda:l1=0.05"}) {
    for (const char* down : kDown) {
      const auto one = play<T>(game, down, optimizer, 1, 1000);
      EXPECT_EQ(play<T>(game, down, optimizer, 2, 1000), one) << down;
      EXPECT_EQ(play<T>(game, down, optimizer, 4, 1000), one) << down;
      std::size_t zeros = 0;
      for (const T value : one) zeros += value == 0 ? 1U : 0U;
      EXPECT_GT(zeros, one.size() / 3) << "the model is sparse";
      EXPECT_LT(zeros, one.size());
    }
    EXPECT_EQ(play<T>(game, "quantized:thr-unb", optimizer, 2, 1000),
              play<T>(game, "quantized:down=lossless:thr-unb", optimizer, 2, 1000))
        << "the server's optimizer and everybody's give the same model";
    EXPECT_EQ(play<T>(game, "quantized:shards=3:thr-unb", optimizer, 2, 300),
              play<T>(game, "quantized:shards=1:thr-unb", optimizer, 2, 300));
  }
}
TEST(QadagradCheck20, ReplicasAreEqualAfterAThousandRoundsInFloat) { expect_replicas<float>(); }
TEST(QadagradCheck20, ReplicasAreEqualAfterAThousandRoundsInDouble) { expect_replicas<double>(); }

// Coordinate 0 has gradients of size below lambda, coordinate 1 a large one that makes the scale.
TEST(QadagradCheck21, QuantizationWakesCoordinatesUpAsOftenAsTheBinomialSays) {
  constexpr std::uint32_t kWorkers = 8;
  constexpr double kLambda = 0.15;
  constexpr std::uint32_t kRounds = 20000;
  const Layout layout = test::flat_layout(2);
  const auto awake = [&](const std::string& quantizer) {
    std::size_t count = 0;
    const auto comm = make_self_communicator();
    const auto method = aggregators<double>().make(
        test::canonical_aggregator("quantized:down=lossless:" + quantizer),
        {.layout = &layout, .workers = kWorkers, .mine = {0, kWorkers}, .seed = 4});
    std::vector<double> direction(2);
    for (std::uint32_t t = 0; t < kRounds; ++t) {
      // Half of the workers vote plus, half minus: the mean gradient is 0.
      std::vector<std::vector<double>> gradients;
      std::vector<WorkerGradient<double>> views;
      for (std::uint32_t w = 0; w < kWorkers; ++w)
        gradients.push_back({w % 2 == 0 ? 0.1 : -0.1, 1.0});
      for (std::uint32_t w = 0; w < kWorkers; ++w)
        views.push_back({.worker = w, .values = gradients[w]});
      method->aggregate({.index = t, .step_size = 0.1, .previous_step_size = 0.1}, views, direction,
                        *comm);
      // Every round is the first one of a coordinate at 0.
      const auto optimizer = factory<double>("adagrad-cmd:delta=0.01,l1=0.15")(layout);
      std::vector<double> x = {0, 0};
      optimizer->step(x, direction, 0.1);
      count += x[0] != 0 ? 1U : 0U;
    }
    return static_cast<double>(count) / kRounds;
  };
  EXPECT_EQ(awake("identity"), 0.0);
  // Four plus votes with probability 0.1 each, four minus votes; the mean has to pass lambda.
  const auto binomial = [](int k) {
    const double choose[] = {1, 4, 6, 4, 1};
    return choose[k] * std::pow(0.1, k) * std::pow(0.9, 4 - k);
  };
  double p = 0;
  for (int plus = 0; plus <= 4; ++plus) {
    for (int minus = 0; minus <= 4; ++minus) {
      if (std::abs(plus - minus) / 8.0 > kLambda) p += binomial(plus) * binomial(minus);
    }
  }
  EXPECT_NEAR(awake("vaninf"), p, 5 * std::sqrt(p * (1 - p) / kRounds));
}

TEST(Quantized, SumsAreTheMeanOfSharedLevels) {
  // Two exchanges: the reported bytes are those of both.
  test::LoopSetup<float> setup;
  setup.layout = test::flat_layout(64);
  setup.workers = 4;
  setup.rounds = 5;
  setup.gradient = [](std::uint32_t w, std::uint32_t round, auto, std::span<float> g) {
    rng::fill_normal(rng::Stream(2, {rng::Purpose::kTest, w, round, 0}), {}, g);
  };
  const auto result = run_loop<float>("quantized:down=sum:vaninf:levels=3", setup);
  for (std::uint32_t t = 0; t < setup.rounds; ++t) {
    float scale = 0;
    for (std::uint32_t w = 0; w < 4; ++w) {
      std::vector<float> g(64);
      setup.gradient(w, t, std::span<const float>(), g);
      for (const float value : g) scale = std::max(scale, std::abs(value));
    }
    for (const float q : result.directions[t]) {
      const double level = static_cast<double>(q) * 12 / static_cast<double>(scale);
      EXPECT_NEAR(level, std::round(level), 1e-5);
    }
  }
  EXPECT_EQ(result.latency_steps, 4U);
  // Sums of up to 12 either way: five bits per number.
  EXPECT_EQ(result.downlink.payload_bits, 5U * 4 * (32 + 64 * 5));
}

std::vector<std::string> problems_of(const std::string& spec) {
  return aggregator_problems(test::canonical_aggregator(spec), 4);
}

TEST(Quantized, SaysWhatDoesNotGoTogether) {
  EXPECT_EQ(problems_of("quantized:down=sum:thr-clip"),
            std::vector<std::string>{
                "quantized: down=sum needs vaninf, whose scale all workers can share; use "
                "quantized:down=sum:vaninf, or another down with thr-clip"});
  EXPECT_EQ(problems_of("quantized:down=sum:vaninf:bucket=64"),
            std::vector<std::string>{
                "quantized: down=sum shares one scale per tensor; leave out bucket=64"});
  EXPECT_EQ(problems_of("quantized:again=(thr-clip):van2"),
            std::vector<std::string>{"quantized: again=(thr-clip) has no effect with down=model; "
                                     "use down=quantized, or leave it out"});
  EXPECT_EQ(aggregator_problems(
                test::canonical_aggregator("quantized:down=sum:vaninf:levels=32767"), 65536),
            std::vector<std::string>{"quantized: sums of 32767 levels of 65536 workers do not fit; "
                                     "use at most 8192 levels"});
  for (const char* down : kDown) EXPECT_TRUE(problems_of(down).empty()) << down;
}

TEST(Quantized, AModelThatLeavesTheRangeOfNumbersHasDiverged) {
  test::LoopSetup<float> setup;
  setup.layout = test::flat_layout(3);
  setup.workers = 2;
  setup.ranks = 2;
  setup.rounds = 5;
  setup.step_size = [](std::uint32_t) { return 1e30; };
  setup.gradient = [](std::uint32_t, std::uint32_t, auto, std::span<float> g) {
    std::fill(g.begin(), g.end(), 1e10F);
  };
  EXPECT_THROW(run_loop<float>("quantized:identity", setup), DivergedError);
}

}  // namespace
}  // namespace laconic
