// SPDX-License-Identifier: Apache-2.0
// The numeric checks of quantized-adagrad.md section 6 that take several workers, and the ways back
// of the quantized aggregator.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <mutex>

#include "laconic/compress/shared_scale.hpp"
#include "laconic/rng/stream.hpp"
#include "tests/oracle/qadagrad_oracle.hpp"
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

// What replicas have to agree about: the model, and what their optimizers remember (S2 and u).
template <Real T>
struct State {
  std::vector<T> x = {};
  std::vector<std::vector<double>> sums = {};
  bool operator==(const State&) const = default;
};

// The state after `rounds` rounds, the same on all ranks, or a failure. With down=model the sums
// are the numbers of all servers, sorted, because the ranks bring them in any order.
template <Real T>
State<T> play_all(const Game& game, const std::string& aggregator, const std::string& optimizer,
                  std::uint32_t ranks, std::uint32_t rounds) {
  std::vector<State<T>> finals(ranks);
  std::vector<std::vector<double>> served;  // by sum
  std::mutex mutex;                         // guards served
  const std::size_t dim = game.layout.size();
  run_on_threads(ranks, [&](Communicator& comm) {
    const WorkerBlock mine = workers_of_rank(game.workers, comm.rank(), comm.size());
    const auto method = aggregators<T>().make(
        test::canonical_aggregator(aggregator),
        {.layout = &game.layout, .workers = game.workers, .mine = mine, .seed = 8});
    const auto replica = factory<T>(optimizer)(game.layout);
    std::vector<T> x(dim, T{0});
    std::vector<T> direction(dim);
    std::vector<const Optimizer<T>*> servers;
    const auto make_server = [&](const Layout& layout) {
      auto server = factory<T>(optimizer)(layout);
      servers.push_back(server.get());
      return server;
    };
    if (method->sends_model()) method->start(x, make_server);
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
    finals[comm.rank()].x = x;
    if (!method->sends_model()) {
      for (const auto sum : replica->sums())
        finals[comm.rank()].sums.emplace_back(sum.begin(), sum.end());
    }
    const std::lock_guard lock(mutex);
    for (const Optimizer<T>* server : servers) {
      const auto sums = server->sums();
      served.resize(sums.size());
      for (std::size_t s = 0; s < sums.size(); ++s)
        served[s].insert(served[s].end(), sums[s].begin(), sums[s].end());
    }
  });
  for (const State<T>& state : finals) EXPECT_EQ(state, finals[0]) << aggregator;
  for (auto& sum : served) std::sort(sum.begin(), sum.end());
  if (!served.empty()) finals[0].sums = served;
  return finals[0];
}
template <Real T>
std::vector<T> play(const Game& game, const std::string& aggregator, const std::string& optimizer,
                    std::uint32_t ranks, std::uint32_t rounds) {
  return play_all<T>(game, aggregator, optimizer, ranks, rounds).x;
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
      aggregator_catalog().canonical({.name = "vaninf"}, "compressor"), {});
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
      const State<T> one = play_all<T>(game, down, optimizer, 1, 1000);
      EXPECT_EQ(play_all<T>(game, down, optimizer, 2, 1000), one) << down;
      EXPECT_EQ(play_all<T>(game, down, optimizer, 4, 1000), one) << down;
      std::size_t zeros = 0;
      for (const T value : one.x) zeros += value == 0 ? 1U : 0U;
      EXPECT_GT(zeros, one.x.size() / 3) << "the model is sparse";
      EXPECT_LT(zeros, one.x.size());
      const bool dual = std::string(optimizer).starts_with("adagrad-rda");
      ASSERT_EQ(one.sums.size(), dual ? 2U : 1U);
      EXPECT_EQ(one.sums[0].size(), one.x.size());
      EXPECT_GT(*std::max_element(one.sums[0].begin(), one.sums[0].end()), 0);
    }
    const State<T> server = play_all<T>(game, "quantized:thr-unb", optimizer, 2, 1000);
    State<T> everybody = play_all<T>(game, "quantized:down=lossless:thr-unb", optimizer, 2, 1000);
    for (auto& sum : everybody.sums) std::sort(sum.begin(), sum.end());
    EXPECT_EQ(server, everybody) << "the server's optimizer and everybody's give the same model";
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

