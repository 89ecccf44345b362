// SPDX-License-Identifier: Apache-2.0
// EF21-PAGE's estimate (3pc.md 4) for one worker with logistic losses, in doubles, example by
// example.
#pragma once

#include <cstdint>
#include <vector>

#include "tests/oracle/problem_oracle.hpp"

namespace laconic::oracle {

struct PageRound {
  bool full = false;                         // the coin
  std::vector<std::uint32_t> examples = {};  // with repetitions, when it is not full
  Vector x = {};                             // x^t
};

// v^t after every round.
inline std::vector<Vector> page(const Matrix& rows, const Vector& signs, Penalty penalty,
                                const std::vector<PageRound>& rounds) {
  std::vector<Vector> out;
  for (std::size_t t = 0; t < rounds.size(); ++t) {
    if (t == 0 || rounds[t].full) {
      out.push_back(logistic(rows, signs, rounds[t].x, penalty).gradient);
      continue;
    }
    Vector v = out.back();
    const auto count = static_cast<double>(rounds[t].examples.size());
    for (const std::uint32_t j : rounds[t].examples) {
      const Vector now = logistic({rows[j]}, {signs[j]}, rounds[t].x, penalty).gradient;
      const Vector before = logistic({rows[j]}, {signs[j]}, rounds[t - 1].x, penalty).gradient;
      for (std::size_t k = 0; k < v.size(); ++k) v[k] += (now[k] - before[k]) / count;
    }
    out.push_back(v);
  }
  return out;
}

}  // namespace laconic::oracle
