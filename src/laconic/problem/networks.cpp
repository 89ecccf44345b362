// SPDX-License-Identifier: Apache-2.0
#include "laconic/problem/networks.hpp"

#include "laconic/problem/torch_module.hpp"

namespace laconic::problem {

ParamCard network_l2() {
  return {.key = "l2",
          .type = ParamType::kReal,
          .default_text = "0",
          .help = "adds l2/2 times the squared norm of the weights (not of biases, gains)",
          .min = 0,
          .max = 1000000};
}

ParamCard network_measure() {
  return {.key = "measure",
          .type = ParamType::kInteger,
          .default_text = "0",
          .help =
              "records measure the training loss on the first so many examples "
              "of every worker; 0: on all",
          .min = 0,
          .max = 2147483647};
}

ProblemMethod network_of(const Card& card, const NetworkTraits& traits) {
  return {.card = &card,
          .traits = {.needs_dataset = true,
                     .needs_labels = traits.takes == Takes::kImages,
                     .takes = traits.takes,
                     .unit_gradients = true,
                     .predicts = traits.predicts,
                     .metric = traits.metric},
          .make_float = &make_network<float>,
          .make_double = &make_network<double>};
}

}  // namespace laconic::problem
