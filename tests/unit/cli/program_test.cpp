// SPDX-License-Identifier: Apache-2.0
// Runs the program as a user does: exit codes, messages, files.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

namespace laconic::cli {
namespace {

using Json = nlohmann::json;

std::string read_file(const std::filesystem::path& path) {
  std::ifstream in(path);
  return {std::istreambuf_iterator<char>(in), {}};
}

struct Finished {
  int code = -1;
  std::string out = {};
  std::string err = {};
};

// A folder of this test's own, in which the program runs; removed at the end.
class Program : public testing::Test {
 protected:
  Program() {
    const auto* info = testing::UnitTest::GetInstance()->current_test_info();
    folder_ = std::filesystem::temp_directory_path() /
              (std::string("laconic-cli-") + info->name() + "-" + std::to_string(::getpid()));
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
  }
  ~Program() override { std::filesystem::remove_all(folder_); }

  void write(const std::string& name, const std::string& text) {
    std::ofstream(folder_ / name) << text;
  }
  [[nodiscard]] std::string path(const std::string& name) const {
    return (folder_ / name).string();
  }

  pid_t start(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), LACONIC_PROGRAM);
    std::vector<char*> argv;
    for (std::string& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    const int flags = O_WRONLY | O_CREAT | O_TRUNC;
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, path(".out").c_str(), flags, 0600);
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, path(".err").c_str(), flags, 0600);
    pid_t child = -1;
    EXPECT_EQ(posix_spawn(&child, LACONIC_PROGRAM, &actions, nullptr, argv.data(), environ), 0);
    posix_spawn_file_actions_destroy(&actions);
    return child;
  }

  Finished wait_for(pid_t child) {
    int status = 0;
    EXPECT_EQ(waitpid(child, &status, 0), child);
    Finished out;
    out.code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    out.out = read_file(path(".out"));
    out.err = read_file(path(".err"));
    return out;
  }

  Finished call(std::vector<std::string> arguments) {
    return wait_for(start(std::move(arguments)));
  }

  std::filesystem::path folder_;
};

constexpr const char* kJob = R"(name = "job"
workers = 4
rounds = 20
batch = 8
step = 0.5
problem = "logistic"
data = "synthetic-sparse:rows=200,test_rows=50,features=30,nonzeros=5"
[network]
bandwidth = "10Mbit/s"
latency = "1ms"
[[method]]
name = "dense SGD"
aggregator = "dense"
[[method]]
name = "vote"
aggregator = "vote:zero=random,tie=random"
step = 0.02
)";

TEST_F(Program, TrainsAndRanks) {
  write("job.toml", kJob);
  const Finished run = call({"run", path("job.toml"), "--out", path("out")});
  EXPECT_EQ(run.code, 0) << run.err;
  EXPECT_EQ(run.err, "");
  EXPECT_NE(run.out.find("dense SGD: round 20 of 20"), std::string::npos);
  EXPECT_NE(run.out.find("32x/32x"), std::string::npos);
  EXPECT_EQ(run.out.find('\x1b'), std::string::npos) << "control codes without a terminal";
  const Json summary = Json::parse(read_file(path("out/summary.json")));
  EXPECT_EQ(summary["methods"].size(), 2U);
  EXPECT_EQ(summary["methods"][1]["uplink"]["payload_bits"], 20 * 30);
  EXPECT_EQ(summary["methods"][1]["downlink"]["payload_bits"], 20 * 30);
  EXPECT_EQ(summary["methods"][1]["compression"]["uplink"], 32);
  EXPECT_EQ(summary["methods"][0]["status"], "done");
}

// The lines behind the first one, without their wall-clock times.
std::vector<std::string> timeless_lines(const std::string& text) {
  std::vector<std::string> out;
  std::size_t begin = text.find('\n') + 1;
  while (begin < text.size()) {
    const std::size_t end = text.find('\n', begin);
    const std::string line = text.substr(begin, end - begin);
    out.push_back(line.substr(0, line.find(",\"seconds\":")));
    begin = end + 1;
  }
  return out;
}

TEST_F(Program, WritesTheSameRecordsOnAnyNumberOfRanks) {
  write("job.toml", kJob);
  std::vector<std::string> first;
  for (const char* ranks : {"1", "2", "4"}) {
    const std::string out = path(std::string("out") + ranks);
    ASSERT_EQ(call({"run", path("job.toml"), "--out", out, "--ranks", ranks}).code, 0);
    const auto lines = timeless_lines(read_file(out + "/records.jsonl"));
    EXPECT_EQ(lines.size(), 2U * 21);
    if (first.empty()) first = lines;
    EXPECT_EQ(lines, first) << ranks << " ranks";
  }
}

TEST_F(Program, PrintsTheSummaryAsJsonAndNothingElse) {
  write("job.toml", kJob);
  const Finished run = call({"run", path("job.toml"), "--out", path("out"), "--json"});
  EXPECT_EQ(run.code, 0);
  EXPECT_EQ(Json::parse(run.out), Json::parse(read_file(path("out/summary.json"))));
}

TEST_F(Program, ShowsTheRankingOnlyWhenQuiet) {
  write("job.toml", kJob);
  const Finished run = call({"run", path("job.toml"), "--out", path("out"), "--quiet"});
  EXPECT_EQ(run.code, 0);
  EXPECT_EQ(run.out.find("round"), std::string::npos);
  EXPECT_EQ(run.out.find("   method"), 0U) << run.out;
}

