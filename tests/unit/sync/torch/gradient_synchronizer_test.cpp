// SPDX-License-Identifier: Apache-2.0
#include "laconic/sync/torch/gradient_synchronizer.hpp"

#include <ATen/Parallel.h>
#include <gtest/gtest.h>
#include <torch/nn/modules/container/sequential.h>
#include <torch/nn/modules/conv.h>
#include <torch/nn/modules/linear.h>
#include <torch/optim/sgd.h>

#include <cmath>
#include <cstdio>
#include <limits>
#include <mutex>
#include <sstream>

#include "laconic/base/error.hpp"
#include "laconic/comm/transports.hpp"
#include "laconic/rng/stream.hpp"

namespace laconic::torch {
namespace {

namespace nn = ::torch::nn;

constexpr std::int64_t kRows = 6;  // of a batch

at::Tensor normals(std::vector<std::int64_t> sizes, std::uint32_t rank, std::uint32_t step,
                   std::uint32_t tensor) {
  at::Tensor out = at::empty(sizes);
  rng::fill_normal(rng::Stream(11, {.worker = rank, .round = step, .tensor = tensor}), {},
                   std::span<float>(out.data_ptr<float>(), static_cast<std::size_t>(out.numel())));
  return out;
}

// A convolution, and a layer that the loss uses only where it is told to.
struct NetImpl : nn::Module {
  nn::Conv2d conv{nullptr};
  nn::Linear hidden{nullptr};
  nn::Linear rare{nullptr};
  nn::Linear out{nullptr};

  explicit NetImpl(bool is_double) {
    conv = register_module("conv", nn::Conv2d(nn::Conv2dOptions(2, 3, 3)));
    hidden = register_module("hidden", nn::Linear(12, 10));
    rare = register_module("rare", nn::Linear(10, 10));
    out = register_module("out", nn::Linear(10, 4));
    ::torch::NoGradGuard no_grad;
    std::uint32_t i = 0;
    for (at::Tensor& p : parameters()) p.copy_(normals(p.sizes().vec(), 0, 0, 100 + i++) * 0.3);
    if (is_double) to(at::kDouble);
  }

  at::Tensor loss(const at::Tensor& x, bool with_rare) {
    at::Tensor h = at::relu(hidden(at::tanh(conv(x)).flatten(1)));
    if (with_rare) h = h + at::tanh(rare(h));
    return out(h).square().mean();
  }
};
TORCH_MODULE(Net);

at::Tensor batch(std::uint32_t rank, std::uint32_t step, const Net& net) {
  return normals({kRows, 2, 4, 4}, rank, step, 0).to(net->conv->weight.scalar_type());
}

struct Job {
  std::string spec = "dense";
  std::uint32_t steps = 4;
  bool is_double = false;
  std::uint32_t micro_batches = 1;
  bool with_rare = true;
  Options options = {};
};

// Backward passes of a step: all but the last without exchange.
void accumulate(GradientSynchronizer& sync, Net& net, const Job& job, std::uint32_t rank,
                std::uint32_t step) {
  const auto one = [&](std::uint32_t part) {
    (net->loss(batch(rank, step * job.micro_batches + part, net), job.with_rare) /
     static_cast<double>(job.micro_batches))
        .backward();
  };
  {
    const auto held_back = sync.no_sync();
    for (std::uint32_t part = 0; part + 1 < job.micro_batches; ++part) one(part);
  }
  one(job.micro_batches - 1);
}

Options named(const Net& net, Options options) {
  options.names = net->named_parameters().keys();
  options.buckets.numbers = 100;
  return options;
}

void step(GradientSynchronizer& sync, Net& net, ::torch::optim::Optimizer& optimizer,
          const Job& job, std::uint32_t rank, std::uint32_t at) {
  optimizer.zero_grad();
  accumulate(sync, net, job, rank, at);
  sync.synchronize();
  optimizer.step();
}

// Without momentum in the optimizer, whose state is not the synchronizer's.
void plain_steps(GradientSynchronizer& sync, Net& net, std::uint32_t rank, std::uint32_t from,
                 std::uint32_t to) {
  ::torch::optim::SGD optimizer(net->parameters(), ::torch::optim::SGDOptions(0.1));
  for (std::uint32_t at = from; at < to; ++at) step(sync, net, optimizer, {}, rank, at);
}

std::vector<at::Tensor> copies(const std::vector<at::Tensor>& tensors) {
  std::vector<at::Tensor> out;
  for (const at::Tensor& t : tensors) out.push_back(t.detach().clone());
  return out;
}

void expect_equal(const std::vector<at::Tensor>& a, const std::vector<at::Tensor>& b) {
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); ++i) EXPECT_TRUE(at::equal(a[i], b[i])) << i;
}

