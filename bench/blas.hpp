// SPDX-License-Identifier: Apache-2.0
// OpenBLAS as a yardstick: the same products of a large matrix with factors of few columns, made by
// the library that most programs take for them. openblas.cpp where it is installed, no_openblas.cpp
// where not.
#pragma once

#include <span>
#include <string>

#include "laconic/kernels/kernels.hpp"

namespace laconic::bench {

// Call first in main. OpenBLAS gets one thread and the kernels for this CPU: version 0.3.21 takes
// newer Xeons for a Prescott unless it is told before it is loaded, so this may start the program
// anew, with OPENBLAS_CORETYPE set. Does nothing without OpenBLAS.
void start_openblas(char** arguments);
// "OpenBLAS 0.3.21, SkylakeX"; empty without OpenBLAS.
[[nodiscard]] std::string openblas_name();

// As kernels::skinny_nn and skinny_tn, in no fixed order of summation. Precondition:
// !openblas_name().empty().
void openblas_nn(kernels::SkinnyShape shape, std::span<const float> a, std::span<const float> q,
                 std::span<float> p);
void openblas_tn(kernels::SkinnyShape shape, std::span<const float> a, std::span<const float> p,
                 std::span<float> q);

}  // namespace laconic::bench
