// SPDX-License-Identifier: Apache-2.0
#include "laconic/experiment/records.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>

#include "laconic/base/error.hpp"

namespace laconic::experiment {
namespace {

using Json = nlohmann::json;

Plan small_plan() {
  return make_plan(parse_config("name = 't'\nworkers = 2\nrounds = 5\nstep = 0.1\n"
                                "problem = 'noisy-quadratic:d=10'\n[[method]]\nname = \"a\\\"b\"\n"
                                "aggregator = 'dense'\n",
                                "test")
                       .config);
}

// A folder of this test's own, removed at its end.
class Folder {
 public:
  Folder() {
    const auto* info = testing::UnitTest::GetInstance()->current_test_info();
    path_ = std::filesystem::temp_directory_path() /
            (std::string("laconic-") + info->test_suite_name() + "-" + info->name() + "-" +
             std::to_string(::getpid()));
    std::filesystem::remove_all(path_);
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

void write_file(const std::filesystem::path& path, const std::string& text) {
  std::ofstream(path) << text;
}
std::string read_file(const std::filesystem::path& path) {
  std::ifstream in(path);
  return {std::istreambuf_iterator<char>(in), {}};
}

TEST(RecordJson, HasTheKeysOfTheContract) {
  const Plan plan = small_plan();
  Record record;
  record.round = 3;
  record.metrics.loss = 0.1;
  record.uplink = {640, 704, 100.5};
  const Json json = Json::parse(record_json(plan, record));
  for (const char* key : {"method", "spec", "repeat", "round", "epoch", "loss", "grad_norm2",
                          "train_accuracy", "test_accuracy", "uplink", "downlink", "refused_frames",
                          "agreement", "step_size", "seconds"}) {
    EXPECT_TRUE(json.contains(key)) << key;
  }
  EXPECT_EQ(json["method"], "a\"b");
  EXPECT_EQ(json["loss"], 0.1);
  EXPECT_TRUE(json["test_accuracy"].is_null());
  EXPECT_EQ(json["uplink"]["payload_bits"].dump(), "640");
  EXPECT_EQ(json["uplink"]["wire_bits"].dump(), "704");
  EXPECT_EQ(json["uplink"]["frame_bytes"].dump(), "100.5");
}

// Records of methods without these do not change.
TEST(RecordJson, HasExcessAndOrderOnlyWhereTheyAreMeasured) {
  Record record;
  const Json without = Json::parse(record_json(small_plan(), record));
  EXPECT_FALSE(without.contains("excess"));
  EXPECT_FALSE(without.contains("order"));
  record.metrics.excess = 0.25;
  record.order = {.uplink_bytes = 80, .downlink_bytes = 2.5, .largest_sum = 1.5};
  const Json with = Json::parse(record_json(small_plan(), record));
  EXPECT_EQ(with["excess"], 0.25);
  EXPECT_EQ(with["order"],
            (Json{{"uplink_bytes", 80}, {"downlink_bytes", 2.5}, {"largest_sum", 1.5}}));
  record.metrics.excess = std::numeric_limits<double>::quiet_NaN();
  EXPECT_TRUE(Json::parse(record_json(small_plan(), record))["excess"].is_null());
}

TEST(RecordJson, WritesNullForWhatIsNotANumber) {
  Record record;
  record.metrics.loss = std::numeric_limits<double>::infinity();
  record.metrics.grad_norm2 = std::numeric_limits<double>::quiet_NaN();
  const Json json = Json::parse(record_json(small_plan(), record));
  EXPECT_TRUE(json["loss"].is_null());
  EXPECT_TRUE(json["grad_norm2"].is_null());
}

TEST(RecordJson, SaysWhereAMethodDiverged) {
  const Json json = Json::parse(divergence_json(
      small_plan(), {.method = 0, .repeat = 1, .worker = 2, .tensor = "w", .round = 9}));
  EXPECT_EQ(json["diverged"], (Json{{"worker", 2}, {"tensor", "w"}, {"round", 9}}));
}

TEST(RecordJson, SaysWhichUnitDiverged) {
  const Json json = Json::parse(
      divergence_json(small_plan(), {.method = 0,
                                     .repeat = 0,
                                     .worker = 2,
                                     .tensor = "",
                                     .round = 9,
                                     .unit = Divergence::Unit{.epoch = 3, .position = 14}}));
  EXPECT_EQ(json["diverged"]["epoch"], 3);
  EXPECT_EQ(json["diverged"]["position"], 14);
}

TEST(HeaderJson, HoldsTheCanonicalConfiguration) {
  const Json json = Json::parse(header_json(small_plan(), {.ranks = 2, .transport = "threads"}));
  EXPECT_EQ(json["schema"], 3);
  EXPECT_EQ(json["config"]["method"][0]["step"], 0.1);
  EXPECT_EQ(json["ranks"], 2);
  EXPECT_EQ(json["transport"], "threads");
  for (const char* key : {"seed", "version", "compiler", "simd_target"}) {
    EXPECT_TRUE(json.contains(key)) << key;
  }
}

TEST(RecordFile, WritesLineByLineAndASummary) {
  const Folder folder;
  const Plan plan = small_plan();
  RecordFile file(folder.path() / "deep", plan, {.ranks = 1, .transport = "self"});
  file.recorded({});
  // Complete on disk before the run has ended.
  const std::string lines = read_file(folder.path() / "deep" / "records.jsonl");
  EXPECT_EQ(std::count(lines.begin(), lines.end(), '\n'), 2);
  EXPECT_FALSE(std::filesystem::exists(folder.path() / "deep" / "summary.json"));
  Summary summary;
  summary.methods.emplace_back();
  file.write_summary(summary);
  const Json json = Json::parse(read_file(folder.path() / "deep" / "summary.json"));
  for (const char* key : {"name", "spec", "rounds", "epochs", "final", "best", "uplink", "downlink",
                          "compression", "predicted_network_seconds", "seconds", "status"}) {
    EXPECT_TRUE(json["methods"][0].contains(key)) << key;
  }
  for (const char* key : {"gradient", "aggregate", "other"}) {
    EXPECT_TRUE(json["methods"][0]["seconds"].contains(key)) << key;
  }
}

TEST(RecordFile, ReplacesItsOwnFilesOnly) {
  const Folder folder;
  std::filesystem::create_directories(folder.path());
  write_file(folder.path() / "records.jsonl", "old");
  write_file(folder.path() / "summary.json", "old");
  write_file(folder.path() / "thesis.tex", "precious");
  const Plan plan = small_plan();
  const RecordFile file(folder.path(), plan, {});
  EXPECT_EQ(read_file(folder.path() / "thesis.tex"), "precious");
  EXPECT_FALSE(std::filesystem::exists(folder.path() / "summary.json"));
  EXPECT_EQ(read_file(folder.path() / "records.jsonl").substr(0, 9), "{\"schema\"");
}

// A link in the folder must not lead the run to overwrite a file elsewhere.
TEST(RecordFile, DoesNotFollowALink) {
  const Folder folder;
  std::filesystem::create_directories(folder.path() / "out");
  write_file(folder.path() / "elsewhere", "precious");
  std::filesystem::create_symlink(folder.path() / "elsewhere",
                                  folder.path() / "out" / "records.jsonl");
  const Plan plan = small_plan();
  const RecordFile file(folder.path() / "out", plan, {});
  EXPECT_EQ(read_file(folder.path() / "elsewhere"), "precious");
}

TEST(RecordFile, RefusesAFolderThatCannotBeMade) {
  const Folder folder;
  std::filesystem::create_directories(folder.path());
  write_file(folder.path() / "file", "x");
  const Plan plan = small_plan();
  EXPECT_THROW(RecordFile(folder.path() / "file" / "out", plan, {}), ConfigError);
}

TEST(OutputProblem, RefusesAFolderThatIsNotEmpty) {
  const Folder folder;
  EXPECT_EQ(output_problem(folder.path(), false), "");
  std::filesystem::create_directories(folder.path());
  EXPECT_EQ(output_problem(folder.path(), false), "");
  write_file(folder.path() / "x", "x");
  EXPECT_NE(output_problem(folder.path(), false).find("--force"), std::string::npos);
  EXPECT_EQ(output_problem(folder.path(), true), "");
  EXPECT_NE(output_problem(folder.path() / "x", true).find("is a file"), std::string::npos);
}

}  // namespace
}  // namespace laconic::experiment
