// SPDX-License-Identifier: Apache-2.0
#include "laconic/report/run_folder.hpp"

#include <gtest/gtest.h>

#include <fstream>

#include "laconic/base/error.hpp"
#include "laconic/report/page.hpp"
#include "tests/unit/report/record_lines.hpp"

namespace laconic::report {
namespace {

namespace fs = std::filesystem;

class RunFolderTest : public testing::Test {
 protected:
  RunFolderTest()
      : folder_(fs::path(testing::TempDir()) /
                ("laconic_run_folder_" +
                 std::string(testing::UnitTest::GetInstance()->current_test_info()->name()))) {
    fs::remove_all(folder_);
    fs::create_directories(folder_);
  }
  ~RunFolderTest() override { fs::remove_all(folder_); }
  void write(const char* name, const std::string& text) const {
    std::ofstream(folder_ / name, std::ios::binary) << text;
  }
  fs::path folder_;
};

TEST_F(RunFolderTest, ReadsAllFilesOfASweep) {
  write("records.jsonl", kHeader + "\n" + record("a", 0) + "\n");
  write(
      "cells.jsonl",
      kHeader + "\n" + R"({"cell":0,"method":"a","spec":"s","settings":{"k":1},"value":2})" + "\n");
  write("summary.json", R"({"schema":3,"methods":[]})");
  const RunFolder run = read_folder(folder_);
  EXPECT_TRUE(run.problems.empty());
  EXPECT_TRUE(run.finished());
  EXPECT_EQ(run.cells,
            std::vector<std::string>{R"({"cell":0,"method":"a","settings":{"k":1},"value":2})"});
}

TEST_F(RunFolderTest, NamesFileAndLineOfWhatItCannotRead) {
  write("records.jsonl", kHeader + "\n?\n" + record("a", 0) + "\n{");
  write("cells.jsonl", kHeader + "\n{}\n");
  write("summary.json", "{");
  const RunFolder run = read_folder(folder_);
  EXPECT_EQ(run.problems,
            (std::vector<std::string>{
                "records.jsonl: line 2: is not JSON; it is left out",
                "records.jsonl: line 4: is cut off; the run was ended in the middle of it, or "
                "still writes",
                "cells.jsonl: line 2: is no cell of a sweep; it is left out",
                "summary.json: is not a summary of laconic; it is left out"}));
  EXPECT_EQ(run.records.series.at(0).rows, 1U);
}

TEST_F(RunFolderTest, ALineThatIsBeingWrittenIsNoProblemWhileARunGoesOn) {
  write("records.jsonl", kHeader + "\n{");
  write("cells.jsonl", kHeader + "\n{");
  EXPECT_TRUE(read_folder(folder_, {.live = true}).problems.empty());
}

TEST_F(RunFolderTest, ASweepThatGoesOnHasCellsBeforeItHasRecords) {
  write("cells.jsonl",
        kHeader + "\n" + R"({"cell":0,"method":"a","settings":{"k":1},"value":2})" + "\n");
  const RunFolder run = read_folder(folder_, {.live = true});
  EXPECT_TRUE(run.problems.empty());
  EXPECT_EQ(run.records.header, kHeader);
  EXPECT_EQ(run.cells.size(), 1U);
}

TEST_F(RunFolderTest, NeedsRecords) {
  EXPECT_THROW(static_cast<void>(read_folder(folder_)), ConfigError);
}

TEST_F(RunFolderTest, ReportsAreWrittenBesideTheRecords) {
  write("records.jsonl", kHeader + "\n" + record("a", 0) + "\n");
  EXPECT_TRUE(write_report(folder_).empty());
  EXPECT_GT(fs::file_size(folder_ / "report.html"), 10000U);
}

}  // namespace
}  // namespace laconic::report
