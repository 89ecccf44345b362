// SPDX-License-Identifier: Apache-2.0
// Shared by the tests of optimizers: making one from its spec, and random directions.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "laconic/optim/optimizer.hpp"
#include "laconic/rng/stream.hpp"

namespace laconic::optim_test {

inline Spec canonical(const std::string& text, std::string_view kind) {
  Catalog catalog;
  add_optimizer_cards(catalog);
  add_schedule_cards(catalog);
  const Spec spec = parse_spec(text).value_or_throw();
  for (const std::string& problem : catalog.problems(spec, kind)) ADD_FAILURE() << problem;
  return catalog.canonical(spec, kind);
}

template <Real T>
std::unique_ptr<Optimizer<T>> make(const std::string& text, const Layout& layout) {
  return optimizers<T>().make(canonical(text, "optimizer"), {.layout = &layout});
}

inline Layout layout_of(std::uint32_t size) { return Layout({{.name = "x", .shape = {size, 1}}}); }

// Standard normal numbers of (test, round).
template <Real T>
std::vector<T> normals(std::size_t size, std::uint32_t test, std::uint32_t round) {
  std::vector<T> out(size);
  rng::fill_normal(rng::Stream(1, {rng::Purpose::kTest, test, round, 0}), {}, std::span<T>(out));
  return out;
}

}  // namespace laconic::optim_test
