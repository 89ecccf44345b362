// SPDX-License-Identifier: Apache-2.0
// The card; the network is torch/autoregressive_mlp.cpp.
#include "laconic/problem/networks.hpp"

namespace laconic::problem {
namespace {

const Card kAutoregressiveMlpCard = {
    .kind = "problem",
    .name = "autoregressive-mlp",
    .summary = "perceptron that continues a time series from its own predictions, by libtorch",
    .params = {{.key = "hidden",
                .type = ParamType::kIntegers,
                .default_text = "64/64",
                .help = "the units of every hidden layer, from the inputs on",
                .min = 1,
                .max = 65536},
               network_l2(),
               network_measure()},
    .promises = kNetworkPromises};

}  // namespace

ProblemMethod autoregressive_mlp_method() {
  return network_of(kAutoregressiveMlpCard, {.takes = Takes::kSeries, .metric = Metric::kSmape});
}

}  // namespace laconic::problem
