// SPDX-License-Identifier: Apache-2.0
#include "laconic/problem/torch/network.hpp"

#include <cmath>

#include "laconic/base/assert.hpp"

namespace laconic::problem {

Start uniform_for(std::int64_t inputs) {
  return {.kind = Start::Kind::kUniform, .scale = 1 / std::sqrt(static_cast<double>(inputs))};
}

at::Tensor Normaliser::apply(const at::Tensor& block, const at::Tensor& gain,
                             const at::Tensor& bias) {
  constexpr double kEpsilon = 1e-5;
  constexpr double kMomentum = 0;  // of running statistics, of which there are none
  if (given_ != nullptr) {
    LACONIC_EXPECTS(next_ < given_->size());
    const auto& moments = (*given_)[next_++];
    return at::batch_norm(block, gain, bias, moments.first, moments.second, false, kMomentum,
                          kEpsilon, false);
  }
  if (collected_ != nullptr) {
    auto moments = at::var_mean(block, {0, 2, 3}, /*unbiased=*/false);
    collected_->emplace_back(std::move(std::get<1>(moments)), std::move(std::get<0>(moments)));
  }
  return at::batch_norm(block, gain, bias, {}, {}, true, kMomentum, kEpsilon, false);
}

}  // namespace laconic::problem