// The models of all ranks after training.
std::vector<std::vector<at::Tensor>> train(const Job& job, std::uint32_t ranks) {
  std::vector<std::vector<at::Tensor>> out(ranks);
  run_on_threads(ranks, [&](Communicator& comm) {
    at::set_num_threads(1);
    Net net(job.is_double);
    GradientSynchronizer sync(net->parameters(), job.spec, comm, named(net, job.options));
    ::torch::optim::SGD optimizer(net->parameters(), ::torch::optim::SGDOptions(0.1).momentum(0.9));
    for (std::uint32_t at = 0; at < job.steps; ++at) {
      step(sync, net, optimizer, job, comm.rank(), at);
    }
    EXPECT_EQ(sync.report().steps, job.steps);
    out[comm.rank()] = copies(net->parameters());
  });
  return out;
}

// One process that adds the gradients of all ranks in order of the rank, in double.
std::vector<at::Tensor> serial(const Job& job, std::uint32_t ranks) {
  at::set_num_threads(1);
  Net net(job.is_double);
  const std::vector<at::Tensor> parameters = net->parameters();
  ::torch::optim::SGD optimizer(parameters, ::torch::optim::SGDOptions(0.1).momentum(0.9));
  for (std::uint32_t at = 0; at < job.steps; ++at) {
    std::vector<at::Tensor> sums(parameters.size());
    for (std::uint32_t rank = 0; rank < ranks; ++rank) {
      optimizer.zero_grad();
      net->loss(batch(rank, at, net), true).backward();
      for (std::size_t i = 0; i < sums.size(); ++i) {
        const at::Tensor wide = parameters[i].grad().to(at::kDouble).clone();
        sums[i] = sums[i].defined() ? sums[i] + wide : wide;
      }
    }
    for (std::size_t i = 0; i < sums.size(); ++i) {
      parameters[i].mutable_grad().copy_(sums[i] * (1.0 / ranks));
    }
    optimizer.step();
  }
  return copies(parameters);
}

TEST(GradientSynchronizer, DenseIsTheSerialLoopBitForBit) {
  for (const bool is_double : {false, true}) {
    for (const std::uint32_t ranks : {1U, 2U, 4U}) {
      const Job job = {.is_double = is_double};
      const auto expected = serial(job, ranks);
      for (const auto& model : train(job, ranks)) expect_equal(model, expected);
    }
  }
}

TEST(GradientSynchronizer, HooksChangeNoBits) {
  for (const char* spec : {"dense", "vote:beta=0.9", "mirror:ef21:topk:k=0.1", "lowrank:rank=2"}) {
    for (const std::uint32_t ranks : {1U, 2U, 4U}) {
      Job job = {.spec = spec};
      const auto expected = train(job, ranks);
      for (std::uint32_t r = 1; r < ranks; ++r) expect_equal(expected[r], expected[0]);
      job.options.hooks = false;
      expect_equal(train(job, ranks)[0], expected[0]);
      job.options.overlap = false;
      expect_equal(train(job, ranks)[0], expected[0]);
    }
  }
}

