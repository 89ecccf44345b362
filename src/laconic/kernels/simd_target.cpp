// SPDX-License-Identifier: Apache-2.0
// Which SIMD target is in use, and how tests restrict the choice.
#include <algorithm>
#include <cstdint>

#include "hwy/highway.h"
#include "laconic/base/assert.hpp"
#include "laconic/kernels/kernels.hpp"

namespace laconic::kernels {
namespace {

// Found out once, before any restriction is in place.
const std::vector<std::int64_t>& supported_targets() {
  static const std::vector<std::int64_t> targets = hwy::SupportedAndGeneratedTargets();
  return targets;
}

}  // namespace

std::string simd_target() {
  static_cast<void>(supported_targets());
  return hwy::TargetName(hwy::SupportedAndGeneratedTargets().front());
}

std::vector<std::string> simd_targets() {
  std::vector<std::string> names;
  for (const std::int64_t target : supported_targets()) names.emplace_back(hwy::TargetName(target));
  return names;
}

void force_simd_target(const std::string& name) {
  if (name.empty()) {
    static_cast<void>(supported_targets());
    hwy::SetSupportedTargetsForTest(0);
    return;
  }
  const std::vector<std::int64_t>& targets = supported_targets();
  const auto it = std::find_if(targets.begin(), targets.end(), [&](std::int64_t target) {
    return name == hwy::TargetName(target);
  });
  LACONIC_EXPECTS(it != targets.end());
  hwy::SetSupportedTargetsForTest(*it);
}

}  // namespace laconic::kernels
