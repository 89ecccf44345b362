// SPDX-License-Identifier: Apache-2.0
// The card; the network is torch/lenet.cpp.
#include "laconic/problem/networks.hpp"

namespace laconic::problem {
namespace {

const Card kLenetCard = {.kind = "problem",
                         .name = "lenet",
                         .summary = "LeNet-5 (relu, max pooling) for images, by libtorch",
                         .params = {network_l2(), network_measure()},
                         .promises = kNetworkPromises};

}  // namespace

ProblemMethod lenet_method() { return network_of(kLenetCard, {.predicts = true}); }

}  // namespace laconic::problem