TEST(GradientSynchronizer, AddsUpGradientsWithinNoSync) {
  const Job with_hooks = {.micro_batches = 3};
  Job without = with_hooks;
  without.options.hooks = false;
  const auto expected = train(without, 2);
  expect_equal(train(with_hooks, 2)[0], expected[0]);
  const auto other = train({.micro_batches = 1}, 2);
  EXPECT_FALSE(at::equal(other[0][0], expected[0][0]));
}

// join refuses a step for which gradients were given: with hooks they are when backward returns.
TEST(GradientSynchronizer, GivesGradientsDuringTheBackwardPass) {
  const auto comm = make_self_communicator();
  for (const bool hooks : {true, false}) {
    Net net(false);
    GradientSynchronizer sync(net->parameters(), "dense", *comm,
                              named(net, Options{.hooks = hooks}));
    {
      const auto held_back = sync.no_sync();
      net->loss(batch(0, 0, net), true).backward();
      EXPECT_FALSE(sync.join());
    }
    net->loss(batch(0, 1, net), true).backward();
    if (hooks) {
      EXPECT_THROW(static_cast<void>(sync.join()), ConfigError);
    } else {
      EXPECT_FALSE(sync.join());
    }
  }
}

TEST(GradientSynchronizer, ARankThatLeavesItsLoopEndsTheOthers) {
  for (const bool hooks : {true, false}) {
    EXPECT_THROW(run_on_threads(3,
                                [&](Communicator& comm) {
                                  at::set_num_threads(1);
                                  Net net(false);
                                  GradientSynchronizer sync(net->parameters(), "ef:sign", comm,
                                                            named(net, Options{.hooks = hooks}));
                                  const std::uint32_t steps = comm.rank() == 1 ? 2 : 3;
                                  plain_steps(sync, net, comm.rank(), 0, steps);
                                }),
                 CommError);
  }
}

TEST(GradientSynchronizer, SaysThatASecondBackwardPassNeedsNoSync) {
  const auto comm = make_self_communicator();
  Net net(false);
  GradientSynchronizer sync(net->parameters(), "dense", *comm, named(net, {}));
  net->loss(batch(0, 0, net), true).backward();
  try {
    net->loss(batch(0, 1, net), true).backward();
    FAIL() << "accepted";
  } catch (const ConfigError& e) {
    EXPECT_NE(std::string(e.what()).find("second gradient"), std::string::npos) << e.what();
    EXPECT_NE(std::string(e.what()).find("no_sync"), std::string::npos);
  }
}

// Rank 1 does not use a layer: it counts as 0 there, and gets the direction like the others.
TEST(GradientSynchronizer, AnUnusedParameterGetsTheDirection) {
  run_on_threads(2, [](Communicator& comm) {
    at::set_num_threads(1);
    Net net(false);
    GradientSynchronizer sync(net->parameters(), "dense", comm, named(net, {}));
    net->loss(batch(comm.rank(), 0, net), comm.rank() == 0).backward();
    EXPECT_EQ(net->rare->weight.grad().defined(), comm.rank() == 0);
    sync.synchronize();
    Net alone(false);
    alone->loss(batch(0, 0, alone), true).backward();
    EXPECT_TRUE(at::equal(net->rare->weight.grad(), alone->rare->weight.grad() / 2));
  });
}

// Gradients that do not lie in memory as the exchange wants them: sparse, and with other strides.
TEST(GradientSynchronizer, TakesGradientsOfOtherLayouts) {
  const auto directions = [](bool plain, bool hooks) {
    std::vector<std::vector<at::Tensor>> out(2);
    run_on_threads(2, [&](Communicator& comm) {
      at::set_num_threads(1);
      const at::Tensor table = normals({7, 3}, 0, 0, 1).set_requires_grad(true);
      at::Tensor image = normals({4, 2, 3, 5}, 0, 0, 2);
      if (!plain) image = image.contiguous(at::MemoryFormat::ChannelsLast);
      image.set_requires_grad(true);
      GradientSynchronizer sync({table, image}, "dense", comm, {.hooks = hooks});
      for (int step = 0; step < 2; ++step) {
        const at::Tensor rows = ::torch::tensor({1, 4, 1}) + static_cast<int>(comm.rank());
        (at::embedding(table, rows, -1, false, !plain).square().sum() +
         (image * (2 + static_cast<int>(comm.rank()))).square().sum())
            .backward();
        EXPECT_EQ(table.grad().is_sparse(), !plain && step == 0);
        EXPECT_EQ(image.grad().is_contiguous(), plain);
        sync.synchronize();
        EXPECT_FALSE(table.grad().is_sparse());
      }
      out[comm.rank()] = copies({table.grad(), image.grad()});
    });
    expect_equal(out[1], out[0]);
    return out[0];
  };
  const auto expected = directions(true, true);
  expect_equal(directions(true, false), expected);
  expect_equal(directions(false, true), expected);
  expect_equal(directions(false, false), expected);
}

