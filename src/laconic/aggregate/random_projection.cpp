// SPDX-License-Identifier: Apache-2.0
#include "laconic/aggregate/random_projection.hpp"

#include <algorithm>
#include <cmath>

#include "laconic/base/assert.hpp"
#include "laconic/base/error.hpp"
#include "laconic/kernels/kernels.hpp"

namespace laconic::aggregate {
namespace {

template <Real T>
AlignedVector<T> draw_matrix(std::size_t s, std::size_t d, const rng::Stream& stream) {
  AlignedVector<T> out(s * d);
  std::vector<float> row(d);
  const double scale = 1 / std::sqrt(static_cast<double>(s));
  for (std::size_t i = 0; i < s; ++i) {
    kernels::random_normals(stream, i * d, row);
    for (std::size_t k = 0; k < d; ++k) {
      out[i * d + k] = static_cast<T>(scale * static_cast<double>(row[k]));
    }
  }
  return out;
}

// In place: the lower triangle of a symmetric positive matrix becomes its Cholesky factor.
void factorise(std::size_t s, std::span<double> a) {
  for (std::size_t j = 0; j < s; ++j) {
    const std::span<double> row = a.subspan(j * s, s);
    for (std::size_t i = 0; i < j; ++i) {
      const std::span<const double> other = a.subspan(i * s, i);
      row[i] = (row[i] - kernels::dot<double>(std::span<const double>(row).first(i), other)) /
               a[i * s + i];
    }
    const double rest =
        row[j] - kernels::squared_norm<double>(std::span<const double>(row).first(j));
    if (!(rest > 0)) throw Error("random projection: A A^T is singular; use a smaller ratio");
    row[j] = std::sqrt(rest);
  }
}

}  // namespace

template <Real T>
RandomProjection<T>::RandomProjection(std::size_t s, std::size_t d, const rng::Stream& stream)
    : s_(s), d_(d), a_(draw_matrix<T>(s, d, stream)), cholesky_(s * s, 0.0), solved_(s) {
  LACONIC_EXPECTS(s > 0 && s <= d);
  const std::vector<double> wide(a_.begin(), a_.end());
  kernels::gemm_nt<double>({.m = s, .n = s, .k = d}, wide, wide, cholesky_);
  factorise(s, cholesky_);
  residual_.resize(s);
  back_.resize(d);
}

template <Real T>
void RandomProjection<T>::project(std::span<const T> x, std::span<T> y) const {
  kernels::skinny_nn<T>({.m = s_, .n = d_, .r = 1}, a_, x, y);
}

template <Real T>
void RandomProjection<T>::pseudo_inverse(std::span<const T> y, std::span<T> x) {
  for (std::size_t i = 0; i < s_; ++i) {  // L u = y
    double value = static_cast<double>(y[i]);
    for (std::size_t k = 0; k < i; ++k) value -= cholesky_[i * s_ + k] * solved_[k];
    solved_[i] = value / cholesky_[i * s_ + i];
  }
  for (std::size_t i = s_; i-- > 0;) {  // L^T w = u, column by column
    solved_[i] /= cholesky_[i * s_ + i];
    for (std::size_t k = 0; k < i; ++k) solved_[k] -= cholesky_[i * s_ + k] * solved_[i];
  }
  for (std::size_t i = 0; i < s_; ++i) residual_[i] = static_cast<T>(solved_[i]);
  kernels::skinny_tn<T>({.m = s_, .n = d_, .r = 1}, a_, residual_, x);
}

template <Real T>
void RandomProjection<T>::message_passing(std::span<const T> y, int iterations, std::span<T> x) {
  constexpr double kThreshold = 1.4;
  std::fill(x.begin(), x.end(), T{0});
  std::copy(y.begin(), y.end(), residual_.begin());
  for (int step = 0; step < iterations; ++step) {
    kernels::skinny_tn<T>({.m = s_, .n = d_, .r = 1}, a_, residual_, back_);
    const double level =
        kThreshold * std::sqrt(kernels::squared_norm<T>(std::span<const T>(residual_)) /
                               static_cast<double>(s_));
    std::size_t kept = 0;
    for (std::size_t k = 0; k < d_; ++k) {
      const double value = static_cast<double>(x[k]) + static_cast<double>(back_[k]);
      const double size = std::fabs(value) - level;
      x[k] = size > 0 ? static_cast<T>(std::copysign(size, value)) : T{0};
      kept += size > 0 ? 1 : 0;
    }
    const double memory = static_cast<double>(kept) / static_cast<double>(s_);
    kernels::skinny_nn<T>({.m = s_, .n = d_, .r = 1}, a_, std::span<const T>(x),
                          std::span<T>(back_).first(s_));
    for (std::size_t i = 0; i < s_; ++i) {
      residual_[i] = static_cast<T>(static_cast<double>(y[i]) - static_cast<double>(back_[i]) +
                                    memory * static_cast<double>(residual_[i]));
    }
  }
}

template class RandomProjection<float>;
template class RandomProjection<double>;

}  // namespace laconic::aggregate
