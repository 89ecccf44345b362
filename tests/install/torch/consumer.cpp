// SPDX-License-Identifier: Apache-2.0
// A training step of somebody else's. tests/install looks for what it prints.
#include <ATen/ATen.h>

#include <cstdio>
#include <exception>

#include "laconic/comm/transports.hpp"
#include "laconic/sync/torch/gradient_synchronizer.hpp"

int main() {
  try {
    const auto comm = laconic::make_self_communicator();
    const at::Tensor w = at::ones({3, 2}).set_requires_grad(true);
    laconic::torch::GradientSynchronizer sync({w}, "vote", *comm);
    (w * 3).sum().backward();
    sync.synchronize();
    std::printf("the common direction is");
    for (int i = 0; i < 3; ++i) std::printf(" %g", w.grad()[i][0].item<double>());
    std::printf("\n");
  } catch (const std::exception& e) {
    std::fprintf(stderr, "consumer: %s\n", e.what());
    return 1;
  }
  return 0;
}
