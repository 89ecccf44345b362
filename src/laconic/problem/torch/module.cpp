// SPDX-License-Identifier: Apache-2.0
// What liblaconic_torch.so exports (torch_module.hpp).
#include <fmt/format.h>

#include <array>
#include <string_view>

#include "laconic/base/error.hpp"
#include "laconic/problem/torch/network.hpp"
#include "laconic/problem/torch/network_problem.hpp"
#include "laconic/problem/torch_module.hpp"

namespace laconic::problem {
namespace {

struct Maker {
  std::string_view name;
  std::unique_ptr<Network> (*make)(const Args&, const data::Dataset&);
};

constexpr std::array kMakers = {Maker{"lenet", &make_lenet}, Maker{"resnet", &make_resnet},
                                Maker{"lstm", &make_lstm}, Maker{"gpt", &make_gpt},
                                Maker{"autoregressive-mlp", &make_autoregressive_mlp}};

std::unique_ptr<Network> network(const Args& args, const ProblemSetup& setup) {
  at::globalContext().setDeterministicAlgorithms(true, /*warn_only=*/false);
  LACONIC_EXPECTS(setup.dataset != nullptr);
  for (const Maker& maker : kMakers) {
    if (maker.name == args.spec().name) return maker.make(args, *setup.dataset);
  }
  throw ConfigError(fmt::format("{}: not a network of this module", args.spec().name));
}

template <Real T>
std::unique_ptr<Problem<T>> make(const Args& args, const ProblemSetup& setup) {
  return make_network_problem<T>(network(args, setup), args, setup);
}

}  // namespace
}  // namespace laconic::problem

extern "C" const laconic::problem::TorchModule* laconic_torch_module();
extern "C" const laconic::problem::TorchModule* laconic_torch_module() {
  static const laconic::problem::TorchModule module = {
      .version = LACONIC_VERSION,
      .make_float = &laconic::problem::make<float>,
      .make_double = &laconic::problem::make<double>};
  return &module;
}
