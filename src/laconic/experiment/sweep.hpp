// SPDX-License-Identifier: Apache-2.0
// The [sweep] table: names with lists of values that take the place of {name} in the texts of
// methods, and how the best of them is chosen. Every combination is a cell.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "laconic/base/error.hpp"

namespace laconic::experiment {

inline constexpr std::uint64_t kMaxCells = 100'000;

struct SweepKey {
  std::string name = {};
  std::vector<std::string> values = {};  // as they are put into texts
  bool operator==(const SweepKey&) const = default;
};

// What the best cell has least of (test_accuracy: most).
enum class Criterion : std::uint8_t {
  kUplinkBits,  // payload bits to the target; cells that do not reach it lose
  kWireBits,    // bits of encoded messages, likewise
  kRounds,      // likewise
  kGradNorm2,   // at the end
  kLoss,
  kTestAccuracy,
  kObjective,  // loss and l1 term
};
[[nodiscard]] Result<Criterion> parse_criterion(std::string_view text);
[[nodiscard]] std::string_view criterion_name(Criterion criterion);
[[nodiscard]] inline bool counts_to_target(Criterion criterion) {
  return criterion <= Criterion::kRounds;
}

struct Sweep {
  std::vector<SweepKey> keys = {};  // in the order of the file
  // Keys over which the best cell is chosen, for every combination of the others and every method.
  std::vector<std::string> select = {};
  Criterion criterion = Criterion::kUplinkBits;
  [[nodiscard]] bool selects(std::string_view key) const;
};

// "2^0..2^11" -> 1, 2, 4, ..., 2048; "3..6" -> 3, 4, 5, 6; any other text is itself. On failure the
// message says what is wrong with the range.
[[nodiscard]] Result<std::vector<std::string>> expand_range(std::string_view text);

// [a-z][a-z0-9_]*, what can stand between { and }.
[[nodiscard]] bool is_sweep_name(std::string_view text);
// The names between { and } in order, each once; braces around anything else are left alone.
[[nodiscard]] std::vector<std::string_view> placeholders(std::string_view text);
// Every {name} that is among the values becomes its value.
using Assignment = std::vector<std::pair<std::string, std::string>>;
[[nodiscard]] std::string substitute(std::string_view text, const Assignment& values);
// "k=10 zeta=16".
[[nodiscard]] std::string text_of(const Assignment& values);

}  // namespace laconic::experiment
