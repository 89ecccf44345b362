// SPDX-License-Identifier: Apache-2.0
// LeNet-5 with relu and max pooling: two 5 x 5 convolutions (6 and 16 channels), each pooled by 2,
// then layers of 120, 84 and `classes` units. Images smaller than 32 x 32 are padded to that with
// zeros. On CIFAR-10 it has 62,006 parameters, the number of cd-grab.md 4.1.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "laconic/base/error.hpp"
#include "laconic/problem/torch/network.hpp"

namespace laconic::problem {
namespace {

constexpr std::int64_t kSide = 32;
constexpr std::int64_t kKernel = 5;
constexpr std::array<std::int64_t, 2> kChannels = {6, 16};
constexpr std::array<std::int64_t, 2> kUnits = {120, 84};

std::int64_t after_layers(std::int64_t side) {
  for (std::size_t i = 0; i < kChannels.size(); ++i) side = (side - kKernel + 1) / 2;
  return side;
}

class Lenet final : public Network {
 public:
  explicit Lenet(const data::Dataset& dataset) {
    const std::int64_t height = dataset.image_height;
    const std::int64_t width = dataset.image_width;
    const std::int64_t channels = std::int64_t{dataset.train.features()} / (height * width);
    const std::int64_t top = std::max<std::int64_t>(0, kSide - height);
    const std::int64_t left = std::max<std::int64_t>(0, kSide - width);
    padding_ = {left / 2, left - left / 2, top / 2, top - top / 2};
    std::int64_t inputs = channels;
    for (std::size_t i = 0; i < kChannels.size(); ++i) {
      add(fmt::format("conv{}", i + 1), {kChannels[i], inputs, kKernel, kKernel});
      inputs = kChannels[i];
    }
    inputs *= after_layers(height + top) * after_layers(width + left);
    for (std::size_t i = 0; i < kUnits.size(); ++i) {
      add(fmt::format("fc{}", i + 1), {kUnits[i], inputs});
      inputs = kUnits[i];
    }
    add("out", {dataset.class_count, inputs});
  }

  [[nodiscard]] Task task() const override { return Task::kImages; }
  [[nodiscard]] const std::vector<Parameter>& parameters() const override { return list_.all(); }
  [[nodiscard]] std::string description() const override { return "LeNet"; }

  [[nodiscard]] at::Tensor forward(std::span<const at::Tensor> p, const at::Tensor& inputs,
                                   Normaliser& /*normaliser*/) const override {
    at::Tensor x = at::constant_pad_nd(inputs, padding_);
    std::size_t next = 0;
    for (std::size_t i = 0; i < kChannels.size(); ++i, next += 2) {
      x = at::max_pool2d(at::relu(at::conv2d(x, p[next], p[next + 1])), 2);
    }
    x = x.flatten(1);
    for (std::size_t i = 0; i < kUnits.size(); ++i, next += 2) {
      x = at::relu(at::linear(x, p[next], p[next + 1]));
    }
    return at::linear(x, p[next], p[next + 1]);
  }

 private:
  void add(const std::string& name, std::vector<std::int64_t> sizes) {
    std::int64_t inputs = 1;
    for (std::size_t i = 1; i < sizes.size(); ++i) inputs *= sizes[i];
    const std::int64_t outputs = sizes[0];
    list_.add(name + ".weight", std::move(sizes), uniform_for(inputs));
    list_.add(name + ".bias", {outputs}, uniform_for(inputs));
  }

  ParameterList list_ = {};
  std::array<std::int64_t, 4> padding_ = {};  // left, right, top, bottom
};

}  // namespace

std::unique_ptr<Network> make_lenet(const Args& /*args*/, const data::Dataset& dataset) {
  return std::make_unique<Lenet>(dataset);
}

}  // namespace laconic::problem
