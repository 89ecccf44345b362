// SPDX-License-Identifier: Apache-2.0
#include "bench/bandwidth.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "bench/bandwidth.cpp"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace laconic::bench::HWY_NAMESPACE {
namespace {
namespace hn = hwy::HWY_NAMESPACE;

constexpr std::size_t kUnroll = 4;

std::uint64_t read_words(const std::uint64_t* words, std::size_t size) {
  const hn::ScalableTag<std::uint64_t> d;
  constexpr std::size_t kLanes = hn::MaxLanes(hn::ScalableTag<std::uint64_t>());
  auto sum0 = hn::Zero(d);
  auto sum1 = hn::Zero(d);
  auto sum2 = hn::Zero(d);
  auto sum3 = hn::Zero(d);
  std::size_t i = 0;
  for (; i + kUnroll * kLanes <= size; i += kUnroll * kLanes) {
    sum0 = hn::Add(sum0, hn::LoadU(d, words + i));
    sum1 = hn::Add(sum1, hn::LoadU(d, words + i + kLanes));
    sum2 = hn::Add(sum2, hn::LoadU(d, words + i + 2 * kLanes));
    sum3 = hn::Add(sum3, hn::LoadU(d, words + i + 3 * kLanes));
  }
  HWY_ALIGN std::uint64_t lanes[kLanes];
  hn::Store(hn::Add(hn::Add(sum0, sum1), hn::Add(sum2, sum3)), d, lanes);
  std::uint64_t sum = 0;
  for (std::size_t k = 0; k < kLanes; ++k) sum += lanes[k];
  for (; i < size; ++i) sum += words[i];
  return sum;
}

void update_words(const std::uint64_t* x, std::uint64_t* y, std::size_t size) {
  const hn::ScalableTag<std::uint64_t> d;
  constexpr std::size_t kLanes = hn::MaxLanes(hn::ScalableTag<std::uint64_t>());
  std::size_t i = 0;
  for (; i + kLanes <= size; i += kLanes) {
    hn::StoreU(hn::Add(hn::LoadU(d, x + i), hn::LoadU(d, y + i)), d, y + i);
  }
  for (; i < size; ++i) y[i] += x[i];
}

}  // namespace
}  // namespace laconic::bench::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace laconic::bench {
namespace {
HWY_EXPORT(read_words);
HWY_EXPORT(update_words);
}  // namespace

std::uint64_t plain_read(std::span<const std::uint64_t> words) {
  return HWY_DYNAMIC_DISPATCH(read_words)(words.data(), words.size());
}

void plain_update(std::span<const std::uint64_t> x, std::span<std::uint64_t> y) {
  HWY_DYNAMIC_DISPATCH(update_words)(x.data(), y.data(), y.size());
}

}  // namespace laconic::bench
#endif  // HWY_ONCE