// The mean of what arrives of the workers' gradients at x, and the mean of the gradients.
struct Means {
  std::vector<double> quantized = {};
  std::vector<double> raw = {};
};
Means means_at(const Game& game, const Compressor<double>& compressor, std::uint32_t round,
               std::span<const double> x) {
  Means out{std::vector<double>(x.size(), 0.0), std::vector<double>(x.size(), 0.0)};
  for (std::uint32_t w = 0; w < game.workers; ++w) {
    std::vector<double> g(x.size());
    std::vector<double> arrived(x.size(), 0.0);
    game.gradient<double>(w, round, x, g);
    std::uint32_t index = 0;
    for (const Tensor& tensor : game.layout.tensors()) {
      const CompressContext context = {
          .seed = 8, .worker = w, .workers = game.workers, .round = round, .tensor = index++};
      wire::Message message;
      compressor.encode(view_of<double>(tensor, g), context, message);
      wire::WireReader reader(message.bytes);
      EXPECT_TRUE(compressor.decode_add(reader, context, 1.0, span_of<double>(tensor, arrived)));
    }
    for (std::size_t i = 0; i < x.size(); ++i) {
      out.quantized[i] += arrived[i] / game.workers;
      out.raw[i] += g[i] / game.workers;
    }
  }
  return out;
}

std::vector<double> raw_matrix_oracle(const Game& game, const std::string& quantizer, bool dual,
                                      std::uint32_t rounds) {
  const auto compressor = compressors<double>().make(
      aggregator_catalog().canonical(parse_spec(quantizer).value_or_throw(), "compressor"), {});
  std::vector<oracle::AdagradCoordinate> truth;
  for (const Tensor& tensor : game.layout.tensors()) {
    const double lambda = tensor.role == Role::kBias ? 0 : 0.05;
    truth.insert(truth.end(), tensor.shape.size(), {.delta = 0.05, .lambda = lambda});
  }
  std::vector<double> x(truth.size(), 0.0);
  for (std::uint32_t round = 0; round < rounds; ++round) {
    const Means means = means_at(game, *compressor, round, x);
    for (std::size_t i = 0; i < x.size(); ++i) {
      if (dual) {
        truth[i].rda(means.quantized[i], 0.2, means.raw[i]);
      } else {
        truth[i].cmd(means.quantized[i], 0.2, means.raw[i]);
      }
      x[i] = truth[i].x;
    }
  }
  return x;
}

TEST(Quantized, AMatrixOfTheRawGradientsIsThatOfTheOracle) {
  const Game game;
  for (const std::string quantizer : {"vaninf", "thr-hard", "thr-unb:rule=fixed,tau=0.7"}) {
    for (const bool dual : {false, true}) {
      const std::string optimizer =
          std::string(dual ? "adagrad-rda" : "adagrad-cmd") + ":delta=0.05,l1=0.05";
      const std::string spec = "quantized:matrix=raw:" + quantizer;
      const auto one = play<double>(game, spec, optimizer, 1, 60);
      EXPECT_EQ(play<double>(game, spec, optimizer, 3, 60), one);
      EXPECT_EQ(play<double>(game, "quantized:matrix=raw,shards=3:" + quantizer, optimizer, 2, 60),
                one);
      EXPECT_NE(play<double>(game, "quantized:" + quantizer, optimizer, 1, 60), one);
      const auto truth = raw_matrix_oracle(game, quantizer, dual, 60);
      double largest = 0;
      for (std::size_t i = 0; i < one.size(); ++i)
        largest = std::max(largest, std::fabs(one[i] - truth[i]));
      EXPECT_LE(largest, 1e-9) << spec << " " << optimizer;
    }
  }
}

