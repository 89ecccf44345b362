// SPDX-License-Identifier: Apache-2.0
// What every compressor's file defines: its card, its constructor and the problems that its card
// cannot express (none for most). Made from methods.def.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "laconic/compress/compressor.hpp"

namespace laconic::compress {

#define LACONIC_COMPRESSOR(name)                                                              \
  const Card& name##_card();                                                                  \
  template <Real T>                                                                           \
  std::unique_ptr<Compressor<T>> make_##name(const Args& args, const CompressorSetup& setup); \
  std::vector<std::string> name##_problems(const Args& args, std::uint32_t workers);
#include "laconic/compress/methods.def"
#undef LACONIC_COMPRESSOR

}  // namespace laconic::compress
