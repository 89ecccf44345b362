// SPDX-License-Identifier: Apache-2.0
// The balancing decision (cd-grab.md 2.1): given <r, v> of the running sum r and the next vector v,
// the sign s with which r <- r + s v. Private to the layer.
//
//   det-le   +1 if <r, v> <= 0, else -1       what the CD-GraB code runs
//   det-lt   +1 if <r, v> < 0, else -1        as Algorithm 6 is printed
//   walk     +1 with probability clamp(1/2 - <r, v> / (2 c M^2)), else -1     Algorithm 5; M bounds
//            |v|_2. The draw is named by (seed, epoch, pair, worker) and nothing else.
#pragma once

#include <cstdint>

#include "laconic/wire/wire.hpp"

namespace laconic::order {

enum class RuleKind : std::uint8_t { kDetLe, kDetLt, kWalk };

struct RuleSetup {
  RuleKind kind = RuleKind::kDetLe;
  double c = 1;      // walk
  double bound = 0;  // walk: M; 0 = the largest |v|_2 of the epoch so far, v included
  std::uint64_t seed = 0;
};

// One vector that is due.
struct RuleItem {
  std::uint32_t epoch = 0;
  std::uint32_t index = 0;  // of the pair (grab: of the unit) within the worker's epoch
  std::uint32_t worker = 0;
  double product = 0;      // <r, v>, not NaN
  double norm = 0;         // |v|_2; walk only
  double largest_sum = 0;  // |r|_inf; walk only
};

class SignRule {
 public:
  explicit SignRule(const RuleSetup& setup) : setup_(setup) {}
  // Forgets counts and the running maximum of the norms.
  void begin_epoch() { state_ = {}; }
  // Whether items need norm and largest_sum.
  [[nodiscard]] bool needs_norms() const { return setup_.kind == RuleKind::kWalk; }
  // True: the sign is -1. Counts the decision.
  [[nodiscard]] bool is_negative(const RuleItem& item);

  struct Counts {
    std::uint64_t plus = 0;
    std::uint64_t minus = 0;
    std::uint64_t ties = 0;
    std::uint64_t would_fail = 0;
    double smallest_margin = 0;  // smallest |<r, v>| that is not 0; 0: none yet
  };
  [[nodiscard]] const Counts& counts() const { return state_.counts; }

  void save(wire::WireWriter& out) const;
  void load(wire::WireReader& in);

 private:
  [[nodiscard]] bool walks_down(const RuleItem& item);

  RuleSetup setup_;
  struct State {
    Counts counts = {};
    double largest_norm = 0;
  } state_ = {};
};

}  // namespace laconic::order