TEST_F(Program, SavesModelsAndPredictsWithThem) {
  write("job.toml", kJob);
  const Finished run = call({"run", path("job.toml"), "--out", path("out"), "--save-model"});
  EXPECT_EQ(run.code, 0) << run.err;
  EXPECT_NE(run.out.find("models: " + path("out/models")), std::string::npos) << run.out;
  const Json summary = Json::parse(read_file(path("out/summary.json")));
  const std::string data = "synthetic-sparse:rows=200,test_rows=50,features=30,nonzeros=5";
  std::size_t method = 0;
  for (const char* name : {"1-dense_SGD.model", "2-vote.model"}) {
    const std::string model = path(std::string("out/models/") + name);
    const Finished says = call({"predict", model, data, "--scores", path("scores.txt")});
    EXPECT_EQ(says.code, 0) << says.err;
    const double accuracy = summary["methods"][method++]["final"]["test_accuracy"];
    const long correct = std::lround(50 * accuracy);
    EXPECT_NE(says.out.find("(" + std::to_string(correct) + " of 50)"), std::string::npos)
        << says.out;
    const std::string scores = read_file(path("scores.txt"));
    EXPECT_EQ(std::count(scores.begin(), scores.end(), '\n'), 50);
    for (std::size_t at = 0; at < scores.size(); at = scores.find('\n', at) + 1) {
      const bool positive = scores.substr(at, 2) == "1 ";
      const double score = std::stod(scores.substr(scores.find(' ', at)));
      EXPECT_EQ(score > 0, positive);
    }
  }
  // A file with fewer features, and with only one of the labels.
  write("rows.txt", "1 3:1\n1 1:1 2:1\n");
  const Finished file = call({"predict", path("out/models/1-dense_SGD.model"), path("rows.txt")});
  EXPECT_EQ(file.code, 0) << file.err;
  EXPECT_NE(file.out.find("3 features"), std::string::npos) << file.out;
  EXPECT_NE(file.out.find(" of 2)"), std::string::npos) << file.out;
}

TEST_F(Program, RefusesToPredictWithWhatDoesNotFit) {
  write("job.toml", kJob);
  ASSERT_EQ(call({"run", path("job.toml"), "--out", path("out"), "--save-model", "--quiet"}).code,
            0);
  const std::string model = path("out/models/2-vote.model");
  const auto error = [&](std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "predict");
    const Finished said = call(std::move(arguments));
    EXPECT_EQ(said.code, 2);
    EXPECT_EQ(said.out, "");
    return said.err;
  };
  EXPECT_NE(error({path("none.model"), "a9a"}).find("none.model' cannot be read: "),
            std::string::npos);
  EXPECT_EQ(error({path("job.toml"), "a9a"}),
            "laconic: " + path("job.toml") +
                ": line 1: 'name = \"job\"' is not how a saved model begins; is this another "
                "file?\n");
  EXPECT_EQ(error({model, "synthetic-images:rows=20,test_rows=0"}),
            "laconic: 'synthetic-images:rows=20,test_rows=0' has the labels 0 1 2 3 4 5 6 7 8 9, "
            "the model has -1 1; take data like those that it was trained on\n");
  EXPECT_EQ(error({model, "synthetic-sparse:test_rows=0", "--part", "test"}),
            "laconic: 'synthetic-sparse:test_rows=0' has no test part; use --part train\n");
  write("rows.txt", "7 3:1\n");
  EXPECT_NE(error({model, path("rows.txt")}).find("rows.txt: line 1: "), std::string::npos);
}

TEST_F(Program, SavesModelsOfProblemsThatPredictOnly) {
  write("job.toml",
        "name = 'q'\nworkers = 1\nrounds = 1\nstep = 0.1\nproblem = 'quadratic'\n"
        "[[method]]\naggregator = 'dense'\n");
  const Finished run = call({"run", path("job.toml"), "--out", path("out"), "--save-model"});
  EXPECT_EQ(run.code, 2);
  EXPECT_EQ(run.err,
            "laconic: --save-model: problem 'quadratic' makes no predictions; leave it out, or use "
            "logistic, softmax or mlp\n");
  EXPECT_FALSE(std::filesystem::exists(path("out")));
}

TEST_F(Program, TakesSettingsFromTheCommandLine) {
  write("job.toml", kJob);
  const Finished run = call({"run", "--set", "rounds=3", "--set", "method.2.name=mine", "--seed",
                             "9", "--out", path("out"), "--quiet", path("job.toml")});
  EXPECT_EQ(run.code, 0) << run.err;
  const Json summary = Json::parse(read_file(path("out/summary.json")));
  EXPECT_EQ(summary["seed"], 9);
  EXPECT_EQ(summary["methods"][1]["rounds"], 3);
  EXPECT_EQ(summary["methods"][1]["name"], "mine");
}

TEST_F(Program, ReportsAllProblemsAndWritesNothing) {
  write("bad.toml",
        "name = \"bad\"\nworkers = 0\nrounds = 5\nproblem = \"cubic\"\n[[method]]\naggregator = "
        "\"vote:beta=2\"\nstepp = 1\n");
  const Finished run = call({"run", path("bad.toml"), "--out", path("out")});
  EXPECT_EQ(run.code, 2);
  EXPECT_EQ(run.out, "");
  for (const char* part :
       {"bad.toml:2: workers: error:", "bad.toml:4: problem: error: 'cubic' is not",
        "bad.toml:6: method[1].aggregator: error: vote: beta=2",
        "bad.toml:7: method[1].stepp: error: unknown key 'stepp'; did you mean 'step'?",
        "bad.toml:5: method[1].step: error: step is missing"}) {
    EXPECT_NE(run.err.find(part), std::string::npos) << part << "\nin\n" << run.err;
  }
  EXPECT_EQ(std::count(run.err.begin(), run.err.end(), '\n'), 5);
  EXPECT_FALSE(std::filesystem::exists(path("out")));
  EXPECT_EQ(call({"validate", path("bad.toml")}).err, run.err);
}