TEST(Quantized, TheRawGradientsAreCounted) {
  test::LoopSetup<float> setup;
  setup.layout = test::flat_layout(100);
  setup.workers = 3;
  setup.rounds = 4;
  setup.gradient = [](std::uint32_t w, std::uint32_t round, auto, std::span<float> g) {
    rng::fill_normal(rng::Stream(2, {rng::Purpose::kTest, w, round, 0}), {}, g);
  };
  // The optimizer of this loop has no matrix.
  EXPECT_THROW(run_loop<float>("quantized:matrix=raw:thr-hard", setup), std::logic_error);
  const Game game;
  Meter without;
  for (const bool raw : {false, true}) {
    const auto comm = make_self_communicator();
    const auto method = aggregators<double>().make(
        test::canonical_aggregator(raw ? "quantized:matrix=raw:thr-hard" : "quantized:thr-hard"),
        {.layout = &game.layout, .workers = 1, .mine = {0, 1}, .seed = 4});
    std::vector<double> x(game.layout.size(), 0.0);
    std::vector<double> g(x.size());
    method->start(x, factory<double>("adagrad-cmd"));
    game.gradient<double>(0, 0, x, g);
    const WorkerGradient<double> mine = {.worker = 0, .values = g};
    const Meter up = method
                         ->aggregate({.step_size = 0.1, .previous_step_size = 0.1},
                                     std::span(&mine, 1), x, *comm)
                         .uplink;
    if (!raw) without = up;
    EXPECT_EQ(up.payload_bits, without.payload_bits + (raw ? 64 * g.size() : 0));
    EXPECT_EQ(up.wire_bits, without.wire_bits + (raw ? 64 * g.size() : 0));
  }
}

// The mean over the last rounds of the function that the game's gradients are of, with its l1 term.
double objective_of(const std::string& aggregator) {
  const Game game;
  double sum = 0;
  for (const std::uint32_t rounds : {260U, 270U, 280U, 290U, 300U}) {
    const auto x = play<double>(game, aggregator, "adagrad-cmd:delta=1e-4,l1=0.05", 2, rounds);
    for (const Tensor& tensor : game.layout.tensors()) {
      for (std::size_t i = tensor.offset; i < tensor.offset + tensor.shape.size(); ++i) {
        if (tensor.role != Role::kBias) sum += 0.05 * std::fabs(x[i]);
        for (std::uint32_t w = 0; w < game.workers && i % 3 != 2; ++w) {
          const double pull = static_cast<double>((i * 7 + w * 3) % 11) / 5 - 1;
          sum += 0.5 * (x[i] - pull) * (x[i] - pull) / game.workers;
        }
      }
    }
  }
  return sum / 5;
}
TEST(QadagradE4, MirrorDescentIsWorseWithTheMatrixOfTheRawGradients) {
  for (const std::string quantizer : {"vaninf", "van2"}) {
    const double with_quantized = objective_of("quantized:" + quantizer);
    const double with_raw = objective_of("quantized:matrix=raw:" + quantizer);
    EXPECT_GT(with_raw, 1.02 * with_quantized) << quantizer;
  }
}

// Pure noise g ~ 0.3 N(0, 1) in 4000 coordinates under dual averaging: a coordinate is not 0 after
// t rounds if |u| > t lambda, where u has variance t v.
double awake_after(const std::string& quantizer, std::uint32_t rounds) {
  constexpr std::uint32_t kDim = 4000;
  const Layout layout = test::flat_layout(kDim);
  const auto comm = make_self_communicator();
  const auto method =
      aggregators<double>().make(test::canonical_aggregator("quantized:" + quantizer),
                                 {.layout = &layout, .workers = 1, .mine = {0, 1}, .seed = 9});
  std::vector<double> x(kDim, 0.0);
  std::vector<double> g(kDim);
  method->start(x, factory<double>("adagrad-rda:delta=0.05,l1=0.05"));
  for (std::uint32_t t = 0; t < rounds; ++t) {
    rng::fill_normal(rng::Stream(26, {rng::Purpose::kTest, 0, t, 0}), {.deviation = 0.3},
                     std::span<double>(g));
    const WorkerGradient<double> mine = {.worker = 0, .values = g};
    method->aggregate({.index = t, .step_size = 0.1, .previous_step_size = 0.1},
                      std::span(&mine, 1), x, *comm);
  }
  const auto zeros = std::count(x.begin(), x.end(), 0.0);
  return 1 - static_cast<double>(zeros) / kDim;
}
void expect_awake(const std::string& quantizer, double variance, double lattice) {
  for (const std::uint32_t t : {100U, 300U, 1000U}) {
    // Sums of a quantizer of one level lie on multiples of its scale: half of one is the border.
    const double reach = 0.05 * t;
    const double border = lattice == 0 ? reach : (std::floor(reach / lattice) + 0.5) * lattice;
    const double p = std::erfc(border / std::sqrt(2 * t * variance));
    EXPECT_NEAR(awake_after(quantizer, t), p, 5 * std::sqrt(p * (1 - p) / 4000) + 1e-3)
        << quantizer << " after " << t;
  }
}
TEST(QadagradE6, NoiseWakesCoordinatesOfDualAveragingAsTheNormalLawSays) {
  expect_awake("identity", 0.09, 0);
  // Scale 3: E q^2 = 3 E|g|, E|g| = 0.3 sqrt(2/pi).
  expect_awake("thr-clip:rule=fixed,tau=3", 3 * 0.3 * std::sqrt(2 / 3.14159265358979), 3);
}

