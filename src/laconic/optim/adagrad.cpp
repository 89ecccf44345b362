// SPDX-License-Identifier: Apache-2.0
#include "laconic/optim/adagrad.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "laconic/base/assert.hpp"
#include "laconic/kernels/kernels.hpp"

namespace laconic {
namespace {

std::vector<std::uint8_t> exempt_of(const AdagradOptions& options, const Layout& layout) {
  std::vector<std::uint8_t> out;
  for (const Tensor& tensor : layout.tensors()) {
    if (options.l1 == 0 || options.biases || tensor.role != Role::kBias) continue;
    out.resize(layout.size());
    std::fill_n(out.begin() + static_cast<std::ptrdiff_t>(tensor.offset), tensor.shape.size(),
                std::uint8_t{1});
  }
  return out;
}

// Not 0 unless the number is: what is above the threshold does not become 0 by rounding. A step
// size of 0 may leave -0, which becomes +0.
template <Real T>
T rounded(double value) {
  const T out = static_cast<T>(value);
  if (out != 0) return out;
  if (value == 0) return 0;
  return static_cast<T>(std::copysign(std::numeric_limits<T>::denorm_min(), value));
}

// sign(w) (|w| - reach)/h; +0 if |w| <= reach.
double soft(double w, double reach, double h) {
  if (std::fabs(w) <= reach) return 0;
  return std::copysign((std::fabs(w) - reach) / h, w);
}

}  // namespace

template <Real T>
MirrorDescent<T>::MirrorDescent(const AdagradOptions& options, const Layout& layout)
    : delta_(options.delta),
      l1_(options.l1),
      exempt_(exempt_of(options, layout)),
      x_(layout.size(), 0.0),
      touched_(layout.size(), 0.0),
      squares_(layout.size(), 0.0) {
  LACONIC_EXPECTS(delta_ >= 0 && l1_ >= 0);
}

template <Real T>
double MirrorDescent<T>::lambda(std::size_t i) const {
  return exempt_.empty() || exempt_[i] == 0 ? l1_ : 0;
}

// x_i after all rounds up to where travelled_ was `until`.
template <Real T>
double MirrorDescent<T>::value(std::size_t i, double until) const {
  const double reach = (until - touched_[i]) * lambda(i);
  const double h = delta_ + std::sqrt(squares_[i]);
  if (reach == 0 || h == 0) return x_[i];
  return soft(x_[i] * h, reach, h);
}

// The round that takes travelled_ to where it is now.
template <Real T>
void MirrorDescent<T>::touch(std::size_t i, double q, double r, double step_size) {
  const double x = value(i, travelled_ - step_size);
  squares_[i] += r * r;
  const double h = delta_ + std::sqrt(squares_[i]);
  touched_[i] = travelled_;
  if (h == 0) {  // r so small that its square vanishes
    x_[i] = x;
  } else if (x == 0) {
    x_[i] = std::fabs(q) <= lambda(i) ? 0 : soft(-q, lambda(i), h / step_size);
  } else {
    x_[i] = soft(h * x - step_size * q, step_size * lambda(i), h);
  }
}

template <Real T>
void MirrorDescent<T>::step(std::span<T> x, std::span<const T> q, std::span<const T> r,
                            double step_size) {
  LACONIC_EXPECTS(x.size() == x_.size() && q.size() == x.size() && r.size() == x.size());
  const double before = travelled_;
  travelled_ += step_size;
  for (std::size_t i = 0; i < x.size(); ++i) {
    if (!started_ || x[i] != rounded<T>(value(i, before))) {
      x_[i] = static_cast<double>(x[i]);
      touched_[i] = before;
    }
    if (q[i] != 0 || r[i] != 0) {
      touch(i, static_cast<double>(q[i]), static_cast<double>(r[i]), step_size);
    }
    x[i] = rounded<T>(value(i, travelled_));
  }
  started_ = true;
}

template <Real T>
std::span<const std::uint32_t> MirrorDescent<T>::step_sparse(std::span<T> x, const SparseView<T>& q,
                                                             double step_size) {
  LACONIC_EXPECTS(x.size() == x_.size() && q.dim == x.size());
  if (!started_) {
    std::copy(x.begin(), x.end(), x_.begin());
    active_.start(x.size(), [&](std::size_t i) { return x[i] != 0; });
  }
  started_ = true;
  travelled_ += step_size;
  return active_.update(q, [&](std::uint32_t i, T direction) {
    const auto own = static_cast<double>(direction);
    if (direction != 0) touch(i, own, own, step_size);
    x[i] = rounded<T>(value(i, travelled_));
    return x[i] != 0;
  });
}

template <Real T>
void MirrorDescent<T>::shrink(std::span<T> x, T factor) {
  LACONIC_EXPECTS(x.size() == x_.size());
  for (std::size_t i = 0; i < x.size(); ++i) {
    const bool own = started_ && x[i] == rounded<T>(value(i, travelled_));
    x_[i] = (own ? value(i, travelled_) : static_cast<double>(x[i])) * static_cast<double>(factor);
    touched_[i] = travelled_;
    x[i] = rounded<T>(x_[i]);
  }
  started_ = true;
}

template <Real T>
void MirrorDescent<T>::state(wire::StateArchive& archive) {
  archive.number("started", started_);
  archive.number("travelled", travelled_);
  archive.numbers("x", std::span(x_));
  archive.numbers("touched", std::span(touched_));
  archive.numbers("squares", std::span(squares_));
  active_.state(archive, x_.size());
}
template class MirrorDescent<float>;
template class MirrorDescent<double>;

template <Real T>
DualAveraging<T>::DualAveraging(const AdagradOptions& options, bool around_zero,
                                const Layout& layout)
    : delta_(options.delta),
      l1_(options.l1),
      around_zero_(around_zero),
      exempt_(exempt_of(options, layout)),
      centre_(layout.size(), 0.0),
      sums_(layout.size(), 0.0),
      squares_(layout.size(), 0.0) {
  LACONIC_EXPECTS(delta_ >= 0 && l1_ >= 0);
}

template <Real T>
void DualAveraging<T>::start(std::span<const T> x) {
  LACONIC_EXPECTS(x.size() == centre_.size());
  if (!started_ && !around_zero_) std::copy(x.begin(), x.end(), centre_.begin());
  started_ = true;
}

template <Real T>
void DualAveraging<T>::shrink(std::span<const T> x, T factor) {
  start(x);
  for (double& centre : centre_) centre *= static_cast<double>(factor);
}

template <Real T>
double DualAveraging<T>::lambda(std::size_t i) const {
  return exempt_.empty() || exempt_[i] == 0 ? l1_ : 0;
}

template <Real T>
T DualAveraging<T>::touch(std::size_t i, T q, T r, double step_size) {
  const auto direction = static_cast<double>(q);
  largest_ = std::max(largest_, std::fabs(direction));
  sums_[i] += direction;
  squares_[i] += static_cast<double>(r) * static_cast<double>(r);
  const double h = delta_ + std::sqrt(squares_[i]);
  const double reach = rounds_ * lambda(i);
  if (h == 0 || (sums_[i] == 0 && lambda(i) == 0)) return rounded<T>(centre_[i]);
  if (centre_[i] == 0) return rounded<T>(soft(-sums_[i], reach, h / step_size));
  return rounded<T>(soft(h * centre_[i] - step_size * sums_[i], step_size * reach, h));
}

template <Real T>
void DualAveraging<T>::step(std::span<T> x, std::span<const T> q, std::span<const T> r,
                            double step_size) {
  LACONIC_EXPECTS(q.size() == x.size() && r.size() == x.size());
  start(x);
  ++rounds_;
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = touch(i, q[i], r[i], step_size);
}

template <Real T>
std::span<const std::uint32_t> DualAveraging<T>::step_sparse(std::span<T> x, const SparseView<T>& q,
                                                             double step_size) {
  LACONIC_EXPECTS(q.dim == x.size());
  if (!started_) {
    start(x);
    active_.start(x.size(), [&](std::size_t i) { return x[i] != 0 || centre_[i] != 0; });
  }
  ++rounds_;
  return active_.update(q, [&](std::uint32_t i, T direction) {
    x[i] = touch(i, direction, direction, step_size);
    return centre_[i] != 0 || std::fabs(sums_[i]) > rounds_ * lambda(i);
  });
}

template <Real T>
void DualAveraging<T>::state(wire::StateArchive& archive) {
  archive.number("started", started_);
  archive.number("rounds", rounds_);
  archive.number("largest", largest_);
  archive.numbers("centre", std::span(centre_));
  archive.numbers("sums", std::span(sums_));
  archive.numbers("squares", std::span(squares_));
  active_.state(archive, centre_.size());
}
template class DualAveraging<float>;
template class DualAveraging<double>;

std::vector<ParamCard> with_adagrad_params(std::string_view delta, std::vector<ParamCard> own) {
  own.push_back({.key = "delta",
                 .type = ParamType::kReal,
                 .default_text = delta,
                 .help = "added to the root of the sum of squares",
                 .min = 0});
  own.push_back({.key = "l1",
                 .type = ParamType::kReal,
                 .default_text = "0",
                 .help = "weight of |x|_1, which makes the model sparse",
                 .min = 0,
                 .max = 1000000});
  own.push_back({.key = "biases",
                 .type = ParamType::kFlag,
                 .default_text = "false",
                 .help = "the l1 term acts on biases, too"});
  return own;
}

template <Real T>
std::optional<double> adagrad_penalty(const AdagradOptions& options, const Layout& layout,
                                      std::span<const T> x) {
  if (options.l1 == 0) return std::nullopt;
  double sum = 0;
  for (const Tensor& tensor : layout.tensors()) {
    if (tensor.role == Role::kBias && !options.biases) continue;
    sum += kernels::l1_norm<T>(x.subspan(tensor.offset, tensor.shape.size()));
  }
  return options.l1 * sum;
}
template std::optional<double> adagrad_penalty(const AdagradOptions&, const Layout&,
                                               std::span<const float>);
template std::optional<double> adagrad_penalty(const AdagradOptions&, const Layout&,
                                               std::span<const double>);

AdagradOptions adagrad_options(const Args& args) {
  return {.delta = args.real("delta"), .l1 = args.real("l1"), .biases = args.flag("biases")};
}

}  // namespace laconic
