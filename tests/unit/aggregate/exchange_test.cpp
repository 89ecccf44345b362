// SPDX-License-Identifier: Apache-2.0
// signsgd.md section 6, the checks about replicas, hostile bytes and traffic: 22, 23, 24. Shards.
#include "laconic/aggregate/exchange.hpp"

#include <gtest/gtest.h>

#include <array>
#include <bit>
#include <cmath>
#include <limits>

#include "laconic/kernels/kernels.hpp"
#include "laconic/rng/stream.hpp"
#include "tests/support/aggregate_loop.hpp"
#include "tests/support/repeats.hpp"

namespace laconic {
namespace {

using test::flat_layout;
using test::LoopSetup;
using test::run_loop;

LoopSetup<float> noisy_quadratic(std::uint32_t workers, std::uint32_t ranks, std::uint32_t rounds) {
  LoopSetup<float> setup;
  setup.layout = Layout({{.name = "w", .shape = {13, 17}},
                         {.name = "b", .shape = {13, 1}},
                         {.name = "v", .shape = {70, 1}}});
  setup.workers = workers;
  setup.ranks = ranks;
  setup.rounds = rounds;
  setup.x0.assign(setup.layout.size(), 1.0F);
  setup.gradient = [](std::uint32_t worker, std::uint32_t round, std::span<const float> x,
                      std::span<float> g) {
    rng::fill_normal(rng::Stream(22, {rng::Purpose::kTest, worker, round, 0}), {}, g);
    for (std::size_t i = 0; i < g.size(); i += 3) g[i] = 0;  // zeros, so that the zero rules matter
    for (std::size_t i = 0; i < g.size(); ++i) g[i] += i % 3 == 0 ? 0.0F : x[i];
  };
  return setup;
}

class SignsgdCheck22 : public testing::TestWithParam<const char*> {};

TEST_P(SignsgdCheck22, ReplicasAreEqualAfterAThousandRoundsForOneTwoAndSevenThreads) {
  const std::uint32_t rounds = test::repeats({.all = 1000, .sanitized = 100});
  const auto one = run_loop<float>(GetParam(), noisy_quadratic(7, 1, rounds));
  for (const std::uint32_t ranks : {2U, 7U}) {
    const auto many = run_loop<float>(GetParam(), noisy_quadratic(7, ranks, rounds));
    EXPECT_TRUE(many.replicas_equal) << ranks << " ranks";
    EXPECT_EQ(many.x, one.x) << ranks << " ranks";
    EXPECT_EQ(many.uplink, one.uplink);
    EXPECT_EQ(many.downlink, one.downlink);
    EXPECT_EQ(many.link_bytes, one.link_bytes);
    EXPECT_EQ(many.votes, one.votes);
    EXPECT_EQ(many.agreeing, one.agreeing);
  }
}

INSTANTIATE_TEST_SUITE_P(EveryMode, SignsgdCheck22,
                         testing::Values("vote", "vote:beta=0.9", "vote:zero=random,tie=random",
                                         "vote:zero=abstain,tie=zero",
                                         "vote:zero=abstain,tie=random", "vote:tie=zero,quorum=2",
                                         "dense", "dense:wire=bf16", "dense:wire=f16", "ef:sign",
                                         "ef:two_way=false:sign:block=64", "krum:f=2"));

TEST(SignsgdCheck22, SingleAndShardedServersGiveTheSameBits) {
  for (const char* rest : {"zero=random,tie=random", "zero=abstain,tie=zero", "beta=0.9"}) {
    const auto single =
        run_loop<float>(std::string("vote:shards=1,") + rest, noisy_quadratic(6, 2, 200));
    for (const char* shards : {"2", "6"}) {
      const auto sharded = run_loop<float>(std::string("vote:shards=") + shards + "," + rest,
                                           noisy_quadratic(6, 3, 200));
      EXPECT_EQ(single.x, sharded.x) << rest << " with " << shards << " shards";
    }
  }
  EXPECT_EQ(run_loop<float>("dense:shards=1", noisy_quadratic(6, 2, 50)).x,
            run_loop<float>("dense:shards=5", noisy_quadratic(6, 3, 50)).x);
}

// --- Check 23: frames built by hand, some of them broken ---

constexpr std::uint32_t kDim = 100;

std::vector<std::byte> sign_frame(std::uint32_t sender, std::uint64_t word0,
                                  std::uint64_t word1 = 0) {
  std::vector<std::byte> out;
  const std::size_t token = wire::begin_frame(
      {.kind = wire::Kind::kSign, .phase = 1, .round = 5, .sender = sender, .dim = kDim}, out);
  wire::WireWriter writer(out);
  writer.u64(word0);
  writer.u64(word1);
  wire::end_frame(token, out);
  return out;
}

struct Collected {
  std::vector<OwnedShard> owned;
  Refusals refusals;
  std::vector<Divergence> diverged;
};

Collected collect(const std::vector<std::vector<std::byte>>& frames, std::uint32_t workers) {
  std::vector<std::byte> bytes;
  for (const auto& frame : frames) bytes.insert(bytes.end(), frame.begin(), frame.end());
  Collected out;
  out.owned.push_back({.shard = 0,
                       .inbox = {.payloads = std::vector<wire::Bytes>(workers),
                                 .present = std::vector<std::uint8_t>(workers)}});
  const std::vector<Shard> plan = {{.begin = 0, .end = kDim, .owner = 0}};
  collect_frames(bytes, {.kind = wire::Kind::kSign, .phase = 1, .round = 5, .senders = workers},
                 plan, out.owned, out.refusals, out.diverged);
  return out;
}

TEST(SignsgdCheck23, EveryDefectOfAHeaderHasItsTypedFaultAndTheOthersStillCount) {
  struct Case {
    const char* what;
    std::size_t byte;
    std::uint8_t value;
    Fault fault;
  };
  for (const Case& c :
       {Case{"kind", 5, 1, Fault::kBadKind}, Case{"mode", 6, 3, Fault::kBadMode},
        Case{"phase", 7, 2, Fault::kWrongPhase}, Case{"stale round", 8, 4, Fault::kWrongRound},
        Case{"sender", 12, 9, Fault::kBadSender}, Case{"wrong dim", 16, 99, Fault::kBadDimension},
        Case{"offset", 20, 64, Fault::kBadDimension}}) {
    auto bad = sign_frame(1, 7);
    bad[c.byte] = std::byte{c.value};
    const Collected out = collect({sign_frame(0, 1), bad, sign_frame(2, 3)}, 3);
    EXPECT_EQ(out.refusals.count, 1U) << c.what;
    EXPECT_EQ(out.refusals.first.fault(), c.fault)
        << c.what << ": " << out.refusals.first.message();
    EXPECT_EQ(out.owned[0].inbox.present, (std::vector<std::uint8_t>{1, 0, 1})) << c.what;
  }
}

TEST(SignsgdCheck23, DuplicateSendersAndTruncatedFramesAreRefused) {
  const Collected twice = collect({sign_frame(0, 1), sign_frame(0, 2), sign_frame(1, 3)}, 2);
  EXPECT_EQ(twice.refusals.count, 1U);
  EXPECT_EQ(twice.refusals.first.fault(), Fault::kDuplicateSender);
  EXPECT_EQ(twice.owned[0].inbox.present, (std::vector<std::uint8_t>{1, 1}));
  auto cut = sign_frame(1, 3);
  for (std::size_t size = 1; size < cut.size(); ++size) {
    const std::vector<std::byte> part(cut.begin(), cut.begin() + static_cast<std::ptrdiff_t>(size));
    const Collected out = collect({sign_frame(0, 1), part}, 2);
    EXPECT_EQ(out.refusals.count, 1U) << size;
    EXPECT_EQ(out.refusals.first.fault(), Fault::kTruncated) << size;
    EXPECT_EQ(out.owned[0].inbox.present, (std::vector<std::uint8_t>{1, 0})) << size;
  }
}

// A communicator that lets a test rewrite what arrives in the uplink, as a broken network would.
class Tampering final : public Communicator {
 public:
  using Rewrite = std::function<void(std::vector<std::byte>&)>;
  explicit Tampering(Rewrite rewrite) : rewrite_(std::move(rewrite)) {}
  [[nodiscard]] std::uint32_t rank() const override { return 0; }
  [[nodiscard]] std::uint32_t size() const override { return 1; }
  [[nodiscard]] std::string_view transport() const override { return "tampering"; }
  void abort(std::string_view) noexcept override {}