TEST_F(Program, NeverOverwritesSilently) {
  write("job.toml", kJob);
  ASSERT_EQ(call({"run", path("job.toml"), "--out", path("out")}).code, 0);
  const std::string before = read_file(path("out/records.jsonl"));
  const Finished again = call({"run", path("job.toml"), "--out", path("out"), "--seed", "2"});
  EXPECT_EQ(again.code, 2);
  EXPECT_NE(again.err.find("--force"), std::string::npos);
  EXPECT_EQ(read_file(path("out/records.jsonl")), before);
  EXPECT_EQ(call({"run", path("job.toml"), "--out", path("out"), "--seed", "2", "--force"}).code,
            0);
  EXPECT_NE(read_file(path("out/records.jsonl")), before);
}

TEST_F(Program, RefusesMoreRanksThanWorkers) {
  write("job.toml", kJob);
  const Finished run = call({"run", path("job.toml"), "--out", path("out"), "--ranks", "5"});
  EXPECT_EQ(run.code, 2);
  EXPECT_NE(run.err.find("5 ranks are more than the 4 workers"), std::string::npos);
  EXPECT_FALSE(std::filesystem::exists(path("out")));
}

TEST_F(Program, RefusesBadCommandLines) {
  write("job.toml", kJob);
  for (const std::vector<std::string>& arguments :
       std::vector<std::vector<std::string>>{{},
                                             {"walk"},
                                             {"run"},
                                             {"run", path("job.toml"), "--ranks", "0"},
                                             {"run", path("job.toml"), "--seed", "-1"},
                                             {"run", path("job.toml"), "--set", "rounds"},
                                             {"run", path("absent.toml")},
                                             {"run", folder_.string()},
                                             {"list", "things"},
                                             {"describe", "nothing"},
                                             {"data"},
                                             {"data", "info", "nothing"},
                                             {"data", "fetch", "nothing"},
                                             {"report"},
                                             {"export", folder_.string()},
                                             {"watch", folder_.string(), "--port", "70000"},
                                             {"herding", "vote"},
                                             {"herding", "once", "--rounds", "0"},
                                             {"plan"},
                                             {"completion"},
                                             {"reference"},
                                             {"reference", "--out", path("job.toml")},
                                             {"plan", path("job.toml"), "--tensors", "8x8"},
                                             {"plan", "--tensors", "8x8", "--workers", "2"},
                                             {"plan", "--tensors", "8xx8"},
                                             {"plan", path("absent.toml")}}) {
    const Finished run = call(arguments);
    EXPECT_EQ(run.code, 2) << (arguments.empty() ? "" : arguments.back());
    EXPECT_NE(run.err, "");
    EXPECT_EQ(run.out, "");
  }
}

TEST_F(Program, FailsWhenAMethodDivergesUnlessThatIsAllowed) {
  write("job.toml",
        "name = 'd'\nworkers = 2\nrounds = 9\nbatch = 'noisy'\nproblem = 'noisy-quadratic:d=4'\n"
        "step = 1e30\n[[method]]\nname = 'bad'\naggregator = 'dense'\n");
  const Finished run = call({"run", path("job.toml"), "--out", path("out")});
  EXPECT_EQ(run.code, 1);
  EXPECT_NE(run.out.find("diverged in round"), std::string::npos);
  EXPECT_NE(read_file(path("out/records.jsonl")).find("\"diverged\":{\"worker\":0"),
            std::string::npos);
  const Json summary = Json::parse(read_file(path("out/summary.json")));
  EXPECT_EQ(summary["methods"][0]["status"], "diverged");
  EXPECT_EQ(call({"run", path("job.toml"), "--out", path("out"), "--force", "--set",
                  "allow_divergence=true"})
                .code,
            0);
}

// The program is asked to stop once its records say that it trains.
TEST_F(Program, FinishesTheRoundOnASignal) {
  write("job.toml", kJob);
  for (const int number : {SIGINT, SIGTERM}) {
    const pid_t child = start({"run", path("job.toml"), "--out", path("out"), "--force", "--set",
                               "rounds=100000000", "--set", "record_every=1000"});
    // Lines appear as the run goes; waiting for them is bounded by the test's time limit.
    const auto lines = [&] {
      const std::string text = read_file(path("out/records.jsonl"));
      return std::count(text.begin(), text.end(), '\n');
    };
    while (lines() < 3 && waitpid(child, nullptr, WNOHANG) == 0) ::usleep(1000);
    ::kill(child, number);
    const Finished run = wait_for(child);
    EXPECT_EQ(run.code, 130);
    EXPECT_NE(run.err.find("interrupted"), std::string::npos);
    const Json summary = Json::parse(read_file(path("out/summary.json")));
    EXPECT_EQ(summary["interrupted"], true);
    EXPECT_EQ(summary["methods"][0]["status"], "interrupted");
    EXPECT_EQ(read_file(path("out/records.jsonl")).back(), '\n');
    std::filesystem::remove_all(path("out"));
  }
}

TEST_F(Program, ValidatesAndExplains) {
  write("job.toml", kJob);
  const Finished run = call({"validate", path("job.toml")});
  EXPECT_EQ(run.code, 0) << run.err;
  EXPECT_EQ(run.out.substr(0, 3), "ok\n");
  EXPECT_NE(run.out.find("vote:beta=0,"), std::string::npos);
  EXPECT_NE(run.out.find("step 1/L = "), std::string::npos);
  EXPECT_FALSE(std::filesystem::exists("out/job"));
}

