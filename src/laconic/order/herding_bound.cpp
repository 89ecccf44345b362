// SPDX-License-Identifier: Apache-2.0
#include "laconic/order/herding_bound.hpp"

#include <algorithm>
#include <cmath>

#include "laconic/base/assert.hpp"
#include "laconic/kernels/kernels.hpp"
#include "laconic/tensor/workspace.hpp"

namespace laconic {

template <Real T>
HerdingBound herding_bound(const WorkerVectors<T>& vectors,
                           std::span<const std::vector<std::uint32_t>> orders) {
  const std::size_t dim = vectors.dim;
  const std::size_t workers = vectors.units.size();
  LACONIC_EXPECTS(workers > 0 && orders.size() == workers);
  std::vector<std::size_t> first(workers + 1);  // unit 0 of a worker
  std::size_t steps = 0;
  for (std::size_t w = 0; w < workers; ++w) {
    LACONIC_EXPECTS(orders[w].size() == vectors.units[w]);
    first[w + 1] = first[w] + vectors.units[w];
    steps = std::max<std::size_t>(steps, vectors.units[w]);
  }
  LACONIC_EXPECTS(vectors.values.size() == first[workers] * dim);

  AlignedVector<double> mean(dim);
  for (std::size_t u = 0; u < first[workers]; ++u) {
    kernels::add_signed<T>(false, vectors.values.subspan(u * dim, dim), mean);
  }
  for (double& x : mean) x /= static_cast<double>(std::max<std::size_t>(1, first[workers]));

  HerdingBound bound;
  AlignedVector<double> sum(dim);  // of the vectors as they are
  std::size_t count = 0;
  for (std::size_t j = 0; j < steps; ++j) {
    for (std::size_t w = 0; w < workers; ++w) {
      if (j >= orders[w].size()) continue;
      LACONIC_EXPECTS(orders[w][j] < vectors.units[w]);
      const T* next = vectors.values.data();
      if (j + 1 < orders[w].size()) next += (first[w] + orders[w][j + 1]) * dim;
      __builtin_prefetch(next);  // the orders jump about
      kernels::add_signed<T>(false, vectors.values.subspan((first[w] + orders[w][j]) * dim, dim),
                             sum);
      ++count;
    }
    double largest = 0;
    double squares = 0;
    for (std::size_t i = 0; i < dim; ++i) {
      const double deviation = sum[i] - static_cast<double>(count) * mean[i];
      largest = std::max(largest, std::abs(deviation));
      squares += deviation * deviation;
    }
    bound.infinity = std::max(bound.infinity, largest);
    bound.euclid = std::max(bound.euclid, std::sqrt(squares));
  }
  return bound;
}
template HerdingBound herding_bound(const WorkerVectors<float>&,
                                    std::span<const std::vector<std::uint32_t>>);
template HerdingBound herding_bound(const WorkerVectors<double>&,
                                    std::span<const std::vector<std::uint32_t>>);

}  // namespace laconic
