// SPDX-License-Identifier: Apache-2.0
// What every aggregator promises, over the whole registry: the same bits on all ranks and for every
// number of ranks, reported bytes equal to what the communicator carried, the reference direction
// where there is one, and no allocation after warm-up. Also the adversaries.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "laconic/aggregate/adversary.hpp"
#include "laconic/rng/stream.hpp"
#include "tests/contract/allocations.hpp"
#include "tests/support/aggregate_loop.hpp"

namespace laconic {
namespace {

using test::LoopSetup;
using test::run_loop;

constexpr std::uint32_t kWorkers = 5;

std::vector<std::string> problems_of(const std::string& spec) {
  return aggregator_problems(test::canonical_aggregator(spec), kWorkers);
}

bool is_over_the_air(const Card& card) {
  return std::any_of(card.params.begin(), card.params.end(),
                     [](const ParamCard& param) { return param.key == "power"; });
}

std::vector<std::string> specs() {
  std::vector<std::string> out;
  for (const auto& method : aggregators<float>().methods()) {
    const std::string name(method.card->name);
    if (name == "krum") {
      out.emplace_back("krum:f=1");
    } else if (is_over_the_air(*method.card)) {
      out.push_back(name + ":power=1e6");
    } else if (method.card->inner_kind == "mechanism") {
      for (const char* inner : {"gd", "ef21:topk:k=0.3", "ef21+:topk:k=0.3", "clag:topk:k=0.3",
                                "marina:randk:k=0.3", "diana:natural", "ef14:topk:k=0.3",
                                "3pcv2:q=(randk:k=0.3):topk:k=0.3", "lag-wk:memory=2"}) {
        out.push_back(name + ":" + inner);
      }
    } else if (method.card->inner_kind.empty()) {
      out.push_back(name);
    } else {
      for (const auto& inner : compressors<float>().methods()) {
        const std::string spec = name + ":" + std::string(inner.card->name);
        if (problems_of(spec).empty()) out.push_back(spec);
      }
    }
  }
  for (const char* more :
       {"vote:beta=0.9",
        "vote:zero=abstain,tie=zero",
        "vote:zero=random,tie=random",
        "vote:shards=2",
        "dense:wire=bf16",
        "dense:wire=f16",
        "dense:shards=3",
        "ef:two_way=false:sign",
        "ef:clamp=0,two_way=false:sign",
        "ef:sign:block=64",
        "mirror:by=tensor:ef21:topk:k=0.3",
        "mirror:by=tensor,shards=2:3pcv5:p=0.5:topk:k=0.3",
        "mirror:init=zero:ef21:topk:k=0.3",
        "mirror:init=compressed:ef21:sign",
        "mirror:down=(ef21:topk:k=0.3):ef21:topk:k=0.3",
        "mirror:by=tensor,down=(clag:sign):diana:natural",
        "lowrank:form=alternating,rank=2",
        "lowrank:warm_start=false,rank=3",
        "lowrank:rank=1,stacked_rank_one=true",
        "air:power=1e6,memory=ef14:crandk:correlated=true,k=0.3",
        "air:power=1e6,memory=ef21,form=physical:crandk:correlated=true,k=0.3",
        "air:power=1e6,memory=ef21,channel=(awgn:dropout=0.3)",
        "air-sketch:power=1e6,ratio=0.9",
        "adsgd:power=1e6,piece=64,ratio=0.4,decoder=amp",
        "ddsgd:power=1e4,ratio=2",
        "laser:power=1e5,variant=two-factor,rank=2",
        "laser:power=1e5,form=physical,components=norm,allocation=norm-sqrtd",
        "laser:power=1e5,channel=(rayleigh:dropout=0.1,side_info=quantised,bits=12)",
        "laser:power=1e5,channel=(rician:coherence=4),course=decreasing,horizon=20,charge=true",
        "laser:power=1e5,channel=(awgn:side_info=stale)",
        "quantized:down=lossless:thr-clip",
        "quantized:down=quantized:vaninf:levels=7",
        "quantized:again=(thr-clip),down=quantized,shards=2:thr-unb",
        "quantized:down=sum:vaninf",
        "quantized:down=sum,shards=2:vaninf:levels=7",
        "quantized:shards=2:van2:levels=3",
        "ef:gain=0.9,keep=0.8:thr-hard"}) {
    out.emplace_back(more);
  }
  return out;
}

std::string test_name(const testing::TestParamInfo<std::string>& info) {
  std::string name = info.param;
  for (char& c : name) {
    if (std::isalnum(static_cast<unsigned char>(c)) == 0) c = '_';
  }
  return name;
}

template <Real T>
LoopSetup<T> setup_of(std::uint32_t ranks, std::uint32_t rounds) {
  LoopSetup<T> setup;
  setup.layout = Layout({{.name = "w", .shape = {13, 17}},
                         {.name = "b", .shape = {1, 7}},
                         {.name = "v", .shape = {1, 1}},
                         {.name = "u", .shape = {40, 10}}});
  setup.workers = kWorkers;
  setup.ranks = ranks;
  setup.rounds = rounds;
  setup.step_size = [](std::uint32_t t) { return 0.1 / std::sqrt(1.0 + t); };
  setup.x0.assign(setup.layout.size(), T{1});
  setup.gradient = [](std::uint32_t worker, std::uint32_t round, std::span<const T> x,
                      std::span<T> g) {
    rng::fill_normal(rng::Stream(1, {rng::Purpose::kTest, worker, round, 0}), {}, g);
    for (std::size_t i = 0; i < g.size(); ++i) g[i] += x[i];
  };
  return setup;
}

class AggregatorContract : public testing::TestWithParam<std::string> {};

template <Real T>
void check_ranks(const std::string& spec) {
  const auto one = run_loop<T>(spec, setup_of<T>(1, 20));
  for (const std::uint32_t ranks : {2U, 3U, 5U}) {
    const auto many = run_loop<T>(spec, setup_of<T>(ranks, 20));
    EXPECT_TRUE(many.replicas_equal) << ranks;
    EXPECT_EQ(one.directions, many.directions) << ranks;
    EXPECT_EQ(one.uplink, many.uplink);
    EXPECT_EQ(one.downlink, many.downlink);
    EXPECT_EQ(one.link_bytes, many.link_bytes);
    EXPECT_EQ(one.latency_steps, many.latency_steps);
    EXPECT_EQ(many.refused, 0U);
    EXPECT_EQ(one.channel, many.channel);
    if (spec.find("charge=true") == std::string::npos) {  // charged bits travel within those
      EXPECT_EQ(
          many.traffic.sent_bytes + many.traffic.self_bytes,
          many.uplink.frame_bytes + many.downlink.frame_bytes / 5 * ranks + many.simulation_bytes);
    }
    EXPECT_EQ(many.traffic.sent_bytes, many.traffic.received_bytes);
  }
}

TEST_P(AggregatorContract, GivesTheSameBitsOnEveryRankForEveryNumberOfRanksInFloat) {
  check_ranks<float>(GetParam());
}
TEST_P(AggregatorContract, GivesTheSameBitsOnEveryRankForEveryNumberOfRanksInDouble) {
  check_ranks<double>(GetParam());
}

template <Real T>
void check_interruption(const std::string& spec) {
  for (const std::uint32_t ranks : {1U, 3U}) {
    const auto expected = run_loop<T>(spec, setup_of<T>(ranks, 12));
    for (const std::uint32_t before : {1U, 6U, 7U}) {
      LoopSetup<T> setup = setup_of<T>(ranks, 12);
      setup.interrupt_before = before;
      const auto interrupted = run_loop<T>(spec, setup);
      EXPECT_TRUE(interrupted.replicas_equal) << ranks;
      EXPECT_EQ(interrupted.directions, expected.directions) << ranks << ", before " << before;
      EXPECT_EQ(interrupted.uplink, expected.uplink);
    }
  }
}
TEST_P(AggregatorContract, GoesOnFromASavedStateInFloat) { check_interruption<float>(GetParam()); }
TEST_P(AggregatorContract, GoesOnFromASavedStateInDouble) {
  check_interruption<double>(GetParam());
}

// Bytes that end early, and those of another length, are refused and not read beyond their end.
TEST_P(AggregatorContract, RefusesASavedStateThatIsCutOff) {
  const LoopSetup<float> setup = setup_of<float>(1, 2);
  const auto make = [&](const Layout& layout) {
    auto out = aggregators<float>().make(
        test::canonical_aggregator(GetParam()),
        {.layout = &layout, .workers = kWorkers, .mine = {0, kWorkers}, .seed = 1});
    if (out->sends_model()) {
      out->start(std::vector<float>(layout.size()), test::plain_steps<float>());
    }
    return out;
  };
  std::vector<std::byte> bytes;
  wire::StateArchive saved(bytes);
  make(setup.layout)->state(saved);
  const auto accepts = [&](wire::Bytes some, const Layout& layout) {
    try {
      wire::StateArchive loaded(some);
      make(layout)->state(loaded);
      loaded.finish();
    } catch (const ConfigError&) {
      return false;
    }
    return true;
  };
  EXPECT_TRUE(accepts(bytes, setup.layout));
  for (std::size_t size = 0; size < bytes.size(); size += 1 + bytes.size() / 97) {
    EXPECT_FALSE(accepts(wire::Bytes(bytes).first(size), setup.layout)) << size;
  }
  bytes.push_back(std::byte{0});
  EXPECT_FALSE(accepts(bytes, setup.layout));
}

TEST_P(AggregatorContract, PointsDownhillOnAnEasyQuadratic) {
  auto setup = setup_of<double>(1, 400);
  setup.gradient = [](std::uint32_t, std::uint32_t, std::span<const double> x,
                      std::span<double> g) { std::copy(x.begin(), x.end(), g.begin()); };
  const auto result = run_loop<double>(GetParam(), setup);
  double norm2 = 0;
  for (const double value : result.x) norm2 += value * value;
  // A-DSGD's fixed projection cannot follow a dense gradient all the way. Without memory a biased
  // compressor that sends a tenth of the numbers takes a tenth of the way.
  double limit = 0.02;
  if (GetParam().starts_with("adsgd")) limit = 0.9;
  if (GetParam().starts_with("quantized")) {
    const auto inner = compressors<double>().make(
        test::canonical_aggregator(GetParam()).inner.front(), {.workers = kWorkers});
    if (!inner->traits({1000, 1}).unbiased) limit = 0.5;
  }
  EXPECT_LT(norm2, limit * static_cast<double>(result.x.size()));
}

TEST_P(AggregatorContract, DoesNotAllocateAfterWarmUp) {
  const auto setup = setup_of<float>(1, 1);
  const auto comm = make_self_communicator();
  const auto aggregator =
      aggregators<float>().make(test::canonical_aggregator(GetParam()),
                                {.layout = &setup.layout, .workers = 5, .mine = {0, 5}, .seed = 1});
  std::vector<std::vector<float>> gradients(5, std::vector<float>(setup.layout.size(), 0.25F));
  std::vector<WorkerGradient<float>> views;
  for (std::uint32_t w = 0; w < 5; ++w) views.push_back({.worker = w, .values = gradients[w]});
  std::vector<float> direction(setup.layout.size());
  if (aggregator->sends_model())
    aggregator->start(std::vector<float>(setup.layout.size(), 1.0F), test::plain_steps<float>());
  const auto round = [&](std::uint32_t t) {
    aggregator->aggregate({.index = t, .step_size = 0.1, .previous_step_size = 0.1}, views,
                          direction, *comm);
  };
  // Coins decide when all have sent for the first time.
  const std::uint32_t warm = GetParam() == "quantized:bernoulli" ? 20 : 3;
  for (std::uint32_t t = 0; t < warm; ++t) round(t);
  const auto before = test::allocations();
  for (std::uint32_t t = warm; t < warm + 7; ++t) round(t);
  EXPECT_EQ(test::allocations() - before, 0U);
}

// What messages combine to, by the method's rule; nothing for methods whose downlink is not exact.
std::optional<double> combined(const std::string& spec, const std::vector<double>& messages) {
  double sum = 0;
  for (const double message : messages) sum += message;
  if (spec == "vote" || spec.starts_with("vote:shards") || spec.starts_with("vote:beta"))
    return sum >= 0 ? 1 : -1;
  const bool mean = spec.starts_with("dense") || spec.starts_with("ddsgd") ||
                    spec == "ef:clamp=0,two_way=false:sign" ||
                    spec.starts_with("quantized:down=lossless") ||
                    spec.starts_with("quantized:down=sum") ||
                    (spec.starts_with("mirror") && spec.find("down=") == std::string::npos);
  if (!mean) return std::nullopt;
  return sum / static_cast<double>(messages.size());
}

template <Real T>
void check_messages(const std::string& spec) {
  const auto setup = setup_of<T>(1, 1);
  const auto comm = make_self_communicator();
  AggregatorSetup kept = {.layout = &setup.layout,
                          .workers = kWorkers,
                          .mine = {0, kWorkers},
                          .seed = 1,
                          .l_worker = std::vector<double>(kWorkers, 1.0)};
  const auto plain = aggregators<T>().make(test::canonical_aggregator(spec), kept);
  kept.keep_messages = true;
  const auto keeping = aggregators<T>().make(test::canonical_aggregator(spec), kept);
  const std::size_t d = setup.layout.size();
  if (plain->sends_model()) {
    plain->start(setup.x0, test::plain_steps<T>());
    keeping->start(setup.x0, test::plain_steps<T>());
  }
  std::vector<std::vector<T>> gradients(kWorkers, std::vector<T>(d));
  std::vector<WorkerGradient<T>> views;
  for (std::uint32_t w = 0; w < kWorkers; ++w) views.push_back({w, gradients[w]});
  std::vector<T> direction(d);
  std::vector<T> beside(d);
  for (std::uint32_t t = 0; t < 12; ++t) {
    for (std::uint32_t w = 0; w < kWorkers; ++w) setup.gradient(w, t, setup.x0, gradients[w]);
    const Round round = {.index = t, .step_size = 0.1, .previous_step_size = 0.1};
    plain->aggregate(round, views, direction, *comm);
    keeping->aggregate(round, views, beside, *comm);
    ASSERT_EQ(direction, beside) << t;
    double largest = 0;
    for (std::size_t i = 0; i < d; ++i) {
      std::vector<double> messages;
      for (std::uint32_t w = 0; w < kWorkers; ++w) {
        messages.push_back(static_cast<double>(keeping->message_of(w)[i]));
        ASSERT_TRUE(std::isfinite(messages.back()));
        largest = std::max(largest, std::fabs(messages.back()));
      }
      const auto expected = combined(spec, messages);
      if (!expected) continue;
      // 16-bit wires round the mean once more on its way down.
      const double unit = spec.find("bf16") != std::string::npos  ? 0x1p-8
                          : spec.find("f16") != std::string::npos ? 0x1p-11
                                                                  : 1e-6;
      ASSERT_NEAR(static_cast<double>(direction[i]), *expected, unit * std::max(1.0, largest))
          << "round " << t << " coordinate " << i;
    }
    EXPECT_TRUE(largest > 0 || t == 0) << t;  // init=zero says nothing in round 0
  }
}

TEST_P(AggregatorContract, KnowsTheMessagesOfItsWorkers) {
  if (!aggregator_needs(test::canonical_aggregator(GetParam()), kWorkers).frames) {
    const auto setup = setup_of<float>(1, 1);
    const auto aggregator = aggregators<float>().make(
        test::canonical_aggregator(GetParam()),
        {.layout = &setup.layout, .workers = kWorkers, .mine = {0, kWorkers}, .seed = 1});
    EXPECT_THROW(static_cast<void>(aggregator->message_of(0)), std::logic_error);
    return;
  }
  check_messages<float>(GetParam());
  check_messages<double>(GetParam());
}

INSTANTIATE_TEST_SUITE_P(Registry, AggregatorContract, testing::ValuesIn(specs()), test_name);

TEST(ErrorFeedback, TakesExactlyTheContractiveCompressorsAndThoseMadeForIt) {
  for (const auto& inner : compressors<double>().methods()) {
    const std::string spec = "ef:" + std::string(inner.card->name);
    const Traits traits =
        compressors<double>()
            .make(test::canonical_aggregator(spec).inner.front(), {.workers = kWorkers})
            ->traits({1000, 1});
    EXPECT_EQ(problems_of(spec).empty(), traits.alpha.has_value() || traits.accumulates) << spec;
  }
}

TEST(ErrorFeedback, SaysWhatToUseInsteadOfAnUnbiasedCompressor) {
  EXPECT_EQ(problems_of("ef:randk:k=0.01"),
            std::vector<std::string>{
                "ef needs a contractive compressor; randk:k=0.01 is unbiased (omega=99), not "
                "contractive; try shrink:randk:k=0.01"});
}

TEST(Dense, IsTheMeanRoundedOnce) {
  auto setup = setup_of<float>(2, 1);
  const auto result = run_loop<float>("dense", setup);
  std::vector<double> mean(setup.layout.size(), 0.0);
  for (std::uint32_t w = 0; w < 5; ++w) {
    std::vector<float> g(setup.layout.size());
    setup.gradient(w, 0, setup.x0, g);
    for (std::size_t i = 0; i < g.size(); ++i) mean[i] += static_cast<double>(g[i]);
  }
  for (std::size_t i = 0; i < mean.size(); ++i)
    EXPECT_EQ(result.directions[0][i], static_cast<float>(mean[i] * (1.0 / 5.0)));
}

TEST(Dense, FastSumsAreCloseToTheMean) {
  const auto exact = run_loop<float>("dense", setup_of<float>(3, 1));
  const auto fast = run_loop<float>("dense:sum=fast", setup_of<float>(3, 1));
  for (std::size_t i = 0; i < exact.x.size(); ++i)
    EXPECT_NEAR(fast.directions[0][i], exact.directions[0][i], 1e-5);
  EXPECT_EQ(fast.uplink.payload_bits, exact.uplink.payload_bits);
  EXPECT_EQ(fast.latency_steps, 8U);
}

TEST(Dense, SixteenBitWiresHalveTheTraffic) {
  const auto full = run_loop<float>("dense", setup_of<float>(1, 1));
  const auto half = run_loop<float>("dense:wire=bf16", setup_of<float>(1, 1));
  EXPECT_EQ(2 * half.uplink.payload_bits, full.uplink.payload_bits);
  EXPECT_EQ(2 * half.downlink.payload_bits, full.downlink.payload_bits);
}

// A naive Multi-Krum in double, from signsgd.md 2.11.
std::vector<double> krum_oracle(const std::vector<std::vector<double>>& g, std::size_t f,
                                bool squared) {
  const std::size_t n = g.size();
  std::vector<std::pair<double, std::size_t>> scores;
  for (std::size_t i = 0; i < n; ++i) {
    std::vector<double> distances;
    for (std::size_t j = 0; j < n; ++j) {
      if (j == i) continue;
      double sum = 0;
      for (std::size_t k = 0; k < g[i].size(); ++k)
        sum += (g[i][k] - g[j][k]) * (g[i][k] - g[j][k]);
      distances.push_back(squared ? sum : std::sqrt(sum));
    }
    std::sort(distances.begin(), distances.end());
    double score = 0;
    for (std::size_t k = 0; k < n - f - 2; ++k) score += distances[k];
    scores.emplace_back(score, i);
  }
  std::sort(scores.begin(), scores.end());
  std::vector<double> mean(g[0].size(), 0.0);
  for (std::size_t r = 0; r < n - f; ++r) {
    for (std::size_t k = 0; k < mean.size(); ++k)
      mean[k] += g[scores[r].second][k] / static_cast<double>(n - f);
  }
  return mean;
}

TEST(Krum, MatchesTheOracleAndIgnoresOutliers) {
  for (const bool squared : {false, true}) {
    for (std::uint32_t round = 0; round < 10; ++round) {
      LoopSetup<double> setup;
      setup.layout = test::flat_layout(50);
      setup.workers = 7;
      setup.ranks = 2;
      std::vector<std::vector<double>> g(7, std::vector<double>(50));
      for (std::uint32_t w = 0; w < 7; ++w) {
        rng::fill_normal(rng::Stream(4, {rng::Purpose::kTest, w, round, 0}), {.mean = 1},
                         std::span<double>(g[w]));
        if (w < 2) {
          for (double& value : g[w]) value *= -100;
        }
      }
      setup.gradient = [&g](std::uint32_t worker, std::uint32_t, auto, std::span<double> out) {
        std::copy(g[worker].begin(), g[worker].end(), out.begin());
      };
      const auto result = run_loop<double>(squared ? "krum:f=2,squared=true" : "krum:f=2", setup);
      const auto expected = krum_oracle(g, 2, squared);
      for (std::size_t i = 0; i < 50; ++i) {
        EXPECT_NEAR(result.directions[0][i], expected[i], 1e-12);
        EXPECT_GT(result.directions[0][i], -3.0);
      }
    }
  }
}

TEST(Krum, WithoutFaultyWorkersIsTheMean) {
  EXPECT_EQ(run_loop<float>("krum:f=0", setup_of<float>(2, 5)).x,
            run_loop<float>("dense", setup_of<float>(2, 5)).x);
}

std::vector<double> corrupted(const std::string& spec, std::uint32_t worker, std::uint32_t round,
                              std::vector<double> g) {
  Catalog catalog;
  add_adversary_cards(catalog);
  const Spec canonical = catalog.canonical(parse_spec(spec).value_or_throw(), "adversary");
  const auto adversary = adversaries<double>().make(
      canonical, {.dim = g.size(), .workers = 4, .mine = {0, 4}, .seed = 9});
  const std::vector<double> truth = {5, -6};
  adversary->corrupt({.round = {.index = round}, .worker = worker, .true_gradient = truth}, g);
  return g;
}

TEST(Adversary, EachReplacesTheGradientAsItsCardSays) {
  const std::vector<double> g = {2, -3};
  EXPECT_EQ(corrupted("invert", 0, 0, g), (std::vector<double>{-2, 3}));
  EXPECT_EQ(corrupted("zero-pos", 0, 0, g), (std::vector<double>{1, 1}));
  EXPECT_EQ(corrupted("oracle", 0, 0, g), (std::vector<double>{-5, 6}));
  EXPECT_EQ(corrupted("scale", 0, 0, g), (std::vector<double>{-20, 30}));
  EXPECT_EQ(corrupted("scale:factor=2", 0, 0, g), (std::vector<double>{4, -6}));
  const auto gaussian = corrupted("gaussian:deviation=3", 0, 0, std::vector<double>(20000, 7.0));
  double sum2 = 0;
  for (const double value : gaussian) sum2 += value * value;
  EXPECT_NEAR(sum2 / 20000, 9.0, 5 * 9.0 * std::sqrt(2.0 / 20000));
  const auto random = corrupted("random", 0, 0, std::vector<double>(20000, 7.0));
  EXPECT_NEAR(static_cast<double>(std::count(random.begin(), random.end(), 1.0)), 10000, 5 * 71);
  EXPECT_EQ(std::count(random.begin(), random.end(), 1.0) +
                std::count(random.begin(), random.end(), -1.0),
            20000);
}

TEST(Adversary, StaleSendsTheGradientOfLagRoundsAgo) {
  Catalog catalog;
  add_adversary_cards(catalog);
  const Spec canonical = catalog.canonical(parse_spec("stale:lag=3").value_or_throw(), "adversary");
  const auto adversary =
      adversaries<double>().make(canonical, {.dim = 1, .workers = 1, .mine = {0, 1}, .seed = 9});
  for (std::uint32_t t = 0; t < 20; ++t) {
    std::vector<double> g = {static_cast<double>(t)};
    adversary->corrupt({.round = {.index = t}, .worker = 0}, g);
    EXPECT_EQ(g[0], t < 3 ? 0.0 : t - 3.0);
  }
}

TEST(Adversary, TheFirstCountWorkersLie) {
  Catalog catalog;
  add_adversary_cards(catalog);
  const Spec canonical =
      catalog.canonical(parse_spec("invert:count=2").value_or_throw(), "adversary");
  const auto adversary =
      adversaries<float>().make(canonical, {.dim = 1, .workers = 4, .mine = {0, 4}, .seed = 9});
  EXPECT_TRUE(adversary->corrupts(0));
  EXPECT_TRUE(adversary->corrupts(1));
  EXPECT_FALSE(adversary->corrupts(2));
  EXPECT_FALSE(adversary->needs_true_gradient());
}

}  // namespace
}  // namespace laconic
