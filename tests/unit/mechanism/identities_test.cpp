// SPDX-License-Identifier: Apache-2.0
// Mechanisms that are the same map in other words, and what lazy ones leave alone: checks T6 to T9
// and T22 of 3pc.md section 6.
#include <gtest/gtest.h>

#include <cmath>

#include "tests/support/gradient_descent.hpp"
#include "tests/support/mechanisms.hpp"

namespace laconic {
namespace {

using test::descend;
using test::DescentResult;
using test::golden_quadratic;
using test::make_problem;
using test::RoundView;
using test::Vector;

// The iterates of `rounds` rounds.
struct Trajectory {
  std::vector<std::vector<double>> x = {};
  DescentResult<double> result = {};
};

Trajectory follow(const std::string& mechanism, double step, std::uint32_t rounds,
                  const std::string& s = "1") {
  const auto problem = make_problem<double>(golden_quadratic(s), {.workers = 10});
  Trajectory out;
  out.result = descend<double>(
      *problem, {.aggregator = "mirror:" + mechanism, .step = step, .rounds = rounds},
      [&](const RoundView<double>& view) { out.x.emplace_back(view.x.begin(), view.x.end()); });
  return out;
}

double largest_relative_distance(const Trajectory& a, const Trajectory& b) {
  double worst = 0;
  for (std::size_t t = 0; t < a.x.size(); ++t) {
    const double size = std::sqrt(test::norm2(a.x[t]));
    worst = std::max(worst, std::sqrt(test::norm2(test::minus(a.x[t], b.x[t]))) / size);
  }
  return worst;
}

TEST(ThreePcCheck06, ClagWithoutTriggerIsEf21BitForBit) {
  const auto ef21 = follow("ef21:topk:k=10", 0.5, 300);
  const auto clag = follow("clag:zeta=0:topk:k=10", 0.5, 300);
  EXPECT_EQ(ef21.x, clag.x);
  EXPECT_EQ(ef21.result.uplink.payload_bits, clag.result.uplink.payload_bits);
}

TEST(ThreePcCheck07, IdentityLimitsAreGradientDescent) {
  const auto gd = follow("gd", 0.9, 100);
  for (const char* spec :
       {"lag:zeta=0", "ef21:topk:k=100", "ef21:identity", "3pcv1:topk:k=100",
        "3pcv4:first=(topk:k=100):topk:k=100", "3pcv5:p=1:topk:k=10", "marina:p=1:randk:k=10",
        "clag:zeta=0:identity", "diana:identity", "dcgd:identity", "ef14:identity",
        "ef21+:identity", "3pcv2:q=(identity):identity", "ef21-pp:p=1:identity",
        "adacgd:zeta=0,cheap=(identity):ef21:identity"}) {
    EXPECT_LE(largest_relative_distance(gd, follow(spec, 0.9, 100)), 1e-12) << spec;
  }
  const auto problem = make_problem<double>(golden_quadratic("1"), {.workers = 10});
  EXPECT_EQ(test::theory_step<double>("mirror:gd", *problem), 1 / *problem->constants().l_minus);
  EXPECT_EQ(test::theory_step<double>("dense", *problem), 1 / *problem->constants().l_minus);
}

TEST(ThreePcCheck07, CompressedLazyAggregationOfTheIdentityIsLazyAggregation) {
  EXPECT_EQ(follow("lag:zeta=16", 0.3, 300).x, follow("clag:zeta=16:identity", 0.3, 300).x);
}

TEST(ThreePcCheck08, ALazyWorkerIsWithinItsTriggerAndLeavesItsBeliefAlone) {
  const double zeta = 16;
  const auto problem = make_problem<double>(golden_quadratic("1"), {.workers = 10});
  const auto lag = test::make_mechanism<double>("lag:zeta=16", 10);
  const Shape shape{100, 1};
  std::vector<test::Worker<double>> workers(10);
  std::vector<std::vector<double>> previous(10);
  std::uint32_t skips = 0;
  descend<double>(*problem, {.aggregator = "mirror:lag:zeta=16", .step = 0.15, .rounds = 400},
                  [&](const RoundView<double>& view) {
                    for (std::uint32_t w = 0; w < 10; ++w) {
                      const auto g = view.gradients[w].values;
                      test::Worker<double>& worker = workers[w];
                      if (view.round == 0) {
                        worker.h.assign(g.begin(), g.end());
                        worker.y.assign(g.begin(), g.end());
                      } else {
                        const std::vector<double> before = worker.h;
                        wire::Message message;
                        const bool said =
                            lag->encode({g, shape}, worker.memory(lag->needs(shape)), {},
                                        test::draw_context(view.round, w, 10), message);
                        const Vector x(g.begin(), g.end());
                        const double lagging = test::norm2(test::minus(worker.h, x));
                        const double drift = test::norm2(test::minus(x, previous[w]));
                        if (said) {
                          EXPECT_LE(lagging, 1e-28 * test::norm2(x));
                        } else {
                          ++skips;
                          EXPECT_EQ(worker.h, before);
                          EXPECT_EQ(message.bytes.size(), 1U);
                          std::vector<double> decoded(100, 0.0);
                          wire::WireReader in(message.bytes);
                          ASSERT_TRUE(lag->decode_add(in, test::draw_context(view.round, w, 10), 1,
                                                      {decoded, shape}));
                          EXPECT_EQ(decoded, std::vector<double>(100, 0.0));
                          EXPECT_LE(lagging, zeta * drift * (1 + 1e-12));
                        }
                      }
                      previous[w].assign(g.begin(), g.end());
                    }
                  });
  EXPECT_GT(skips, 1000U);
  EXPECT_LT(skips, 4000U);
}

TEST(ThreePcCheck08, AnEndlessTriggerNeverSendsAgain) {
  const auto problem = make_problem<double>(golden_quadratic("1"), {.workers = 10});
  std::vector<double> g0(100, 0.0);
  const auto result =
      descend<double>(*problem, {.aggregator = "mirror:lag:zeta=1e300", .step = 0.01, .rounds = 50},
                      [&](const RoundView<double>& view) {
                        if (view.round == 0)
                          g0.assign(view.direction.begin(), view.direction.end());
                        std::vector<double> expected(100, 0.0);
                        expected[0] = 10;
                        for (std::size_t i = 0; i < 100; ++i) {
                          expected[i] -= view.round * 0.01 * g0[i];
                          EXPECT_NEAR(view.x[i], expected[i], 1e-12 * (1 + std::abs(expected[i])));
                        }
                      });
  EXPECT_EQ(result.silent_workers, 500U);
  EXPECT_EQ(result.uplink.payload_bits, result.initial.payload_bits);
}

TEST(ThreePcCheck09, TwoWaysToComposeAreTheSameMap) {
  EXPECT_EQ(follow("3pcv3:first=(ef21:topk:k=5):sign", 0.05, 200).x,
            follow("3pcv4:first=(topk:k=5):sign", 0.05, 200).x);
}

TEST(ThreePcCheck09, TwoTopKsAreOneTopK) {
  for (const char* s : {"0", "1", "3"}) {
    EXPECT_EQ(follow("3pcv4:first=(topk:k=4):topk:k=6", 0.5, 500, s).x,
              follow("ef21:topk:k=10", 0.5, 500, s).x)
        << s;
  }
}

// h + Q(x - y) alone: not a method, but a three-point map with A = 0 and B = omega.
class QuantizedDrift final : public Mechanism<double> {
 public:
  explicit QuantizedDrift(std::unique_ptr<Compressor<double>> q) : q_(std::move(q)) {}
  [[nodiscard]] MechanismNeeds needs(Shape) const override { return {.previous = true}; }
  [[nodiscard]] std::optional<StepTheory> theory(Shape) const override { return std::nullopt; }
  [[nodiscard]] std::string misfit(Shape) const override { return {}; }
  [[nodiscard]] const Compressor<double>* initial_compressor() const override { return nullptr; }
  bool encode(TensorView<double> x, const WorkerMemory<double>& memory, const Movement<double>&,
              const CompressContext& context, wire::Message& out) const override {
    std::vector<double> step(x.values.size());
    for (std::size_t i = 0; i < step.size(); ++i) step[i] = x.values[i] - memory.y[i];
    q_->encode({step, x.shape}, context, out);
    wire::WireReader in(out.bytes);
    EXPECT_TRUE(q_->decode_add(in, context, 1, {memory.h, x.shape}));
    std::copy(x.values.begin(), x.values.end(), memory.y.begin());
    return true;
  }
  Status decode_add(wire::WireReader& in, const CompressContext& context, double scale,
                    TensorSpan<double> g) const override {
    return q_->decode_add(in, context, scale, g);
  }

