// SPDX-License-Identifier: Apache-2.0
#include "laconic/compress/support.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "laconic/base/assert.hpp"
#include "laconic/kernels/kernels.hpp"

namespace laconic::compress {

std::size_t Count::of(std::size_t size) const {
  LACONIC_EXPECTS(size > 0);
  if (k_ < 1) {
    const auto rounded = std::llround(k_ * static_cast<double>(size));
    return std::max<std::size_t>(1, static_cast<std::size_t>(rounded));
  }
  return std::min(size, static_cast<std::size_t>(k_));
}

std::string Count::misfit(std::string_view method, std::size_t size, std::string_view what) const {
  if (k_ <= static_cast<double>(size)) return {};
  return fmt::format(
      "{}: k={} is more than the {} entries of {}; use a number from 1 to {} or a fraction below 1",
      method, shortest(k_), size, what, size);
}

ParamCard count_param() {
  return {.key = "k",
          .type = ParamType::kReal,
          .default_text = "0.1",
          .help = "the number of entries kept; below 1, the fraction of them (at least one entry)",
          .min = 0,
          .max = 4294967295,
          .min_open = true};
}

Count count_of(const Args& args) { return Count(args.real("k")); }

std::vector<std::string> count_problems(const Args& args) {
  const double k = args.real("k");
  if (k < 1 || k == std::floor(k)) return {};
  return {fmt::format("{}: k={} is neither a fraction below 1 nor a whole number; use k={}",
                      args.spec().name, shortest(k), shortest(std::floor(k)))};
}

ParamCard values_param() {
  return {.key = "values",
          .type = ParamType::kChoice,
          .default_text = "native",
          .help = "how numbers are sent",
          .choices = {"native", "f32"}};
}

template <Real T>
wire::ValueFormat values_format(const Args& args) {
  return args.text("values") == "f32" ? wire::ValueFormat::kF32 : wire::native_format<T>();
}
template wire::ValueFormat values_format<float>(const Args&);
template wire::ValueFormat values_format<double>(const Args&);

Traits correlated_traits(double omega) {
  Traits out = {.unbiased = true, .omega = omega, .joint = Joint{.a = omega}, .randomized = true};
  if (omega < 1) out.alpha = 1 - omega;
  return out;
}

Traits unbiased_traits(double omega, std::uint32_t workers) {
  Traits out = correlated_traits(omega);
  out.joint = Joint{.a = omega / static_cast<double>(workers)};
  return out;
}

Traits example_traits(const Spec& canonical, std::uint32_t workers) {
  return compressors<double>().make(canonical, {.workers = workers})->traits(kExampleShape);
}

namespace {

template <Real T>
T sent_as(wire::ValueFormat format, T value) {
  if (format == wire::native_format<T>()) return value;
  constexpr T kLargest = static_cast<T>(std::numeric_limits<float>::max());
  return std::clamp(value, -kLargest, kLargest);
}

template <Real T>
std::span<const T> gather(wire::ValueFormat format, std::span<const T> x,
                          std::span<const std::uint32_t> indices) {
  thread_local Scratch<T> memory;  // grows to the longest body, then stays
  const std::span<T> values = memory.take(indices.size());
  for (std::size_t j = 0; j < indices.size(); ++j) values[j] = sent_as(format, x[indices[j]]);
  return values;
}

// Whether no product overflows.
template <Real T, class Sum>
bool fits(Sum scale, std::span<const T> values) {
  return std::isfinite(scale * static_cast<Sum>(kernels::absmax<T>(values)));
}

template <Real T, class Sum>
void scatter(std::span<const std::uint32_t> indices, std::span<const T> values, Sum scale,
             std::span<Sum> y) {
  for (std::size_t j = 0; j < indices.size(); ++j) {
    y[indices[j]] += scale * static_cast<Sum>(values[j]);
  }
}

}  // namespace

template <Real T>
void write_selected(wire::ValueFormat format, std::span<const T> x,
                    std::span<const std::uint32_t> indices, std::vector<std::byte>& out) {
  wire::write_values<T>(format, gather(format, x, indices), out);
}

template <Real T, class Sum>
Status add_selected(wire::ValueFormat format, wire::WireReader& in,
                    std::span<const std::uint32_t> indices, Sum scale, std::span<Sum> y) {
  thread_local Scratch<T> memory;  // grows to the longest body, then stays
  // Before memory is asked for: so many numbers have to be there.
  if (in.remaining() < indices.size() * wire::bytes_per_value(format)) {
    in.fail(Fault::kTruncated, in.remaining(), indices.size() * wire::bytes_per_value(format));
    return in.status();
  }
  const std::span<T> values = memory.take(indices.size());
  const std::size_t start = in.position();
  wire::read_values<T>(format, in, values);
  if (in.ok() && !fits<T, Sum>(scale, values)) in.fail_at(start, Fault::kNonFinite);
  if (!in.ok()) return in.status();
  scatter<T, Sum>(indices, values, scale, y);
  return {};
}

template <Real T>
void write_sparse_selected(const wire::SparseFormat& format, std::span<const T> x,
                           std::span<const std::uint32_t> indices, std::vector<std::byte>& out) {
  wire::make_room(out, wire::max_sparse_bytes(format));
  wire::write_sparse<T>(format, indices, gather(format.values, x, indices), out);
}

template <Real T, class Sum>
Status add_sparse(const wire::SparseFormat& format, wire::WireReader& in, Sum scale,
                  std::span<Sum> y) {
  thread_local SparseVector<T> body;  // grows to the longest body, then stays
  const std::size_t start = in.position();
  wire::read_sparse<T>(format, in, body);
  if (in.ok() && body.indices.size() != format.max_count)
    in.fail_at(start, Fault::kBadDimension, body.indices.size(), format.max_count);
  if (in.ok() && !fits<T, Sum>(scale, body.values)) in.fail_at(start, Fault::kNonFinite);
  if (!in.ok()) return in.status();
  scatter<T, Sum>(body.indices, body.values, scale, y);
  return {};
}

#define LACONIC_INSTANTIATE(T)                                                           \
  template void write_selected(wire::ValueFormat, std::span<const T>,                    \
                               std::span<const std::uint32_t>, std::vector<std::byte>&); \
  template void write_sparse_selected(const wire::SparseFormat&, std::span<const T>,     \
                                      std::span<const std::uint32_t>, std::vector<std::byte>&)
LACONIC_INSTANTIATE(float);
LACONIC_INSTANTIATE(double);
#undef LACONIC_INSTANTIATE
#define LACONIC_INSTANTIATE(T, Sum)                                                          \
  template Status add_selected<T, Sum>(wire::ValueFormat, wire::WireReader&,                 \
                                       std::span<const std::uint32_t>, Sum, std::span<Sum>); \
  template Status add_sparse<T, Sum>(const wire::SparseFormat&, wire::WireReader&, Sum,      \
                                     std::span<Sum>)
LACONIC_INSTANTIATE(float, float);
LACONIC_INSTANTIATE(float, double);
LACONIC_INSTANTIATE(double, double);
#undef LACONIC_INSTANTIATE

}  // namespace laconic::compress