TEST_F(Program, WarnsWithoutFailing) {
  write("job.toml", kJob);
  const Finished run = call({"validate", path("job.toml"), "--set", "method.2.optimizer=adam"});
  EXPECT_EQ(run.code, 0);
  EXPECT_NE(run.err.find("warning"), std::string::npos);
}

TEST_F(Program, ListsAndDescribesMethods) {
  const Finished all = call({"list"});
  EXPECT_EQ(all.code, 0);
  for (const char* name : {"dense", "vote", "ef", "sgd", "reshuffle", "logistic", "dirichlet"}) {
    EXPECT_NE(all.out.find(std::string("  ") + name + " "), std::string::npos) << name;
  }
  const Finished orders = call({"list", "order"});
  EXPECT_EQ(orders.code, 0);
  EXPECT_EQ(orders.out.find("vote"), std::string::npos);
  const Finished channels = call({"list", "channels"});
  EXPECT_EQ(channels.code, 0);
  EXPECT_EQ(channels.out, call({"list", "channel"}).out);
  EXPECT_NE(channels.out.find("  rayleigh "), std::string::npos);
  const Finished vote = call({"describe", "vote"});
  EXPECT_EQ(vote.code, 0);
  EXPECT_NE(vote.out.find("beta: number, at least 0, below 1; default 0"), std::string::npos)
      << vote.out;
  EXPECT_NE(vote.out.find("Promises:"), std::string::npos);
  const Finished ef21 = call({"describe", "ef21"});
  EXPECT_NE(ef21.out.find("\n    h' = h + C(x - h)\n"), std::string::npos) << ef21.out;
}

TEST_F(Program, WritesTheReferenceAndNothingElse) {
  std::filesystem::create_directories(folder_ / "docs/methods");
  write("docs/methods/order.md", "old");
  write("docs/guide.md", "mine");
  const Finished run = call({"reference", "--out", path("docs")});
  EXPECT_EQ(run.code, 0) << run.err;
  EXPECT_NE(run.out.find(" pages in "), std::string::npos) << run.out;
  EXPECT_EQ(read_file(path("docs/guide.md")), "mine");
  EXPECT_EQ(read_file(path("docs/methods/order.md")).find("# Example orders\n"), 0U);
  EXPECT_NE(read_file(path("docs/configuration-reference.md")).find("| `rounds` |"),
            std::string::npos);
}

TEST_F(Program, CountsTheExchangeOfOrdersApart) {
  write("a.toml",
        "name = 'a'\nworkers = 4\nepochs = 2\nbatch = 5\nstep = 1\naggregator = 'dense'\n"
        "problem = 'logistic:l2=1e-2'\ndata = "
        "'synthetic-sparse:rows=80,test_rows=9,features=8,nonzeros=3'\n"
        "record_excess = true\nrecord_every = 'epoch'\n"
        "[[method]]\nname = 'plain'\n[[method]]\nname = 'coordinated'\norder = 'cd-grab'\n");
  const Finished run = call({"run", path("a.toml"), "--out", path("out")});
  EXPECT_EQ(run.code, 0) << run.err;
  EXPECT_NE(run.out.find("What orders exchange is counted apart: `order` in summary.json.\n"),
            std::string::npos)
      << run.out;
  const Json methods = Json::parse(read_file(path("out/summary.json")))["methods"];
  EXPECT_TRUE(methods[0]["order"].is_null());
  EXPECT_GT(methods[1]["order"]["uplink_bytes"], 2 * 20 * 36);
  EXPECT_EQ(methods[1]["order"]["downlink_bytes"], 2 * (32 + 2));
  EXPECT_EQ(methods[1]["order"]["memory"]["sum_numbers"], 8);
  EXPECT_EQ(methods[0]["uplink"], methods[1]["uplink"]);
  EXPECT_LT(methods[1]["final"]["excess"], 0.69);
  const Finished alone =
      call({"run", path("a.toml"), "--out", path("alone"), "--set", "method.2.order=grab"});
  EXPECT_EQ(alone.out.find("What orders exchange"), std::string::npos);
}

TEST_F(Program, MeasuresHowOrdersHerdRandomVectors) {
  const Finished run = call({"herding", "reshuffle", "cd-grab", "--workers", "2,8", "--vectors",
                             "4000", "--dim", "4", "--rounds", "7", "--repeats", "2", "--csv"});
  EXPECT_EQ(run.code, 0) << run.err;
  std::istringstream lines(run.out);
  std::string line;
  std::getline(lines, line);
  EXPECT_EQ(line, "order,workers,round,bound,ordering_seconds");
  double first = 0;
  int rows = 0;
  for (; std::getline(lines, line); ++rows) {
    const int round = rows % 8;
    const std::string head = std::string(rows < 16 ? "\"reshuffle\"," : "\"cd-grab\",") +
                             (rows / 8 % 2 == 0 ? "2," : "8,") + std::to_string(round) + ",";
    ASSERT_EQ(line.substr(0, head.size()), head);
    const double bound = std::stod(line.substr(head.size()));
    if (round == 0) first = bound;
    if (round == 7) {
      EXPECT_EQ(bound < first / 4, rows >= 16) << line;
    }
  }
  EXPECT_EQ(rows, 32);
  const Finished table = call({"herding", "--vectors", "640", "--rounds", "1", "--repeats", "1"});
  EXPECT_EQ(table.code, 0) << table.err;
  EXPECT_EQ(std::count(table.out.begin(), table.out.end(), '\n'), 1 + 4 * 5);
  for (
      const auto& [arguments, message] :
      std::vector<std::pair<std::vector<std::string>, std::string>>{
          {{"herding", "--vectors", "100", "--workers", "8"},
           "laconic: --vectors 100 is not a multiple of --workers 8; all workers have as many, use "
           "104\n"},
          {{"herding", "--vectors", "268435456", "--workers", "1"},
           "laconic: --vectors 268435456 of --dim 16 are more than 268435456 numbers; use fewer\n"},
          {{"herding", "grub"},
           "laconic: order grub: 'grub' is not a known order; use incremental, once, reshuffle, "
           "flipflop, greedy, herding, grab, pair-grab or cd-grab\n"},
          {{"herding", "cd-grab:exchange=sharded,rule=walk"},
           "laconic: order cd-grab:exchange=sharded,rule=walk: cd-grab: rule=walk does not work "
           "with exchange=sharded, where no rank sees the largest entry of the sum before a "
           "decision; use exchange=server or exchange=replicated\n"}}) {
    const Finished refused = call(arguments);
    EXPECT_EQ(refused.code, 2);
    EXPECT_EQ(refused.err, message);
  }
}

