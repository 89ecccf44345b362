// SPDX-License-Identifier: Apache-2.0
// Networks live in a module of their own, liblaconic_torch.so (folder torch), which is loaded when
// the first of them is made: libtorch takes 0.6 s and 170 MB that no other problem should pay, and
// its matrix products have to be told about the CPU and threads before they are loaded. Private to
// this layer.
#pragma once

#include <memory>

#include "laconic/problem/methods.hpp"

namespace laconic::problem {

// What the module exports, as the function named kTorchModuleSymbol.
struct TorchModule {
  const char* version = nullptr;  // of laconic; has to be the program's own
  Make<float> make_float = nullptr;
  Make<double> make_double = nullptr;
};
using TorchModuleFunction = const TorchModule* (*)();
inline constexpr const char* kTorchModuleSymbol = "laconic_torch_module";

// The network args.spec() names. Throws ConfigError when this machine has no module, saying where
// it was looked for and how to get it, or when the data do not suit the network.
template <Real T>
[[nodiscard]] std::unique_ptr<Problem<T>> make_network(const Args& args, const ProblemSetup& setup);

}  // namespace laconic::problem
