// SPDX-License-Identifier: Apache-2.0
// A network (network.hpp) as a problem: f_i is the mean loss of worker i's examples plus l2/2 times
// the squared norm of the weights. Private to this folder.
#pragma once

#include <memory>

#include "laconic/problem/problem.hpp"
#include "laconic/problem/torch/network.hpp"

namespace laconic::problem {

template <Real T>
[[nodiscard]] std::unique_ptr<Problem<T>> make_network_problem(std::unique_ptr<Network> network,
                                                               const Args& args,
                                                               const ProblemSetup& setup);

}  // namespace laconic::problem
