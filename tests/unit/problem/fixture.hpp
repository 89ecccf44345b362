// SPDX-License-Identifier: Apache-2.0
// Small problems for tests, made from specs as a program would make them.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <numeric>
#include <string>
#include <string_view>
#include <vector>

#include "laconic/data/dataset.hpp"
#include "laconic/data/generate.hpp"
#include "laconic/data/shard.hpp"
#include "laconic/problem/problem.hpp"
#include "laconic/rng/stream.hpp"
#include "tests/oracle/problem_oracle.hpp"

namespace laconic::testing_problem {

inline const Catalog& catalog() {
  static const Catalog cards = [] {
    Catalog out;
    add_problem_cards(out);
    return out;
  }();
  return cards;
}

template <Real T>
std::unique_ptr<Problem<T>> make(std::string_view spec, const ProblemSetup& setup) {
  const Spec parsed = parse_spec(spec).value_or_throw();
  const std::vector<std::string> problems = catalog().problems(parsed, "problem");
  if (!problems.empty()) throw ConfigError(problems.front());
  return laconic::problems<T>().make(catalog().canonical(parsed, "problem"), setup);
}

inline ProblemSetup setup_of(const data::Dataset& dataset, const data::ShardOptions& options) {
  return {.dataset = &dataset,
          .shards = data::shard_rows(dataset.train.label_ids(), options),
          .workers = options.workers};
}

inline data::Dataset sparse_data() {
  return data::synthetic_sparse({.rows = 91,
                                 .test_rows = 40,
                                 .features = 24,
                                 .nonzeros = 6,
                                 .heterogeneity = 0.5,
                                 .workers = 3,
                                 .seed = 11});
}

inline data::Dataset image_data() {
  return data::synthetic_images(
      {.rows = 301, .test_rows = 50, .side = 7, .heterogeneity = 0.5, .seed = 12});
}

// Normal numbers that T holds exactly whenever float does.
template <Real T>
std::vector<T> point(std::size_t size, double deviation, std::uint32_t number) {
  std::vector<float> values(size);
  rng::fill_normal(rng::Stream(5, {.purpose = rng::Purpose::kTest, .round = number}),
                   {.deviation = deviation}, values);
  return {values.begin(), values.end()};
}

template <Real T>
std::vector<T> gradient(const Problem<T>& problem, std::uint32_t worker, const std::vector<T>& x) {
  ProblemScratch<T> scratch;
  std::vector<T> g(x.size());
  problem.full_gradient(worker, x, g, scratch);
  return g;
}

template <Real T>
double loss(const Problem<T>& problem, std::uint32_t worker, const std::vector<T>& x) {
  ProblemScratch<T> scratch;
  return problem.loss(worker, x, scratch);
}

// f and grad f: means over the workers.
template <Real T>
oracle::Value mean_value(const Problem<T>& problem, const std::vector<T>& x) {
  oracle::Value value{0, oracle::Vector(x.size())};
  const auto n = static_cast<double>(problem.workers());
  for (std::uint32_t w = 0; w < problem.workers(); ++w) {
    value.loss += loss(problem, w, x) / n;
    const std::vector<T> g = gradient(problem, w, x);
    for (std::size_t j = 0; j < x.size(); ++j) value.gradient[j] += static_cast<double>(g[j]) / n;
  }
  return value;
}

// The given rows as dense vectors of double.
inline oracle::Matrix dense(const data::Examples& examples,
                            const std::vector<std::uint32_t>& rows) {
  oracle::Matrix out;
  for (const std::uint32_t i : rows) {
    oracle::Vector row(examples.features());
    if (const auto* matrix = std::get_if<data::DenseRows>(&examples.rows)) {
      std::copy(matrix->row(i).begin(), matrix->row(i).end(), row.begin());
    } else {
      const auto [columns, values] = std::get<data::SparseRows>(examples.rows).row(i);
      for (std::size_t j = 0; j < columns.size(); ++j) row[columns[j]] = values[j];
    }
    out.push_back(std::move(row));
  }
  return out;
}

inline std::vector<std::uint32_t> labels(const data::Examples& examples,
                                         const std::vector<std::uint32_t>& rows) {
  const std::vector<std::uint32_t> all = examples.label_ids();
  std::vector<std::uint32_t> out;
  for (const std::uint32_t i : rows) out.push_back(all[i]);
  return out;
}

// Largest difference, relative to the largest element of b.
inline double relative_difference(const std::vector<double>& a, const std::vector<double>& b) {
  EXPECT_EQ(a.size(), b.size());
  double difference = 0;
  double largest = 0;
  for (std::size_t j = 0; j < a.size(); ++j) {
    difference = std::max(difference, std::fabs(a[j] - b[j]));
    largest = std::max(largest, std::fabs(b[j]));
  }
  return difference / largest;
}

// Sums of at most a few thousand doubles in another order, and one ulp or two of exp and log.
inline constexpr double kSumError = 1e-13;

}  // namespace laconic::testing_problem