TEST_F(Program, DescribesTheTheoryOfASpec) {
  const Finished constants =
      call({"describe", "dense:sum=fast", "--dim", "100", "--workers", "10"});
  EXPECT_EQ(constants.code, 0) << constants.err;
  EXPECT_EQ(constants.out,
            "dense:shards=0,sum=fast,wire=native\n100 coordinates, 10 workers\nA = 1\nB = "
            "0\nsqrt(B/A) = 0\n");
  const Finished step =
      call({"describe", "dense", "--problem", "quadratic:golden=true", "--workers", "10"});
  EXPECT_EQ(step.code, 0) << step.err;
  EXPECT_NE(step.out.find("\ngamma = 0.990573424\n"), std::string::npos) << step.out;
  const Finished none = call({"describe", "vote:beta=0.5", "--dim", "5"});
  EXPECT_EQ(none.code, 0) << none.err;
  EXPECT_NE(none.out.find("no theory of its step size"), std::string::npos);
  for (const auto& [arguments, message] :
       std::vector<std::pair<std::vector<std::string>, std::string>>{
           {{"describe", "dense:sum=fast"},
            "laconic: --dim is missing; A and B depend on the number of coordinates (or give "
            "--problem)\n"},
           {{"describe", "dense:sum=slow", "--dim", "5"},
            "laconic: dense: sum=slow is unknown; use canonical or fast\n"},
           {{"describe", "dense:shards=3", "--dim", "5", "--workers", "2"},
            "laconic: dense: shards=3 is more than the 2 workers that can host them; use at most "
            "2\n"}}) {
    const Finished refused = call(arguments);
    EXPECT_EQ(refused.code, 2);
    EXPECT_EQ(refused.err, message);
    EXPECT_EQ(refused.out, "");
  }
}

TEST_F(Program, StopsAtATargetAndRanksByIt) {
  write("job.toml",
        "name = 'q'\nworkers = 10\nrounds = 1000\nprecision = 'double'\nproblem = "
        "'quadratic:golden=true'\nuntil = 'grad_norm2 <= 1e-8'\n[[method]]\nname = 'half'\n"
        "aggregator = 'dense'\nstep = 'theory*0.5'\n[[method]]\nname = 'full'\naggregator = "
        "'dense'\nstep = 'theory'\n[[method]]\nname = 'poor'\naggregator = 'dense'\nstep = "
        "'theory'\nbudget = '64kbit'\n");
  const Finished run = call({"run", path("job.toml"), "--out", path("out"), "--meter", "wire"});
  EXPECT_EQ(run.code, 0) << run.err;
  const std::size_t full = run.out.find("\n 1 full");
  const std::size_t half = run.out.find("\n 2 half");
  const std::size_t poor = run.out.find("\n 3 poor");
  EXPECT_LT(full, half) << run.out;
  EXPECT_LT(half, poor) << run.out;
  EXPECT_NE(poor, std::string::npos) << run.out;
  for (std::size_t begin = run.out.find("   method"); begin < run.out.size();) {
    const std::size_t end = run.out.find('\n', begin);
    EXPECT_LE(end - begin, 80U) << run.out.substr(begin, end - begin);
    begin = end + 1;
  }
  const Json summary = Json::parse(read_file(path("out/summary.json")));
  EXPECT_EQ(summary["methods"][1]["stopped"], "until");
  EXPECT_EQ(summary["methods"][1]["target"]["reached"], true);
  EXPECT_EQ(summary["methods"][2]["stopped"], "budget");
  EXPECT_EQ(summary["methods"][2]["target"]["reached"], false);
  EXPECT_EQ(summary["methods"][2]["rounds"], 10);
  EXPECT_EQ(call({"run", path("job.toml"), "--out", path("o2"), "--meter", "bytes"}).code, 2);
}

constexpr const char* kSweep =
    "name = 'q'\nworkers = 10\nrounds = 1000\nprecision = 'double'\nproblem = "
    "'quadratic:golden=true'\nuntil = 'grad_norm2 <= 1e-8'\nstep = 'theory*{m}'\n[sweep]\n"
    "b = [0, 0.5]\ns = [1, 2]\nm = '2^-1..2^2'\nselect = 'm'\n[[method]]\nname = 'GD'\n"
    "aggregator = 'dense'\n[[method]]\nname = 'HB'\naggregator = 'dense:shards={s}'\noptimizer "
    "= 'momentum:beta={b}'\n";

