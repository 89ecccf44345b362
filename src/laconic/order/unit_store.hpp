// SPDX-License-Identifier: Apache-2.0
// Gradients of units that have to outlive a call: owned copies, kept in rows that are reused, so
// that after warm-up nothing is allocated. Private to the layer.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "laconic/order/order_policy.hpp"
#include "laconic/tensor/workspace.hpp"
#include "laconic/wire/wire.hpp"

namespace laconic::order {

// A gradient, or a difference of two. Dense: dim values. Sparse: values at increasing indices.
template <Real T>
struct Row {
  AlignedVector<T> values = {};
  std::vector<std::uint32_t> indices = {};
  bool is_sparse = false;
  [[nodiscard]] UnitGradient<T> view() const {
    return {.values = values, .indices = indices, .is_sparse = is_sparse};
  }
  void assign(const UnitGradient<T>& gradient);
};

// Differences of rows, dense or sparse. Two sparse ones give a sparse one, O(number of values).
template <Real T>
class Differences {
 public:
  explicit Differences(std::size_t dim) : dim_(dim) {}
  // out = out - b, or b - out if reversed; each difference is rounded to T.
  void subtract(Row<T>& out, const UnitGradient<T>& b, bool reversed);

 private:
  void merge(Row<T>& out, const UnitGradient<T>& b, bool reversed);
  std::size_t dim_;
  Row<T> scratch_ = {};
};

template <Real T>
class UnitStore {
 public:
  struct Held {
    std::uint32_t position = 0;
    bool is_difference = false;  // of this position and the next
    std::unique_ptr<Row<T>> row = {};
  };
  explicit UnitStore(std::size_t workers) : held_(workers) {}

  // A row to be filled and given to hold or give_back. Counts as kept.
  [[nodiscard]] std::unique_ptr<Row<T>> take();
  void give_back(std::unique_ptr<Row<T>> row);
  void hold(std::size_t worker, Held held) { held_[worker].push_back(std::move(held)); }
  // The row kept for the position, or null. `find` looks, `release` hands it over.
  [[nodiscard]] const Held* find(std::size_t worker, std::uint32_t position) const;
  [[nodiscard]] Held* find(std::size_t worker, std::uint32_t position);
  [[nodiscard]] std::unique_ptr<Row<T>> release(std::size_t worker, std::uint32_t position);
  void release_all();
  [[nodiscard]] std::span<const Held> held(std::size_t worker) const { return held_[worker]; }
  // Whether the position's row is kept, as a difference or not.
  [[nodiscard]] bool keeps(std::size_t worker, std::uint32_t position, bool difference) const {
    const Held* found = find(worker, position);
    return found != nullptr && found->is_difference == difference;
  }

  [[nodiscard]] std::uint64_t numbers() const;  // held
  // The most rows that were out at a time since construction.
  [[nodiscard]] std::uint64_t peak_rows() const { return peak_rows_; }

  void save(wire::WireWriter& out) const;
  // `dim`: numbers of a dense row; `units`: by worker.
  void load(wire::WireReader& in, std::size_t dim, std::span<const std::uint32_t> units);

 private:
  std::vector<std::vector<Held>> held_;  // by worker; few at a time
  std::vector<std::unique_ptr<Row<T>>> free_ = {};
  std::uint64_t rows_ = 0;
  std::uint64_t peak_rows_ = 0;
};

// One bit per unit: whether its gradient was given.
class SeenUnits {
 public:
  explicit SeenUnits(std::span<const std::uint32_t> units);
  void clear();
  // False when it was set before.
  [[nodiscard]] bool insert(std::size_t worker, std::uint32_t position);
  [[nodiscard]] bool contains(std::size_t worker, std::uint32_t position) const;
  // The first position that was not given; units of the worker when all were.
  [[nodiscard]] std::uint32_t first_missing(std::size_t worker) const;
  // Whether no gradient was given.
  [[nodiscard]] bool is_empty() const {
    return std::ranges::all_of(words_, [](std::uint64_t word) { return word == 0; });
  }
  void save(wire::WireWriter& out) const;
  void load(wire::WireReader& in);

 private:
  std::vector<std::uint32_t> units_;
  std::vector<std::size_t> offsets_;  // first word of a worker
  std::vector<std::uint64_t> words_;
};

// std::logic_error unless the gradient has the form that observe asks for.
template <Real T>
void expect_form(const UnitGradient<T>& gradient, std::size_t dim);
// out = the gradient with all its zeros.
template <Real T>
void fill_dense(const UnitGradient<T>& sparse, std::size_t dim, AlignedVector<T>& out);
template <Real T>
[[nodiscard]] bool is_finite(const UnitGradient<T>& gradient);

void save_numbers(wire::WireWriter& out, std::span<const double> numbers);
// Fails with kNonFinite for a number that is not finite.
void load_numbers(wire::WireReader& in, std::span<double> numbers);

}  // namespace laconic::order
