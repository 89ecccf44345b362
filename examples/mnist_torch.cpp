// SPDX-License-Identifier: Apache-2.0
// An ordinary libtorch training loop on one process: a perceptron on MNIST. mnist_torch_sync.cpp is
// the same on several ranks. Images: $LACONIC_DATA/mnist, else generated ones.
#include "examples/mnist_torch.hpp"

#include <ATen/Parallel.h>
#include <torch/optim/sgd.h>
#include <torch/utils.h>

#include <cstdio>
#include <exception>

namespace {

constexpr std::int64_t kBatch = 32;
constexpr int kEpochs = 3;

double train() {
  const mnist::Data data = mnist::load();
  std::printf("%ld rows of %s\n", static_cast<long>(data.train.pixels.size(0)), data.name.c_str());
  torch::manual_seed(1);
  mnist::Net net;
  torch::optim::SGD optimizer(net->parameters(), torch::optim::SGDOptions(0.1));
  const std::int64_t rows = data.train.pixels.size(0);

  for (int epoch = 0; epoch < kEpochs; ++epoch) {
    double last = 0;
    for (std::int64_t from = 0; from < rows; from += kBatch) {
      optimizer.zero_grad();
      const at::Tensor loss = mnist::loss_of(net, data.train, from, std::min(from + kBatch, rows));
      loss.backward();
      optimizer.step();
      last = loss.item<double>();
    }
    std::printf("epoch %d: loss %.4f\n", epoch + 1, last);
  }
  return mnist::accuracy(net, data.test);
}

}  // namespace

int main() {
  try {
    at::set_num_threads(1);
    const double right = train();
    std::printf("%.1f %% of the test images are right\n", 100 * right);
    return right > 0.8 ? 0 : 1;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 1;
  }
}
