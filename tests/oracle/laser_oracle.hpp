// SPDX-License-Identifier: Apache-2.0
// LASER and PowerSGD without noise, written from laser.md 2.2 and 2.3 as plainly as possible: one
// matrix, K workers, double, loops over entries.
#pragma once

#include <cmath>
#include <cstddef>
#include <vector>

namespace laconic::oracle {

using Matrix = std::vector<std::vector<double>>;  // by row

inline Matrix zeros(std::size_t rows, std::size_t cols) {
  return Matrix(rows, std::vector<double>(cols, 0.0));
}
inline Matrix transposed(const Matrix& a) {
  Matrix out = zeros(a[0].size(), a.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    for (std::size_t j = 0; j < a[0].size(); ++j) out[j][i] = a[i][j];
  }
  return out;
}
inline Matrix product(const Matrix& a, const Matrix& b) {
  Matrix out = zeros(a.size(), b[0].size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    for (std::size_t k = 0; k < b.size(); ++k) {
      for (std::size_t j = 0; j < b[0].size(); ++j) out[i][j] += a[i][k] * b[k][j];
    }
  }
  return out;
}
// a + factor b
inline Matrix sum(const Matrix& a, const Matrix& b, double factor = 1) {
  Matrix out = a;
  for (std::size_t i = 0; i < a.size(); ++i) {
    for (std::size_t j = 0; j < a[0].size(); ++j) out[i][j] += factor * b[i][j];
  }
  return out;
}
inline Matrix mean(const std::vector<Matrix>& all) {
  Matrix out = zeros(all[0].size(), all[0][0].size());
  for (const Matrix& one : all) out = sum(out, one, 1.0 / static_cast<double>(all.size()));
  return out;
}
inline double squared_norm(const Matrix& a) {
  double total = 0;
  for (const auto& row : a) {
    for (const double value : row) total += value * value;
  }
  return total;
}
// The Q factor, by Gram-Schmidt done three times over.
inline Matrix orth(Matrix a) {
  for (std::size_t j = 0; j < a[0].size(); ++j) {
    for (int pass = 0; pass < 3; ++pass) {
      for (std::size_t i = 0; i < j; ++i) {
        double along = 0;
        for (const auto& row : a) along += row[i] * row[j];
        for (auto& row : a) row[j] -= along * row[i];
      }
      double norm = 0;
      for (const auto& row : a) norm += row[j] * row[j];
      for (auto& row : a) row[j] /= std::sqrt(norm);
    }
  }
  return a;
}

struct LowRankOracle {
  Matrix p;                    // rows x r
  Matrix q;                    // cols x r
  std::vector<Matrix> memory;  // by worker

  // Variant A; returns the direction.
  Matrix alternating(std::size_t t, const std::vector<Matrix>& gradients) {
    const bool even = t % 2 == 0;
    const Matrix basis = orth(even ? p : q);
    std::vector<Matrix> sent;
    for (std::size_t i = 0; i < gradients.size(); ++i) {
      const Matrix m = sum(memory[i], gradients[i]);
      if (even) {
        sent.push_back(product(transposed(m), basis));
        memory[i] = sum(m, product(basis, transposed(sent.back())), -1);
      } else {
        sent.push_back(product(m, basis));
        memory[i] = sum(m, product(sent.back(), transposed(basis)), -1);
      }
    }
    const Matrix received = mean(sent);
    (even ? p : q) = basis;
    (even ? q : p) = received;
    return product(p, transposed(q));
  }

  // Variant B, which is PowerSGD.
  Matrix two_factor(const std::vector<Matrix>& gradients) {
    const Matrix basis = orth(q);
    std::vector<Matrix> sent;
    for (std::size_t i = 0; i < gradients.size(); ++i) {
      sent.push_back(product(sum(memory[i], gradients[i]), basis));
    }
    p = orth(mean(sent));
    sent.clear();
    for (std::size_t i = 0; i < gradients.size(); ++i) {
      const Matrix m = sum(memory[i], gradients[i]);
      sent.push_back(product(transposed(m), p));
      memory[i] = sum(m, product(p, transposed(sent.back())), -1);
    }
    q = mean(sent);
    return product(p, transposed(q));
  }
};

}  // namespace laconic::oracle