TEST(GradientSynchronizer, NamesAParameterWithoutGradient) {
  const auto comm = make_self_communicator();
  Net net(false);
  const auto refusal = [&](bool every, bool backward) {
    Options options = named(net, {});
    options.every_gradient = every;
    GradientSynchronizer sync(net->parameters(), "dense", *comm, options);
    net->zero_grad(true);
    if (backward) net->loss(batch(0, 0, net), false).backward();
    try {
      sync.synchronize();
    } catch (const ConfigError& e) {
      return std::string(e.what());
    }
    return std::string("accepted");
  };
  EXPECT_EQ(refusal(false, true), "accepted");
  EXPECT_NE(refusal(true, true).find("'rare."), std::string::npos);
  EXPECT_NE(refusal(false, false).find("'conv.weight' is undefined in step 0: no parameter has"),
            std::string::npos);
}

TEST(GradientSynchronizer, NamesAParameterWhoseGradientIsNotFinite) {
  std::mutex mutex;
  std::vector<std::string> texts;
  EXPECT_THROW(run_on_threads(2,
                              [&](Communicator& comm) {
                                at::set_num_threads(1);
                                Net net(false);
                                GradientSynchronizer sync(net->parameters(), "vote", comm,
                                                          named(net, {}));
                                at::Tensor loss = net->loss(batch(comm.rank(), 0, net), true);
                                if (comm.rank() == 1) {
                                  constexpr double kInf = std::numeric_limits<double>::infinity();
                                  loss = loss + net->rare->weight[2][3] * kInf;
                                }
                                try {
                                  loss.backward();
                                  sync.synchronize();
                                } catch (const DivergedError& e) {
                                  const std::scoped_lock lock(mutex);
                                  texts.emplace_back(e.what());
                                  EXPECT_EQ(e.place().tensor, "rare.weight");
                                  throw;
                                }
                              }),
               DivergedError);
  ASSERT_EQ(texts.size(), 2U);
  EXPECT_EQ(texts[0], texts[1]);
}

TEST(GradientSynchronizer, ClipsTheNormOfTheWholeDirection) {
  run_on_threads(2, [](Communicator& comm) {
    at::set_num_threads(1);
    Net net(false);
    GradientSynchronizer sync(net->parameters(), "dense", comm,
                              named(net, Options{.clip_norm = 1e-3}));
    net->loss(batch(comm.rank(), 0, net), true).backward();
    sync.synchronize();
    double squares = 0;
    for (const at::Tensor& p : net->parameters()) {
      squares += p.grad().to(at::kDouble).square().sum().item<double>();
    }
    EXPECT_NEAR(std::sqrt(squares), 1e-3, 1e-8);
  });
}

