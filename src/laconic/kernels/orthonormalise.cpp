// SPDX-License-Identifier: Apache-2.0
// Modified Gram-Schmidt with re-orthogonalisation. Once is not enough: a component that nearly lies
// in the span of the others keeps rounding errors of its size before, which the second pass removes
// (Giraud, Langou, Rozloznik, van den Eshof, Numer. Math. 2005: twice is enough).
#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>

#include "laconic/base/assert.hpp"
#include "laconic/kernels/kernels.hpp"
#include "laconic/kernels/normals.hpp"

namespace laconic::kernels {
namespace {

// By a power of two to a largest magnitude in [1/2, 1), so that squares neither overflow nor
// vanish. False if nothing is there.
template <Real T>
bool rescale(std::span<T> component) {
  const T largest = absmax<T>(std::span<const T>(component));
  if (largest < std::numeric_limits<T>::min()) return false;
  int exponent = 0;
  std::frexp(largest, &exponent);
  if (exponent != 0) scale<T>(std::ldexp(T{1}, -exponent), component);
  return true;
}

template <Real T>
double norm(std::span<const T> component) {
  return std::sqrt(squared_norm<T>(component));
}

// Subtracts what lies in the span of the first `count` components, which are orthonormal.
template <Real T>
void project_out(std::span<const T> basis, std::size_t count, std::span<T> component) {
  const std::size_t length = component.size();
  for (std::size_t i = 0; i < count; ++i) {
    const std::span<const T> other = basis.subspan(i * length, length);
    axpy<T>(static_cast<T>(-dot<T>(other, std::span<const T>(component))), other, component);
  }
}

// False if the component lies in the span of the first `count` up to rounding.
template <Real T>
bool orthonormalise_one(std::span<const T> basis, std::size_t count, std::span<T> component) {
  if (!rescale(component)) return false;
  const double before = norm<T>(std::span<const T>(component));
  project_out<T>(basis, count, component);
  const double limit = 64.0 * static_cast<double>(std::numeric_limits<T>::epsilon());
  if (norm<T>(std::span<const T>(component)) <= limit * before) return false;
  rescale(component);
  project_out<T>(basis, count, component);
  const double length = norm<T>(std::span<const T>(component));
  scale<T>(static_cast<T>(1.0 / length), component);
  return true;
}

}  // namespace

template <Real T>
std::size_t orthonormalise(std::size_t length, const rng::Stream& stream, std::span<T> q) {
  LACONIC_EXPECTS(length > 0 && q.size() % length == 0);
  LACONIC_EXPECTS(q.size() / length <= length);
  std::size_t replaced = 0;
  for (std::size_t j = 0; j * length < q.size(); ++j) {
    const std::span<T> component = q.subspan(j * length, length);
    if (orthonormalise_one<T>(std::span<const T>(q), j, component)) continue;
    ++replaced;
    // Random numbers lie in the span of the others with probability 0; a unit vector that does not
    // always exists.
    fill_normals<T>(stream, j * length, component);
    for (std::size_t i = 0; !orthonormalise_one<T>(std::span<const T>(q), j, component); ++i) {
      LACONIC_ASSERT(i < length);
      for (T& value : component) value = 0;
      component[i] = 1;
    }
  }
  return replaced;
}

template std::size_t orthonormalise(std::size_t, const rng::Stream&, std::span<float>);
template std::size_t orthonormalise(std::size_t, const rng::Stream&, std::span<double>);

}  // namespace laconic::kernels