 private:
  std::unique_ptr<Compressor<double>> q_;
};

TEST(ThreePcCheck09, TheThirdMethodAroundAQuantizedDriftIsTheSecond) {
  const auto compressor = [](const char* spec) {
    return compressors<double>().make(
        test::mechanism_catalog().canonical(parse_spec(spec).value_or_throw(), "compressor"), {});
  };
  const QuantizedDrift first(compressor("randk:k=8"));
  const auto outer = compressor("topk:k=4");
  const auto v2 = test::make_mechanism<double>("3pcv2:q=(randk:k=8):topk:k=4");
  const Shape shape{64, 1};
  for (std::uint32_t draw = 0; draw < 200; ++draw) {
    Vector h(64);
    Vector y(64);
    Vector x(64);
    std::uint32_t tensor = 0;
    for (Vector* v : {&h, &y, &x}) {
      rng::fill_normal(
          rng::Stream(5, {.purpose = rng::Purpose::kTest, .round = draw, .tensor = tensor++}), {},
          std::span<double>(*v));
    }
    const CompressContext context = test::draw_context(draw);
    Vector b = test::apply(first, h, y, x, child(context, 0));
    wire::Message message;
    const Vector rest = test::minus(x, b);
    outer->encode({rest, shape}, child(context, 1), message);
    wire::WireReader in(message.bytes);
    ASSERT_TRUE(outer->decode_add(in, child(context, 1), 1, {b, shape}));
    EXPECT_EQ(test::apply(*v2, h, y, x, context), b);
  }
}

TEST(ThreePcCheck22, PartialParticipationIsABernoulliCompressor) {
  const auto pp = follow("ef21-pp:p=0.4:topk:k=10", 0.3, 300);
  const auto bernoulli = follow("ef21:bernoulli:p=0.4,scale=false:topk:k=10", 0.3, 300);
  EXPECT_EQ(pp.x, bernoulli.x);
  const auto problem = make_problem<double>(golden_quadratic("1"), {.workers = 10});
  EXPECT_EQ(
      test::theory_step<double>("mirror:ef21-pp:p=0.4:topk:k=10", *problem),
      test::theory_step<double>("mirror:ef21:bernoulli:p=0.4,scale=false:topk:k=10", *problem));
}

}  // namespace
}  // namespace laconic
