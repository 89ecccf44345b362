// SPDX-License-Identifier: Apache-2.0
// The card; the network is torch/resnet.cpp.
#include "laconic/problem/networks.hpp"

namespace laconic::problem {
namespace {

const Card kResnetCard = {
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
               network_l2(),
               network_measure()},
    .promises = kNetworkPromises};

}  // namespace

// Batch normalisation has statistics, which are no part of a model.
ProblemMethod resnet_method() { return network_of(kResnetCard, {}); }

}  // namespace laconic::problem
