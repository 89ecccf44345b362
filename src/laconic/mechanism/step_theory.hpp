// SPDX-License-Identifier: Apache-2.0
// The constants of a method from which its step size follows.
#pragma once

namespace laconic {

// What the theory of a method says about its step size (3pc.md 1.4, 2.4), for minimising by plain
// steps of the direction:
//   gamma    = 1 / (L_- + sqrt(plus L_+^2 + plus_minus L_+-^2))
//   gamma_PL = min{ 1 / (L_- + sqrt(2 (plus L_+^2 + plus_minus L_+-^2))), A / (2 mu) }
struct StepTheory {
  double a = 1;  // A and B of the three-point inequality
  double b = 0;
  double plus = 0;  // B / A, unless a joint analysis of all workers gives less
  double plus_minus = 0;
};

}  // namespace laconic
