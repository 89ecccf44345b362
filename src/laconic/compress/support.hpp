// SPDX-License-Identifier: Apache-2.0
// What several compressors share: the parameter k, the width of values, promises that follow from
// others, and the values of a part of the coordinates as a body.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "laconic/compress/compressor.hpp"
#include "laconic/tensor/workspace.hpp"
#include "laconic/wire/sparse.hpp"

namespace laconic::compress {

// How many coordinates are kept: a fraction of them, or a number.
class Count {
 public:
  explicit Count(double k) : k_(k) {}
  // At least 1 and at most `size`. Precondition: size > 0.
  [[nodiscard]] std::size_t of(std::size_t size) const;
  // Empty if `size` coordinates suffice; else one line. `what` names them, e.g. "the tensor".
  [[nodiscard]] std::string misfit(std::string_view method, std::size_t size,
                                   std::string_view what) const;

 private:
  double k_;
};
[[nodiscard]] ParamCard count_param();
[[nodiscard]] Count count_of(const Args& args);
// A k above 1 that is not a whole number.
[[nodiscard]] std::vector<std::string> count_problems(const Args& args);

// native: as wide as the numbers of the run; f32: always 32 bits.
[[nodiscard]] ParamCard values_param();
template <Real T>
[[nodiscard]] wire::ValueFormat values_format(const Args& args);

// Draws of its own per worker: unbiased with omega; contractive, too, when omega < 1, because the
// error is at most omega |x|^2 = (1 - alpha) |x|^2.
[[nodiscard]] Traits unbiased_traits(double omega, std::uint32_t workers);
// The same for draws that are the same for all workers: by Jensen's inequality the mean of errors
// is at most their mean.
[[nodiscard]] Traits correlated_traits(double omega);

// What a compressor promises for an example of a shape; for checks before shapes are known.
inline constexpr Shape kExampleShape = {1000, 1};
[[nodiscard]] Traits example_traits(const Spec& canonical, std::uint32_t workers);

// Memory of one call, which another call of the same kind inside it does not share. It grows once
// per depth, then stays. Not for passing between threads.
template <class Memory>
class Nested {
 public:
  Nested() : depth_(depth()++) {
    if (pool().size() <= depth_) pool().push_back(std::make_unique<Memory>());
  }
  ~Nested() { --depth(); }
  Nested(const Nested&) = delete;
  Nested& operator=(const Nested&) = delete;
  [[nodiscard]] Memory& get() { return *pool()[depth_]; }

 private:
  static std::size_t& depth() {
    thread_local std::size_t value = 0;
    return value;
  }
  static std::vector<std::unique_ptr<Memory>>& pool() {
    thread_local std::vector<std::unique_ptr<Memory>> value;
    return value;
  }
  std::size_t depth_;
};

// The numbers at the indices, as a body without indices: write, and y[index] += scale * number.
// Numbers that are too large for f32 become the largest one.
template <Real T>
void write_selected(wire::ValueFormat format, std::span<const T> x,
                    std::span<const std::uint32_t> indices, std::vector<std::byte>& out);
template <Real T, class Sum>
Status add_selected(wire::ValueFormat format, wire::WireReader& in,
                    std::span<const std::uint32_t> indices, Sum scale, std::span<Sum> y);

// The same with the indices in the body.
template <Real T>
void write_sparse_selected(const wire::SparseFormat& format, std::span<const T> x,
                           std::span<const std::uint32_t> indices, std::vector<std::byte>& out);
// Precondition: format.max_count is the only count that is legal.
template <Real T, class Sum>
Status add_sparse(const wire::SparseFormat& format, wire::WireReader& in, Sum scale,
                  std::span<Sum> y);

}  // namespace laconic::compress