TEST(GradientSynchronizer, TouchesOnlyWhatItIsGiven) {
  run_on_threads(2, [](Communicator& comm) {
    at::set_num_threads(1);
    Net net(false);
    net->rare->bias.set_requires_grad(false);
    const std::vector<at::Tensor> given = {net->hidden->weight, net->rare->bias};
    std::ostringstream plan;
    GradientSynchronizer sync(given, "dense", comm, {.plan_to = &plan});
    EXPECT_EQ(plan.str(), comm.rank() == 0 ? sync.plan() : "");
    EXPECT_NE(sync.plan().find("1 tensors do not require gradients"), std::string::npos);
    net->loss(batch(comm.rank(), 0, net), true).backward();
    Net alone(false);
    alone->loss(batch(comm.rank(), 0, alone), true).backward();
    sync.synchronize();
    EXPECT_TRUE(at::equal(net->out->weight.grad(), alone->out->weight.grad()));
    EXPECT_FALSE(at::equal(net->hidden->weight.grad(), alone->hidden->weight.grad()));
    EXPECT_FALSE(net->rare->bias.grad().defined());
  });
}

TEST(GradientSynchronizer, IsDeafAfterItsEnd) {
  const auto comm = make_self_communicator();
  Net net(false);
  { GradientSynchronizer sync(net->parameters(), "dense", *comm, named(net, {})); }
  net->loss(batch(0, 0, net), true).backward();
  net->loss(batch(0, 0, net), true).backward();
  EXPECT_TRUE(net->out->weight.grad().defined());
}

TEST(GradientSynchronizer, ExemptsVectorsAndSaysSo) {
  const auto comm = make_self_communicator();
  Net net(false);
  GradientSynchronizer sync(net->parameters(), "vote", *comm, named(net, {}));
  EXPECT_NE(sync.plan().find("'out.bias': dense (one column: exempt)"), std::string::npos)
      << sync.plan();
  net->loss(batch(0, 0, net), true).backward();
  sync.synchronize();
  EXPECT_TRUE(net->conv->weight.grad().abs().eq(1).all().item<bool>());
  EXPECT_FALSE(net->conv->bias.grad().abs().eq(1).all().item<bool>());
}

TEST(GradientSynchronizer, RefusesWhatItCannotExchange) {
  const auto comm = make_self_communicator();
  const auto refusal = [&](std::vector<at::Tensor> tensors, const Options& options) {
    try {
      const GradientSynchronizer sync(std::move(tensors), "dense", *comm, options);
    } catch (const ConfigError& e) {
      return std::string(e.what());
    }
    return std::string("accepted");
  };
  Net net(false);
  const at::Tensor w = net->hidden->weight;
  EXPECT_NE(refusal({w, w}, {}).find("'parameter 0' and 'parameter 1' are the same tensor"),
            std::string::npos);
  EXPECT_NE(refusal({w * 2}, {}).find("is computed from other tensors"), std::string::npos);
  EXPECT_NE(refusal({at::Tensor()}, {}).find("undefined"), std::string::npos);
  EXPECT_NE(refusal({w}, {.names = {"a", "b"}}).find("2 names for 1 parameters"),
            std::string::npos);
  EXPECT_NE(refusal({}, {}).find("no tensor"), std::string::npos);
  const at::Tensor wide = at::zeros({3, 3}, at::kDouble).set_requires_grad(true);
  EXPECT_NE(refusal({w, wide}, {}).find("'parameter 1' is of type Double"), std::string::npos);
}

// Rank 0 has two batches, rank 1 has three: both end with the same model.
TEST(GradientSynchronizer, ARankWithoutBatchesJoins) {
  for (const bool hooks : {true, false}) {
    std::vector<std::vector<at::Tensor>> models(2);
    run_on_threads(2, [&](Communicator& comm) {
      at::set_num_threads(1);
      Net net(false);
      GradientSynchronizer sync(net->parameters(), "vote", comm,
                                named(net, Options{.hooks = hooks}));
      ::torch::optim::SGD optimizer(net->parameters(), ::torch::optim::SGDOptions(0.1));
      std::uint32_t steps = 0;
      for (; steps < 2 + comm.rank(); ++steps) {
        step(sync, net, optimizer, {}, comm.rank(), steps);
      }
      while (sync.join()) {
        optimizer.step();
        ++steps;
      }
      EXPECT_EQ(steps, 3U);
      models[comm.rank()] = copies(net->parameters());
    });
    expect_equal(models[0], models[1]);
  }
}

