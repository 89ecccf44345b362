// SPDX-License-Identifier: Apache-2.0
// mnist_torch.cpp on several ranks: what is new is marked by "// laconic".
//
//   mnist_torch_sync 3 ef:sign                                    three ranks on threads
//   mpirun -n 2 mnist_torch_sync 0 mirror:ef21:topk:k=0.05        two MPI processes
#include <ATen/Parallel.h>
#include <torch/optim/sgd.h>
#include <torch/utils.h>

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <string>

#include "examples/mnist_torch.hpp"
#include "laconic/comm/transports.hpp"
#include "laconic/data/shard.hpp"
#include "laconic/sync/torch/gradient_synchronizer.hpp"

namespace {

constexpr std::int64_t kBatch = 32;
constexpr int kEpochs = 3;

struct Run {
  mnist::Data data = mnist::load();  // read by all ranks of a process
  std::string spec = "mirror:ef21:topk:k=0.05";
  double right = 1;  // rank 0 knows better
};

void train(laconic::Communicator& comm, Run& run) {
  at::set_num_threads(1);  // a rank is one thread
  const mnist::Data& data = run.data;
  if (comm.rank() == 0) std::printf("%s\n", data.name.c_str());
  mnist::Net net;
  torch::optim::SGD optimizer(net->parameters(), torch::optim::SGDOptions(0.1));
  // Of all rows, those of this rank.                                                   // laconic
  const laconic::data::Blocks blocks = {.rows = static_cast<std::size_t>(data.train.pixels.size(0)),
                                        .workers = comm.size()};
  const auto begin = static_cast<std::int64_t>(blocks.begin(comm.rank()));
  const auto end = static_cast<std::int64_t>(blocks.begin(comm.rank() + 1));
  laconic::torch::GradientSynchronizer sync(  // laconic
      net->parameters(), run.spec, comm,
      {.names = net->named_parameters().keys(), .plan_to = &std::cout});
  sync.start_alike();  // laconic

  for (int epoch = 0; epoch < kEpochs; ++epoch) {
    double last = 0;
    for (std::int64_t from = begin; from < end; from += kBatch) {
      optimizer.zero_grad();
      const at::Tensor loss = mnist::loss_of(net, data.train, from, std::min(from + kBatch, end));
      loss.backward();
      sync.synchronize();  // laconic
      optimizer.step();
      last = loss.item<double>();
    }
    while (sync.join()) optimizer.step();  // laconic
    if (comm.rank() == 0) std::printf("epoch %d: loss %.4f\n", epoch + 1, last);
  }
  if (comm.rank() != 0) return;
  run.right = mnist::accuracy(net, data.test);
  double dense = 0;
  for (const at::Tensor& p : net->parameters()) dense += 4e-6 * static_cast<double>(p.numel());
  std::printf("%.1f %% of the test images are right; sent %.1f MB, uncompressed they are %.1f MB\n",
              100 * run.right, 1e-6 * static_cast<double>(sync.report().uplink.frame_bytes),
              dense * static_cast<double>(sync.report().steps));
}

}  // namespace

int main(int count, char** arguments) {
  try {
    Run run;
    if (count > 2) run.spec = arguments[2];
    const auto body = [&](laconic::Communicator& comm) { train(comm, run); };
    if (laconic::started_by_mpi()) {
      laconic::run_on_mpi(body, [](std::string_view why) {
        std::fprintf(stderr, "%.*s\n", static_cast<int>(why.size()), why.data());
      });
    } else {
      const int ranks = count > 1 ? std::atoi(arguments[1]) : 2;
      laconic::run_on_threads(ranks > 0 ? static_cast<std::uint32_t>(ranks) : 1, body);
    }
    return run.right > 0.8 ? 0 : 1;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 1;
  }
}
