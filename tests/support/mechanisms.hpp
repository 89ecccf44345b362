// SPDX-License-Identifier: Apache-2.0
// Mechanisms by spec, and one application of the map h' = C_{h,y}(x) to plain vectors.
#pragma once

#include <string>
#include <vector>

#include "laconic/base/card.hpp"
#include "laconic/mechanism/mechanism.hpp"

namespace laconic::test {

inline const Catalog& mechanism_catalog() {
  static const Catalog catalog = [] {
    Catalog c;
    add_mechanism_cards(c);
    add_compressor_cards(c);
    return c;
  }();
  return catalog;
}

inline Spec canonical_mechanism(const std::string& text) {
  const Spec spec = parse_spec(text).value_or_throw();
  const auto problems = mechanism_catalog().problems(spec, "mechanism");
  if (!problems.empty()) throw ConfigError(problems.front());
  return mechanism_catalog().canonical(spec, "mechanism");
}

template <Real T>
std::unique_ptr<Mechanism<T>> make_mechanism(const std::string& text, std::uint32_t workers = 1) {
  return mechanisms<T>().make(canonical_mechanism(text),
                              {.workers = workers, .l_worker = std::vector<double>(workers, 1.0)});
}

// The memory of one worker, and a step of the model for mechanisms that look at it.
template <Real T>
struct Worker {
  std::vector<double> h = {};
  std::vector<T> y = {};
  std::vector<double> scalars = std::vector<double>(4, 0.0);
  [[nodiscard]] WorkerMemory<T> memory(const MechanismNeeds& needs) {
    return {.h = h, .y = y, .scalars = std::span<double>(scalars).first(needs.scalars)};
  }
};

inline CompressContext draw_context(std::uint32_t draw, std::uint32_t worker = 0,
                                    std::uint32_t workers = 1) {
  return {.seed = 11, .worker = worker, .workers = workers, .round = draw};
}

using Vector = std::vector<double>;
inline double norm2(const Vector& v) {
  double sum = 0;
  for (const double value : v) sum += value * value;
  return sum;
}
inline Vector combine(double a, const Vector& x, double b, const Vector& y) {
  Vector out(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) out[i] = a * x[i] + b * y[i];
  return out;
}
inline Vector minus(const Vector& x, const Vector& y) { return combine(1, x, -1, y); }

// h' for one draw.
inline Vector apply(const Mechanism<double>& mechanism, const Vector& h, const Vector& y,
                    const Vector& x, const CompressContext& context) {
  Worker<double> worker{.h = h, .y = y};
  const Shape shape{static_cast<std::uint32_t>(x.size()), 1};
  wire::Message message;
  mechanism.encode({x, shape}, worker.memory(mechanism.needs(shape)), {.step_size = 1}, context,
                   message);
  return worker.h;
}

}  // namespace laconic::test
