// SPDX-License-Identifier: Apache-2.0
// Counts the calls of operator new of the program that links allocations.cpp, all threads together.
#pragma once

#include <cstddef>

namespace laconic::test {

[[nodiscard]] std::size_t allocations();

}  // namespace laconic::test
