// SPDX-License-Identifier: Apache-2.0
#include "laconic/problem/cross_entropy.hpp"

#include <algorithm>

#include "laconic/base/exact_math.hpp"

namespace laconic::problem {

template <Real T>
void add_cross_entropy(std::span<const T> logits, std::uint32_t label, Counts& counts) {
  LACONIC_ASSERT(label < logits.size());
  const auto largest = std::max_element(logits.begin(), logits.end());
  const auto max = static_cast<double>(*largest);
  double sum = 0;
  for (const T logit : logits) sum += exact::exp(static_cast<double>(logit) - max);
  counts.loss_sum += exact::log(sum) - (static_cast<double>(logits[label]) - max);
  counts.correct += static_cast<std::uint32_t>(largest - logits.begin()) == label ? 1 : 0;
  ++counts.examples;
}

template <Real T>
void cross_entropy_slopes(std::span<T> logits, std::uint32_t label, std::span<double> row) {
  LACONIC_ASSERT(label < logits.size());
  const auto max = static_cast<double>(*std::max_element(logits.begin(), logits.end()));
  double sum = 0;
  for (std::size_t c = 0; c < logits.size(); ++c) {
    row[c] = exact::exp(static_cast<double>(logits[c]) - max);
    sum += row[c];
  }
  for (std::size_t c = 0; c < logits.size(); ++c) {
    logits[c] = static_cast<T>(row[c] / sum - (c == label ? 1.0 : 0.0));
  }
}

template void add_cross_entropy<float>(std::span<const float>, std::uint32_t, Counts&);
template void add_cross_entropy<double>(std::span<const double>, std::uint32_t, Counts&);
template void cross_entropy_slopes<float>(std::span<float>, std::uint32_t, std::span<double>);
template void cross_entropy_slopes<double>(std::span<double>, std::uint32_t, std::span<double>);

}  // namespace laconic::problem
