// SPDX-License-Identifier: Apache-2.0
#include "laconic/experiment/step_plan.hpp"

#include <fmt/format.h>

#include <limits>
#include <utility>

#include "laconic/base/card.hpp"

namespace laconic::experiment {
namespace {

// What does not depend on the bandwidth.
double fixed_seconds(const StepLoad& load, const StepConditions& conditions) {
  return load.codec_seconds * conditions.codec_slowdown +
         (load.latency_steps + load.calls) * conditions.network.latency_seconds;
}

double link_bits(const StepLoad& load, const StepConditions& conditions) {
  return load.link_bytes * 8 * conditions.bytes_per_byte;
}

constexpr std::int64_t kMostTensors = 100'000;
constexpr double kMostNumbers = 4294967295.0;  // of a Layout

Failure bad_tensor(std::string_view text) {
  return Failure{fmt::format(
      "tensor '{}' is not a shape; write 784x1024 (a matrix), 1024 (a bias), NAME=SHAPE, "
      "or COUNT*SHAPE for several",
      text.substr(0, 60))};
}

// The part of `text` before the separator, which is taken away with it; nothing without one.
std::optional<std::string_view> before(std::string_view& text, char separator) {
  const std::size_t at = text.find(separator);
  if (at == std::string_view::npos) return std::nullopt;
  const std::string_view out = text.substr(0, at);
  text.remove_prefix(at + 1);
  return out;
}

struct Shapes {
  std::string name = {};  // empty: to be numbered
  std::int64_t count = 1;
  Shape shape = {};
};

Result<Shapes> parse_shapes(std::string_view text) {
  const std::string_view whole = text;
  Shapes out;
  if (const auto name = before(text, '=')) {
    if (name->empty()) return bad_tensor(whole);
    out.name = *name;
  }
  if (const auto count = before(text, '*')) {
    const auto number = parse_integer(*count);
    if (!number || *number < 1 || *number > kMostTensors || !out.name.empty())
      return bad_tensor(whole);
    out.count = *number;
  }
  std::int64_t cols = 1;
  for (bool first = true, last = false; !last; first = false) {
    auto part = before(text, 'x');
    last = !part;
    const auto number = parse_integer(last ? text : *part);
    constexpr std::int64_t kMost = std::numeric_limits<std::uint32_t>::max();
    if (!number || *number < 1 || *number > kMost) return bad_tensor(whole);
    if (first) {
      out.shape.rows = static_cast<std::uint32_t>(*number);
    } else {
      if (cols > kMost / *number) return bad_tensor(whole);
      cols *= *number;
    }
  }
  out.shape.cols = static_cast<std::uint32_t>(cols);
  return out;
}

}  // namespace

StepSeconds predict_step(const StepLoad& load, const StepConditions& conditions) {
  return {.gradient = conditions.gradient_seconds,
          .codec = load.codec_seconds * conditions.codec_slowdown,
          .network = (load.latency_steps + load.calls) * conditions.network.latency_seconds +
                     link_bits(load, conditions) / conditions.network.bandwidth_bits_per_second};
}

BreakEven break_even(const StepLoad& load, const StepLoad& other,
                     const StepConditions& conditions) {
  // The step is shorter by saved_seconds + saved_bits / bandwidth.
  const double saved_seconds = fixed_seconds(other, conditions) - fixed_seconds(load, conditions);
  const double saved_bits = link_bits(other, conditions) - link_bits(load, conditions);
  using Kind = BreakEven::Kind;
  if (saved_seconds <= 0 && saved_bits <= 0) return {.kind = Kind::kNever};
  if (saved_seconds >= 0 && saved_bits >= 0) return {.kind = Kind::kAlways};
  return {.kind = saved_bits > 0 ? Kind::kBelow : Kind::kAbove,
          .bits_per_second = -saved_bits / saved_seconds};
}

Result<std::vector<Tensor>> parse_tensors(std::string_view text) {
  std::vector<Tensor> out;
  double numbers = 0;
  for (bool last = false; !last;) {
    const auto part = before(text, ',');
    last = !part;
    const auto shapes = parse_shapes(last ? text : *part);
    if (!shapes) return Failure{shapes.error()};
    numbers += static_cast<double>(shapes->count) * static_cast<double>(shapes->shape.size());
    if (numbers > kMostNumbers ||
        static_cast<std::int64_t>(out.size()) + shapes->count > kMostTensors) {
      return Failure{fmt::format("the tensors are more than {} or have more than {:.0f} numbers",
                                 kMostTensors, kMostNumbers)};
    }
    for (std::int64_t i = 0; i < shapes->count; ++i) {
      out.push_back({.name = shapes->name.empty() ? fmt::format("t{}", out.size()) : shapes->name,
                     .shape = shapes->shape,
                     .role = shapes->shape.cols == 1 ? Role::kBias : Role::kWeight});
    }
  }
  return out;
}

}  // namespace laconic::experiment