TEST_F(Program, SweepsAndShowsTheBest) {
  write("sweep.toml", kSweep);
  std::string first;
  for (const char* ranks : {"1", "2"}) {
    const std::string out = path(std::string("out") + ranks);
    const Finished run = call({"run", path("sweep.toml"), "--out", out, "--ranks", ranks});
    EXPECT_EQ(run.code, 0) << run.err;
    EXPECT_NE(run.out.find("cells: 20 of 20, 0 ms left"), std::string::npos) << run.out;
    EXPECT_NE(run.out.find("HB: uplink_bits\nb\\s "), std::string::npos) << run.out;
    EXPECT_NE(run.out.find("GD m=1"), std::string::npos) << run.out;
    const std::string cells = read_file(out + "/cells.jsonl");
    EXPECT_EQ(std::count(cells.begin(), cells.end(), '\n'), 21);
    const std::string below = cells.substr(cells.find('\n'));
    if (first.empty()) first = below;
    EXPECT_EQ(below, first);
    const Json summary = Json::parse(read_file(out + "/summary.json"));
    EXPECT_EQ(summary["sweep"]["cells_done"], 20);
    EXPECT_EQ(summary["sweep"]["best"].size(), 5U);
    EXPECT_EQ(summary["methods"].size(), 5U);
    EXPECT_EQ(summary["sweep"]["best"][0]["value"],
              summary["methods"][0]["uplink"]["payload_bits"]);
    EXPECT_NE(read_file(out + "/heatmap.csv").find("HB,b,0.5,s,2,"), std::string::npos);
  }
  const Finished json = call({"run", path("sweep.toml"), "--out", path("o3"), "--json"});
  EXPECT_EQ(Json::parse(json.out), Json::parse(read_file(path("o3/summary.json"))));
  EXPECT_EQ(call({"validate", path("sweep.toml")}).out.find("ok\nsweep: 20 cells, 3 keys;"), 0U);
}

TEST_F(Program, EndsASweepOnASignal) {
  write("sweep.toml", kSweep);
  const pid_t child = start({"run", path("sweep.toml"), "--out", path("out"), "--ranks", "1",
                             "--set", "rounds=1000000000", "--set",
                             "method.2.until=grad_norm2 <= 0", "--set", "sweep.m=[1]"});
  const auto lines = [&] {
    const std::string text = read_file(path("out/cells.jsonl"));
    return std::count(text.begin(), text.end(), '\n');
  };
  while (lines() < 2 && waitpid(child, nullptr, WNOHANG) == 0) ::usleep(1000);
  ::kill(child, SIGINT);
  const Finished run = wait_for(child);
  EXPECT_EQ(run.code, 130);
  EXPECT_NE(run.err.find("interrupted"), std::string::npos);
  const Json summary = Json::parse(read_file(path("out/summary.json")));
  EXPECT_EQ(summary["interrupted"], true);
  EXPECT_EQ(summary["sweep"]["cells_done"], 1);
  EXPECT_EQ(summary["sweep"]["best"][0]["settings"]["m"], 1);
}

TEST_F(Program, RefusesBadTargetsBudgetsStepsAndSweeps) {
  write("sweep.toml", kSweep);
  for (const auto& [setting, message] : std::vector<std::pair<std::string, std::string>>{
           {"until=soon",
            "--set until: error: until = 'soon' is not QUANTITY <= NUMBER, e.g. 'grad_norm2 <= "
            "1e-12'; quantities are grad_norm2, grad_norm, loss and loss_gap\n"},
           {"budget=5MB",
            "--set budget: error: budget = '5MB' is not a positive number and bit, kbit, Mbit or "
            "Gbit, e.g. '5Mbit' or '5Mbit wire'; meters are paper, wire and frame\n"},
           {"method.1.step=pl/2",
            "--set method[1].step: error: step = 'pl/2' is not a positive number, 'theory', 'pl', "
            "'theory*FACTOR' or 'pl*FACTOR' (steps that the method's theory and the problem's "
            "constants give)\n"},
           {"sweep.m=[]", "--set sweep.m: error: m is an empty list; give at least one value\n"},
           {"sweep.q=[1]",
            "--set sweep.q: error: no text of a method holds {q}; write it where the values "
            "belong, or remove the key\n"},
           {"method.1.step=theory*{x}",
            "--set method[1].step: error: {x} is not a key of [sweep]; use b, s or m\n"}}) {
    const Finished run = call({"run", path("sweep.toml"), "--out", path("out"), "--set", setting});
    EXPECT_EQ(run.code, 2) << setting;
    EXPECT_EQ(run.err, message);
    EXPECT_FALSE(std::filesystem::exists(path("out")));
  }
}

TEST_F(Program, EndsARunWithAReportAndMakesOneOfSeveralRuns) {
  write("job.toml", kJob);
  const Finished run = call({"run", path("job.toml"), "--out", path("a b"), "--set", "rounds=5"});
  EXPECT_NE(run.out.find("report: " + path("a b/report.html")), std::string::npos);
  EXPECT_NE(read_file(path("a b/report.html")).find(R"("method":"dense SGD")"), std::string::npos);
  const std::string records = read_file(path("a b/records.jsonl"));
  EXPECT_EQ(Json::parse(records.substr(0, records.find('\n')))["command"],
            "laconic run " + path("job.toml") + " --set rounds=5 --out '" + path("a b") + "'");
  call({"run", path("job.toml"), "--out", path("c"), "--seed", "2", "--quiet"});
  const Finished both = call({"report", path("a b"), path("c"), "--out", path("both.html")});
  EXPECT_EQ(both.code, 0) << both.err;
  const std::string page = read_file(path("both.html"));
  EXPECT_NE(page.find(R"("folder":"a b")"), std::string::npos);
  EXPECT_NE(page.find(R"("folder":"c")"), std::string::npos);
}

