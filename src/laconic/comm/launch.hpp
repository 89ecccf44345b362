// SPDX-License-Identifier: Apache-2.0
// How a process finds out, before it initialises MPI, that a launcher started it as one of several.
#pragma once

#include <functional>

namespace laconic {

// Value of an environment variable, or null: std::getenv, or a table in a test.
using Environment = std::function<const char*(const char* name)>;

// True when Open MPI, MPICH, Intel MPI, MVAPICH or srun with PMI says that there is more than one
// process. A batch allocation alone does not count: its shell is not a rank.
[[nodiscard]] bool launched_as_one_of_several(const Environment& environment);

}  // namespace laconic
