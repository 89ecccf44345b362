// SPDX-License-Identifier: Apache-2.0
#include "laconic/experiment/run_sweep.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <optional>
#include <string>

#include "laconic/base/error.hpp"
#include "laconic/comm/transports.hpp"
#include "laconic/experiment/sweep_records.hpp"

namespace laconic::experiment {
namespace {

Plan plan_of(const std::string& text) {
  const ParsedConfig parsed = parse_config(text, "test");
  for (const Diagnostic& d : parsed.diagnostics) ADD_FAILURE() << text_of(d);
  for (const Diagnostic& d : validate(parsed.config)) ADD_FAILURE() << text_of(d);
  return make_plan(parsed.config);
}

constexpr const char* kGolden = R"(name = "t"
workers = 10
rounds = 2000
precision = "double"
problem = "quadratic:golden=true"
until = "grad_norm2 <= 1e-8"
[sweep]
b = [0, 0.5]
s = [1, 2]
m = "2^-1..2^3"
select = "m"
criterion = "rounds"
[[method]]
name = "GD"
aggregator = "dense"
step = "theory*{m}"
[[method]]
name = "HB"
aggregator = "dense:shards={s}"
optimizer = "momentum:beta={b}"
step = "theory*{m}"
)";

class Lines final : public SweepObserver {
 public:
  explicit Lines(const Plan& plan) : plan_(plan) {}
  void completed(const CellResult& result) override {
    text += cell_json(plan_, result) + '\n';
    if (stop_at && result.index == *stop_at) stop.store(true);
    if (fail_at && result.index == *fail_at) throw Error("the disk is full");
  }
  void advanced(std::uint64_t done, std::uint64_t cells) override {
    EXPECT_LE(done, cells);
    last_done = done;
  }
  std::string text = {};
  std::optional<std::uint64_t> stop_at = {};
  std::optional<std::uint64_t> fail_at = {};
  std::uint64_t last_done = 0;
  std::atomic<bool> stop{false};

