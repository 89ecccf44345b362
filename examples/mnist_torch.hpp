// SPDX-License-Identifier: Apache-2.0
// What mnist_torch and mnist_torch_sync share: images, a perceptron, and how good it is.
#pragma once

#include <ATen/ATen.h>
#include <torch/nn/functional/loss.h>
#include <torch/nn/module.h>
#include <torch/nn/modules/linear.h>
#include <torch/nn/pimpl.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "laconic/data/catalog.hpp"
#include "laconic/data/generate.hpp"

namespace mnist {

struct Images {
  at::Tensor pixels = {};  // rows x 784
  at::Tensor classes = {};
};
struct Data {
  std::string name = {};
  Images train = {};
  Images test = {};
};

inline Images images_of(const laconic::data::Examples& all, std::size_t most) {
  const laconic::data::Examples some = laconic::data::head(all, most);
  const auto& rows = std::get<laconic::data::DenseRows>(some.rows);
  Images out = {.pixels = at::empty({static_cast<std::int64_t>(rows.rows()), rows.features}),
                .classes = at::empty({static_cast<std::int64_t>(rows.rows())}, at::kLong)};
  std::copy(rows.values.begin(), rows.values.end(), out.pixels.data_ptr<float>());
  std::copy(some.classes.begin(), some.classes.end(), out.classes.data_ptr<std::int64_t>());
  return out;
}

// MNIST where $LACONIC_DATA or the cache of downloads has it, else generated images.
inline Data load() {
  const laconic::data::KnownDataset& known = *laconic::data::find_known("mnist");
  const auto places = laconic::data::places_from_environment();
  const bool is_here =
      std::all_of(known.files.begin(), known.files.end(), [&](const laconic::data::KnownFile& f) {
        return laconic::data::find_file(known, f, places).has_value();
      });
  const laconic::data::Dataset set = is_here ? laconic::data::load_named("mnist", places)
                                             : laconic::data::synthetic_images({.seed = 1});
  return {.name = is_here ? "MNIST" : "generated images (MNIST is not in LACONIC_DATA)",
          .train = images_of(set.train, 6000),
          .test = images_of(set.test, 1000)};
}

struct NetImpl : torch::nn::Module {
  torch::nn::Linear hidden = register_module("hidden", torch::nn::Linear(784, 128));
  torch::nn::Linear out = register_module("out", torch::nn::Linear(128, 10));
  at::Tensor forward(const at::Tensor& x) { return out(at::relu(hidden(x))); }
};
TORCH_MODULE(Net);

inline at::Tensor loss_of(Net& net, const Images& images, std::int64_t from, std::int64_t to) {
  return torch::nn::functional::cross_entropy(net(images.pixels.slice(0, from, to)),
                                              images.classes.slice(0, from, to));
}

// The share of the test images that the net gets right.
inline double accuracy(Net& net, const Images& test) {
  const at::NoGradGuard no_grad;
  return net(test.pixels).argmax(1).eq(test.classes).to(at::kDouble).mean().item<double>();
}

}  // namespace mnist
