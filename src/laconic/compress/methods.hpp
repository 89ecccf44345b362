// SPDX-License-Identifier: Apache-2.0
// What every compressor's file defines: its card and its constructor. Made from methods.def.
#pragma once

#include <memory>

#include "laconic/compress/compressor.hpp"

namespace laconic::compress {

#define LACONIC_COMPRESSOR(name) \
  const Card& name##_card();     \
  template <Real T>              \
  std::unique_ptr<Compressor<T>> make_##name(const Args& args, const CompressorSetup& setup);
#include "laconic/compress/methods.def"
#undef LACONIC_COMPRESSOR

}  // namespace laconic::compress
