// SPDX-License-Identifier: Apache-2.0
// One rank of a data-parallel training with laconic::torch::GradientSynchronizer, for step times
// beside those of DistributedDataParallel (bench/ddp/peer.py): the same models (models.py), batches
// of random data, plain SGD. Rank 0 prints a line of JSON.
//
//   tools/netlab exec laconic_bench_step gpt lowrank:rank=4 32 20      MODEL METHOD BATCH STEPS
//
// METHOD is an aggregator's spec, or "noop" (nothing travels).
#include <ATen/Parallel.h>
#include <fmt/format.h>
#include <torch/nn/functional/loss.h>
#include <torch/nn/modules/batchnorm.h>
#include <torch/nn/modules/container/functional.h>
#include <torch/nn/modules/container/modulelist.h>
#include <torch/nn/modules/container/sequential.h>
#include <torch/nn/modules/conv.h>
#include <torch/nn/modules/embedding.h>
#include <torch/nn/modules/linear.h>
#include <torch/nn/modules/normalization.h>
#include <torch/optim/sgd.h>
#include <torch/utils.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <functional>
#include <string>
#include <vector>

#include "laconic/comm/transports.hpp"
#include "laconic/sync/torch/gradient_synchronizer.hpp"

namespace {

namespace nn = torch::nn;

constexpr int kWarmUp = 5;
constexpr std::int64_t kContext = 64;
constexpr std::int64_t kSymbols = 256;

// What a step needs: the loss of a fresh batch.
struct Model {
  std::shared_ptr<nn::Module> module = {};
  std::function<at::Tensor(std::int64_t)> loss = {};
};

Model images(nn::Sequential network, std::vector<std::int64_t> shape) {
  return {network.ptr(), [network, shape](std::int64_t size) mutable {
            std::vector<std::int64_t> sizes = {size};
            sizes.insert(sizes.end(), shape.begin(), shape.end());
            return nn::functional::cross_entropy(network->forward(at::randn(sizes)),
                                                 at::randint(10, {size}, at::kLong));
          }};
}

at::Tensor rectified(at::Tensor x) { return at::relu(x); }
at::Tensor mean_of_image(at::Tensor x) { return x.mean({2, 3}); }

Model perceptron() {
  return images(
      nn::Sequential(nn::Linear(784, 1024), nn::Functional(rectified), nn::Linear(1024, 1024),
                     nn::Functional(rectified), nn::Linear(1024, 10)),
      {784});
}

nn::Conv2d convolution(std::int64_t inputs, std::int64_t outputs, std::int64_t stride) {
  return nn::Conv2d(nn::Conv2dOptions(inputs, outputs, 3).stride(stride).padding(1).bias(false));
}

// Two convolutions around a shortcut that subsamples and pads with zeros (He et al. 2016).
struct ResidualImpl final : nn::Module {
  ResidualImpl(std::int64_t inputs, std::int64_t outputs, std::int64_t by)
      : stride(by),
        more(outputs - inputs),
        body(convolution(inputs, outputs, by), nn::BatchNorm2d(outputs), nn::Functional(rectified),
             convolution(outputs, outputs, 1), nn::BatchNorm2d(outputs)) {
    register_module("body", body);
  }
  at::Tensor forward(const at::Tensor& x) {
    const at::Tensor some = x.slice(2, 0, c10::nullopt, stride).slice(3, 0, c10::nullopt, stride);
    return at::relu(body->forward(x) + at::constant_pad_nd(some, {0, 0, 0, 0, 0, more}));
  }
  std::int64_t stride;
  std::int64_t more;
  nn::Sequential body;
};
TORCH_MODULE(Residual);

Model resnet20() {
  nn::Sequential network(convolution(3, 16, 1), nn::BatchNorm2d(16), nn::Functional(rectified));
  std::int64_t width = 16;
  for (const std::int64_t outputs : {16, 32, 64}) {
    for (int block = 0; block < 3; ++block) {
      network->push_back(Residual(width, outputs, outputs != width && block == 0 ? 2 : 1));
      width = outputs;
    }
  }
  network->push_back(nn::Functional(mean_of_image));
  network->push_back(nn::Linear(64, 10));
  return images(network, {3, 32, 32});
}

// A block of the decoder, with the norms before attention and perceptron.
struct LayerImpl final : nn::Module {
  LayerImpl(std::int64_t w, std::int64_t h)
      : width(w),
        heads(h),
        norm1(register_module("norm1", nn::LayerNorm(nn::LayerNormOptions({w})))),
        qkv(register_module("qkv", nn::Linear(w, 3 * w))),
        projection(register_module("projection", nn::Linear(w, w))),
        norm2(register_module("norm2", nn::LayerNorm(nn::LayerNormOptions({w})))),
        up(register_module("up", nn::Linear(w, 4 * w))),
        down(register_module("down", nn::Linear(4 * w, w))) {}
  at::Tensor forward(const at::Tensor& x, const at::Tensor& later) {
    const std::int64_t rows = x.size(0);
    const at::Tensor parts =
        qkv(norm1(x)).view({rows, kContext, 3, heads, width / heads}).permute({0, 2, 3, 1, 4});
    const double scale = 1 / std::sqrt(static_cast<double>(width / heads));
    const at::Tensor weights =
        at::matmul(parts.select(1, 0) * scale, parts.select(1, 1).transpose(-2, -1))
            .masked_fill(later, -INFINITY);
    const at::Tensor mixed = at::matmul(at::softmax(weights, -1), parts.select(1, 2))
                                 .transpose(1, 2)
                                 .reshape({rows, kContext, width});
    const at::Tensor y = x + projection(mixed);
    return y + down(at::gelu(up(norm2(y))));
  }
  std::int64_t width;
  std::int64_t heads;
  nn::LayerNorm norm1;
  nn::Linear qkv;
  nn::Linear projection;
  nn::LayerNorm norm2;
  nn::Linear up;
  nn::Linear down;
};
TORCH_MODULE(Layer);

struct GptImpl final : nn::Module {
  GptImpl(std::int64_t width, int layers, std::int64_t heads)
      : token(register_module("token", nn::Embedding(kSymbols, width))),
        place(register_module("place", nn::Embedding(kContext, width))),
        norm(register_module("norm", nn::LayerNorm(nn::LayerNormOptions({width})))),
        out(register_module("out", nn::Linear(nn::LinearOptions(width, kSymbols).bias(false)))),
        later(at::ones({kContext, kContext}, at::kBool).triu(1)) {
    for (int l = 0; l < layers; ++l) blocks->push_back(Layer(width, heads));
    register_module("blocks", blocks);
  }
  at::Tensor forward(const at::Tensor& ids) {
    at::Tensor h = token(ids) + place(at::arange(kContext));
    for (const auto& block : *blocks) h = block->as<LayerImpl>()->forward(h, later);
    return out(norm(h)).transpose(1, 2);
  }
  nn::Embedding token;
  nn::Embedding place;
  nn::LayerNorm norm;
  nn::Linear out;
  nn::ModuleList blocks = {};
  at::Tensor later;  // [i][j]: symbol j comes after symbol i
};
TORCH_MODULE(Gpt);

// 12 layers of width 256 over 256 symbols: 9.6 million parameters.
Model gpt() {
  Gpt network(256, 12, 8);
  return {network.ptr(), [network](std::int64_t size) mutable {
            const at::Tensor text = at::randint(kSymbols, {size, kContext + 1}, at::kLong);
            return nn::functional::cross_entropy(network->forward(text.slice(1, 0, kContext)),
                                                 text.slice(1, 1));
          }};
}

// What this host has sent; 0 outside of a lab.
double sent_bytes() {
  const char* const interface = std::getenv("LACONIC_NETLAB_INTERFACE");
  if (interface == nullptr) return 0;
  std::ifstream file(fmt::format("/sys/class/net/{}/statistics/tx_bytes", interface));
  double bytes = 0;
  file >> bytes;
  return bytes;
}

struct Options {
  std::string model = "perceptron";
  std::string method = "dense";
  std::int64_t batch = 32;
  int steps = 20;
};

void measure(laconic::Communicator& comm, const Options& options) {
  at::set_num_threads(1);
  torch::manual_seed(1);
  Model model = options.model == "gpt"        ? gpt()
                : options.model == "resnet20" ? resnet20()
                                              : perceptron();
  torch::optim::SGD optimizer(model.module->parameters(), torch::optim::SGDOptions(1e-3));
  laconic::torch::GradientSynchronizer sync(model.module->parameters(), options.method, comm);
  torch::manual_seed(comm.rank());
  std::vector<double> seconds;
  double before = 0;
  for (int step = 0; step < kWarmUp + options.steps; ++step) {
    if (step == kWarmUp) before = sent_bytes();
    const auto start = std::chrono::steady_clock::now();
    optimizer.zero_grad();
    model.loss(options.batch).backward();
    sync.synchronize();
    optimizer.step();
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    if (step >= kWarmUp) seconds.push_back(took.count());
  }
  const double sent = (sent_bytes() - before) / options.steps;
  comm.barrier({static_cast<std::uint32_t>(kWarmUp + options.steps), 0});
  if (comm.rank() != 0) return;
  std::sort(seconds.begin(), seconds.end());
  std::int64_t numbers = 0;
  for (const at::Tensor& p : model.module->parameters()) numbers += p.numel();
  const std::string line = fmt::format(
      R"({{"model": "{}", "method": "{}", "batch": {}, "steps": {}, "numbers": {}, )"
      R"("step_seconds": {}, "fastest_seconds": {}, "slowest_seconds": {}, "sent_bytes": {}}})",
      options.model, options.method, options.batch, options.steps, numbers,
      seconds[seconds.size() / 2], seconds.front(), seconds.back(), sent);
  std::printf("%s\n", line.c_str());
}

}  // namespace

int main(int count, char** arguments) {
  try {
    Options options;
    if (count > 1) options.model = arguments[1];
    if (count > 2) options.method = arguments[2];
    if (count > 3) options.batch = std::max(1, std::atoi(arguments[3]));
    if (count > 4) options.steps = std::max(1, std::atoi(arguments[4]));
    const auto body = [&](laconic::Communicator& comm) { measure(comm, options); };
    if (laconic::started_by_mpi()) {
      laconic::run_on_mpi(body, [](std::string_view why) {
        std::fprintf(stderr, "%.*s\n", static_cast<int>(why.size()), why.data());
      });
    } else {
      laconic::run_on_threads(2, body);
    }
    return 0;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 1;
  }
}
