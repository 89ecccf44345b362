// SPDX-License-Identifier: Apache-2.0
// Slopes and values of the logistic loss: exact::sigmoid and exact::softplus with their operations
// in their order, lane by lane. Their branches become choices between results; both arguments of
// exp are -|x| here, so that it neither overflows nor needs more than one way of scaling.
#include <cstddef>
#include <cstdint>

#include "laconic/base/assert.hpp"
#include "laconic/base/exact_math.hpp"
#include "laconic/kernels/simd_tables.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "laconic/kernels/simd_logistic.cpp"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
#include "laconic/kernels/simd-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace laconic::kernels::HWY_NAMESPACE {
namespace {

constexpr double kLn2High = 0x1.62e42feep-1;
constexpr double kLn2Low = 0x1.a39ef35793c76p-33;
constexpr double kInverseLn2 = 0x1.71547652b82fep0;

template <std::size_t kCount>
HWY_INLINE Wide horner(const double (&coefficients)[kCount], Wide r) {
  const WideTag d;
  Wide p = hn::Set(d, coefficients[0]);
  for (std::size_t k = 1; k < kCount; ++k) {
    p = hn::Add(hn::Mul(p, r), hn::Set(d, coefficients[k]));
  }
  return p;
}

// exact::exp(v) for v <= 0 or NaN.
HWY_INLINE Wide exp_of_negative(Wide v) {
  static constexpr double kTaylor[] = {1.0 / 6227020800.0, 1.0 / 479001600.0, 1.0 / 39916800.0,
                                       1.0 / 3628800.0,    1.0 / 362880.0,    1.0 / 40320.0,
                                       1.0 / 5040.0,       1.0 / 720.0,       1.0 / 120.0,
                                       1.0 / 24.0,         1.0 / 6.0,         0.5};
  const WideTag d;
  const hn::Rebind<std::uint64_t, WideTag> bits;
  const auto vanishes = hn::Lt(v, hn::Set(d, -745.2));
  v = hn::IfThenElse(vanishes, hn::Set(d, -745.0), v);
  const Wide n = hn::Floor(hn::Add(hn::Mul(v, hn::Set(d, kInverseLn2)), hn::Set(d, 0.5)));
  const Wide r =
      hn::Sub(hn::Sub(v, hn::Mul(n, hn::Set(d, kLn2High))), hn::Mul(n, hn::Set(d, kLn2Low)));
  const Wide p = horner(kTaylor, r);
  const Wide y = hn::Add(hn::Set(d, 1.0), hn::Add(r, hn::Mul(hn::Mul(r, r), p)));
  // 2^(n + 60): the integer n + 60 + 1023 (8 to 1083) stands in the low bits of a double of this
  // size. The last product alone can be denormal and round, as in exact::exp.
  const Wide biased = hn::Add(n, hn::Set(d, 0x1.8p52 + 1083.0));
  const Wide power = hn::BitCast(d, hn::ShiftLeft<52>(hn::BitCast(bits, biased)));
  const Wide scaled = hn::Mul(hn::Mul(y, power), hn::Set(d, 0x1p-60));
  return hn::IfThenElse(vanishes, hn::Zero(d), scaled);
}

HWY_INLINE Wide exp_of_minus_magnitude(Wide x) {
  return exp_of_negative(hn::Or(x, hn::Set(WideTag(), -0.0)));
}

HWY_INLINE Wide sigmoid(Wide x) {
  const WideTag d;
  const Wide one = hn::Set(d, 1.0);
  const Wide e = exp_of_minus_magnitude(x);
  return hn::Div(hn::IfThenElse(hn::Ge(x, hn::Zero(d)), one, e), hn::Add(one, e));
}

// exact::log1p(e) for e in [0, 1] or NaN.
HWY_INLINE Wide log1p_of_fraction(Wide e) {
  static constexpr double kArtanh[] = {1.0 / 23.0, 1.0 / 21.0, 1.0 / 19.0, 1.0 / 17.0,
                                       1.0 / 15.0, 1.0 / 13.0, 1.0 / 11.0, 1.0 / 9.0,
                                       1.0 / 7.0,  1.0 / 5.0,  1.0 / 3.0};
  const WideTag d;
  const Wide one = hn::Set(d, 1.0);
  const Wide u = hn::Add(one, e);
  const auto halved = hn::Gt(u, hn::Set(d, 1.4142135623730951));
  const Wide m = hn::IfThenElse(halved, hn::Mul(u, hn::Set(d, 0.5)), u);
  const Wide n = hn::IfThenElse(halved, one, hn::Zero(d));
  const Wide f = hn::Sub(m, one);
  const Wide s = hn::Div(f, hn::Add(hn::Set(d, 2.0), f));
  const Wide z = hn::Mul(s, s);
  const Wide p = horner(kArtanh, z);
  const Wide twice = hn::Mul(hn::Set(d, 2.0), s);
  const Wide tail = hn::Mul(twice, hn::Mul(z, p));
  const Wide low = hn::Add(tail, hn::Mul(n, hn::Set(d, kLn2Low)));
  const Wide log = hn::Add(hn::Mul(n, hn::Set(d, kLn2High)), hn::Add(twice, low));
  const Wide repair = hn::Div(hn::Sub(hn::Sub(u, one), e), u);
  return hn::IfThenElse(hn::Eq(u, one), e, hn::Sub(log, repair));
}

HWY_INLINE Wide softplus(Wide x) {
  const Wide log = log1p_of_fraction(exp_of_minus_magnitude(x));
  return hn::IfThenElse(hn::Gt(x, hn::Zero(WideTag())), hn::Add(x, log), log);
}

void slopes(const double* signs, double* x, std::size_t size) {
  const WideTag d;
  std::size_t i = 0;
  for (; i + kWideLanes <= size; i += kWideLanes) {
    const Wide minus = hn::Neg(hn::LoadU(d, signs + i));
    hn::StoreU(hn::Mul(minus, sigmoid(hn::Mul(minus, hn::LoadU(d, x + i)))), d, x + i);
  }
  for (; i < size; ++i) x[i] = -signs[i] * exact::sigmoid(-signs[i] * x[i]);
}

void losses(const double* signs, double* x, std::size_t size) {
  const WideTag d;
  std::size_t i = 0;
  for (; i + kWideLanes <= size; i += kWideLanes) {
    const Wide minus = hn::Neg(hn::LoadU(d, signs + i));
    hn::StoreU(softplus(hn::Mul(minus, hn::LoadU(d, x + i))), d, x + i);
  }
  for (; i < size; ++i) x[i] = exact::softplus(-signs[i] * x[i]);
}

detail::LogisticTable logistic_table() { return {.slopes = slopes, .losses = losses}; }

}  // namespace
}  // namespace laconic::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace laconic::kernels {
namespace {

HWY_EXPORT(logistic_table);

}  // namespace

void logistic_slopes(std::span<const double> signs, std::span<double> x) {
  LACONIC_EXPECTS(signs.size() == x.size());
  HWY_DYNAMIC_DISPATCH(logistic_table)().slopes(signs.data(), x.data(), x.size());
}

void logistic_losses(std::span<const double> signs, std::span<double> x) {
  LACONIC_EXPECTS(signs.size() == x.size());
  HWY_DYNAMIC_DISPATCH(logistic_table)().losses(signs.data(), x.data(), x.size());
}

}  // namespace laconic::kernels
#endif  // HWY_ONCE
