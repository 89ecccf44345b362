// SPDX-License-Identifier: Apache-2.0
// What every file of a problem hands to registry.cpp. Private to this layer.
#pragma once

#include <memory>

#include "laconic/problem/problem.hpp"

namespace laconic::problem {

template <Real T>
using Make = std::unique_ptr<Problem<T>> (*)(const Args&, const ProblemSetup&);

struct ProblemMethod {
  const Card* card = nullptr;
  ProblemTraits traits = {};
  Make<float> make_float = nullptr;
  Make<double> make_double = nullptr;
};

// P is the template of the problem's class, constructible from (Args, ProblemSetup).
template <template <class> class P>
[[nodiscard]] ProblemMethod method_of(const Card& card, ProblemTraits traits) {
  return {.card = &card,
          .traits = traits,
          .make_float = [](const Args& args,
                           const ProblemSetup& setup) -> std::unique_ptr<Problem<float>> {
            return std::make_unique<P<float>>(args, setup);
          },
          .make_double = [](const Args& args,
                            const ProblemSetup& setup) -> std::unique_ptr<Problem<double>> {
            return std::make_unique<P<double>>(args, setup);
          }};
}

#define X(name) [[nodiscard]] ProblemMethod name##_method();
#include "laconic/problem/methods.def"
#undef X

}  // namespace laconic::problem
