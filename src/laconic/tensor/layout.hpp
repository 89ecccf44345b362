// SPDX-License-Identifier: Apache-2.0
// How the parameters of a model lie in one flat vector. A Layout is immutable and shared by all
// workers; gradients, directions and models are flat spans of layout.size() numbers.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "laconic/base/assert.hpp"

namespace laconic {

// The data plane exists for these two; definitions lie in .cpp files and are instantiated for both.
template <class T>
concept Real = std::same_as<T, float> || std::same_as<T, double>;

// A vector of n numbers is n x 1.
struct Shape {
  std::uint32_t rows = 0;
  std::uint32_t cols = 1;
  [[nodiscard]] std::size_t size() const { return std::size_t{rows} * cols; }
  bool operator==(const Shape&) const = default;
};

enum class Role : std::uint8_t {
  kWeight,
  kBias
};  // a bias is exempt from l1 and from low-rank methods

struct Tensor {
  std::string name = {};
  Shape shape = {};
  Role role = Role::kWeight;
  std::size_t offset = 0;  // first coordinate in the flat vector; filled in by Layout
};

class Layout {
 public:
  Layout() = default;
  // Offsets are assigned in order, without gaps. Precondition: names differ, no tensor is empty,
  // fewer than 2^24 tensors and fewer than 2^32 coordinates.
  explicit Layout(std::vector<Tensor> tensors);
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] std::span<const Tensor> tensors() const { return tensors_; }
  // The tensor that holds coordinate i. Precondition: i < size().
  [[nodiscard]] const Tensor& tensor_of(std::size_t i) const;

 private:
  std::vector<Tensor> tensors_;
  std::size_t size_ = 0;
};

// One tensor's part of a flat vector. Does not own.
template <Real T>
struct TensorView {
  std::span<const T> values = {};
  Shape shape = {};
};
template <Real T>
struct TensorSpan {
  std::span<T> values = {};
  Shape shape = {};
};

// Precondition of both: the flat vector reaches to the tensor's end.
template <Real T>
[[nodiscard]] TensorView<T> view_of(const Tensor& tensor, std::span<const T> flat) {
  LACONIC_EXPECTS(tensor.offset + tensor.shape.size() <= flat.size());
  return {flat.subspan(tensor.offset, tensor.shape.size()), tensor.shape};
}
template <Real T>
[[nodiscard]] TensorSpan<T> span_of(const Tensor& tensor, std::span<T> flat) {
  LACONIC_EXPECTS(tensor.offset + tensor.shape.size() <= flat.size());
  return {flat.subspan(tensor.offset, tensor.shape.size()), tensor.shape};
}

}  // namespace laconic
