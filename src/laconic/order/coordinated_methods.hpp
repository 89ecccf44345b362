// SPDX-License-Identifier: Apache-2.0
// What the .cpp of a coordinated order defines besides its policy. Private to the layer.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "laconic/order/example_orders.hpp"
#include "laconic/order/methods.hpp"

namespace laconic::order_methods {

#define X(name)                                                                          \
  template <Real T>                                                                      \
  std::unique_ptr<ExampleOrders<T>> coordinated_##name(const Args& args,                 \
                                                       const ExampleOrdersSetup& setup); \
  std::vector<std::string> name##_problems(const Args& args);
#include "laconic/order/coordinated.def"
#undef X

}  // namespace laconic::order_methods
