// SPDX-License-Identifier: Apache-2.0
#include "laconic/experiment/config.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "laconic/experiment/config_keys.hpp"
#include "laconic/rng/stream.hpp"

namespace laconic::experiment {
namespace {

constexpr const char* kComplete = R"(name = "a9a-sign"
seed = 7
workers = 8
precision = "double"
rounds = 2000
batch = 64
unit = 4
order = "once"
step = "theory*16"
schedule = "cosine"
record_every = 50
record_gradient = false
record_excess = true
sparse = "never"
optimizer = "sgd"
problem = "logistic:l2=1e-4"
data = "a9a"
shard = "shuffled"
repeats = 3
allow_divergence = true
adversary = "none"
aggregator = "dense"
[network]
bandwidth = "100Mbit/s"
latency = "250us"
[[method]]
name = "one"
[[method]]
name = "two"
aggregator = "vote:beta=0.9"
step = 0.003
batch = "full"
epochs = 10
workers = 4
)";

// No key takes a date: who is read complains, who is not read is a key of the documentation alone.
TEST(ConfigKeys, AreAllRead) {
  const auto complaint = [](const std::string& text, std::string_view key) {
    for (const Diagnostic& found : parse_config(text, "f.toml").diagnostics) {
      if (found.place.ends_with(key)) return found.message;
    }
    return std::string("none");
  };
  for (const std::string_view key : valid_keys(KeyTable::kExperiment)) {
    const std::string message = complaint(std::string(key) + " = 1979-05-27\n", key);
    EXPECT_NE(message, "none") << key;
    EXPECT_EQ(message.find("unknown key"), std::string::npos) << message;
  }
  for (const auto& [table, heading] :
       {std::pair(KeyTable::kMethod, "[[method]]\n"), std::pair(KeyTable::kNetwork, "[network]\n"),
        std::pair(KeyTable::kSweep, "[sweep]\nk = [1]\n")}) {
    for (const std::string_view key : valid_keys(table)) {
      const std::string message = complaint(heading + std::string(key) + " = 1979-05-27\n", key);
      EXPECT_NE(message, "none") << heading << key;
      EXPECT_EQ(message.find("unknown key"), std::string::npos) << message;
    }
  }
}

TEST(ConfigKeys, LetTheNameOfAMethodStandInAMethodOnly) {
  const auto shared = valid_keys(KeyTable::kExperiment);
  EXPECT_EQ(std::count(shared.begin(), shared.end(), "name"), 1);
  const auto own = valid_keys(KeyTable::kMethod);
  EXPECT_EQ(std::count(own.begin(), own.end(), "name"), 1);
  EXPECT_EQ(std::count(own.begin(), own.end(), "seed"), 0);
}

TEST(ParseConfig, ReadsEveryKey) {
  const ParsedConfig parsed = parse_config(kComplete, "f.toml");
  EXPECT_TRUE(parsed.diagnostics.empty());
  const Config& c = parsed.config;
  EXPECT_EQ(c.name, "a9a-sign");
  EXPECT_EQ(c.seed, 7U);
  EXPECT_EQ(c.repeats, 3U);
  EXPECT_EQ(c.precision, Precision::kDouble);
  EXPECT_EQ(c.problem, "logistic:l2=1e-4");
  EXPECT_EQ(c.data, "a9a");
  EXPECT_EQ(c.shard, "shuffled");
  EXPECT_EQ(c.record_every, 50U);
  EXPECT_FALSE(c.record_each_epoch);
  EXPECT_FALSE(c.record_gradient);
  EXPECT_TRUE(c.record_excess);
  EXPECT_EQ(c.sparse, Sparse::kNever);
  EXPECT_EQ(c.network, (Network{1e8, 250e-6}));
  EXPECT_EQ(c.shared.step, (StepSize{.kind = StepSize::Kind::kTheory, .factor = 16}));
  EXPECT_EQ(c.shared.batch, (Batch{.kind = Batch::Kind::kSize, .size = 64}));
  EXPECT_EQ(c.shared.unit, 4U);
  EXPECT_EQ(c.shared.allow_divergence, true);
  ASSERT_EQ(c.methods.size(), 2U);
  EXPECT_EQ(c.methods[1].step, (StepSize{.kind = StepSize::Kind::kNumber, .factor = 0.003}));
  EXPECT_EQ(c.methods[1].batch, (Batch{.kind = Batch::Kind::kFull, .size = 0}));
  EXPECT_EQ(c.methods[1].epochs, 10U);
  EXPECT_EQ(c.methods[1].workers, 4U);
}

TEST(ParseConfig, SaysWhereAKeyStands) {
  const Config c = parse_config(kComplete, "f.toml").config;
  EXPECT_EQ(c.place("seed"), "f.toml:2: seed");
  EXPECT_EQ(c.place("method[2].step"), "f.toml:31: method[2].step");
  EXPECT_EQ(c.place("method[1].step"), "f.toml:26: method[1].step");
  EXPECT_EQ(c.place("nothing"), "f.toml: nothing");
}

TEST(ParseConfig, ReadsThatEveryEpochIsRecorded) {
  const ParsedConfig parsed = parse_config("record_every = 'epoch'\n", "f.toml");
  EXPECT_TRUE(parsed.diagnostics.empty());
  EXPECT_TRUE(parsed.config.record_each_epoch);
  EXPECT_FALSE(parsed.config.record_every);
}

struct Refusal {
  const char* name;
  const char* text;
  const char* place;
  const char* message;  // a part of it
};

class Refused : public testing::TestWithParam<Refusal> {};

// Exactly the one problem, at the right place.
TEST_P(Refused, NamesPlaceAndRemedy) {
  const ParsedConfig parsed = parse_config(GetParam().text, "f.toml");
  ASSERT_EQ(parsed.diagnostics.size(), 1U);
  EXPECT_EQ(parsed.diagnostics[0].severity, Severity::kError);
  EXPECT_EQ(parsed.diagnostics[0].place, GetParam().place);
  EXPECT_NE(parsed.diagnostics[0].message.find(GetParam().message), std::string::npos)
      << parsed.diagnostics[0].message;
}

INSTANTIATE_TEST_SUITE_P(
    Values, Refused,
    testing::Values(
        Refusal{"syntax", "seed = 1\nname = @\n", "f.toml:2", "not TOML"},
        Refusal{"twice", "seed = 1\nseed = 2\n", "f.toml:2", "not TOML"},
        Refusal{"unknown", "stepp = 1\n", "f.toml:1: stepp", "did you mean 'step'?"},
        Refusal{"far", "zzzzzzzzz = 1\n", "f.toml:1: zzzzzzzzz", "valid here: adversary"},
        Refusal{"method_key", "[[method]]\nseed = 1\n", "f.toml:2: method[1].seed", "unknown key"},
        Refusal{"network_key", "[network]\nbandwidth = '1bit/s'\nlatency = '1s'\nx = 1\n",
                "f.toml:4: network.x", "valid here: bandwidth or latency"},
        Refusal{"name_type", "name = 3\n", "f.toml:1: name", "text in quotes"},
        Refusal{"name_empty", "name = ''\n", "f.toml:1: name", "must not be empty"},
        Refusal{"name_folder", "name = '../x'\n", "f.toml:1: name", "output folder"},
        Refusal{"name_control", "[[method]]\nname = \"a\\u001b[2J\"\n", "f.toml:2: method[1].name",
                "control character"},
        Refusal{"name_c1", "[[method]]\nname = \"a\\u0090b\"\n", "f.toml:2: method[1].name",
                "control character"},
        Refusal{"seed_range", "seed = -1\n", "f.toml:1: seed", "is not in [0,"},
        Refusal{"seed_type", "seed = 1.5\n", "f.toml:1: seed", "whole number"},
        Refusal{"workers", "workers = 0\n", "f.toml:1: workers", "[1, 100000]"},
        Refusal{"rounds", "rounds = 0\n", "f.toml:1: rounds", "[1, 1000000000]"},
        Refusal{"both", "rounds = 1\nepochs = 1\n", "f.toml:2: epochs", "keep one of them"},
        Refusal{"sparse", "sparse = true\n", "f.toml:1: sparse", "must be"},
        Refusal{"sparseness", "sparse = 'always'\n", "f.toml:1: sparse", "use 'auto' or 'never'"},
        Refusal{"precision", "precision = 'half'\n", "f.toml:1: precision", "'float' or 'double'"},
        Refusal{"batch_word", "batch = 'half'\n", "f.toml:1: batch", "'full' or 'noisy'"},
        Refusal{"batch_zero", "batch = 0\n", "f.toml:1: batch", "[1, "},
        Refusal{"sweep_no_table", "sweep = 3\n", "f.toml:1: sweep", "must be a table"},
        Refusal{"sweep_empty", "[sweep]\n", "f.toml:1: sweep", "sweep has no key"},
        Refusal{"sweep_no_values", "[sweep]\nk = []\n", "f.toml:2: sweep.k",
                "k is an empty list; give at least one value"},
        Refusal{"sweep_scalar", "[sweep]\nk = 3\n", "f.toml:2: sweep.k",
                "k must be a list of values, e.g. [1, 10, 100], or a range, e.g. '2^0..2^11'"},
        Refusal{"sweep_nested", "[sweep]\nk = [[1]]\n", "f.toml:2: sweep.k",
                "k must hold numbers and texts"},
        Refusal{"sweep_twice", "[sweep]\nk = [1, 2, 1]\n", "f.toml:2: sweep.k",
                "k holds 1 twice; keep one of them"},
        Refusal{"sweep_range", "[sweep]\nk = '2^5..2^1'\n", "f.toml:2: sweep.k",
                "range '2^5..2^1' ends before it begins; write FROM..TO"},
        Refusal{"sweep_name", "[sweep]\nK = [1]\nk = [1]\n", "f.toml:2: sweep.K",
                "'K' cannot stand between braces"},
        Refusal{"sweep_select", "[sweep]\nk = [1]\nselect = 'm'\n", "f.toml:3: sweep.select",
                "'m' is not a key of the sweep; use k"},
        Refusal{"sweep_select_kind", "[sweep]\nk = [1]\nselect = 3\n", "f.toml:3: sweep.select",
                "select must be a key of the sweep in quotes, or a list of them"},
        Refusal{"sweep_criterion", "[sweep]\nk = [1]\ncriterion = 'speed'\n",
                "f.toml:3: sweep.criterion",
                "criterion = 'speed' is unknown; use uplink_bits, wire_bits, rounds, grad_norm2, "
                "loss, test_accuracy or objective"},
        Refusal{"until_word", "until = 'soon'\n", "f.toml:1: until", "is not QUANTITY <= NUMBER"},
        Refusal{"until_number", "until = 3\n", "f.toml:1: until", "until must be text in quotes"},
        Refusal{"budget_unit", "budget = '5MB'\n", "f.toml:1: budget", "bit, kbit, Mbit or Gbit"},
        Refusal{"budget_zero", "budget = '0bit'\n", "f.toml:1: budget", "a positive number"},
        Refusal{"step_word", "step = 'fast'\n", "f.toml:1: step", "theory*FACTOR"},
        Refusal{"step_pl", "step = 'pl*'\n", "f.toml:1: step", "pl*FACTOR"},
        Refusal{"step_joined", "step = 'theory16'\n", "f.toml:1: step", "theory*FACTOR"},
        Refusal{"step_factor", "step = 'theory*-1'\n", "f.toml:1: step", "theory*FACTOR"},
        Refusal{"step_zero", "step = 0\n", "f.toml:1: step", "step = 0 is not a positive number"},
        Refusal{"step_nan", "step = nan\n", "f.toml:1: step", "is not a positive number"},
        Refusal{"step_type", "step = true\n", "f.toml:1: step", "step must be"},
        Refusal{"each", "record_every = 'epochs'\n", "f.toml:1: record_every",
                "'epochs' is neither a number of rounds nor 'epoch'"},
        Refusal{"unit", "unit = 0\n", "f.toml:1: unit", "unit = 0 is not in [1, "},
        Refusal{"flag", "record_gradient = 1\n", "f.toml:1: record_gradient", "true or false"},
        Refusal{"method_type", "method = 1\n", "f.toml:1: method", "[[method]]"},
        Refusal{"network_type", "network = 1\n", "f.toml:1: network", "[network]"},
        Refusal{"bandwidth", "[network]\nbandwidth = '100MB'\nlatency = '1ms'\n",
                "f.toml:2: network.bandwidth", "Mbit/s"},
        Refusal{"bandwidth_zero", "[network]\nbandwidth = '0bit/s'\nlatency = '1ms'\n",
                "f.toml:2: network.bandwidth", "above 0"},
        Refusal{"latency", "[network]\nbandwidth = '1bit/s'\nlatency = 1\n",
                "f.toml:3: network.latency", "text in quotes"},
        Refusal{"latency_missing", "[network]\nbandwidth = '1bit/s'\n", "f.toml:1: network.latency",
                "is missing"}),
    [](const auto& test) { return std::string(test.param.name); });

TEST(ParseConfig, ReportsAllProblemsAtOnce) {
  EXPECT_EQ(
      parse_config("seed = -1\nstep = 0\nx = 1\n[[method]]\nbatch = 0\n", "f").diagnostics.size(),
      4U);
}

TEST(ParseConfig, RefusesATextThatIsTooLong) {
  const std::string text(kMaxConfigBytes + 1, '#');
  const ParsedConfig parsed = parse_config(text, "f.toml");
  EXPECT_FALSE(parsed.is_toml);
  ASSERT_EQ(parsed.diagnostics.size(), 1U);
  EXPECT_NE(parsed.diagnostics[0].message.find("the limit is"), std::string::npos);
}

// Crashed: toml++ frees a tree as deep as the key is long by recursion.
TEST(ParseConfig, RefusesAKeyOfAMegabyteOfDots) {
  std::string text = "seed = 1\na";
  for (int i = 0; i < 400000; ++i) text += ".a";
  text += " = 1\n";
  const ParsedConfig parsed = parse_config(text, "f.toml");
  ASSERT_EQ(parsed.diagnostics.size(), 1U);
  EXPECT_EQ(parsed.diagnostics[0].place, "f.toml:2");
  EXPECT_NE(parsed.diagnostics[0].message.find("dots"), std::string::npos);
}

TEST(ParseConfig, SurvivesNestedBrackets) {
  for (const char* piece : {"[", "a={b=", "a=[", "[[a]]\n[a.b]\n", "{", "\"\"\""}) {
    std::string text;
    while (text.size() < 200000) text += piece;
    EXPECT_FALSE(parse_config(text, "f.toml").diagnostics.empty()) << piece;
  }
}

TEST(Overrides, ReplaceAndAddSettings) {
  const ParsedConfig parsed = parse_config(kComplete, "f.toml",
                                           {{"rounds", "10"},
                                            {"method.1.step", "0.2"},
                                            {"network.latency", "5ms"},
                                            {"name", "other"},
                                            {"step", "theory"}});
  EXPECT_TRUE(parsed.diagnostics.empty());
  EXPECT_EQ(parsed.config.shared.rounds, 10U);
  EXPECT_EQ(parsed.config.methods[0].step,
            (StepSize{.kind = StepSize::Kind::kNumber, .factor = 0.2}));
  EXPECT_EQ(parsed.config.network->latency_seconds, 5e-3);
  EXPECT_EQ(parsed.config.name, "other");
  EXPECT_EQ(parsed.config.shared.step->kind, StepSize::Kind::kTheory);
  EXPECT_EQ(parsed.config.place("method[1].step"), "--set method[1].step");
}

TEST(Overrides, MayMakeTheNetworkTable) {
  const ParsedConfig parsed =
      parse_config("", "f", {{"network.latency", "5ms"}, {"network.bandwidth", "1Gbit/s"}});
  EXPECT_TRUE(parsed.diagnostics.empty());
  EXPECT_EQ(parsed.config.network, (Network{1e9, 5e-3}));
}

TEST(Overrides, AreRefusedWithTheirPath) {
  for (const char* path : {"method.3.step", "method.0.step", "method.x.step", "a.b", "method",
                           "network", "a.b.c.d", "method.1.step.x"}) {
    const ParsedConfig parsed = parse_config(kComplete, "f.toml", {{path, "1"}});
    ASSERT_EQ(parsed.diagnostics.size(), 1U) << path;
    EXPECT_EQ(parsed.diagnostics[0].place, std::string("--set ") + path);
  }
}

TEST(Overrides, CannotSmuggleInASecondKey) {
  const ParsedConfig parsed = parse_config("", "f", {{"name", "'x'\nseed = 3"}});
  ASSERT_EQ(parsed.diagnostics.size(), 1U);
  EXPECT_EQ(parsed.config.seed, 1U);
}

TEST(Overrides, NeedAnEqualsSignAndAKey) {
  EXPECT_FALSE(parse_override("rounds"));
  EXPECT_FALSE(parse_override("=3"));
  ASSERT_TRUE(parse_override("a=b=c"));
  EXPECT_EQ(parse_override("a=b=c")->value, "b=c");
}

// Hostile bytes: single bytes of a valid configuration replaced at random, and truncations.
TEST(ParseConfig, SurvivesDamagedText) {
  const std::string text = kComplete;
  rng::Reader random(rng::Stream(1, {rng::Purpose::kTest, 0, 0, 0}));
  for (int i = 0; i < 3000; ++i) {
    std::string damaged = text;
    for (int j = 0; j < 3; ++j) {
      damaged[random.below(damaged.size())] = static_cast<char>(random.below(256));
    }
    if (i % 3 == 0) damaged.resize(random.below(damaged.size()));
    const ParsedConfig parsed = parse_config(damaged, "f.toml");
    for (const Diagnostic& d : parsed.diagnostics) {
      EXPECT_EQ(std::count(d.message.begin(), d.message.end(), '\n'), 0) << d.message;
    }
  }
}

TEST(Diagnostics, AreOneLineOfText) {
  EXPECT_EQ(text_of({Severity::kError, "f:1: a", "b"}), "f:1: a: error: b");
  EXPECT_EQ(text_of({Severity::kWarning, "f", "b"}), "f: warning: b");
}

}  // namespace
}  // namespace laconic::experiment
