// SPDX-License-Identifier: Apache-2.0
// Which threshold quantizers choose (quantized-adagrad.md 3.3 to 3.5), each with a number of
// operations linear in the size. With a_(1) >= a_(2) >= ... the sorted magnitudes of x, P_k the sum
// of the k largest, A that of all and n the number of those above 0:
//
//   clip, S = 1    the minimum over tau of  sum_{a > tau} (a - tau)^2 + sum_{a <= tau} a (tau - a),
//                  which is convex: tau = (3 P_k - A)/(2k), or a_(k) where that is smaller, for the
//                  smallest k for which it is at least a_(k+1)
//   clip, S > 1    the same for  sum_{a > tau} (a - tau)^2 + (n - k) tau^2/(6 S^2), in which the
//                  mean 1/6 stands for p (1 - p): tau = P_k / (k + (n - k)/(6 S^2))
//   budget m       sum min(1, a/tau) = m: tau = (A - P_k)/(m - k); 0 if m >= n
//   dead zone      the k that maximises P_k^2 / k
//
// Private.
#pragma once

#include <cstdint>
#include <span>

#include "laconic/tensor/layout.hpp"
#include "laconic/tensor/sparse.hpp"

namespace laconic::compress {

struct ThresholdRule {
  std::uint32_t levels = 1;  // S
  double budget = 0;         // m; 0 for the threshold of least error
};
// Rounded to T; 0 if all numbers are 0 or the budget suffices for all of them. The same bits on
// every SIMD target. Precondition: all finite.
template <Real T>
[[nodiscard]] T choose_threshold(const ThresholdRule& rule, std::span<const T> x);
// The same bits for a vector without its zeros, in time linear in the numbers.
template <Real T>
[[nodiscard]] T choose_threshold(const ThresholdRule& rule, const SparseView<T>& x);

// The numbers of magnitude `threshold` and more are sent as +-magnitude; both are 0 if all numbers
// are 0.
template <Real T>
struct DeadZone {
  T threshold = 0;
  T magnitude = 0;
  std::size_t count = 0;  // k
};
template <Real T>
[[nodiscard]] DeadZone<T> choose_dead_zone(std::span<const T> x);
template <Real T>
[[nodiscard]] DeadZone<T> choose_dead_zone(const SparseView<T>& x);

}  // namespace laconic::compress
