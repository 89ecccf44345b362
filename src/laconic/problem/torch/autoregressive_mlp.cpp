// SPDX-License-Identifier: Apache-2.0
// Perceptron that predicts the next value of a series from the last `lags` ones, and goes on from
// its own predictions until it has `horizon` of them (cd-grab.md 4.1: 20-64-64-1, 5569 parameters).
// Gradients go through the predictions.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "laconic/problem/torch/network.hpp"

namespace laconic::problem {
namespace {

class AutoregressiveMlp final : public Network {
 public:
  AutoregressiveMlp(const Args& args, const data::Dataset& dataset)
      : horizon_(dataset.series_horizon) {
    widths_.push_back(dataset.series_lags);
    for (const std::int64_t units : args.integers("hidden")) widths_.push_back(units);
    widths_.push_back(1);
    for (std::size_t l = 1; l < widths_.size(); ++l) {
      const Start start = uniform_for(widths_[l - 1]);
      list_.add(fmt::format("w{}", l), {widths_[l], widths_[l - 1]}, start);
      list_.add(fmt::format("b{}", l), {widths_[l]}, start);
    }
  }

  [[nodiscard]] Task task() const override { return Task::kSeries; }
  [[nodiscard]] const std::vector<Parameter>& parameters() const override { return list_.all(); }
  [[nodiscard]] std::string description() const override {
    return fmt::format("autoregressive perceptron {}, horizon {}", fmt::join(widths_, "-"),
                       horizon_);
  }

  [[nodiscard]] at::Tensor forward(std::span<const at::Tensor> p, const at::Tensor& inputs,
                                   Normaliser& /*normaliser*/) const override {
    at::Tensor window = inputs;
    std::vector<at::Tensor> predictions;
    for (std::int64_t h = 0; h < horizon_; ++h) {
      at::Tensor x = window;
      for (std::size_t l = 1; l < widths_.size(); ++l) {
        x = at::linear(x, p[2 * l - 2], p[2 * l - 1]);
        if (l + 1 < widths_.size()) x = at::relu(x);
      }
      predictions.push_back(x);
      window = at::cat({window.slice(1, 1), x}, 1);
    }
    return at::cat(predictions, 1);
  }

 private:
  std::int64_t horizon_;
  std::vector<std::int64_t> widths_ = {};
  ParameterList list_ = {};
};

}  // namespace

std::unique_ptr<Network> make_autoregressive_mlp(const Args& args, const data::Dataset& dataset) {
  return std::make_unique<AutoregressiveMlp>(args, dataset);
}

}  // namespace laconic::problem
