// SPDX-License-Identifier: Apache-2.0
// LACONIC_EXPECTS guards the public API and is always on: a violated precondition throws
// std::logic_error with the condition and the place. LACONIC_ASSERT states an invariant inside the
// library and is checked in builds without NDEBUG. One condition each, no side effects inside.
#pragma once

namespace laconic::detail {
// The defaults are the caller's place; clang 14 has no std::source_location.
[[noreturn]] void contract_violated(const char* what, const char* condition,
                                    const char* file = __builtin_FILE(),
                                    int line = __builtin_LINE());
}  // namespace laconic::detail

#define LACONIC_EXPECTS(condition) \
  ((condition) ? void() : ::laconic::detail::contract_violated("precondition", #condition))
#ifdef NDEBUG
#define LACONIC_ASSERT(condition) void()
#else
#define LACONIC_ASSERT(condition) \
  ((condition) ? void() : ::laconic::detail::contract_violated("invariant", #condition))
#endif
