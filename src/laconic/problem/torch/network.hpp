// SPDX-License-Identifier: Apache-2.0
// A network as a pure function of its parameters and one block of examples. Networks hold no state:
// parameters are views into the model's flat vector, and batch normalisation takes its statistics
// from the block or is given them (Normaliser). Private to this folder, the only one of this layer
// that includes headers of libtorch.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "laconic/base/args.hpp"
#include "laconic/data/dataset.hpp"

namespace laconic::problem {

// What the entries of a parameter are before the first round.
struct Start {
  enum class Kind : std::uint8_t { kConstant, kNormal, kUniform };
  Kind kind = Kind::kConstant;
  double scale = 0;  // the constant; the deviation; the largest magnitude
};

struct Parameter {
  std::string name = {};
  std::vector<std::int64_t> sizes = {};  // one size: a bias or a gain, exempt from low-rank methods
  Start start = {};
};

// The parameters of a network in order, found again by number.
class ParameterList {
 public:
  std::size_t add(std::string name, std::vector<std::int64_t> sizes, Start start) {
    all_.push_back({.name = std::move(name), .sizes = std::move(sizes), .start = start});
    return all_.size() - 1;
  }
  [[nodiscard]] const std::vector<Parameter>& all() const { return all_; }

 private:
  std::vector<Parameter> all_ = {};
};

// U(-1/sqrt(inputs), 1/sqrt(inputs)): what libtorch starts linear and convolutional layers with.
[[nodiscard]] Start uniform_for(std::int64_t inputs);

// Mean and variance per channel, of every batch normalisation in the order in which they come.
using Moments = std::vector<std::pair<at::Tensor, at::Tensor>>;

// Batch normalisation of one pass through a network.
class Normaliser {
 public:
  // By the statistics of the block (variances are means of squares); where `collected` is given,
  // they are appended to it.
  explicit Normaliser(Moments* collected = nullptr) : collected_(collected) {}
  // By given statistics.
  explicit Normaliser(const Moments& given) : given_(&given) {}

  // block: examples x channels x height x width.
  [[nodiscard]] at::Tensor apply(const at::Tensor& block, const at::Tensor& gain,
                                 const at::Tensor& bias);

 private:
  Moments* collected_ = nullptr;
  const Moments* given_ = nullptr;
  std::size_t next_ = 0;
};

// What a network maps to what.
enum class Task : std::uint8_t {
  kImages,  // examples x channels x height x width -> logits, examples x classes
  kTokens,  // ids, examples x context -> logits of the next ones, examples x context x classes
  kSeries,  // examples x lags -> the values that follow, examples x horizon
};

class Network {
 public:
  virtual ~Network() = default;
  Network() = default;
  Network(const Network&) = delete;
  Network& operator=(const Network&) = delete;

  [[nodiscard]] virtual Task task() const = 0;
  [[nodiscard]] virtual const std::vector<Parameter>& parameters() const = 0;
  // Differentiable in the parameters, which are as many and as large as parameters() says. Const
  // calls may run on many threads at once.
  [[nodiscard]] virtual at::Tensor forward(std::span<const at::Tensor> parameters,
                                           const at::Tensor& inputs,
                                           Normaliser& normaliser) const = 0;
  // Whether there is a batch normalisation: then the examples of a block depend on each other.
  [[nodiscard]] virtual bool normalises_batches() const { return false; }
  [[nodiscard]] virtual std::string description() const = 0;  // "LeNet"
};

// Each throws ConfigError when the data do not suit the network.
[[nodiscard]] std::unique_ptr<Network> make_lenet(const Args& args, const data::Dataset& dataset);
[[nodiscard]] std::unique_ptr<Network> make_resnet(const Args& args, const data::Dataset& dataset);
[[nodiscard]] std::unique_ptr<Network> make_lstm(const Args& args, const data::Dataset& dataset);
[[nodiscard]] std::unique_ptr<Network> make_gpt(const Args& args, const data::Dataset& dataset);
[[nodiscard]] std::unique_ptr<Network> make_autoregressive_mlp(const Args& args,
                                                               const data::Dataset& dataset);

}  // namespace laconic::problem