TEST_F(Program, ReportsWhatCouldBeReadOfADamagedFile) {
  write("job.toml", kJob);
  call({"run", path("job.toml"), "--out", path("out"), "--quiet"});
  const std::string records = read_file(path("out/records.jsonl"));
  write("out/records.jsonl", records.substr(0, records.size() - 20));
  const Finished report = call({"report", path("out")});
  EXPECT_EQ(report.code, 1);
  EXPECT_NE(report.err.find("out/records.jsonl: line 43: is cut off"), std::string::npos)
      << report.err;
  EXPECT_NE(read_file(path("out/report.html")).find("line 43: is cut off"), std::string::npos);
  const Finished none = call({"report", path("nowhere")});
  EXPECT_EQ(none.code, 2);
  EXPECT_NE(none.err.find("cannot be read"), std::string::npos);
}

TEST_F(Program, ExportsRecordsForOtherTools) {
  write("job.toml", kJob);
  call({"run", path("job.toml"), "--out", path("out"), "--quiet"});
  const Finished csv = call({"export", path("out"), "--format", "csv"});
  EXPECT_EQ(csv.code, 0) << csv.err;
  const std::string table = read_file(path("out/export.csv"));
  EXPECT_TRUE(table.starts_with("method,spec,repeat,round,epoch,loss,")) << table.substr(0, 99);
  EXPECT_EQ(std::count(table.begin(), table.end(), '\n'), 1 + 2 * 21);
  const Finished lines = call({"export", path("out"), "--format", "jsonl", "--out", "-"});
  EXPECT_EQ(Json::parse(lines.out.substr(0, lines.out.find('\n')))["method"], "dense SGD");
  const Finished events = call({"export", path("out"), "--format", "tensorboard"});
  EXPECT_EQ(events.code, 0) << events.err;
  EXPECT_TRUE(
      std::filesystem::exists(path("out/tensorboard/02-vote/events.out.tfevents.0.laconic")));
  EXPECT_EQ(call({"export", path("out"), "--format", "xml"}).code, 2);
  EXPECT_EQ(call({"export", path("out"), "--format", "tensorboard", "--out", "-"}).code, 2);
}

TEST_F(Program, WatchesOnlyRunsThatGoOn) {
  std::filesystem::create_directories(path("out"));
  write("out/summary.json", "{}");
  const Finished watch = call({"watch", path("out")});
  EXPECT_EQ(watch.code, 2);
  EXPECT_NE(watch.err.find("has ended"), std::string::npos);
}

TEST_F(Program, KnowsItsDataSets) {
  const Finished list = call({"data", "list"});
  EXPECT_EQ(list.code, 0);
  EXPECT_NE(list.out.find("a9a"), std::string::npos);
  const Finished info = call({"data", "info", "mnist"});
  EXPECT_EQ(info.code, 0);
  EXPECT_NE(info.out.find("sha256"), std::string::npos);
  const Finished text = call({"data", "info", "tinyshakespeare"});
  EXPECT_NE(text.out.find("input.txt (train): 40000 lines, 1.12 MB"), std::string::npos);
  const Finished unknown = call({"data", "info", "wikitext-2"});
  EXPECT_NE(unknown.out.find("train.txt (train): size not known\n    sha256 not known\n"),
            std::string::npos);
  const Finished fetch = call({"data", "fetch", "wikitext-2"});
  EXPECT_EQ(fetch.code, 2);
  EXPECT_NE(fetch.err.find("it cannot be fetched: the checksum of its training file is not known"),
            std::string::npos);
}

TEST_F(Program, SaysWhichDataSuitAProblem) {
  write("text.toml",
        "name = 't'\nworkers = 2\nrounds = 2\nstep = 0.1\nproblem = 'softmax'\n"
        "data = 'synthetic-text:rows=9'\n[[method]]\naggregator = 'dense'\n");
  const Finished text = call({"run", path("text.toml"), "--out", path("out")});
  EXPECT_EQ(text.code, 2);
  EXPECT_NE(text.err.find("has windows of tokens, but the problem takes rows of features"),
            std::string::npos)
      << text.err;
}

TEST_F(Program, PlansStepsOfAModelGivenByItsShapes) {
  const std::vector<std::string> arguments = {
      "plan",      "--tensors", "64x32,32",     "--workers", "2",        "--bandwidth", "10Mbit/s",
      "--latency", "1ms",       "--method",     "vote",      "--method", "dense",       "--seconds",
      "0.01",      "--method",  "mirror:lag-wk"};
  const Finished table = call(arguments);
  EXPECT_EQ(table.code, 0) << table.err;
  EXPECT_NE(table.out.find("2 workers, 2 tensors of 2080 numbers (8.32 kB)"), std::string::npos);
  EXPECT_NE(table.out.find("left out mirror:lag-wk: synchronizer:"), std::string::npos);
  std::vector<std::string> as_json = arguments;
  as_json.emplace_back("--json");
  const Finished json = call(as_json);
  ASSERT_EQ(json.code, 0) << json.err;
  const Json report = Json::parse(json.out);
  EXPECT_EQ(report["bandwidth_bits_per_second"], 1e7);
  EXPECT_EQ(report["methods"][0]["aggregator"], "vote");
  EXPECT_LT(report["methods"][0]["link_bytes"], report["methods"][1]["link_bytes"]);
  EXPECT_EQ(report["refused"][0]["aggregator"], "mirror:lag-wk");
}

