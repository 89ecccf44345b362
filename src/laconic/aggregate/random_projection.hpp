// SPDX-License-Identifier: Apache-2.0
// A fixed random projection A (s x d, entries N(0, 1/s)) and two ways back: the pseudo-inverse, the
// shortest x with A x = y; and approximate message passing, for an x with few entries that are not
// zero (Donoho, Maleki, Montanari, PNAS 2009).
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "laconic/rng/stream.hpp"
#include "laconic/tensor/layout.hpp"
#include "laconic/tensor/workspace.hpp"

namespace laconic::aggregate {

template <Real T>
class RandomProjection {
 public:
  // Draws A, row by row, and factorises A A^T. Precondition: 0 < s <= d.
  // Cost: s^2 d multiplications once, and s d numbers of memory.
  RandomProjection(std::size_t s, std::size_t d, const rng::Stream& stream);
  [[nodiscard]] std::size_t s() const { return s_; }
  [[nodiscard]] std::size_t d() const { return d_; }
  // y = A x
  void project(std::span<const T> x, std::span<T> y) const;
  // x = A^T (A A^T)^-1 y
  void pseudo_inverse(std::span<const T> y, std::span<T> x);
  // `iterations` steps of x <- soft(x + A^T z; 1.4 |z| / sqrt(s)), with the residual
  // z = y - A x + z (entries of x that are not zero) / s.
  void message_passing(std::span<const T> y, int iterations, std::span<T> x);

 private:
  std::size_t s_;
  std::size_t d_;
  AlignedVector<T> a_;
  std::vector<double> cholesky_;  // lower triangle of A A^T = L L^T, row-major s x s
  std::vector<double> solved_;
  AlignedVector<T> residual_;
  AlignedVector<T> back_;
};

}  // namespace laconic::aggregate
