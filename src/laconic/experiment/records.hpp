// SPDX-License-Identifier: Apache-2.0
// The files that a run leaves behind: DIR/records.jsonl, one JSON object per line, written as the
// run goes, and DIR/summary.json, written at the end. docs/configuration.md describes both. Without
// its first line and the key "seconds", records.jsonl depends on the configuration alone.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "laconic/experiment/observer.hpp"
#include "laconic/experiment/plan.hpp"
#include "laconic/experiment/run.hpp"
#include "laconic/experiment/run_sweep.hpp"

namespace laconic::experiment {

class LineFile;

inline constexpr int kRecordSchema = 3;

// How the run was made; belongs to the first line only.
struct RunFacts {
  std::uint32_t ranks = 1;
  std::string transport = {};
  std::string command = {};  // for a shell: what makes the run again
};

// One line each, without the line feed.
[[nodiscard]] std::string header_json(const Plan& plan, const RunFacts& facts);
[[nodiscard]] std::string record_json(const Plan& plan, const Record& record);
[[nodiscard]] std::string divergence_json(const Plan& plan, const Divergence& divergence);
// Indented, with a line feed at the end.
// `sweep` (may be null) is what came before: the methods of the summary are its best cells.
[[nodiscard]] std::string summary_json(const Plan& plan, const Summary& summary,
                                       const SweepOutcome* sweep = nullptr);
// The plan with every default filled in: the "config" of the header.
[[nodiscard]] std::string plan_json(const Plan& plan);

// Empty if a run may write there, else why not and what to do. A folder that exists and is not
// empty is refused unless `force`.
[[nodiscard]] std::string output_problem(const std::filesystem::path& folder, bool force);

// Writes records.jsonl, each line flushed. Throws Error when the disk does not take it.
class RecordFile final : public Observer {
 public:
  // Makes the folder and the file with its first line, replacing records.jsonl and summary.json of
  // an earlier run. `plan` must outlive the object. ConfigError if the folder cannot be written.
  RecordFile(const std::filesystem::path& folder, const Plan& plan, const RunFacts& facts);
  ~RecordFile() override;

  void advanced(const Progress& progress) override;
  void recorded(const Record& record) override;
  void diverged(const Divergence& divergence) override;
  // summary.json appears complete or not at all.
  void write_summary(const Summary& summary, const SweepOutcome* sweep = nullptr);

 private:
  std::filesystem::path folder_;
  const Plan& plan_;
  std::unique_ptr<LineFile> file_;
};

}  // namespace laconic::experiment
