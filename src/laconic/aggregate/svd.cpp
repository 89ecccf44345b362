// SPDX-License-Identifier: Apache-2.0
// Hestenes' method: columns are rotated in pairs until all are orthogonal; their norms are then the
// singular values (Golub and Van Loan, Matrix Computations, 8.6).
#include "laconic/aggregate/svd.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "laconic/base/assert.hpp"

namespace laconic::aggregate {
namespace {

struct Pair {
  std::span<double> a;
  std::span<double> b;
};

double product(std::span<const double> a, std::span<const double> b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

void rotate(Pair pair, double cosine, double sine) {
  for (std::size_t i = 0; i < pair.a.size(); ++i) {
    const double a = pair.a[i];
    const double b = pair.b[i];
    pair.a[i] = cosine * a - sine * b;
    pair.b[i] = sine * a + cosine * b;
  }
}

// Makes the columns orthogonal; false if they were up to rounding.
bool orthogonalise(Pair columns, Pair turns) {
  const double aa = product(columns.a, columns.a);
  const double bb = product(columns.b, columns.b);
  const double ab = product(columns.a, columns.b);
  constexpr double kEpsilon = std::numeric_limits<double>::epsilon();
  if (std::fabs(ab) <= kEpsilon * std::sqrt(aa * bb)) return false;
  const double zeta = (bb - aa) / (2 * ab);
  const double tangent = std::copysign(1.0, zeta) / (std::fabs(zeta) + std::sqrt(1 + zeta * zeta));
  const double cosine = 1 / std::sqrt(1 + tangent * tangent);
  rotate(columns, cosine, cosine * tangent);
  rotate(turns, cosine, cosine * tangent);
  return true;
}

}  // namespace

void TruncatedSvd::compute(std::size_t rows, std::size_t cols, std::size_t rank,
                           std::span<const double> values) {
  LACONIC_EXPECTS(values.size() == rows * cols);
  LACONIC_EXPECTS(rank <= std::min(rows, cols));
  // Rotates the columns of whichever of the two has fewer.
  const bool transposed = cols > rows;
  const std::size_t length = transposed ? cols : rows;
  const std::size_t count = transposed ? rows : cols;
  // By a power of two to entries of at most 1, so that squares stay in range.
  double largest = 0;
  for (const double value : values) largest = std::max(largest, std::fabs(value));
  int exponent = 0;
  if (largest > 0) std::frexp(largest, &exponent);
  work_.resize(length * count);
  for (std::size_t i = 0; i < rows; ++i) {
    for (std::size_t k = 0; k < cols; ++k) {
      const double value = std::ldexp(values[i * cols + k], -exponent);
      work_[transposed ? i * length + k : k * length + i] = value;
    }
  }
  turns_.assign(count * count, 0.0);
  for (std::size_t j = 0; j < count; ++j) turns_[j * count + j] = 1;
  const auto column = [&](std::size_t j) {
    return std::span<double>(work_).subspan(j * length, length);
  };
  const auto turn = [&](std::size_t j) {
    return std::span<double>(turns_).subspan(j * count, count);
  };
  constexpr int kMostSweeps = 60;
  bool turned = true;
  for (int sweep = 0; sweep < kMostSweeps && turned; ++sweep) {
    turned = false;
    for (std::size_t a = 0; a < count; ++a) {
      for (std::size_t b = a + 1; b < count; ++b) {
        turned = orthogonalise({column(a), column(b)}, {turn(a), turn(b)}) || turned;
      }
    }
  }
  norms_.resize(count);
  for (std::size_t j = 0; j < count; ++j) norms_[j] = std::sqrt(product(column(j), column(j)));
  ranking_.resize(count);
  std::iota(ranking_.begin(), ranking_.end(), std::size_t{0});
  std::sort(ranking_.begin(), ranking_.end(), [this](std::size_t a, std::size_t b) {
    return norms_[a] != norms_[b] ? norms_[a] > norms_[b] : a < b;
  });
  sigma_.resize(rank);
  std::vector<double>& long_vectors = transposed ? right_ : left_;
  std::vector<double>& short_vectors = transposed ? left_ : right_;
  long_vectors.assign(rank * length, 0.0);
  short_vectors.assign(rank * count, 0.0);
  for (std::size_t r = 0; r < rank; ++r) {
    const std::size_t j = ranking_[r];
    sigma_[r] = std::ldexp(norms_[j], exponent);
    if (norms_[j] == 0) continue;
    for (std::size_t i = 0; i < length; ++i)
      long_vectors[r * length + i] = column(j)[i] / norms_[j];
    for (std::size_t i = 0; i < count; ++i) short_vectors[r * count + i] = turn(j)[i];
  }
}

}  // namespace laconic::aggregate