 protected:
  void do_all_gather(const CallInfo&, std::span<const std::byte> mine, Gathered& out) override {
    copy(mine, out);
  }
  void do_all_to_all(const CallInfo&, std::span<const std::span<const std::byte>> parts,
                     Gathered& out) override {
    std::vector<std::byte> bytes(parts[0].begin(), parts[0].end());
    rewrite_(bytes);
    copy(bytes, out);
  }
  void do_broadcast(const CallInfo&, std::uint32_t, std::vector<std::byte>&) override {}
  void do_barrier(const CallInfo&) override {}
  void do_fast_sum(const CallInfo&, std::span<float>) override {}
  void do_fast_sum(const CallInfo&, std::span<double>) override {}

 private:
  static void copy(std::span<const std::byte> from, Gathered& out) {
    const std::uint64_t size = from.size();
    std::copy(from.begin(), from.end(), out.reset(std::span(&size, 1)).begin());
  }
  Rewrite rewrite_;
};

struct TamperedRound {
  std::vector<float> direction;
  RoundReport report;
};

// Three workers, one shard, d = 100: worker w votes + on all coordinates when w > 0, worker 0 votes
// -.
TamperedRound tampered_round(const char* spec, const Tampering::Rewrite& rewrite) {
  const Layout layout = flat_layout(kDim);
  const auto aggregator =
      aggregators<float>().make(test::canonical_aggregator(spec),
                                {.layout = &layout, .workers = 3, .mine = {0, 3}, .seed = 1});
  std::vector<std::vector<float>> gradients(3, std::vector<float>(kDim, 1.0F));
  gradients[0].assign(kDim, -1.0F);
  std::vector<WorkerGradient<float>> views;
  for (std::uint32_t w = 0; w < 3; ++w) views.push_back({.worker = w, .values = gradients[w]});
  Tampering comm(rewrite);
  TamperedRound out;
  out.direction.resize(kDim);
  out.report = aggregator->aggregate({.index = 0, .step_size = 1, .previous_step_size = 1}, views,
                                     out.direction, comm);
  return out;
}

constexpr std::size_t kSignFrame = wire::kHeaderBytes + 16;

TEST(SignsgdCheck23, AVoteWithABadBallotGoesOnWithTheRemainingVoters) {
  // Without worker 2 the vote of - and + is tied; without worker 0 it is + anyway.
  const auto padding = tampered_round("vote:tie=zero", [](auto& bytes) {
    bytes[2 * kSignFrame + kSignFrame - 1] = std::byte{0x80};
  });
  EXPECT_EQ(padding.report.refused_frames, 1U);
  EXPECT_EQ(padding.report.first_refusal.fault(), Fault::kNonZeroPadding);
  EXPECT_EQ(padding.direction, std::vector<float>(kDim, 0.0F));
  const auto outside = tampered_round("vote:zero=abstain,tie=zero", [](auto& bytes) {
    bytes[wire::kHeaderBytes] =
        std::byte{0xfe};  // worker 0 no longer votes on coordinate 0, but its sign bit is set
  });
  EXPECT_EQ(outside.report.refused_frames, 1U);
  EXPECT_EQ(outside.report.first_refusal.fault(), Fault::kBadValue);
  EXPECT_EQ(outside.direction, std::vector<float>(kDim, 1.0F));
  EXPECT_EQ(outside.report.votes, 200U);
}

TEST(SignsgdCheck23, AScaleThatIsNotFiniteOrNegativeIsRefused) {
  const auto write_scale = [](float scale) {
    return [scale](std::vector<std::byte>& bytes) {
      const auto bits = std::bit_cast<std::array<std::byte, 4>>(scale);
      std::copy(bits.begin(), bits.end(), bytes.begin() + wire::kHeaderBytes);  // worker 0's scale
    };
  };
  for (const float scale :
       {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    const auto round = tampered_round("ef:two_way=false:sign", write_scale(scale));
    EXPECT_EQ(round.report.refused_frames, 1U);
    EXPECT_EQ(round.report.first_refusal.fault(), Fault::kNonFinite);
    EXPECT_EQ(round.direction, std::vector<float>(kDim, 1.0F));
  }
  const auto negative = tampered_round("ef:two_way=false:sign", write_scale(-1.0F));
  EXPECT_EQ(negative.report.first_refusal.fault(), Fault::kNegativeScale);
}

TEST(SignsgdCheck23, ARoundInWhichEveryFrameIsRefusedEndsWithTheTieRule) {
  const auto cut = [](std::vector<std::byte>& bytes) { bytes.resize(3); };
  EXPECT_EQ(tampered_round("vote:tie=zero", cut).direction, std::vector<float>(kDim, 0.0F));
  EXPECT_EQ(tampered_round("dense", cut).direction, std::vector<float>(kDim, 0.0F));
  EXPECT_EQ(tampered_round("ef:sign", cut).direction, std::vector<float>(kDim, 0.0F));
  EXPECT_EQ(tampered_round("krum:f=0", cut).report.refused_frames, 1U);
}

TEST(SignsgdCheck23, EverySingleBitFlipOfAnUplinkIsRefusedOrCountedAsAVote) {
  for (const char* spec : {"vote", "vote:zero=abstain,tie=zero", "ef:sign", "dense"}) {
    std::size_t size = 0;
    tampered_round(spec, [&size](auto& bytes) { size = bytes.size(); });
    for (std::size_t bit = 0; bit < size * 8; ++bit) {
      const auto flip = [bit](auto& bytes) { bytes[bit / 8] ^= std::byte{1} << (bit % 8); };
      try {
        const auto round = tampered_round(spec, flip);
        for (const float value : round.direction)
          ASSERT_TRUE(std::isfinite(value)) << spec << " bit " << bit;
        EXPECT_LE(round.report.refused_frames, 3U);
      } catch (const DivergedError&) {
        // The kind byte can turn into kDiverged; its payload then has the wrong length, so never
        // here.
        ADD_FAILURE() << spec << " bit " << bit << " turned into a divergence";
      }
    }
  }
}

// --- Check 24: exact traffic ---

TEST(SignsgdCheck24, BytesAreHeaderPlusPlaneEachWayPerWorkerAndShard) {
  for (const std::uint32_t dim : {1U, 63U, 64U, 65U, 1000U, 4097U}) {
    for (const std::uint32_t workers : {1U, 3U, 6U}) {
      for (const std::uint32_t shards : {1U, workers}) {
        LoopSetup<float> setup;
        setup.layout = flat_layout(dim);
        setup.workers = workers;
        setup.ranks = std::min(workers, 3U);
        setup.rounds = 2;
        setup.gradient = [](auto, auto, auto, auto) {};
        const auto result = run_loop<float>("vote:shards=" + std::to_string(shards), setup);
        std::uint64_t per_worker = 0;
        for (const Shard& shard : even_shards(dim, shards, workers))
          per_worker += 32 + 8 * kernels::words_for(shard.size());
        EXPECT_EQ(result.uplink.frame_bytes, 2 * workers * per_worker);
        EXPECT_EQ(result.downlink.frame_bytes, 2 * workers * per_worker);
        EXPECT_EQ(result.uplink.payload_bits, std::uint64_t{2} * workers * dim);
        EXPECT_EQ(result.downlink.payload_bits, std::uint64_t{2} * workers * dim);
        // The communicator carried the uplink once and the downlink once per rank.
        EXPECT_EQ(result.traffic.sent_bytes + result.traffic.self_bytes,
                  result.uplink.frame_bytes + result.downlink.frame_bytes / workers * setup.ranks);
      }
    }
  }
}

TEST(SignsgdCheck24, AMillionCoordinatesCostThirtyTwoTimesLessThanFloats) {
  LoopSetup<float> setup;
  setup.layout = flat_layout(1000000);
  setup.workers = 2;
  setup.gradient = [](auto, auto, auto, auto) {};
  const auto vote = run_loop<float>("vote", setup);
  const auto dense = run_loop<float>("dense", setup);
  const double up =
      static_cast<double>(dense.uplink.frame_bytes) / static_cast<double>(vote.uplink.frame_bytes);
  const double down = static_cast<double>(dense.downlink.frame_bytes) /
                      static_cast<double>(vote.downlink.frame_bytes);
  EXPECT_NEAR(up, 32, 0.032);
  EXPECT_NEAR(down, 32, 0.032);
  EXPECT_EQ(dense.uplink.payload_bits, 32 * vote.uplink.payload_bits);
  EXPECT_EQ(dense.downlink.payload_bits, 32 * vote.downlink.payload_bits);
}

TEST(Shards, EvenShardsCoverEverythingAtMultiplesOf64) {
  for (const std::size_t dim : {1U, 64U, 65U, 123U, 1000U, 50890U}) {
    for (const std::uint32_t count : {1U, 2U, 7U, 64U}) {
      const auto shards = even_shards(dim, count, 64);
      std::size_t end = 0;
      for (std::size_t s = 0; s < shards.size(); ++s) {
        EXPECT_EQ(shards[s].begin, end);
        EXPECT_EQ(shards[s].begin % 64, 0U);
        EXPECT_GT(shards[s].size(), 0U);
        EXPECT_EQ(shards[s].owner, s);
        end = shards[s].end;
      }
      EXPECT_EQ(end, dim);
      EXPECT_LE(shards.size(), count);
    }
  }
}

TEST(Shards, TensorShardsKeepTensorsWhole) {
  const Layout layout({{.name = "a", .shape = {100, 10}},
                       {.name = "b", .shape = {10, 1}},
                       {.name = "c", .shape = {300, 1}},
                       {.name = "d", .shape = {300, 1}},
                       {.name = "e", .shape = {1, 1}}});
  for (const std::uint32_t count : {1U, 2U, 3U, 5U, 9U}) {
    const auto shards = tensor_shards(layout, count, 9);
    std::size_t tensor = 0;
    for (const Shard& shard : shards) {
      EXPECT_EQ(shard.first_tensor, tensor);
      EXPECT_EQ(shard.begin, layout.tensors()[tensor].offset);
      EXPECT_GT(shard.last_tensor, shard.first_tensor);
      tensor = shard.last_tensor;
    }
    EXPECT_EQ(tensor, 5U) << count;
    EXPECT_EQ(shards.back().end, layout.size());
    EXPECT_LE(shards.size(), count);
  }
}

TEST(AggregatorProblems, NameValueLimitAndRemedy) {
  const auto problems = [](const std::string& spec) {
    return aggregator_problems(test::canonical_aggregator(spec), 5);
  };
  EXPECT_EQ(problems("vote"), std::vector<std::string>{});
  EXPECT_EQ(problems("vote:quorum=3"),
            std::vector<std::string>{"vote: quorum=3 needs tie=zero, because an outcome without "
                                     "quorum is zero; add tie=zero"});
  EXPECT_EQ(problems("vote:quorum=6,tie=zero"),
            std::vector<std::string>{
                "vote: quorum=6 can never be reached with 5 workers; use at most 5"});
  EXPECT_EQ(problems("vote:warmup=true"),
            std::vector<std::string>{"vote: warmup=true has no meaning with beta=0; leave it out "
                                     "or give a momentum such as beta=0.9"});
  EXPECT_EQ(problems("dense:shards=6"),
            std::vector<std::string>{
                "dense: shards=6 is more than the 5 workers that can host them; use at most 5"});
  EXPECT_EQ(
      problems("dense:sum=fast,wire=bf16"),
      std::vector<std::string>{
          "dense: wire=bf16 needs sum=canonical; the transport's all-reduce sums native numbers"});
  EXPECT_EQ(problems("dense:sum=fast,shards=2"),
            std::vector<std::string>{"dense: shards has no meaning with sum=fast; leave it out"});
  EXPECT_EQ(problems("krum:f=3"),
            std::vector<std::string>{"krum: f=3 needs at least 6 workers, because a score counts "
                                     "n-f-2 neighbours; there are 5"});
}

}  // namespace
}  // namespace laconic
