// SPDX-License-Identifier: Apache-2.0
// CD-GraB and GraB as the boxes of cd-grab.md 2.2 to 2.6 read: lists, plain loops, double, no
// kernels. What decides is kept, so that a test can tell a rounding difference from a wrong sign.
#pragma once

#include <cmath>
#include <cstdint>
#include <vector>

namespace laconic::oracle {

using Vector = std::vector<double>;
using Order = std::vector<std::uint32_t>;

struct Decision {
  std::uint32_t worker = 0;
  std::uint32_t pair = 0;
  int sign = 1;
  double product = 0;
  double magnitude = 0;  // sum |h_i v_i|: rounding moves the product by a small multiple of it
};

inline Decision decide(Vector& h, const Vector& v, bool strict) {
  Decision out;
  for (std::size_t i = 0; i < h.size(); ++i) {
    out.product += h[i] * v[i];
    out.magnitude += std::abs(h[i] * v[i]);
  }
  const bool plus = strict ? out.product < 0 : out.product <= 0;
  out.sign = plus ? 1 : -1;
  for (std::size_t i = 0; i < h.size(); ++i) h[i] += out.sign * v[i];
  return out;
}

// Algorithm 1: those with + in order, then those with - reversed.
inline Order reorder(const Order& order, const std::vector<int>& signs) {
  Order front;
  Order back;
  for (std::size_t j = 0; j < order.size(); ++j) (signs[j] > 0 ? front : back).push_back(order[j]);
  front.insert(front.end(), back.rbegin(), back.rend());
  return front;
}

// One epoch of the order server. vectors[w][unit]; orders are replaced by the next ones. Odd and
// unequal numbers of units as in 2.8.
inline std::vector<Decision> cd_grab_epoch(const std::vector<std::vector<Vector>>& vectors,
                                           std::vector<Order>& orders, bool strict = false) {
  const std::size_t workers = orders.size();
  std::size_t longest = 0;
  std::size_t dim = 0;
  for (const auto& of_worker : vectors) {
    longest = std::max(longest, of_worker.size());
    if (!of_worker.empty()) dim = of_worker[0].size();
  }
  Vector h(dim, 0.0);
  std::vector<Order> next;
  for (const Order& order : orders) next.emplace_back(order.size());
  std::vector<Decision> decisions;
  for (std::size_t k = 0; 2 * k < longest; ++k) {
    for (std::size_t w = 0; w < workers; ++w) {
      const std::size_t n = orders[w].size();
      if (2 * k >= n) continue;
      if (2 * k + 1 == n) {
        next[w][k] = orders[w][2 * k];
        continue;
      }
      const std::uint32_t first = orders[w][2 * k];
      const std::uint32_t second = orders[w][2 * k + 1];
      Vector v(dim);
      for (std::size_t i = 0; i < dim; ++i) v[i] = vectors[w][first][i] - vectors[w][second][i];
      Decision decision = decide(h, v, strict);
      decision.worker = static_cast<std::uint32_t>(w);
      decision.pair = static_cast<std::uint32_t>(k);
      next[w][k] = decision.sign > 0 ? first : second;
      next[w][n - 1 - k] = decision.sign > 0 ? second : first;
      decisions.push_back(decision);
    }
  }
  orders = next;
  return decisions;
}

// One epoch of GraB with static vectors; mean is replaced by the mean of this epoch.
inline std::vector<Decision> grab_epoch(const std::vector<Vector>& vectors, Order& order,
                                        Vector& mean) {
  Vector r(mean.size(), 0.0);
  Vector next_mean(mean.size(), 0.0);
  std::vector<int> signs;
  std::vector<Decision> decisions;
  for (const std::uint32_t unit : order) {
    Vector v(mean.size());
    for (std::size_t i = 0; i < v.size(); ++i) {
      next_mean[i] += vectors[unit][i] / static_cast<double>(order.size());
      v[i] = vectors[unit][i] - mean[i];
    }
    decisions.push_back(decide(r, v, false));
    signs.push_back(decisions.back().sign);
  }
  order = reorder(order, signs);
  mean = next_mean;
  return decisions;
}

}  // namespace laconic::oracle
