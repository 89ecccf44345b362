// SPDX-License-Identifier: Apache-2.0
#include "laconic/base/assert.hpp"

#include <fmt/format.h>

#include <stdexcept>

namespace laconic::detail {

void contract_violated(const char* what, const char* condition, std::source_location where) {
  throw std::logic_error(
      fmt::format("{}:{}: {} violated: {}", where.file_name(), where.line(), what, condition));
}

}  // namespace laconic::detail
