// SPDX-License-Identifier: Apache-2.0
#include "laconic/base/assert.hpp"

#include <fmt/format.h>

#include <stdexcept>

namespace laconic::detail {

void contract_violated(const char* what, const char* condition, const char* file, int line) {
  throw std::logic_error(fmt::format("{}:{}: {} violated: {}", file, line, what, condition));
}

}  // namespace laconic::detail