TEST_F(Program, PlansStepsOfAConfiguration) {
  write("job.toml", kJob);
  const Finished run = call({"plan", path("job.toml"), "--bandwidth", "1Gbit/s", "--latency", "0s",
                             "--seconds", "0.01", "--json"});
  ASSERT_EQ(run.code, 0) << run.err;
  const Json report = Json::parse(run.out);
  EXPECT_EQ(report["workers"], 4);
  EXPECT_GT(report["gradient_seconds"], 0.0);
  EXPECT_FALSE(report["methods"].empty());
}

TEST_F(Program, SaysWhatAPlanNeeds) {
  const std::vector<std::string> model = {"plan", "--tensors", "8x8"};
  const auto with = [&](std::vector<std::string> more) {
    more.insert(more.begin(), model.begin(), model.end());
    const Finished run = call(more);
    EXPECT_EQ(run.code, 2);
    EXPECT_EQ(run.out, "");
    return run.err;
  };
  EXPECT_NE(with({}).find("how many workers"), std::string::npos);
  EXPECT_NE(with({"--workers", "2"}).find("how fast is the network"), std::string::npos);
  EXPECT_NE(with({"--workers", "2", "--bandwidth", "fast"}).find("bandwidth 'fast'"),
            std::string::npos);
  EXPECT_NE(with({"--workers", "2", "--bandwidth", "1Gbit/s", "--method", "vot"}).find("vot"),
            std::string::npos);
  EXPECT_NE(with({"--workers", "2", "--bandwidth", "1Gbit/s", "--verify", "3"}).find("mpirun"),
            std::string::npos);
  EXPECT_NE(with({"--set", "rounds=3"}).find("--set"), std::string::npos);
}

TEST_F(Program, HelpsAndSaysItsVersionEverywhere) {
  for (const std::vector<std::string>& command :
       std::vector<std::vector<std::string>>{{},
                                             {"run"},
                                             {"validate"},
                                             {"list"},
                                             {"describe"},
                                             {"herding"},
                                             {"plan"},
                                             {"completion"},
                                             {"manual"},
                                             {"reference"},
                                             {"report"},
                                             {"export"},
                                             {"watch"},
                                             {"data"},
                                             {"data", "list"},
                                             {"data", "info"},
                                             {"data", "fetch"}}) {
    for (const char* flag : {"--help", "--version"}) {
      std::vector<std::string> arguments = command;
      arguments.emplace_back(flag);
      const Finished run = call(arguments);
      EXPECT_EQ(run.code, 0) << (command.empty() ? "" : command.back()) << flag;
      EXPECT_NE(run.out, "");
      EXPECT_EQ(run.err, "");
    }
  }
}

// As bash would be asked behind "laconic WORDS...", the last of them being typed.
TEST_F(Program, CompletesInBash) {
  const Finished script = call({"completion", "bash"});
  ASSERT_EQ(script.code, 0) << script.err;
  write("laconic.bash", script.out);
  const auto complete = [&](const std::string& words) {
    const std::string command = "bash -c 'source " + path("laconic.bash") +
                                " && COMP_WORDS=(laconic " + words +
                                " \"\") && COMP_CWORD=$((${#COMP_WORDS[@]} - 1)) && _laconic && "
                                "echo \" ${COMPREPLY[*]} \"' > " +
                                path("words") + " 2>&1";
    EXPECT_EQ(std::system(command.c_str()), 0) << read_file(path("words"));
    return read_file(path("words"));
  };
  for (const char* word : {" run ", " data ", " describe ", " --help "}) {
    EXPECT_NE(complete("").find(word), std::string::npos) << word;
  }
  EXPECT_NE(complete("data").find(" fetch "), std::string::npos);
  EXPECT_NE(complete("data fetch").find(" --help "), std::string::npos);
  EXPECT_EQ(complete("data fetch").find(" run "), std::string::npos);
  EXPECT_NE(complete("run job.toml").find(" --ranks "), std::string::npos);
  EXPECT_NE(complete("describe").find(" ef21 "), std::string::npos);
}

TEST_F(Program, TellsShellsAndManEveryOption) {
  const std::string help = call({"run", "--help"}).out;
  const std::string bash = call({"completion", "bash"}).out;
  const std::string zsh = call({"completion", "zsh"}).out;
  const std::string fish = call({"completion", "fish"}).out;
  const std::string manual = call({"manual"}).out;
  std::size_t found = 0;
  for (std::size_t at = help.find("--"); at != std::string::npos; at = help.find("--", at + 2)) {
    const std::size_t end = help.find_first_not_of("abcdefghijklmnopqrstuvwxyz-", at);
    const std::string option = help.substr(at, end - at);
    if (option.size() < 4) continue;
    ++found;
    EXPECT_NE(bash.find(option), std::string::npos) << option;
    EXPECT_NE(zsh.find(option), std::string::npos) << option;
    EXPECT_NE(fish.find("-l " + option.substr(2)), std::string::npos) << option;
    std::string in_roff;
    for (const char c : option) in_roff += c == '-' ? std::string("\\-") : std::string(1, c);
    EXPECT_NE(manual.find(in_roff), std::string::npos) << option;
  }
  EXPECT_GT(found, 5U);
  EXPECT_EQ(call({"completion", "tcsh"}).code, 2);
}

}  // namespace
}  // namespace laconic::cli
