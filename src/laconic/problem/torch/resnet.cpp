// SPDX-License-Identifier: Apache-2.0
// Residual networks for small images, of basic blocks (two 3 x 3 convolutions and a shortcut).
// depth = 6n + 2 (20): three stages of n blocks with width, 2 width and 4 width channels, shortcuts
// without parameters (subsampled, padded with zero channels). depth = 18: four stages of two
// blocks, width to 8 width channels, 1 x 1 convolutions in the shortcuts that change shape; with
// width 64 and 10 classes it has the 11,173,962 parameters of laser.md 5.1. Both begin with one 3 x
// 3 convolution and end with the mean over the image and a linear layer.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "laconic/base/error.hpp"
#include "laconic/problem/torch/network.hpp"

namespace laconic::problem {
namespace {

constexpr std::int64_t kMostGroups = 8;  // of group normalisation

struct Norm {
  std::size_t gain = 0;
  std::size_t bias = 0;
};

struct Block {
  std::size_t conv1 = 0;
  Norm norm1 = {};
  std::size_t conv2 = 0;
  Norm norm2 = {};
  std::int64_t stride = 1;
  std::int64_t new_channels = 0;  // that a shortcut without parameters pads
  std::optional<std::size_t> projection = {};
  Norm projection_norm = {};
};

class Resnet final : public Network {
 public:
  Resnet(const Args& args, const data::Dataset& dataset)
      : depth_(args.integer("depth")), by_batch_(args.text("norm") == "batch") {
    const bool wide = depth_ == 18;
    if (!wide && (depth_ < 8 || (depth_ - 2) % 6 != 0)) {
      throw ConfigError(fmt::format(
          "resnet: depth={} is neither 18 nor 6n + 2; use 8, 14, 18, 20, 32, 44 or 56", depth_));
    }
    const std::int64_t stages = wide ? 4 : 3;
    const std::int64_t blocks = wide ? 2 : (depth_ - 2) / 6;
    std::int64_t width = args.integer("width");
    if (width == 0) width = wide ? 64 : 16;
    std::int64_t channels = std::int64_t{dataset.train.features()} /
                            (std::int64_t{dataset.image_height} * dataset.image_width);
    stem_ = add_convolution("stem.conv", width, channels, 3);
    stem_norm_ = add_norm("stem.norm", width);
    channels = width;
    for (std::int64_t s = 0; s < stages; ++s) {
      for (std::int64_t b = 0; b < blocks; ++b) {
        const std::int64_t outputs = width << s;
        add_block(fmt::format("stage{}.block{}", s + 1, b + 1), channels, outputs,
                  s > 0 && b == 0 ? 2 : 1, wide);
        channels = outputs;
      }
    }
    last_weight_ = list_.add("out.weight", {dataset.class_count, channels}, uniform_for(channels));
    last_bias_ = list_.add("out.bias", {dataset.class_count}, {});
  }

  [[nodiscard]] Task task() const override { return Task::kImages; }
  [[nodiscard]] const std::vector<Parameter>& parameters() const override { return list_.all(); }
  [[nodiscard]] bool normalises_batches() const override { return by_batch_; }
  [[nodiscard]] std::string description() const override {
    return fmt::format("ResNet-{} ({} normalisation)", depth_, by_batch_ ? "batch" : "group");
  }

  [[nodiscard]] at::Tensor forward(std::span<const at::Tensor> p, const at::Tensor& inputs,
                                   Normaliser& normaliser) const override {
    at::Tensor x =
        at::relu(normalise(at::conv2d(inputs, p[stem_], {}, 1, 1), p, stem_norm_, normaliser));
    for (const Block& block : blocks_) {
      at::Tensor y = at::conv2d(x, p[block.conv1], {}, block.stride, 1);
      y = at::relu(normalise(y, p, block.norm1, normaliser));
      y = normalise(at::conv2d(y, p[block.conv2], {}, 1, 1), p, block.norm2, normaliser);
      x = at::relu(y + shortcut(x, p, block, normaliser));
    }
    return at::linear(x.mean({2, 3}), p[last_weight_], p[last_bias_]);
  }

 private:
  std::size_t add_convolution(std::string name, std::int64_t outputs, std::int64_t inputs,
                              std::int64_t side) {
    // He's start, by what leaves the layer.
    const double fan = static_cast<double>(outputs * side * side);
    return list_.add(std::move(name), {outputs, inputs, side, side},
                     {.kind = Start::Kind::kNormal, .scale = std::sqrt(2 / fan)});
  }

  Norm add_norm(const std::string& name, std::int64_t channels) {
    return {.gain = list_.add(name + ".gain", {channels}, {.scale = 1}),
            .bias = list_.add(name + ".bias", {channels}, {})};
  }

  void add_block(const std::string& name, std::int64_t inputs, std::int64_t outputs,
                 std::int64_t stride, bool projects) {
    Block block;
    block.stride = stride;
    block.conv1 = add_convolution(name + ".conv1", outputs, inputs, 3);
    block.norm1 = add_norm(name + ".norm1", outputs);
    block.conv2 = add_convolution(name + ".conv2", outputs, outputs, 3);
    block.norm2 = add_norm(name + ".norm2", outputs);
    if (inputs != outputs && projects) {
      block.projection = add_convolution(name + ".projection", outputs, inputs, 1);
      block.projection_norm = add_norm(name + ".projection_norm", outputs);
    }
    block.new_channels = outputs - inputs;
    blocks_.push_back(block);
  }

  [[nodiscard]] at::Tensor normalise(const at::Tensor& x, std::span<const at::Tensor> p,
                                     const Norm& norm, Normaliser& normaliser) const {
    if (by_batch_) return normaliser.apply(x, p[norm.gain], p[norm.bias]);
    const std::int64_t channels = x.size(1);
    std::int64_t groups = std::min(kMostGroups, channels);
    while (channels % groups != 0) --groups;
    return at::group_norm(x, groups, p[norm.gain], p[norm.bias]);
  }

  [[nodiscard]] at::Tensor shortcut(const at::Tensor& x, std::span<const at::Tensor> p,
                                    const Block& block, Normaliser& normaliser) const {
    if (block.projection) {
      return normalise(at::conv2d(x, p[*block.projection], {}, block.stride), p,
                       block.projection_norm, normaliser);
    }
    if (block.new_channels == 0) return x;
    const at::Tensor some =
        x.slice(2, 0, c10::nullopt, block.stride).slice(3, 0, c10::nullopt, block.stride);
    const std::int64_t before = block.new_channels / 2;
    return at::constant_pad_nd(some, {0, 0, 0, 0, before, block.new_channels - before});
  }

  std::int64_t depth_;
  bool by_batch_;
  ParameterList list_ = {};
  std::size_t stem_ = 0;
  Norm stem_norm_ = {};
  std::vector<Block> blocks_ = {};
  std::size_t last_weight_ = 0;
  std::size_t last_bias_ = 0;
};

}  // namespace

std::unique_ptr<Network> make_resnet(const Args& args, const data::Dataset& dataset) {
  return std::make_unique<Resnet>(args, dataset);
}

}  // namespace laconic::problem
