// SPDX-License-Identifier: Apache-2.0
// Training with orders that look at gradients: they change which examples are visited and nothing
// else, whatever the aggregator and the ranks. cd-grab.md 5, check 18.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <numeric>
#include <string>
#include <vector>

#include "laconic/aggregate/aggregator.hpp"
#include "laconic/base/error.hpp"
#include "laconic/comm/transports.hpp"
#include "laconic/experiment/catalog.hpp"
#include "laconic/experiment/records.hpp"
#include "laconic/experiment/run.hpp"
#include "laconic/order/example_orders.hpp"
#include "tests/support/repeats.hpp"

namespace laconic::experiment {
namespace {

constexpr std::uint32_t kWorkers = 5;
constexpr std::uint32_t kExamples = 40;  // per worker
constexpr std::uint32_t kEpochs = 3;

constexpr const char* kHead = R"(name = "t"
workers = 5
epochs = 3
step = 0.5
record_every = 1
record_gradient = false
precision = "double"
aggregator = "dense"
problem = "logistic:l2=1e-3,bias=true"
data = "synthetic-sparse:rows=200,test_rows=50,features=30,nonzeros=5"
shard = "shuffled"
)";

Plan plan_of(const std::string& text) {
  const ParsedConfig parsed = parse_config(text, "test");
  for (const Diagnostic& d : parsed.diagnostics) ADD_FAILURE() << text_of(d);
  for (const Diagnostic& d : validate(parsed.config)) {
    if (d.severity == Severity::kError) ADD_FAILURE() << text_of(d);
  }
  return make_plan(parsed.config);
}

class Keeper final : public Observer {
 public:
  explicit Keeper(const Plan& plan) : plan_(plan) {}
  void advanced(const Progress&) override {}
  void recorded(const Record& record) override {
    records.push_back(record);
    Record timeless = record;
    timeless.seconds = {};
    text += record_json(plan_, timeless) + '\n';
  }
  void diverged(const Divergence& divergence) override {
    divergences.push_back(divergence);
    text += divergence_json(plan_, divergence) + '\n';
  }
  [[nodiscard]] std::vector<double> losses(std::size_t method) const {
    std::vector<double> out;
    for (const Record& record : records) {
      if (record.method == method) out.push_back(*record.metrics.loss);
    }
    return out;
  }

  std::vector<Record> records = {};
  std::vector<Divergence> divergences = {};
  std::string text = {};

