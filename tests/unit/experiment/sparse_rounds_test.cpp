// SPDX-License-Identifier: Apache-2.0
// Rounds that leave out zeros: they allocate nothing, and of memory they touch what the non-zeros
// need and nothing else, however long the model is. The kernel of Linux counts the pages.
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <limits>
#include <optional>
#include <string>

#include "laconic/comm/transports.hpp"
#include "laconic/experiment/train.hpp"
#include "laconic/rng/stream.hpp"
#include "tests/contract/allocations.hpp"

namespace laconic::experiment {
namespace {

constexpr std::uint32_t kColumns = 1U << 14;  // where the rows have their entries
constexpr std::uint32_t kWarm = 150;
constexpr std::uint32_t kRounds = 200;

// 60 rows of 8 entries; deleted at the end.
class Rows {
 public:
  Rows()
      : path_(std::filesystem::temp_directory_path() /
              ("laconic-sparse-rounds-" + std::to_string(::getpid()))) {
    std::ofstream out(path_);
    rng::Reader random(rng::Stream(1, {rng::Purpose::kTest, 0, 0, 0}));
    for (int row = 0; row < 60; ++row) {
      out << (row % 2 == 0 ? "-1" : "+1");
      std::uint32_t column = 0;
      for (int k = 0; k < 8; ++k) {
        column += 1 + static_cast<std::uint32_t>(random.below(kColumns / 8));
        out << ' ' << column << ":" << 1 + random.below(3);
      }
      out << '\n';
    }
  }
  ~Rows() { std::filesystem::remove(path_); }
  Rows(const Rows&) = delete;
  Rows& operator=(const Rows&) = delete;
  [[nodiscard]] std::string path() const { return path_.string(); }

 private:
  std::filesystem::path path_;
};

// Bytes of this process that were touched since they were last forgotten; absent where the system
// does not tell.
bool forget_touched() {
  std::ofstream out("/proc/self/clear_refs");
  out << '1';
  out.flush();
  return out.good();
}
std::optional<std::uint64_t> touched_bytes() {
  std::ifstream in("/proc/self/smaps_rollup");
  for (std::string key; in >> key;) {
    std::uint64_t kilobytes = 0;
    if (key == "Referenced:" && in >> kilobytes) return 1024 * kilobytes;
  }
  return std::nullopt;
}

// Whether the kernel looks for idle pages of its own accord (DAMON): then it wipes the marks that
// are to be counted, now and then.
bool marks_are_wiped() {
  std::error_code code;
  for (const auto& process : std::filesystem::directory_iterator("/proc", code)) {
    std::string name;
    std::ifstream(process.path() / "comm") >> name;
    if (name.starts_with("kdamond")) return true;
  }
  return false;
}

// Measures the rounds behind the warm-up, up to the last record, ten at a time. What else the
// process touches now and then is not in every ten.
class Watch final : public Observer {
 public:
  explicit Watch(bool pages) : pages_(pages) {}
  void advanced(const Progress& progress) override {
    if (progress.round == kWarm) before_ = test::allocations();
    if (progress.round + 1 == kRounds) allocations = test::allocations() - before_;
    if (!pages_ || progress.round < kWarm || progress.round % 10 != 0 || progress.round == kRounds)
      return;
    if (progress.round > kWarm) {
      const auto bytes = touched_bytes();
      known = known && bytes.has_value();
      touched = std::min(touched, bytes.value_or(0));
    }
    known = known && forget_touched();
  }
  void recorded(const Record&) override {}
  void diverged(const Divergence&) override { ADD_FAILURE() << "diverged"; }

  bool known = true;
  std::uint64_t touched = std::numeric_limits<std::uint64_t>::max();
  std::size_t allocations = 0;

 private:
  bool pages_;  // else allocations
  std::size_t before_ = 0;
};

struct Setting {
  std::string aggregator = {};
  std::string optimizer = {};
  std::string sparse = "auto";
};

Watch& run(const Setting& setting, const Rows& rows, std::uint32_t features, Watch& watch) {
  const std::string text =
      "name = 't'\nworkers = 3\nbatch = 4\nstep = 0.3\nrecord_gradient = false\nproblem = "
      "'logistic'\nrecord_every = " +
      std::to_string(kRounds) + "\nrounds = " + std::to_string(kRounds) + "\nsparse = '" +
      setting.sparse + "'\naggregator = '" + setting.aggregator + "'\noptimizer = '" +
      setting.optimizer + "'\ndata = 'libsvm:path=" + rows.path() +
      ",features=" + std::to_string(features) + "'\n[[method]]\n";
  const ParsedConfig parsed = parse_config(text, "test");
  for (const Diagnostic& d : parsed.diagnostics) ADD_FAILURE() << text_of(d);
  for (const Diagnostic& d : validate(parsed.config)) ADD_FAILURE() << text_of(d);
  const Experiment experiment(make_plan(parsed.config));
  const auto comm = make_self_communicator();
  const TrainingResult result = train(experiment, {}, *comm, watch);
  EXPECT_EQ(result.status, Status::kDone);
  EXPECT_EQ(result.dimension, features);
  EXPECT_EQ(result.sparse, setting.sparse == "auto");
  return watch;
}

const Setting kSettings[] = {
    {"quantized:nonzeros", "adagrad-rda:l1=1e-4"},
    {"quantized:vaninf:levels=7", "adagrad-cmd:l1=1e-4"},
    {"quantized:down=lossless:thr-hard", "adagrad-rda:l1=1e-4"},
    {"quantized:down=lossless:van2", "sgd"},
    {"quantized:again=(vaninf),down=quantized:thr-unb", "adagrad-cmd:l1=1e-4"},
};

TEST(SparseRounds, TouchTheSameMemoryHoweverLongTheModelIs) {
  constexpr std::uint32_t kLong = 1U << 23;
  // Below a bit per coordinate, 1024 KiB. Two runs over the same model differ by up to 200 KiB of
  // pages that the process touches for reasons of its own.
  constexpr std::uint64_t kSlack = std::uint64_t{700} << 10;
  const Rows rows;
  if (marks_are_wiped()) GTEST_SKIP() << "the kernel resets the marks of touched pages (kdamond)";
  // What is measured is there: with zeros a round touches several numbers per coordinate.
  Watch dense(true);
  run({kSettings[0].aggregator, kSettings[0].optimizer, "never"}, rows, 1U << 21, dense);
  if (!dense.known) GTEST_SKIP() << "the system does not count touched pages";
  EXPECT_GT(dense.touched, std::uint64_t{3} * sizeof(float) << 21);
  for (const Setting& setting : kSettings) {
    SCOPED_TRACE(setting.aggregator + " " + setting.optimizer);
    Watch small(true);
    Watch large(true);
    run(setting, rows, 1U << 18, small);
    run(setting, rows, kLong, large);
    EXPECT_LE(large.touched, small.touched + kSlack);
  }
}

TEST(SparseRounds, AllocateNothingAfterWarmUp) {
  const Rows rows;
  for (const Setting& setting : kSettings) {
    Watch watch(false);
    run(setting, rows, 1U << 18, watch);
    EXPECT_EQ(watch.allocations, 0U) << setting.aggregator << " " << setting.optimizer;
  }
}

}  // namespace
}  // namespace laconic::experiment
