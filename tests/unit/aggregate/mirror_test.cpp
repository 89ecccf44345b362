// SPDX-License-Identifier: Apache-2.0
// The aggregator `mirror`: it follows the naive algorithms, its state is what the workers believe,
// and its meters count what was sent: checks T10, T11, T15 and T16 of 3pc.md section 6.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>

#include "laconic/kernels/kernels.hpp"
#include "tests/oracle/three_pc_oracle.hpp"
#include "tests/support/gradient_descent.hpp"
#include "tests/support/mechanisms.hpp"

namespace laconic {
namespace {

using test::descend;
using test::golden_quadratic;
using test::make_problem;
using test::RoundView;

struct Case {
  std::string spec;
  oracle::Settings settings;
  std::uint32_t rounds = 200;
};

// No trigger is the square of a whole number: while all are silent gradients move along a line, and
// |x - h|^2 would be exactly zeta |x - y|^2 up to rounding.
std::vector<Case> cases(const std::vector<double>& l_worker) {
  return {
      {"ef21:topk:k=3", {.method = "ef21", .k = 3, .step = 0.5}},
      {"ef21+:topk:k=3", {.method = "ef21+", .k = 3, .step = 0.2}},
      {"lag:zeta=3.7", {.method = "lag", .zeta = 3.7, .step = 0.4}},
      {"clag:zeta=3.7:topk:k=3", {.method = "clag", .k = 3, .zeta = 3.7, .step = 0.4}},
      {"3pcv1:topk:k=3", {.method = "3pcv1", .k = 3, .step = 0.5}},
      {"3pcv4:first=(topk:k=1):topk:k=3", {.method = "3pcv4", .k = 3, .step = 0.5}},
      {"adacgd:zeta=7.3,cheap=(topk:k=1):ef21:topk:k=3",
       {.method = "adacgd", .k = 3, .zeta = 7.3, .step = 0.4}},
      {"dcgd:topk:k=3", {.method = "dcgd", .k = 3, .step = 0.1}},
      {"ef14:topk:k=3", {.method = "ef14", .k = 3, .step = 0.1}},
      {"diana:alpha=0.5:identity", {.method = "diana", .alpha = 0.5, .step = 0.5}},
      {"lag-wk:memory=5,xi=0.2", {.method = "lag-wk", .memory = 5, .xi = 0.2, .step = 0.8}},
      {"lag-ps:memory=5,xi=0.2",
       {.method = "lag-ps", .memory = 5, .xi = 0.2, .step = 0.8, .l_worker = l_worker}},
      {"laq:memory=5,xi=0.1:uniform:bits=4",
       {.method = "laq", .bits = 4, .memory = 5, .xi = 0.1, .step = 0.8}},
  };
}

TEST(Mirror, FollowsTheNaiveAlgorithms) {
  const auto problem = make_problem<double>(golden_quadratic("1"), {.workers = 10});
  ProblemScratch<double> scratch;
  for (const Case& c : cases(problem->constants().l_worker)) {
    SCOPED_TRACE(c.spec);
    std::vector<oracle::Vector> actual;
    const auto result = descend<double>(
        *problem, {.aggregator = "mirror:" + c.spec, .step = c.settings.step, .rounds = c.rounds},
        [&](const RoundView<double>& view) { actual.emplace_back(view.x.begin(), view.x.end()); });
    oracle::Run run(c.settings, 10, [&](std::uint32_t worker, const oracle::Vector& x) {
      oracle::Vector g(x.size());
      problem->full_gradient(worker, x, g, scratch);
      return g;
    });
    const auto expected = run.iterate(actual.front(), c.rounds);
    for (std::size_t t = 0; t < expected.size(); ++t) {
      const double distance = std::sqrt(oracle::squared(oracle::minus(actual[t], expected[t])));
      ASSERT_LE(distance, 1e-10 * std::sqrt(oracle::squared(expected[t]))) << "round " << t;
    }
    const std::uint64_t turns = 10ULL * c.rounds;  // the oracle stops before the messages about x_T
    if (c.settings.method.starts_with("lag") || c.settings.method == "clag" ||
        c.settings.method == "laq") {
      EXPECT_LT(run.uploads(), turns - 100);
      EXPECT_NEAR(static_cast<double>(turns - result.silent_workers),
                  static_cast<double>(run.uploads()), 10.0);
    }
  }
}

// ------------------------------------------------------------------ T10

TEST(ThreePcCheck10, MarinaKeptPerWorkerIsMarinaKeptAtTheServer) {
  const auto problem = make_problem<double>(golden_quadratic("1"), {.workers = 10});
  const auto q = compressors<double>().make(
      test::mechanism_catalog().canonical(parse_spec("randk:k=10").value_or_throw(), "compressor"),
      {.workers = 10});
  const double p = 0.1;
  const Shape shape{100, 1};
  std::vector<double> g(100, 0.0);
  std::vector<std::vector<double>> previous(10);
  std::uint32_t refreshes = 0;
  descend<double>(
      *problem,
      {.aggregator = "mirror:marina:p=0.1:randk:k=10", .step = 0.2, .rounds = 500, .seed = 11},
      [&](const RoundView<double>& view) {
        const CompressContext shared = test::draw_context(view.round, 0, 10);
        const bool refresh =
            view.round == 0 || rng::Reader(shared_stream(child(shared, 1))).unit_double() < p;
        refreshes += refresh ? 1 : 0;
        if (refresh) std::fill(g.begin(), g.end(), 0.0);
        for (std::uint32_t w = 0; w < 10; ++w) {
          const auto v = view.gradients[w].values;
          if (refresh) {
            for (std::size_t i = 0; i < 100; ++i) g[i] += v[i] / 10;
          } else {
            std::vector<double> change(100);
            for (std::size_t i = 0; i < 100; ++i) change[i] = v[i] - previous[w][i];
            wire::Message message;
            const CompressContext own = child(test::draw_context(view.round, w, 10), 0);
            q->encode({change, shape}, own, message);
            wire::WireReader in(message.bytes);
            ASSERT_TRUE(q->decode_add(in, own, 0.1, {g, shape}));
          }
          previous[w].assign(v.begin(), v.end());
        }
        const double size = std::sqrt(oracle::squared(g));
        for (std::size_t i = 0; i < 100; ++i) {
          ASSERT_NEAR(view.direction[i], g[i], 1e-11 * size) << "round " << view.round;
        }
      });
  EXPECT_GT(refreshes, 30U);
  EXPECT_LT(refreshes, 80U);
}

TEST(ThreePcCheck10, IndependentWorkersAverageTheirNoise) {
  // E|g+ - grad+|^2 = (1-p)|g - grad|^2 + (1-p)(omega/n) mean|x_i - y_i|^2, one step from given
  // states.
  constexpr std::uint32_t kWorkers = 8;
  constexpr std::uint32_t kDraws = 20000;
  constexpr std::size_t kDim = 20;
  const double p = 0.2;
  const double omega = 20.0 / 5 - 1;
  const auto marina = test::make_mechanism<double>("marina:p=0.2:randk:k=5", kWorkers);
  std::vector<test::Vector> h;
  std::vector<test::Vector> y;
  std::vector<test::Vector> x;
  const auto normals = [&](std::uint32_t worker, std::uint32_t tensor) {
    test::Vector out(kDim);
    rng::fill_normal(
        rng::Stream(6, {.purpose = rng::Purpose::kTest, .worker = worker, .tensor = tensor}), {},
        std::span<double>(out));
    return out;
  };
  for (std::uint32_t w = 0; w < kWorkers; ++w) {
    h.push_back(normals(w, 0));
    y.push_back(normals(w, 1));
    x.push_back(normals(w, 2));
  }
  test::Vector error(kDim, 0.0);  // mean of h - y
  test::Vector mean_x(kDim, 0.0);
  double drift = 0;
  for (std::uint32_t w = 0; w < kWorkers; ++w) {
    error = test::combine(1, error, 1.0 / kWorkers, test::minus(h[w], y[w]));
    mean_x = test::combine(1, mean_x, 1.0 / kWorkers, x[w]);
    drift += test::norm2(test::minus(x[w], y[w])) / kWorkers;
  }
  const double expected = (1 - p) * (test::norm2(error) + omega / kWorkers * drift);
  double sum = 0;
  double squares = 0;
  for (std::uint32_t draw = 0; draw < kDraws; ++draw) {
    test::Vector g(kDim, 0.0);
    for (std::uint32_t w = 0; w < kWorkers; ++w) {
      g = test::combine(
          1, g, 1.0 / kWorkers,
          test::apply(*marina, h[w], y[w], x[w], test::draw_context(draw, w, kWorkers)));
    }
    const double e = test::norm2(test::minus(g, mean_x));
    sum += e;
    squares += e * e;
  }
  const double mean = sum / kDraws;
  EXPECT_NEAR(mean, expected, 5 * std::sqrt((squares / kDraws - mean * mean) / kDraws));
}

// ------------------------------------------------------------------ T15

// The workers' beliefs, followed by their own mechanisms, average to what the server says.
template <Real T>
void check_state(const std::string& spec, double step) {
  SCOPED_TRACE(spec);
  const auto problem = make_problem<T>(golden_quadratic("1"), {.workers = 10});
  const auto mechanism = test::make_mechanism<T>(spec, 10);
  const Shape shape{100, 1};
  const MechanismNeeds needs = mechanism->needs(shape);
  std::vector<test::Worker<T>> workers(10);
  descend<T>(*problem, {.aggregator = "mirror:" + spec, .step = step, .rounds = 100, .seed = 11},
             [&](const RoundView<T>& view) {
               std::vector<double> mean(100, 0.0);
               double largest = 0;
               for (std::uint32_t w = 0; w < 10; ++w) {
                 const auto g = view.gradients[w].values;
                 test::Worker<T>& worker = workers[w];
                 if (view.round == 0) {
                   worker.h.assign(g.begin(), g.end());
                   worker.y.assign(g.begin(), g.end());
                 } else {
                   wire::Message message;
                   mechanism->encode({g, shape}, worker.memory(needs), {.step_size = step},
                                     test::draw_context(view.round, w, 10), message);
                 }
                 for (std::size_t i = 0; i < 100; ++i) {
                   mean[i] += worker.h[i] / 10;
                   largest = std::max(largest, std::abs(worker.h[i]));
                 }
               }
               // In float runs the direction is rounded to float on its way down.
               const double rounding = sizeof(T) == 4 ? 0x1p-24 : 0;
               for (std::size_t i = 0; i < 100; ++i) {
                 ASSERT_NEAR(static_cast<double>(view.direction[i]), mean[i],
                             1e-12 * (1 + largest) + rounding * std::abs(mean[i]))
                     << "round " << view.round << ", coordinate " << i;
               }
             });
}

TEST(ThreePcCheck15, TheServersVectorIsTheMeanOfWhatWorkersBelieve) {
  for (const char* spec :
       {"gd", "ef21:topk:k=5", "ef21:topk:k=5,values=f32", "ef21:shrink:natural", "ef21+:topk:k=5",
        "clag:zeta=4:topk:k=5", "lag:zeta=4", "3pcv1:topk:k=5", "3pcv2:q=(randk:k=5):topk:k=5",
        "3pcv3:first=(clag:zeta=2:topk:k=3):crandk:k=5", "3pcv4:first=(sign):topk:k=5",
        "3pcv5:p=0.2:topk:k=5", "marina:p=0.2:randk:k=10,values=f32", "marina:permk",
        "ef21-pp:p=0.5:topk:k=5", "adacgd:zeta=4,cheap=(topk:k=1):ef21:topk:k=5"}) {
    check_state<double>(spec, 0.05);
    check_state<float>(spec, 0.05);
  }
}

// ------------------------------------------------------------------ T16

struct Counted {
  double payload_bits = 0;  // behind the initial upload, of all workers
  double wire_bits = 0;
  double uploads = 0;
};

Counted count(const std::string& spec, std::uint32_t rounds, double step = 0.05) {
  const auto problem = make_problem<double>(golden_quadratic("1"), {.workers = 10});
  Meter all = {};
  std::uint64_t silent = 0;
  const auto result = descend<double>(
      *problem, {.aggregator = "mirror:" + spec, .step = step, .rounds = rounds, .seed = 11},
      [&](const RoundView<double>& view) {
        all += view.report.uplink;
        silent += view.report.silent_workers;
        // Without headers, what the frames carry is what the messages are.
        EXPECT_EQ(view.report.uplink.wire_bits / 8 + 10 * wire::kHeaderBytes,
                  view.report.uplink.frame_bytes);
      });
  EXPECT_EQ(result.initial.payload_bits, 10U * 100 * 64);
  return {static_cast<double>(all.payload_bits - result.initial.payload_bits),
          static_cast<double>(all.wire_bits - result.initial.wire_bits),
          10.0 * rounds - static_cast<double>(silent)};
}

TEST(ThreePcCheck16, MetersCountWhatIsSent) {
  constexpr double kRounds = 120;
  constexpr double kBits = 64;
  const double index = std::ceil(std::log2(100.0));
  // Per body: the coding's tag and count, and padding to whole bytes. Per lazy message: its flag.
  constexpr double kBody = 8 + 16 + 7;
  constexpr double kFlag = 8;
  const auto check = [&](const std::string& spec, double floats_per_upload, double flags,
                         bool sparse) {
    SCOPED_TRACE(spec);
    const Counted counted = count(spec, static_cast<std::uint32_t>(kRounds));
    const double floats = floats_per_upload * counted.uploads;
    EXPECT_EQ(counted.payload_bits, kBits * floats);
    EXPECT_GE(counted.wire_bits, counted.payload_bits);
    EXPECT_LE(counted.wire_bits, counted.payload_bits + (sparse ? index * floats : 0) +
                                     flags * 10 * kRounds + (sparse ? kBody * counted.uploads : 0));
  };
  check("ef21:topk:k=7", 7, 0, true);
  check("clag:zeta=16:topk:k=7", 7, kFlag, true);
  check("lag:zeta=16", 100, kFlag, false);
  check("gd", 100, 0, false);
  check("ef21:crandk:k=7", 7, 0, false);
  EXPECT_LT(count("lag:zeta=16", 120).uploads, 1200);
  // The idealised yardstick: counted as K numbers, sent as d.
  const Counted v1 = count("3pcv1:topk:k=7", 120);
  EXPECT_EQ(v1.payload_bits, 1200 * 7 * kBits);
  EXPECT_EQ(v1.wire_bits, 1200 * 100 * kBits);
}

TEST(ThreePcCheck16, RefreshesAreCountedByTheirCoin) {
  for (const char* name : {"marina:p=0.3:randk:k=10", "3pcv5:p=0.3:topk:k=10"}) {
    double expected = 0;
    for (std::uint32_t round = 1; round <= 200; ++round) {
      const CompressContext coin = child(test::draw_context(round, 0, 10), 1);
      expected += rng::Reader(shared_stream(coin)).unit_double() < 0.3 ? 100 : 10;
    }
    EXPECT_EQ(count(name, 200, 0.01).payload_bits, expected * 10 * 64) << name;
  }
}

TEST(Mirror, InitialUploadIsLeftOutOfThePapersMeterWhenAsked) {
  const auto problem = make_problem<double>(golden_quadratic("1"), {.workers = 10});
  const auto result = descend<double>(
      *problem, {.aggregator = "mirror:count_init=false:ef21:topk:k=3", .step = 0.05, .rounds = 4});
  EXPECT_EQ(result.initial.payload_bits, 0U);
  EXPECT_EQ(result.initial.wire_bits, 10U * 100 * 64);
  EXPECT_EQ(result.uplink.payload_bits, 4U * 10 * 3 * 64);
}

// ------------------------------------------------------------------ the downlink

TEST(Mirror, ACompressedDownlinkSendsItsOwnMessagesAndConverges) {
  const auto problem = make_problem<double>(golden_quadratic("0"), {.workers = 10});
  Meter down = {};
  std::uint32_t rounds = 0;
  const auto result = descend<double>(*problem,
                                      {.aggregator = "mirror:down=(ef21:topk:k=20):ef21:topk:k=20",
                                       .step = 0.2,
                                       .rounds = 20000,
                                       .until = 1e-8},
                                      [&](const RoundView<double>& view) {
                                        if (view.round > 0) down += view.report.downlink;
                                        rounds = view.round;
                                      });
  EXPECT_TRUE(result.reached);
  EXPECT_EQ(down.payload_bits, std::uint64_t{rounds} * 10 * 20 * 64);
}

TEST(Mirror, RefusesWhatCannotWork) {
  const auto problems = [](const std::string& spec, const Layout* layout = nullptr) {
    return aggregator_problems(test::canonical_aggregator(spec), 4, layout);
  };
  EXPECT_EQ(
      problems("mirror:down=(dcgd:topk:k=3):ef21:topk:k=3"),
      std::vector<std::string>{"mirror: down=dcgd has no meaning for the server, which sends "
                               "increments to one belief; use gd, ef21, clag or a 3pc method"});
  EXPECT_EQ(problems("mirror:shards=2:ef21:topk:k=3"),
            std::vector<std::string>{"mirror: shards=2 needs by=tensor; a model that is compressed "
                                     "as one vector has one server"});
  EXPECT_EQ(problems("mirror:ef21:randk:k=0.5").size(), 1U);
  const Layout layout({{.name = "w", .shape = {5, 1}}, {.name = "b", .shape = {2, 1}}});
  EXPECT_TRUE(problems("mirror:ef21:topk:k=7", &layout).empty());
  const auto misfits = problems("mirror:by=tensor:ef21:topk:k=3", &layout);
  ASSERT_EQ(misfits.size(), 1U);
  EXPECT_TRUE(misfits.front().starts_with("tensor b: topk: k=3")) << misfits.front();
}

TEST(Mirror, NeedsOfTheMechanismAreKnownFromOutside) {
  const auto needs = [](const std::string& spec) {
    return aggregator_needs(test::canonical_aggregator(spec), 4);
  };
  EXPECT_TRUE(needs("mirror:lag-ps").worker_smoothness);
  EXPECT_TRUE(needs("mirror:lag-wk").plain_steps);
  EXPECT_FALSE(needs("mirror:lag").plain_steps);
  EXPECT_FALSE(needs("dense").worker_smoothness);
}

TEST(Mirror, ADivergingRunNamesTheWorkerWhoseNumbersOverflow) {
  const auto problem = make_problem<double>(golden_quadratic("1"), {.workers = 10});
  EXPECT_THROW(descend<double>(
                   *problem, {.aggregator = "mirror:ef21:topk:k=10", .step = 1e6, .rounds = 2000}),
               DivergedError);
}

}  // namespace
}  // namespace laconic
