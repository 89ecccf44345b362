// SPDX-License-Identifier: Apache-2.0
// The card; the network is torch/gpt.cpp.
#include "laconic/problem/networks.hpp"

namespace laconic::problem {
namespace {

const Card kGptCard = {.kind = "problem",
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
                                  network_l2(),
                                  network_measure()},
                       .promises = kNetworkPromises};

}  // namespace

ProblemMethod gpt_method() {
  return network_of(kGptCard, {.takes = Takes::kTokens, .metric = Metric::kPerplexity});
}

}  // namespace laconic::problem
