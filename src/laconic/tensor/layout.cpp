// SPDX-License-Identifier: Apache-2.0
#include "laconic/tensor/layout.hpp"

#include <algorithm>
#include <limits>

#include "laconic/base/assert.hpp"

namespace laconic {

Layout::Layout(std::vector<Tensor> tensors) : tensors_(std::move(tensors)) {
  LACONIC_EXPECTS(tensors_.size() < (1U << 24));
  std::vector<std::string> names;
  for (Tensor& tensor : tensors_) {
    LACONIC_EXPECTS(tensor.shape.size() > 0);
    tensor.offset = size_;
    size_ += tensor.shape.size();
    LACONIC_EXPECTS(size_ <= std::numeric_limits<std::uint32_t>::max());
    names.push_back(tensor.name);
  }
  std::sort(names.begin(), names.end());
  LACONIC_EXPECTS(std::adjacent_find(names.begin(), names.end()) == names.end());
}

const Tensor& Layout::tensor_of(std::size_t i) const {
  LACONIC_EXPECTS(i < size_);
  const auto after =
      std::upper_bound(tensors_.begin(), tensors_.end(), i,
                       [](std::size_t index, const Tensor& t) { return index < t.offset; });
  return *(after - 1);
}

}  // namespace laconic
