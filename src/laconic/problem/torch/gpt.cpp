// SPDX-License-Identifier: Apache-2.0
// Decoder of transformer blocks with the norm before attention and perceptron (GPT-2's layout),
// positions learnt, logits tied to the embedding, no dropout. With layers=12, heads=12, width=768,
// 50304 words and a context of 512 it has the 123,980,544 parameters of laser.md 5.1. Start: N(0,
// 0.02^2), the projections that end in the residual stream divided by sqrt(2 layers).
#include <fmt/format.h>

#include <cmath>

#include "laconic/base/error.hpp"
#include "laconic/problem/torch/network.hpp"

namespace laconic::problem {
namespace {

constexpr double kDeviation = 0.02;

struct Linear {
  std::size_t weight = 0;
  std::size_t bias = 0;  // only where the network has biases
};

struct Layer {
  Linear norm1 = {};
  Linear qkv = {};
  Linear projection = {};
  Linear norm2 = {};
  Linear up = {};
  Linear down = {};
};

class Gpt final : public Network {
 public:
  Gpt(const Args& args, const data::Dataset& dataset)
      : heads_(args.integer("heads")),
        width_(args.integer("width")),
        biased_(args.flag("biases")),
        context_(dataset.train.features()) {
    if (width_ % heads_ != 0) {
      throw ConfigError(
          fmt::format("gpt: width={} is not a multiple of heads={}; change one", width_, heads_));
    }
    const std::int64_t layers = args.integer("layers");
    const double last = kDeviation / std::sqrt(2 * static_cast<double>(layers));
    tokens_ = list_.add("tokens", {dataset.class_count, width_}, normal(kDeviation));
    positions_ = list_.add("positions", {context_, width_}, normal(kDeviation));
    for (std::int64_t l = 0; l < layers; ++l) {
      const std::string name = fmt::format("layer{}.", l + 1);
      layers_.push_back({.norm1 = add_norm(name + "norm1"),
                         .qkv = add(name + "qkv", 3 * width_, width_, kDeviation),
                         .projection = add(name + "projection", width_, width_, last),
                         .norm2 = add_norm(name + "norm2"),
                         .up = add(name + "up", 4 * width_, width_, kDeviation),
                         .down = add(name + "down", width_, 4 * width_, last)});
    }
    norm_ = add_norm("norm");
    later_ = at::ones({context_, context_}, at::kBool).triu(1);
  }

  [[nodiscard]] Task task() const override { return Task::kTokens; }
  [[nodiscard]] const std::vector<Parameter>& parameters() const override { return list_.all(); }
  [[nodiscard]] std::string description() const override {
    return fmt::format("GPT ({} layers, {} heads, width {}, context {})", layers_.size(), heads_,
                       width_, context_);
  }

  [[nodiscard]] at::Tensor forward(std::span<const at::Tensor> p, const at::Tensor& inputs,
                                   Normaliser& /*normaliser*/) const override {
    at::Tensor x = at::embedding(p[tokens_], inputs) + p[positions_];
    for (const Layer& layer : layers_) {
      x = x + attention(normalise(x, p, layer.norm1), p, layer);
      x = x + linear(at::gelu(linear(normalise(x, p, layer.norm2), p, layer.up)), p, layer.down);
    }
    return at::linear(normalise(x, p, norm_), p[tokens_]);
  }

 private:
  static Start normal(double deviation) {
    return {.kind = Start::Kind::kNormal, .scale = deviation};
  }

  Linear add(const std::string& name, std::int64_t outputs, std::int64_t inputs, double deviation) {
    Linear out;
    out.weight = list_.add(name + ".weight", {outputs, inputs}, normal(deviation));
    if (biased_) out.bias = list_.add(name + ".bias", {outputs}, {});
    return out;
  }

  Linear add_norm(const std::string& name) {
    Linear out;
    out.weight = list_.add(name + ".gain", {width_}, {.scale = 1});
    if (biased_) out.bias = list_.add(name + ".bias", {width_}, {});
    return out;
  }

  [[nodiscard]] at::Tensor bias_of(std::span<const at::Tensor> p, const Linear& part) const {
    return biased_ ? p[part.bias] : at::Tensor();
  }
  [[nodiscard]] at::Tensor linear(const at::Tensor& x, std::span<const at::Tensor> p,
                                  const Linear& part) const {
    return at::linear(x, p[part.weight], bias_of(p, part));
  }
  [[nodiscard]] at::Tensor normalise(const at::Tensor& x, std::span<const at::Tensor> p,
                                     const Linear& part) const {
    return at::layer_norm(x, {width_}, p[part.weight], bias_of(p, part));
  }

  [[nodiscard]] at::Tensor attention(const at::Tensor& x, std::span<const at::Tensor> p,
                                     const Layer& layer) const {
    const std::int64_t rows = x.size(0);
    // rows x 3 x heads x context x units of a head
    const at::Tensor qkv = linear(x, p, layer.qkv)
                               .view({rows, context_, 3, heads_, width_ / heads_})
                               .permute({0, 2, 3, 1, 4});
    const double scale = 1 / std::sqrt(static_cast<double>(width_ / heads_));
    at::Tensor weights = at::matmul(qkv.select(1, 0) * scale, qkv.select(1, 1).transpose(-2, -1));
    weights = at::softmax(weights.masked_fill(later_, -INFINITY), -1);
    const at::Tensor out =
        at::matmul(weights, qkv.select(1, 2)).transpose(1, 2).reshape({rows, context_, width_});
    return linear(out, p, layer.projection);
  }

  std::int64_t heads_;
  std::int64_t width_;
  bool biased_;
  std::int64_t context_;
  ParameterList list_ = {};
  std::size_t tokens_ = 0;
  std::size_t positions_ = 0;
  std::vector<Layer> layers_ = {};
  Linear norm_ = {};
  at::Tensor later_ = {};  // [i][j]: token j comes after token i
};

}  // namespace

std::unique_ptr<Network> make_gpt(const Args& args, const data::Dataset& dataset) {
  return std::make_unique<Gpt>(args, dataset);
}

}  // namespace laconic::problem
