// SPDX-License-Identifier: Apache-2.0
// Shows a sweep as it goes, and hands completed cells to their file.
#pragma once

#include <chrono>
#include <cstdint>

#include "cli/terminal.hpp"
#include "laconic/experiment/sweep_records.hpp"

namespace laconic::cli {

class SweepProgress final : public experiment::SweepObserver {
 public:
  // `file` must outlive the observer. Says nothing when `silent`.
  SweepProgress(experiment::CellFile& file, const Terminal& terminal, bool silent)
      : file_(file), terminal_(terminal), silent_(silent) {}
  void completed(const experiment::CellResult& result) override { file_.write(result); }
  // On a terminal one line that is redrawn, elsewhere a line per tenth.
  void advanced(std::uint64_t done, std::uint64_t cells) override;

 private:
  experiment::CellFile& file_;
  Terminal terminal_;
  bool silent_;
  std::uint64_t shown_tenths_ = 0;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  std::chrono::steady_clock::time_point drawn_ = {};
};

}  // namespace laconic::cli
