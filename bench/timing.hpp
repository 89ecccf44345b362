// SPDX-License-Identifier: Apache-2.0
// Processor time of the calling thread, and the median of what was measured. All cores of the
// machines that these run on may be busy with other work, so wall-clock time says little.
#pragma once

#include <time.h>

#include <algorithm>
#include <cstddef>
#include <vector>

namespace laconic::bench {

[[nodiscard]] inline double thread_seconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

// Of no values: 0.
[[nodiscard]] inline double median(std::vector<double> values) {
  if (values.empty()) return 0;
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

}  // namespace laconic::bench