 private:
  const Plan& plan_;
};

Summary run_with(const Experiment& experiment, std::uint32_t ranks, Keeper& keeper) {
  Summary summary;
  run_on_threads(ranks, [&](Communicator& comm) {
    Summary mine = run(experiment, comm, keeper);
    if (comm.rank() == 0) summary = std::move(mine);
  });
  return summary;
}

Spec order_spec(const std::string& text) {
  return all_cards().canonical(parse_spec(text).value_or_throw(), "order");
}

// The observing orders of the registry, as their cards have them, and every way of exchange.
std::vector<std::string> observing_orders() {
  std::vector<std::string> out;
  for (const Card* card : all_cards().of_kind("order")) {
    if (order_observes(order_spec(std::string(card->name)))) out.emplace_back(card->name);
  }
  for (const char* form : {"server", "replicated", "sharded"}) {
    out.push_back(std::string("cd-grab:exchange=") + form);
  }
  out.emplace_back("cd-grab:behind=true");
  return out;
}

std::string methods_with(const std::vector<std::string>& orders, const std::string& settings) {
  std::string out;
  for (const std::string& order : orders) {
    out += "[[method]]\nname = \"" + order + "\"\norder = \"" + order + "\"\n" + settings;
  }
  return out;
}

// Which units every worker visits in every epoch: [epoch][worker][position].
using Schedule = std::vector<std::vector<std::vector<std::uint32_t>>>;

struct Loop {
  std::uint32_t batch = 7;  // examples per worker and round
  std::uint32_t unit = 1;
  double step = 0.5;
};

// The examples of one batch, and whether there are any.
std::vector<std::uint32_t> examples_of(const std::vector<std::uint32_t>& order, std::uint32_t round,
                                       const Loop& loop) {
  std::vector<std::uint32_t> out;
  const std::uint32_t units = loop.batch / loop.unit;
  for (std::uint32_t j = round * units; j < (round + 1) * units && j < order.size(); ++j) {
    for (std::uint32_t k = 0; k < loop.unit; ++k) {
      const std::uint32_t example = order[j] * loop.unit + k;
      if (example < kExamples) out.push_back(example);
    }
  }
  return out;
}

// Plain distributed SGD over a schedule that is known beforehand: no order is asked, none observes.
std::vector<double> plain_losses(const Problem<double>& problem, const Schedule& schedule,
                                 const Loop& loop) {
  const std::size_t d = problem.layout().size();
  std::vector<double> x(d);
  std::vector<double> losses;
  ProblemScratch<double> scratch;
  const auto measure = [&] {
    double sum = 0;
    for (std::uint32_t w = 0; w < kWorkers; ++w) sum += problem.loss(w, x, scratch);
    losses.push_back(sum / kWorkers);
  };
  problem.initial_point(1, x);
  measure();
  for (const auto& orders : schedule) {
    const std::uint32_t rounds = (kExamples + loop.batch - 1) / loop.batch;
    for (std::uint32_t round = 0; round < rounds; ++round) {
      std::vector<double> mean(d);
      std::vector<double> g(d);
      for (std::uint32_t w = 0; w < kWorkers; ++w) {
        problem.batch_gradient(w, examples_of(orders[w], round, loop), x, g, scratch);
        for (std::size_t j = 0; j < d; ++j) mean[j] += g[j];
      }
      for (std::size_t j = 0; j < d; ++j) x[j] -= loop.step * (mean[j] * (1.0 / kWorkers));
      measure();
    }
  }
  return losses;
}

// Adds up rows as dense vectors.
class Collect final : public UnitSink<double> {
 public:
  explicit Collect(std::size_t dimension) : mean(dimension) {}
  void take(std::size_t, const UnitRow<double>& row) override {
    for (std::size_t e = 0; e < row.values.size(); ++e) {
      mean[row.dense() ? e : row.indices[e]] += row.values[e];
    }
  }
  std::vector<double> mean;
};

// A user's own loop around the order: the schedule that it chooses on the way.
Schedule chosen_schedule(const Problem<double>& problem, const std::string& order,
                         const Loop& loop) {
  const std::size_t d = problem.layout().size();
  const std::uint32_t units = (kExamples + loop.unit - 1) / loop.unit;
  const auto orders = make_example_orders<double>(
      order_spec(order),
      {.units = std::vector<std::uint32_t>(kWorkers, units), .dim = d, .seed = 1});
  const auto comm = make_self_communicator();
  Schedule schedule;
  std::vector<double> x(d);
  ProblemScratch<double> scratch;
  problem.initial_point(1, x);
  for (std::uint32_t e = 0; e < kEpochs; ++e) {
    orders->begin_epoch(e);
    auto& epoch = schedule.emplace_back();
    for (std::uint32_t w = 0; w < kWorkers; ++w) {
      epoch.emplace_back(orders->order(w).begin(), orders->order(w).end());
    }
    const std::uint32_t batch_units = loop.batch / loop.unit;
    for (std::uint32_t round = 0; round * batch_units < units; ++round) {
      std::vector<double> mean(d);
      std::vector<double> g(d);
      for (std::uint32_t w = 0; w < kWorkers; ++w) {
        for (std::uint32_t j = round * batch_units; j < std::min(units, (round + 1) * batch_units);
             ++j) {
          const std::vector<std::uint32_t> one =
              examples_of({epoch[w][j]}, 0, {.batch = loop.unit, .unit = loop.unit});
          Collect unit(d);
          problem.unit_gradients(w, one, x, g, unit, scratch);
          // As a mean is rounded: times the share.
          for (double& value : unit.mean) value *= 1 / static_cast<double>(one.size());
          orders->observe(w, j, UnitGradient<double>::dense(unit.mean));
        }
        problem.batch_gradient(w, examples_of(epoch[w], round, loop), x, g, scratch);
        for (std::size_t j = 0; j < d; ++j) mean[j] += g[j];
      }
      orders->exchange({.round = round, .phase = 0}, *comm);
      for (std::size_t j = 0; j < d; ++j) x[j] -= loop.step * (mean[j] * (1.0 / kWorkers));
    }
    orders->end_epoch({.round = e, .phase = 100}, *comm);
  }
  return schedule;
}

// Training with an order that observes has the bits of plain training over the orders that it
// chose, and these are those that it chooses in a user's own loop.
TEST(CdGrabCheck18, OrderingDoesNotTouchTheTraining) {
  const std::vector<std::string> orders = observing_orders();
  for (const Loop& loop : {Loop{}, Loop{.batch = 12, .unit = 3}}) {
    const Experiment experiment(plan_of(kHead + ("batch = " + std::to_string(loop.batch)) +
                                        "\nunit = " + std::to_string(loop.unit) + "\n" +
                                        methods_with(orders, "")));
    Keeper keeper(experiment.plan());
    static_cast<void>(run_with(experiment, 1, keeper));
    const auto problem = experiment.problem<double>(kWorkers, 1);
    for (std::size_t m = 0; m < orders.size(); ++m) {
      const Schedule schedule = chosen_schedule(*problem, orders[m], loop);
      EXPECT_NE(schedule[0], schedule[2]) << orders[m];
      EXPECT_EQ(keeper.losses(m), plain_losses(*problem, schedule, loop)) << orders[m];
    }
  }
}

// The first epoch of every order that starts at random is that of shuffling once.
TEST(CdGrabCheck18, TheFirstEpochIsThatOfShufflingOnce) {
  std::vector<std::string> orders = observing_orders();
  orders.emplace_back("once");
  const Experiment experiment(
      plan_of(std::string(kHead) + "batch = 5\n" + methods_with(orders, "")));
  Keeper keeper(experiment.plan());
  static_cast<void>(run_with(experiment, 2, keeper));
  const std::vector<double> once = keeper.losses(orders.size() - 1);
  for (std::size_t m = 0; m + 1 < orders.size(); ++m) {
    const std::vector<double> losses = keeper.losses(m);
    ASSERT_EQ(losses.size(), 1 + kEpochs * 8);
    EXPECT_TRUE(std::equal(losses.begin(), losses.begin() + 9, once.begin())) << orders[m];
    EXPECT_NE(losses.back(), once.back()) << orders[m];
  }
}

TEST(OrderTraining, UnitsMoveAsWholesWithOrdersThatDoNotLook) {
  const Loop loop = {.batch = 14, .unit = 7};  // 40 examples are 6 units, the last of 5
  const Experiment experiment(plan_of(std::string(kHead) + "batch = 14\nunit = 7\n" +
                                      methods_with({"incremental", "once", "reshuffle"}, "")));
  Keeper keeper(experiment.plan());
  static_cast<void>(run_with(experiment, 1, keeper));
  const auto problem = experiment.problem<double>(kWorkers, 1);
  for (std::size_t m = 0; m < 3; ++m) {
    Schedule schedule(kEpochs);
    for (std::uint32_t w = 0; w < kWorkers; ++w) {
      const auto policy =
          orders().make(experiment.plan().methods[m].order, {.units = 6, .worker = w, .seed = 1});
      for (std::uint32_t e = 0; e < kEpochs; ++e) {
        const auto order = policy->epoch(e);
        schedule[e].emplace_back(order.begin(), order.end());
      }
    }
    EXPECT_EQ(keeper.losses(m), plain_losses(*problem, schedule, loop));
  }
}

class OrderTrainingRanks : public testing::TestWithParam<const char*> {};

TEST_P(OrderTrainingRanks, GiveTheSameRecords) {
  std::string head = kHead;
  head.replace(head.find("\"double\""), 8, std::string("\"") + GetParam() + "\"");
  const Experiment experiment(
      plan_of(head + "batch = 7\n" + methods_with(observing_orders(), "") +
              "[[method]]\nname = 'mlp'\norder = 'grab'\nunit = 7\noptimizer = 'momentum'\n"));
  std::string first;
  for (const std::uint32_t ranks : {1U, 2U, 4U, 5U}) {
    Keeper keeper(experiment.plan());
    static_cast<void>(run_with(experiment, ranks, keeper));
    if (first.empty()) first = keeper.text;
    EXPECT_EQ(keeper.text, first) << ranks << " ranks";
  }
}

INSTANTIATE_TEST_SUITE_P(Precisions, OrderTrainingRanks, testing::Values("float", "double"),
                         [](const auto& test) { return std::string(test.param); });

// Orders are computed from the gradients themselves, whatever is sent.
TEST(OrderTraining, WorksWithEveryAggregator) {
  std::string methods;
  const struct {
    const char* aggregator;
    const char* settings;
  } kCases[] = {{"dense", ""},
                {"vote:beta=0.9,zero=abstain", "step = 0.03\n"},
                {"ef:sign", ""},
                {"mirror:ef21:topk:k=0.3", ""},
                {"mirror:marina:p=0.5:randk:k=0.5", "step = 3\n"},
                {"krum:f=1", ""}};
  for (const auto& tested : kCases) {
    for (const char* order : {"grab", "cd-grab:exchange=sharded"}) {
      methods += std::string("[[method]]\nname = \"") + tested.aggregator + ' ' + order +
                 "\"\naggregator = \"" + tested.aggregator + "\"\norder = \"" + order + "\"\n" +
                 tested.settings;
    }
  }
  std::string head = kHead;
  head.replace(head.find("epochs = 3"), 10, "epochs = 12");
  head.replace(head.find("step = 0.5"), 10, "step = 4");
  const Experiment experiment(plan_of("record_excess = true\n" + head + "batch = 8\n" + methods));
  Keeper keeper(experiment.plan());
  const Summary summary = run_with(experiment, 2, keeper);
  for (const MethodSummary& method : summary.methods) {
    EXPECT_EQ(method.status, Status::kDone) << method.name;
    double start = 0;
    for (const Record& record : keeper.records) {
      if (record.round == 0 && summary.methods[record.method].name == method.name) {
        start = *record.metrics.excess;
      }
    }
    EXPECT_LT(*method.final.excess, start / 3) << method.name;
  }
}

constexpr const char* kMessageCases[][2] = {
    {"dense", "step = 4\n"},
    {"dense:wire=bf16", "step = 4\n"},
    {"vote:beta=0.9,zero=abstain", "step = 0.03\n"},
    {"vote:beta=0.5,zero=abstain", "step = 0.03\n"},
    {"ef:sign", "step = 4\n"},
    {"mirror:ef21:topk:k=0.3", "step = 4\n"},
    {"mirror:clag:topk:k=0.3", "step = 4\n"},
    {"mirror:diana:natural", "step = 4\n"},
    {"mirror:by=tensor:marina:p=0.5:randk:k=0.5", "step = 3\n"},
    {"quantized:thr-unb", "step = 4\n"},
    {"quantized:down=sum:vaninf:levels=7", "step = 4\n"},
    {"krum:f=1", "step = 4\n"},
};

std::string message_methods(const std::string& from) {
  std::string methods;
  for (const auto& [aggregator, settings] : kMessageCases) {
    for (const char* order : {"grab", "pair-grab", "cd-grab:exchange=sharded", "cd-grab"}) {
      methods += std::string("[[method]]\nname = \"") + aggregator + ' ' + order +
                 "\"\naggregator = \"" + aggregator + "\"\norder = \"" + order +
                 "\"\norder_from = \"" + from + "\"\n" + settings;
    }
  }
  return methods;
}

// Orders from what the server decodes.
TEST(OrderTraining, FromMessagesIsTheSameOnAnyNumberOfRanks) {
  std::string head = kHead;
  const std::uint32_t epochs = test::repeats({.all = 12, .sanitized = 3});
  head.replace(head.find("epochs = 3"), 10, "epochs = " + std::to_string(epochs));
  const Experiment experiment(plan_of("record_excess = true\n" + head + "batch = 4\nunit = 4\n" +
                                      message_methods("messages")));
  std::string first;
  for (const std::uint32_t ranks : {1U, 2U, 4U}) {
    Keeper keeper(experiment.plan());
    static_cast<void>(run_with(experiment, ranks, keeper));
    if (first.empty()) first = keeper.text;
    EXPECT_EQ(keeper.text, first) << ranks << " ranks";
  }
}

TEST(OrderTraining, LearnsFromMessagesWithEveryAggregatorThatTellsThemApart) {
  std::string head = kHead;
  head.replace(head.find("epochs = 3"), 10, "epochs = 12");
  const std::string text = "record_excess = true\n" + head + "batch = 4\nunit = 4\n";
  const Experiment experiment(plan_of(text + message_methods("messages")));
  Keeper messages(experiment.plan());
  const Summary summary = run_with(experiment, 1, messages);
  for (const MethodSummary& method : summary.methods) {
    EXPECT_EQ(method.status, Status::kDone) << method.name;
    EXPECT_LT(*method.final.excess, *messages.records[0].metrics.excess / 3) << method.name;
  }
  // They are other orders than those from gradients: from the second epoch on what is visited
  // differs, but for the messages that are gradients (dense, krum), here with a regulariser.
  const Experiment beside(plan_of(text + message_methods("gradients")));
  Keeper gradients(beside.plan());
  static_cast<void>(run_with(beside, 1, gradients));
  for (std::size_t m = 0; m < experiment.plan().methods.size(); ++m) {
    const std::string& name = experiment.plan().methods[m].name;
    const std::vector<double> a = messages.losses(m);
    const std::vector<double> b = gradients.losses(m);
    EXPECT_TRUE(std::equal(a.begin(), a.begin() + 11, b.begin())) << name;
    if (!name.starts_with("dense") && !name.starts_with("krum")) {
      EXPECT_NE(a, b) << name;
    }
  }
}

// The order that signs choose, in a user's own loop of signSGD.
TEST(OrderTraining, AVoteShowsTheOrderSigns) {
  constexpr std::uint32_t kUnits = 10;
  const Loop loop = {.batch = 4, .unit = 4, .step = 0.05};
  std::string head = kHead;
  head.replace(head.find("step = 0.5"), 10, "step = 0.05");
  const Experiment experiment(plan_of(head + "batch = 4\nunit = 4\norder_from = 'messages'\n" +
                                      "[[method]]\naggregator = 'vote'\norder = 'cd-grab'\n"));
  Keeper keeper(experiment.plan());
  static_cast<void>(run_with(experiment, 2, keeper));
  const auto problem = experiment.problem<double>(kWorkers, 1);
  const std::size_t d = problem->layout().size();
  const auto orders = make_example_orders<double>(
      order_spec("cd-grab"),
      {.units = std::vector<std::uint32_t>(kWorkers, kUnits), .dim = d, .seed = 1});
  const auto comm = make_self_communicator();
  std::vector<double> x(d);
  std::vector<double> g(d);
  ProblemScratch<double> scratch;
  problem->initial_point(1, x);
  std::vector<double> losses;
  const auto measure = [&] {
    double sum = 0;
    for (std::uint32_t w = 0; w < kWorkers; ++w) sum += problem->loss(w, x, scratch);
    losses.push_back(sum / kWorkers);
  };
  measure();
  for (std::uint32_t e = 0; e < kEpochs; ++e) {
    orders->begin_epoch(e);
    for (std::uint32_t t = 0; t < kUnits; ++t) {
      std::vector<int> votes(d);
      for (std::uint32_t w = 0; w < kWorkers; ++w) {
        const std::vector<std::uint32_t> order(orders->order(w).begin(), orders->order(w).end());
        problem->batch_gradient(w, examples_of(order, t, loop), x, g, scratch);
        for (std::size_t i = 0; i < d; ++i) {
          g[i] = g[i] < 0 ? -1 : 1;
          votes[i] += g[i] < 0 ? -1 : 1;
        }
        orders->observe(w, t, UnitGradient<double>::dense(g));
      }
      orders->exchange({.round = t, .phase = 0}, *comm);
      for (std::size_t i = 0; i < d; ++i) x[i] -= loop.step * (votes[i] < 0 ? -1.0 : 1.0);
      measure();
    }
    orders->end_epoch({.round = e, .phase = 100}, *comm);
  }
  EXPECT_EQ(keeper.losses(0), losses);
}

// A model that a step has thrown beyond what its gradients can hold.
TEST(OrderTraining, EndsWhereTheGradientOfAUnitIsNotFinite) {
  std::string head = kHead;
  head.replace(head.find("logistic:l2=1e-3,bias=true"), 26, "autoencoder:code=2");
  head.replace(head.find("step = 0.5"), 10, "step = 1e20");
  head.replace(head.find("\"double\""), 8, "\"float\"");
  std::vector<std::string> orders = observing_orders();
  const Experiment experiment(
      plan_of("allow_divergence = true\n" + head + "batch = 4\n" + methods_with(orders, "")));
  std::string first;
  for (const std::uint32_t ranks : {1U, 3U}) {
    Keeper keeper(experiment.plan());
    const Summary summary = run_with(experiment, ranks, keeper);
    ASSERT_EQ(keeper.divergences.size(), orders.size());
    for (const Divergence& divergence : keeper.divergences) {
      ASSERT_TRUE(divergence.unit);
      EXPECT_EQ(divergence.unit->epoch, divergence.round / 10);
      EXPECT_EQ(divergence.unit->position / 4, divergence.round % 10);
      EXPECT_LT(divergence.worker, kWorkers);
      EXPECT_EQ(summary.methods[divergence.method].status, Status::kDiverged);
    }
    if (first.empty()) first = keeper.text;
    EXPECT_EQ(keeper.text, first);
  }
}

// The step whose gradients are not finite fails in the aggregator while the order's exchange, which
// names the unit, is on its way: the records are those of an order that is not behind.
TEST(OrderTraining, NamesTheUnitAlsoWhereTheOrderIsBehindTheTraining) {
  std::string head = kHead;
  head.replace(head.find("logistic:l2=1e-3,bias=true"), 26, "autoencoder:code=2");
  head.replace(head.find("step = 0.5"), 10, "step = 1e20");
  head.replace(head.find("\"double\""), 8, "\"float\"");
  for (const char* form : {"server", "replicated", "sharded"}) {
    const std::string order = std::string("cd-grab:exchange=") + form;
    const Experiment experiment(plan_of("allow_divergence = true\n" + head + "batch = 4\n" +
                                        methods_with({order, order + ",behind=true"}, "")));
    for (const std::uint32_t ranks : {1U, 2U}) {
      Keeper keeper(experiment.plan());
      const Summary summary = run_with(experiment, ranks, keeper);
      EXPECT_EQ(summary.methods[0].status, Status::kDiverged);
      EXPECT_EQ(summary.methods[1].status, Status::kDiverged);
      EXPECT_EQ(keeper.losses(1), keeper.losses(0));
      ASSERT_EQ(keeper.divergences.size(), 2U) << form;
      const Divergence& beside = keeper.divergences[0];
      const Divergence& behind = keeper.divergences[1];
      ASSERT_TRUE(beside.unit && behind.unit) << form;
      EXPECT_EQ(behind.worker, beside.worker);
      EXPECT_EQ(behind.round, beside.round);
      EXPECT_EQ(behind.unit->epoch, beside.unit->epoch);
      EXPECT_EQ(behind.unit->position, beside.unit->position);
    }
  }
}

// cd-grab.md 2.9 with the frames of docs/wire-format.md: 32 bytes of header, 4 that name the unit,
// pair or step. Counted as if each of the four workers were alone on its machine.
TEST(CdGrabCheck21, TrafficOfAnEpochIsThatOfTheFormulas) {
  constexpr double kHeaders = 32 + 4;
  constexpr double kUnits = 50;  // per worker
  constexpr double kPairs = 25;
  constexpr double kTeam = 4;
  constexpr double kGram = 4 + 6;  // <h, v_i> and <v_i, v_j>
  for (const double number_bytes : {4.0, 8.0}) {
    std::string head = kHead;
    head.replace(head.find("logistic:l2=1e-3,bias=true"), 26, "mlp:hidden=3");
    head.replace(head.find("workers = 5"), 11, "workers = 4");
    if (number_bytes == 4) head.replace(head.find("\"double\""), 8, "\"float\"");
    const std::vector<std::string> forms = {
        "cd-grab:exchange=server", "cd-grab:exchange=replicated", "cd-grab:exchange=sharded"};
    const Experiment experiment(plan_of(head + "batch = 10\n" + methods_with(forms, "")));
    const auto d =
        static_cast<double>(number_bytes == 4 ? experiment.problem<float>(4, 1)->layout().size()
                                              : experiment.problem<double>(4, 1)->layout().size());
    const double every_unit = kUnits * (kHeaders + d * number_bytes);
    const OrderRecord expected[] = {
        {.uplink_bytes = every_unit, .downlink_bytes = 32 + 4},  // 25 sign bits
        {.uplink_bytes = every_unit, .downlink_bytes = 0},
        {.uplink_bytes = kPairs * (kTeam * kHeaders + d * number_bytes),
         .downlink_bytes = kPairs * (kHeaders + kGram * 8)}};
    for (const std::uint32_t ranks : {1U, 3U}) {
      Keeper keeper(experiment.plan());
      const Summary summary = run_with(experiment, ranks, keeper);
      std::size_t epochs = 0;
      for (const Record& record : keeper.records) {
        if (record.round % 5 != 0) continue;
        const double epoch = record.round / 5.0;
        EXPECT_EQ(record.order->uplink_bytes, epoch * expected[record.method].uplink_bytes);
        EXPECT_EQ(record.order->downlink_bytes, epoch * expected[record.method].downlink_bytes);
        ++epochs;
      }
      EXPECT_EQ(epochs, 3 * (kEpochs + 1));
      for (std::size_t m = 0; m < forms.size(); ++m) {
        EXPECT_EQ(summary.methods[m].order->uplink_bytes, kEpochs * expected[m].uplink_bytes);
        // The order's bytes are not the gradients'.
        EXPECT_EQ(summary.methods[m].uplink.payload_bits, 15 * d * number_bytes * 8);
      }
      if (ranks > 1) continue;
      // Server: h, and the first of a pair of every worker: of a microbatch of 10 one waits at a
      // time, and the message that is read. Replicated the same. Sharded: h.
      const OrderMemory& server = summary.methods[0].order->memory;
      EXPECT_EQ(static_cast<double>(server.sum_numbers), d);
      EXPECT_EQ(static_cast<double>(server.peak_cached_numbers), (kTeam + 1) * d);
      EXPECT_EQ(static_cast<double>(summary.methods[2].order->memory.sum_numbers), d);
    }
  }
}

// Of a mean nothing is missing when a worker adds 0; a vote, a selection or a state per worker is
// another one then.
TEST(OrderTraining, OnlyAMeanDoesWithoutAWorker) {
  for (const Card* card : all_cards().of_kind("aggregator")) {
    const auto spec = parse_spec(std::string(card->name));
    if (!spec || !all_cards().problems(*spec, "aggregator").empty()) continue;  // needs an inner
    const Spec canonical = all_cards().canonical(*spec, "aggregator");
    EXPECT_EQ(aggregator_needs(canonical, 4).every_worker, card->name != "dense") << card->name;
  }
  const Spec mirror =
      all_cards().canonical(parse_spec("mirror:lag-wk").value_or_throw(), "aggregator");
  EXPECT_TRUE(aggregator_needs(mirror, 4).every_worker);
}

TEST(OrderTraining, RefusesShardsThatCannotGoInStep) {
  std::string head = kHead;
  head.replace(head.find("\"shuffled\""), 10, "\"dirichlet:alpha=1\"");
  const std::string text = head + "batch = 4\n";
  static_cast<void>(Experiment(plan_of(text + methods_with({"reshuffle"}, ""))));
  static_cast<void>(Experiment(plan_of(text + methods_with({"grab"}, ""))));
  try {
    const Experiment experiment(
        plan_of(text + methods_with({"grab"}, "aggregator = 'vote:zero=abstain'\n")));
    FAIL() << "accepted";
  } catch (const ConfigError& e) {
    const std::string what = e.what();
    EXPECT_NE(what.find("method 'grab': order 'grab' goes through all shards in step, but worker 0 "
                        "has "),
              std::string::npos)
        << what;
    EXPECT_NE(what.find("'vote' cannot do without a worker; make the shards equal, e.g. shard = "
                        "'shuffled:drop_remainder=true', or use aggregator = 'dense'"),
              std::string::npos)
        << what;
    EXPECT_EQ(what.find('\n'), std::string::npos);
  }
}

// cd-grab.md 2.8: a worker whose shard is used up adds nothing to the mean of the others.
TEST(OrderTraining, GoesOnWithoutTheWorkersThatAreThrough) {
  std::string head = kHead;
  head.replace(head.find("\"shuffled\""), 10, "\"dirichlet:alpha=1\"");
  constexpr std::uint32_t kBatch = 4;
  const std::vector<std::string> orders = observing_orders();
  const Experiment experiment(plan_of(head + "batch = 4\n" + methods_with(orders, "")));
  Keeper keeper(experiment.plan());
  const Summary summary = run_with(experiment, 1, keeper);
  const auto problem = experiment.problem<double>(kWorkers, 1);
  const std::size_t d = problem->layout().size();
  std::vector<std::uint32_t> units;
  for (std::uint32_t w = 0; w < kWorkers; ++w) units.push_back(problem->units(w));
  const std::uint32_t longest = *std::max_element(units.begin(), units.end());
  ASSERT_GT(longest, 2 * *std::min_element(units.begin(), units.end()));
  for (std::size_t m = 0; m < orders.size(); ++m) {
    const auto chosen =
        make_example_orders<double>(order_spec(orders[m]), {.units = units, .dim = d, .seed = 1});
    const auto comm = make_self_communicator();
    std::vector<double> x(d);
    std::vector<double> losses;
    ProblemScratch<double> scratch;
    const auto measure = [&] {
      double sum = 0;
      for (std::uint32_t w = 0; w < kWorkers; ++w) sum += problem->loss(w, x, scratch);
      losses.push_back(sum / kWorkers);
    };
    measure();
    for (std::uint32_t e = 0; e < kEpochs; ++e) {
      chosen->begin_epoch(e);
      for (std::uint32_t first = 0; first < longest; first += kBatch) {
        double left = 0;
        for (const std::uint32_t count : units) left += first < count ? 1 : 0;
        std::vector<double> mean(d);
        std::vector<double> g(d);
        for (std::uint32_t w = 0; w < kWorkers; ++w) {
          if (first >= units[w]) continue;
          const auto batch = chosen->order(w).subspan(first, std::min(kBatch, units[w] - first));
          for (std::uint32_t k = 0; k < batch.size(); ++k) {
            Collect unit(d);
            problem->unit_gradients(w, batch.subspan(k, 1), x, g, unit, scratch);
            chosen->observe(w, first + k, UnitGradient<double>::dense(unit.mean));
          }
          problem->batch_gradient(w, batch, x, g, scratch);
          const double share = left < kWorkers ? kWorkers / left : 1;
          for (std::size_t j = 0; j < d; ++j) mean[j] += share * g[j];
        }
        chosen->exchange({.round = first, .phase = 0}, *comm);
        for (std::size_t j = 0; j < d; ++j) x[j] -= 0.5 * (mean[j] * (1.0 / kWorkers));
        measure();
      }
      chosen->end_epoch({.round = e, .phase = 100}, *comm);
    }
    EXPECT_EQ(keeper.losses(m), losses) << orders[m];
    EXPECT_EQ(summary.methods[m].epochs, kEpochs);
  }
}

// A batch that is not full counts as one: shards may differ where the number of batches does not.
TEST(OrderTraining, TakesShardsThatDifferByLessThanABatch) {
  std::string head = kHead;
  head.replace(head.find("rows=200"), 8, "rows=203");
  const Experiment experiment(plan_of(head + "batch = 6\n" + methods_with(observing_orders(), "")));
  for (const std::uint32_t ranks : {1U, 3U}) {
    Keeper keeper(experiment.plan());
    const Summary summary = run_with(experiment, ranks, keeper);
    for (const MethodSummary& method : summary.methods) {
      EXPECT_EQ(method.status, Status::kDone);
      EXPECT_EQ(method.epochs, kEpochs);
    }
  }
}

}  // namespace
}  // namespace laconic::experiment
