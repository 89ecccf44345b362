// SPDX-License-Identifier: Apache-2.0
// The card; the network is torch/lstm.cpp.
#include "laconic/problem/networks.hpp"

namespace laconic::problem {
namespace {

const Card kLstmCard = {
    .kind = "problem",
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
               network_l2(),
               network_measure()},
    .promises = kNetworkPromises};

}  // namespace

ProblemMethod lstm_method() {
  return network_of(kLstmCard, {.takes = Takes::kTokens, .metric = Metric::kPerplexity});
}

}  // namespace laconic::problem
