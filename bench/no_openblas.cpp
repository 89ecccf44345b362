// SPDX-License-Identifier: Apache-2.0
#include "bench/blas.hpp"
#include "laconic/base/assert.hpp"

namespace laconic::bench {

void start_openblas(char** /*arguments*/) {}
std::string openblas_name() { return {}; }
void openblas_nn(kernels::SkinnyShape, std::span<const float>, std::span<const float>,
                 std::span<float>) {
  LACONIC_EXPECTS(!openblas_name().empty());
}
void openblas_tn(kernels::SkinnyShape, std::span<const float>, std::span<const float>,
                 std::span<float>) {
  LACONIC_EXPECTS(!openblas_name().empty());
}

}  // namespace laconic::bench
