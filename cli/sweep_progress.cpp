// SPDX-License-Identifier: Apache-2.0
#include "cli/sweep_progress.hpp"

#include <fmt/format.h>

#include "cli/output.hpp"

namespace laconic::cli {
namespace {

constexpr std::chrono::milliseconds kSweepRedraw(100);

}  // namespace

void SweepProgress::advanced(std::uint64_t done, std::uint64_t cells) {
  if (silent_) return;
  const auto now = std::chrono::steady_clock::now();
  const double seconds = std::chrono::duration<double>(now - start_).count();
  const double left = seconds * static_cast<double>(cells - done) / static_cast<double>(done);
  const std::string line =
      fmt::format("cells: {} of {}, {} left", done, cells, seconds_text(done == cells ? 0 : left));
  if (terminal_.live) {
    if (now - drawn_ < kSweepRedraw && done != cells) return;
    drawn_ = now;
    print_out("\r\x1b[2K" + line + (done == cells ? "\n" : ""));
    return;
  }
  const std::uint64_t tenths = 10 * done / cells;
  if (tenths == shown_tenths_ && done != cells) return;
  shown_tenths_ = tenths;
  print_out(line + "\n");
}

}  // namespace laconic::cli
