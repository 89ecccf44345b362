// SPDX-License-Identifier: Apache-2.0
// What every mechanism's file defines: its card, its constructor, and the problems that its card
// cannot express. Made from methods.def.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "laconic/mechanism/mechanism.hpp"

namespace laconic::mechanism {

#define LACONIC_MECHANISM(name)                                                             \
  const Card& name##_card();                                                                \
  template <Real T>                                                                         \
  std::unique_ptr<Mechanism<T>> make_##name(const Args& args, const MechanismSetup& setup); \
  std::vector<std::string> name##_problems(const Args& args, std::uint32_t workers);
#include "laconic/mechanism/methods.def"
#undef LACONIC_MECHANISM

}  // namespace laconic::mechanism