 private:
  const Plan& plan_;
};

TEST(RunSweep, GivesTheSameCellsOnAnyNumberOfThreads) {
  const Experiment experiment(plan_of(kGolden));
  check_cells(experiment);
  std::string first;
  for (const std::uint32_t threads : {1U, 2U, 5U}) {
    Lines lines(experiment.plan());
    const SweepOutcome outcome = run_sweep(experiment, threads, lines, lines.stop);
    EXPECT_FALSE(outcome.interrupted);
    ASSERT_EQ(outcome.cells.size(), 25U);
    EXPECT_EQ(lines.last_done, 25U);
    for (std::size_t i = 0; i < outcome.cells.size(); ++i) EXPECT_EQ(outcome.cells[i].index, i);
    if (first.empty()) first = lines.text;
    EXPECT_EQ(lines.text, first) << threads << " threads";
  }
}

class Silence final : public Observer {
 public:
  void advanced(const Progress&) override {}
  void recorded(const Record&) override {}
  void diverged(const Divergence&) override {}
};

TEST(RunSweep, GivesTheBitsOfARunAlone) {
  const Experiment experiment(plan_of(kGolden));
  Lines lines(experiment.plan());
  const SweepOutcome outcome = run_sweep(experiment, 2, lines, lines.stop);
  const SweepPlan& sweep = *experiment.plan().sweep;
  for (const CellResult& cell : outcome.cells) {
    Plan alone = experiment.plan();
    alone.sweep.reset();
    alone.record_every = 7;
    alone.methods = {plan_cell(sweep, sweep.cell(cell.index))};
    const Experiment one(alone);
    MethodSummary method;
    run_on_threads(3, [&](Communicator& comm) {
      Silence silence;
      const Summary summary = run(one, comm, silence);
      if (comm.rank() == 0) method = summary.methods[0];
    });
    EXPECT_EQ(method.status, cell.status) << cell.index;
    EXPECT_EQ(method.reached, cell.reached) << cell.index;
    if (method.status == Status::kDiverged) continue;  // last measured at another round
    EXPECT_EQ(method.mean_rounds, cell.rounds) << cell.index;
    EXPECT_EQ(method.final.loss, cell.final.loss) << cell.index;
    EXPECT_EQ(method.uplink.frame_bytes, cell.uplink.frame_bytes) << cell.index;
  }
}

TEST(RunSweep, ChoosesTheBestOfEveryMethodAndGroup) {
  const Experiment experiment(plan_of(kGolden));
  Lines lines(experiment.plan());
  const SweepOutcome outcome = run_sweep(experiment, 2, lines, lines.stop);
  ASSERT_EQ(outcome.best.size(), 1U + 4U);
  EXPECT_TRUE(outcome.best[0].group.empty());
  EXPECT_EQ(text_of(outcome.best[1].group), "b=0 s=1");
  const SweepPlan& sweep = *experiment.plan().sweep;
  for (const BestCell& best : outcome.best) {
    ASSERT_TRUE(best.cell.has_value());
    for (const CellResult& cell : outcome.cells) {
      const Cell other = sweep.cell(cell.index);
      if (other.method != best.method || sweep.group_of(other) != best.group) continue;
      if (!cell.value) {
        EXPECT_FALSE(cell.reached.value_or(false) && cell.status == Status::kDone);
        continue;
      }
      EXPECT_GE(*cell.value, *best.cell->value);
      EXPECT_TRUE(*cell.value > *best.cell->value || cell.index >= best.cell->index);
    }
  }
  EXPECT_NEAR(*outcome.best[0].cell->value, 420, 2);
  const auto methods = methods_of(sweep, outcome.best);
  ASSERT_EQ(methods.size(), 5U);
  EXPECT_EQ(methods[0].name, "GD m=1");
}

TEST(RunSweep, MapsTwoRemainingKeys) {
  const Experiment experiment(plan_of(kGolden));
  Lines lines(experiment.plan());
  const SweepOutcome outcome = run_sweep(experiment, 2, lines, lines.stop);
  const auto maps = heat_maps(*experiment.plan().sweep, outcome.best);
  ASSERT_EQ(maps.size(), 1U);  // nothing remains of GD
  EXPECT_EQ(maps[0].title, "HB");
  EXPECT_EQ(maps[0].row_key, "b");
  EXPECT_EQ(maps[0].columns, (std::vector<std::string>{"1", "2"}));
  ASSERT_EQ(maps[0].values.size(), 4U);
  EXPECT_EQ(maps[0].values[0], outcome.best[1].cell->value);
  EXPECT_EQ(maps[0].values[3], outcome.best[4].cell->value);
  const std::string csv = heat_map_csv(maps, Criterion::kRounds);
  EXPECT_EQ(csv.substr(0, csv.find('\n')), "method,row_key,row,column_key,column,rounds");
  EXPECT_NE(csv.find("HB,b,0,s,1,420\n"), std::string::npos) << csv;
}

TEST(RunSweep, EndsCleanlyWithWhatIsDone) {
  const Experiment experiment(plan_of(kGolden));
  Lines lines(experiment.plan());
  lines.stop_at = 6;
  const SweepOutcome outcome = run_sweep(experiment, 2, lines, lines.stop);
  EXPECT_TRUE(outcome.interrupted);
  EXPECT_GE(outcome.cells.size(), 7U);
  EXPECT_LT(outcome.cells.size(), 25U);
  EXPECT_EQ(std::count(lines.text.begin(), lines.text.end(), '\n'),
            static_cast<std::ptrdiff_t>(outcome.cells.size()));
  EXPECT_FALSE(outcome.best.empty());
}

TEST(RunSweep, EndsWhenItsFileFails) {
  const Experiment experiment(plan_of(kGolden));
  Lines lines(experiment.plan());
  lines.fail_at = 3;
  EXPECT_THROW(static_cast<void>(run_sweep(experiment, 2, lines, lines.stop)), Error);
}

TEST(RunSweep, AveragesRepeats) {
  const Experiment experiment(
      plan_of("name = 't'\nworkers = 3\nrounds = 20\nrepeats = 3\nproblem = 'noisy-quadratic:d=5'\n"
              "batch = 'noisy'\n[sweep]\nm = [0.1, 0.2]\nselect = 'm'\ncriterion = 'loss'\n"
              "[[method]]\naggregator = 'dense'\nstep = '{m}'\n"));
  Lines lines(experiment.plan());
  const SweepOutcome outcome = run_sweep(experiment, 2, lines, lines.stop);
  Plan alone = experiment.plan();
  alone.sweep.reset();
  const Experiment one(alone);  // the first cell
  const auto comm = make_self_communicator();
  Silence silence;
  const Summary summary = run(one, *comm, silence);
  EXPECT_EQ(outcome.cells[0].final.loss, summary.methods[0].final.loss);
  EXPECT_EQ(outcome.cells[0].rounds, 20);
}

TEST(CheckCells, NamesTheMethodWhoseStepCannotBeComputed) {
  const Plan plan = plan_of(
      "name = 't'\nworkers = 2\nrounds = 5\nproblem = 'mlp:hidden=4'\n"
      "data = 'synthetic-images:rows=50,test_rows=10,side=14'\n[sweep]\nm = [1, 2, 3]\n"
      "criterion = 'loss'\n[[method]]\nname = 'M'\naggregator = 'dense'\nstep = 'theory*{m}'\n");
  try {
    const Experiment experiment(plan);
    FAIL() << "accepted";
  } catch (const ConfigError& e) {
    EXPECT_NE(std::string(e.what()).find("method 'M m=1': step = 'theory' needs L_-"),
              std::string::npos)
        << e.what();
  }
}

}  // namespace
}  // namespace laconic::experiment
