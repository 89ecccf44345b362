// SPDX-License-Identifier: Apache-2.0
// How often a test repeats the same code with other numbers. Under a sanitizer every repeat takes
// ten times as long, and the first few show all that it can see.
#pragma once

#include <cstdint>

namespace laconic::test {

struct Repeats {
  std::uint32_t all = 1;
  std::uint32_t sanitized = 1;
};

constexpr std::uint32_t repeats(const Repeats& of) {
  return LACONIC_SANITIZED != 0 ? of.sanitized : of.all;
}

}  // namespace laconic::test
