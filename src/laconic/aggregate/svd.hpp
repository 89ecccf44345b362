// SPDX-License-Identifier: Apache-2.0
// The largest singular values of a matrix with their vectors, by one-sided Jacobi rotations in
// double: slow, exact and deterministic. For the idealised variant of laser and for tests.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace laconic::aggregate {

class TruncatedSvd {
 public:
  // values: rows x cols, row-major, finite. rank <= min(rows, cols). Keeps the memory of earlier
  // calls.
  void compute(std::size_t rows, std::size_t cols, std::size_t rank,
               std::span<const double> values);
  // In decreasing order, `rank` of them.
  [[nodiscard]] std::span<const double> singular_values() const { return sigma_; }
  // Unit vectors one after the other; zero where the singular value is 0.
  [[nodiscard]] std::span<const double> left() const { return left_; }    // each of `rows`
  [[nodiscard]] std::span<const double> right() const { return right_; }  // each of `cols`

 private:
  std::vector<double> work_;   // columns of the matrix (or its transpose), one after the other
  std::vector<double> turns_;  // the product of the rotations, likewise
  std::vector<double> norms_;
  std::vector<std::size_t> ranking_;
  std::vector<double> sigma_;
  std::vector<double> left_;
  std::vector<double> right_;
};

}  // namespace laconic::aggregate
