// SPDX-License-Identifier: Apache-2.0
// Language model of LSTM layers between an embedding of the tokens and their logits; with tied
// weights the logits are products with the embedding's rows, without biases (cd-grab.md 4.1). Every
// window of tokens starts from a state of zeros: state is not carried from one to the next, so that
// the gradient of a window does not depend on the order of windows.
#include <fmt/format.h>

#include "laconic/base/error.hpp"
#include "laconic/problem/torch/network.hpp"

namespace laconic::problem {
namespace {

class Lstm final : public Network {
 public:
  Lstm(const Args& args, const data::Dataset& dataset)
      : layers_(args.integer("layers")), hidden_(args.integer("hidden")), tied_(args.flag("tied")) {
    const std::int64_t embedding = tied_ ? hidden_ : args.integer("embedding");
    const Start start{.kind = Start::Kind::kUniform, .scale = args.real("start")};
    const std::int64_t words = dataset.class_count;
    list_.add("embedding", {words, embedding}, start);
    for (std::int64_t l = 0; l < layers_; ++l) {
      const std::int64_t inputs = l == 0 ? embedding : hidden_;
      list_.add(fmt::format("layer{}.inputs", l + 1), {4 * hidden_, inputs}, start);
      list_.add(fmt::format("layer{}.state", l + 1), {4 * hidden_, hidden_}, start);
      list_.add(fmt::format("layer{}.inputs_bias", l + 1), {4 * hidden_}, start);
      list_.add(fmt::format("layer{}.state_bias", l + 1), {4 * hidden_}, start);
    }
    if (!tied_) {
      list_.add("out.weight", {words, hidden_}, start);
      list_.add("out.bias", {words}, {});
    }
  }

  [[nodiscard]] Task task() const override { return Task::kTokens; }
  [[nodiscard]] const std::vector<Parameter>& parameters() const override { return list_.all(); }
  [[nodiscard]] std::string description() const override {
    return fmt::format("LSTM language model ({} layers of {}{})", layers_, hidden_,
                       tied_ ? ", tied" : "");
  }

  [[nodiscard]] at::Tensor forward(std::span<const at::Tensor> p, const at::Tensor& inputs,
                                   Normaliser& /*normaliser*/) const override {
    const at::Tensor embedded = at::embedding(p[0], inputs);
    const at::Tensor zeros =
        at::zeros({layers_, inputs.size(0), hidden_}, embedded.options().requires_grad(false));
    const auto count = static_cast<std::size_t>(4 * layers_);
    const std::vector<at::Tensor> weights(p.begin() + 1,
                                          p.begin() + 1 + static_cast<std::ptrdiff_t>(count));
    const at::Tensor out =
        std::get<0>(at::lstm(embedded, {zeros, zeros}, weights, /*has_biases=*/true, layers_,
                             /*dropout=*/0, /*train=*/false, /*bidirectional=*/false,
                             /*batch_first=*/true));
    if (tied_) return at::linear(out, p[0]);
    return at::linear(out, p[count + 1], p[count + 2]);
  }

 private:
  std::int64_t layers_;
  std::int64_t hidden_;
  bool tied_;
  ParameterList list_ = {};
};

}  // namespace

std::unique_ptr<Network> make_lstm(const Args& args, const data::Dataset& dataset) {
  return std::make_unique<Lstm>(args, dataset);
}

}  // namespace laconic::problem
