// SPDX-License-Identifier: Apache-2.0
// The cards of the networks that libtorch differentiates. They exist, and are validated, in every
// build; making one loads the module (torch_module.hpp).
#include "laconic/problem/methods.hpp"
#include "laconic/problem/torch_module.hpp"

namespace laconic::problem {
namespace {

const ParamCard kL2 = {.key = "l2",
                   .type = ParamType::kReal,
                   .default_text = "0",
                   .help = "adds l2/2 times the squared norm of the weights (not of biases, gains)",
                   .min = 0,
                   .max = 1000000};
const ParamCard kMeasure = {.key = "measure",
                        .type = ParamType::kInteger,
                        .default_text = "0",
                        .help = "records measure the training loss on the first so many examples "
                                "of every worker; 0: on all",
                        .min = 0,
                        .max = 2147483647};
constexpr std::string_view kPromises =
    "a gradient depends on the point and the examples alone; libtorch's bits may differ between "
    "CPUs";

const Card kLenet = {.kind = "problem",
                     .name = "lenet",
                     .summary = "LeNet-5 (relu, max pooling) for images, by libtorch",
                     .params = {kL2, kMeasure},
                     .promises = kPromises};

const Card kResnet = {
    .kind = "problem",
    .name = "resnet",
    .summary = "residual network for small images, by libtorch",
    .params = {{.key = "depth",
                .type = ParamType::kInteger,
                .default_text = "20",
                .help = "layers: 6n + 2 in three stages, or 18 in four",
                .min = 8,
                .max = 110},
               {.key = "width",
                .type = ParamType::kInteger,
                .default_text = "0",
                .help = "channels of the first stage; 0: 16, and 64 for depth=18",
                .min = 0,
                .max = 1024},
               {.key = "norm",
                .type = ParamType::kChoice,
                .default_text = "batch",
                .help = "normalisation over the batch, or over groups of channels of each example",
                .choices = {"batch", "group"}},
               kL2, kMeasure},
    .promises = kPromises};

const Card kLstm = {.kind = "problem",
                    .name = "lstm",
                    .summary = "LSTM language model, by libtorch",
                    .params = {{.key = "layers",
                                .type = ParamType::kInteger,
                                .default_text = "2",
                                .help = "LSTM layers, one upon the other",
                                .min = 1,
                                .max = 16},
                               {.key = "hidden",
                                .type = ParamType::kInteger,
                                .default_text = "32",
                                .help = "units of every layer",
                                .min = 1,
                                .max = 8192},
                               {.key = "tied",
                                .type = ParamType::kFlag,
                                .default_text = "true",
                                .help = "logits are products with the embedding, without biases"},
                               {.key = "embedding",
                                .type = ParamType::kInteger,
                                .default_text = "32",
                                .help = "numbers per token, where not tied (else as many as hidden)",
                                .min = 1,
                                .max = 8192},
                               {.key = "start",
                                .type = ParamType::kReal,
                                .default_text = "0.1",
                                .help = "parameters start uniform in [-start, start]",
                                .min = 0,
                                .max = 10},
                               kL2, kMeasure},
                    .promises = kPromises};

const Card kGpt = {.kind = "problem",
                   .name = "gpt",
                   .summary = "decoder of transformer blocks (GPT-2's layout), by libtorch",
                   .params = {{.key = "layers",
                               .type = ParamType::kInteger,
                               .default_text = "2",
                               .help = "transformer blocks",
                               .min = 1,
                               .max = 96},
                              {.key = "heads",
                               .type = ParamType::kInteger,
                               .default_text = "2",
                               .help = "attention heads; a divisor of width",
                               .min = 1,
                               .max = 128},
                              {.key = "width",
                               .type = ParamType::kInteger,
                               .default_text = "128",
                               .help = "numbers per token",
                               .min = 1,
                               .max = 16384},
                              {.key = "biases",
                               .type = ParamType::kFlag,
                               .default_text = "false",
                               .help = "linear layers and norms have biases"},
                              kL2, kMeasure},
                   .promises = kPromises};

const Card kAutoregressiveMlp = {
    .kind = "problem",
    .name = "autoregressive-mlp",
    .summary = "perceptron that continues a time series from its own predictions, by libtorch",
    .params = {{.key = "hidden",
                .type = ParamType::kIntegers,
                .default_text = "64/64",
                .help = "the units of every hidden layer, from the inputs on",
                .min = 1,
                .max = 65536},
               kL2, kMeasure},
    .promises = kPromises};

ProblemMethod network_of(const Card& card, Takes takes, Metric metric) {
  return {.card = &card,
          .traits = {.needs_dataset = true,
                     .needs_labels = takes == Takes::kImages,
                     .takes = takes,
                     .unit_gradients = true,
                     .predicts = takes == Takes::kImages,
                     .metric = metric},
          .make_float = &make_network<float>,
          .make_double = &make_network<double>};
}

}  // namespace

ProblemMethod lenet_method() { return network_of(kLenet, Takes::kImages, Metric::kAccuracy); }
ProblemMethod resnet_method() { return network_of(kResnet, Takes::kImages, Metric::kAccuracy); }
ProblemMethod lstm_method() { return network_of(kLstm, Takes::kTokens, Metric::kPerplexity); }
ProblemMethod gpt_method() { return network_of(kGpt, Takes::kTokens, Metric::kPerplexity); }
ProblemMethod autoregressive_mlp_method() {
  return network_of(kAutoregressiveMlp, Takes::kSeries, Metric::kSmape);
}

}  // namespace laconic::problem
