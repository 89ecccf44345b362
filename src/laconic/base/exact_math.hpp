// SPDX-License-Identifier: Apache-2.0
// Elementary functions whose bits do not depend on the C library or the CPU. A C library may choose
// another code path per CPU (with fused multiply-add or without), which changes the last bit; these
// are made of IEEE additions, multiplications, divisions and square roots alone, in a fixed order.
// The errors stated are measured by tests/unit/base/exact_math_test.cpp against long double.
#pragma once

#include <utility>

namespace laconic::exact {

// e^x. Relative error below 4e-16; 0 below -745.2, infinity above 709.78; NaN for NaN.
[[nodiscard]] double exp(double x);
// Natural logarithm of a positive normal number. Relative error below 6e-16. log(0) = -infinity,
// NaN for negative numbers and NaN.
[[nodiscard]] double log(double x);
// log(1 + x) for x > -1. Relative error below 8e-16. -infinity for -1, NaN below.
[[nodiscard]] double log1p(double x);
// {sin(2 pi u), cos(2 pi u)} for u in [0, 1). Absolute error below 4e-16.
[[nodiscard]] std::pair<double, double> sincos_2pi(double u);
// 1 / (1 + e^-x). Relative error below 1e-15.
[[nodiscard]] double sigmoid(double x);
// log(1 + e^x), the logistic loss of the margin -x. Relative error below 1e-15.
[[nodiscard]] double softplus(double x);
// Hyperbolic tangent. Absolute error below 4e-16.
[[nodiscard]] double tanh(double x);
// Standard normal distribution function. Absolute error below 1e-15.
[[nodiscard]] double normal_cdf(double x);

}  // namespace laconic::exact