// What compression did to the gradients of a worker, from its definition.
TEST(Quantized, MeasuresTheNoiseOfWhatWorkersSend) {
  const Game game;
  for (const std::string quantizer : {"vaninf", "thr-clip", "identity"}) {
    for (const std::uint32_t ranks : {1U, 2U, 5U}) {
      std::vector<Distortion> by_worker(game.workers);
      run_on_threads(ranks, [&](Communicator& comm) {
        const WorkerBlock mine = workers_of_rank(game.workers, comm.rank(), comm.size());
        const auto method = aggregators<double>().make(
            test::canonical_aggregator("quantized:down=lossless:" + quantizer),
            {.layout = &game.layout, .workers = game.workers, .mine = mine, .seed = 8});
        const std::vector<double> x(game.layout.size(), 0.5);
        std::vector<double> direction(x.size());
        std::vector<std::vector<double>> gradients(mine.size(), std::vector<double>(x.size()));
        std::vector<WorkerGradient<double>> views;
        for (std::uint32_t w = 0; w < mine.size(); ++w) {
          game.gradient<double>(mine.begin + w, 3, x, gradients[w]);
          views.push_back({.worker = mine.begin + w, .values = gradients[w]});
        }
        EXPECT_TRUE(method->aggregate({.index = 2}, views, direction, comm).distortion.empty());
        const RoundReport& report =
            method->aggregate({.index = 3, .measured = true}, views, direction, comm);
        ASSERT_EQ(report.distortion.size(), mine.size());
        for (std::uint32_t w = 0; w < mine.size(); ++w)
          by_worker[mine.begin + w] = report.distortion[w];
      });
      const auto compressor = compressors<double>().make(
          aggregator_catalog().canonical({.name = quantizer}, "compressor"), {});
      for (std::uint32_t w = 0; w < game.workers; ++w) {
        std::vector<double> g(game.layout.size());
        game.gradient<double>(w, 3, std::span<const double>(std::vector<double>(g.size(), 0.5)),
                              std::span<double>(g));
        double signal = 0;
        double noise = 0;
        std::uint32_t index = 0;
        for (const Tensor& tensor : game.layout.tensors()) {
          const CompressContext context = {
              .seed = 8, .worker = w, .workers = game.workers, .round = 3, .tensor = index++};
          wire::Message message;
          compressor->encode(view_of<double>(tensor, g), context, message);
          wire::WireReader reader(message.bytes);
          std::vector<double> q(tensor.shape.size(), 0.0);
          ASSERT_TRUE(compressor->decode_add(reader, context, 1.0, {q, tensor.shape}));
          for (std::size_t i = 0; i < q.size(); ++i) {
            const double x = g[tensor.offset + i];
            signal += x * x;
            noise += (q[i] - x) * (q[i] - x);
          }
        }
        EXPECT_NEAR(by_worker[w].signal, signal, 1e-12 * signal);
        EXPECT_NEAR(by_worker[w].noise, noise, 1e-12 * signal);
        EXPECT_EQ(by_worker[w].noise == 0, quantizer == "identity");
      }
    }
  }
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
  EXPECT_EQ(problems_of("quantized:down=lossless,matrix=raw:van2"),
            std::vector<std::string>{
                "quantized: matrix=raw is for the server's optimizer, and with down=lossless "
                "everybody has one that never sees the gradients; use down=model"});
  EXPECT_TRUE(problems_of("quantized:matrix=raw:van2").empty());
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