TEST(GradientSynchronizer, GoesOnFromASavedStateBitForBit) {
  const std::string path = testing::TempDir() + "laconic_torch_state";
  for (const char* spec : {"vote:beta=0.9", "ef:sign", "mirror:ef21:topk:k=0.1", "lowrank"}) {
    for (const std::uint32_t ranks : {1U, 2U, 4U}) {
      run_on_threads(ranks, [&](Communicator& comm) {
        at::set_num_threads(1);
        Net whole(false);
        Net parts(false);
        const std::string own = path + std::to_string(ranks);
        {
          GradientSynchronizer sync(whole->parameters(), spec, comm, named(whole, {}));
          plain_steps(sync, whole, comm.rank(), 0, 3);
          sync.save_file(own);
          {
            ::torch::NoGradGuard no_grad;
            const auto from = whole->parameters();
            for (std::size_t i = 0; i < from.size(); ++i) parts->parameters()[i].copy_(from[i]);
          }
          plain_steps(sync, whole, comm.rank(), 3, 6);
        }
        GradientSynchronizer sync(parts->parameters(), spec, comm, named(parts, {}));
        sync.load_file(own);
        plain_steps(sync, parts, comm.rank(), 3, 6);
        expect_equal(copies(parts->parameters()), copies(whole->parameters()));
        std::remove((own + ".rank" + std::to_string(comm.rank())).c_str());
      });
    }
  }
}

TEST(GradientSynchronizer, RefusesTheStateOfAnotherModelNamingItsTensor) {
  const std::string path = testing::TempDir() + "laconic_torch_other_state";
  const auto comm = make_self_communicator();
  Net net(false);
  GradientSynchronizer(net->parameters(), "vote", *comm, named(net, {})).save_file(path);
  std::vector<at::Tensor> parameters = net->parameters();
  parameters[4] = at::zeros({7, 10}).set_requires_grad(true);
  GradientSynchronizer sync(parameters, "vote", *comm, named(net, {}));
  try {
    sync.load_file(path);
    FAIL() << "accepted";
  } catch (const ConfigError& e) {
    EXPECT_NE(std::string(e.what()).find(
                  "tensor 4 was 'rare.weight', 10 x 10, here it is 'rare.weight', 7 x 10"),
              std::string::npos)
        << e.what();
  }
  std::remove((path + ".rank0").c_str());
}

TEST(GradientSynchronizer, StartsFromTheModelOfRankZero) {
  run_on_threads(3, [](Communicator& comm) {
    Net net(false);
    const std::vector<at::Tensor> first = copies(net->parameters());
    {
      ::torch::NoGradGuard no_grad;
      for (at::Tensor& p : net->parameters()) p.add_(0.5 * comm.rank());
    }
    GradientSynchronizer sync(net->parameters(), "dense", comm);
    sync.start_alike();
    expect_equal(copies(net->parameters()), first);
    EXPECT_TRUE(net->hidden->weight.requires_grad());
  });
}

TEST(GradientSynchronizer, RanksThatDifferAllSayInWhat) {
  std::mutex mutex;
  std::vector<std::string> texts;
  EXPECT_THROW(run_on_threads(3,
                              [&](Communicator& comm) {
                                Net net(false);
                                std::vector<at::Tensor> parameters = net->parameters();
                                if (comm.rank() == 2) parameters.pop_back();
                                try {
                                  const GradientSynchronizer sync(parameters, "dense", comm);
                                } catch (const ConfigError& e) {
                                  const std::scoped_lock lock(mutex);
                                  texts.emplace_back(e.what());
                                  throw;
                                }
                              }),
               ConfigError);
  ASSERT_EQ(texts.size(), 3U);
  for (const std::string& text : texts) {
    EXPECT_NE(text.find("rank 2 has number of tensors 7, rank 0 has number of tensors 8"),
              std::string::npos)
        << text;
  }
}

}  // namespace
}  // namespace laconic::torch
